// Measures collaborative documents: node benches/documents/main.mjs fanout|log [options]. See docs/performance.md.

import { parseArgs } from "node:util";

import { fanout } from "./fanout.mjs";
import { log } from "./log.mjs";
import { pinSelf } from "./server.mjs";

const USAGE = `usage: node benches/documents/main.mjs <scenario> [options]

fanout      one writer, many readers, on each server in turn
  --readers 500     readers that only count
  --unmodified 3    unmodified providers that read as well, and must end with the same text
  --rate 20         edits a second
  --in-flight 0     instead of a rate: edits that not every reader has received yet
  --seconds 10      the measured time; 2 s of warm-up come before it
  --protocol both   or yjs, hocuspocus
  --reps 3          repetitions of the whole round
log         an editing history through a socket of Convene, and the cold open of its document
  --trace seph-blog1
  --traces ../shared/traces     the folder of the traces
  --reps 3          cold opens

CONVENE_BIN names the binary (default: target/dist/convene).`;

const { values, positionals: [scenario] } = parseArgs({
  allowPositionals: true,
  options: {
    readers: { type: "string", default: "500" },
    unmodified: { type: "string", default: "3" },
    rate: { type: "string", default: "20" },
    "in-flight": { type: "string", default: "0" },
    seconds: { type: "string", default: "10" },
    protocol: { type: "string", default: "both" },
    reps: { type: "string", default: "3" },
    trace: { type: "string", default: "seph-blog1" },
    traces: { type: "string", default: "../shared/traces" },
  },
});

const scenarios = { fanout, log };
if (!scenarios[scenario]) {
  console.error(USAGE);
  process.exit(2);
}
pinSelf();
const count = (name) => Number(values[name]);
await scenarios[scenario]({
  readers: count("readers"), unmodified: count("unmodified"), rate: count("rate"), inFlight: count("in-flight"),
  seconds: count("seconds"), reps: count("reps"), protocol: values.protocol, trace: values.trace, traces: values.traces,
});
process.exit(0);
