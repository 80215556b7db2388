// Measures collaborative documents: node benches/documents/main.mjs fanout|flood|log|many [options]. See docs/performance.md.

import { parseArgs } from "node:util";

import { fanout } from "./fanout.mjs";
import { flood } from "./flood.mjs";
import { log } from "./log.mjs";
import { many } from "./many.mjs";
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
flood       a writer and a reader in each of several documents of Convene, as fast as the updates are received
  --documents 32
  --depth 64        updates of a document that its reader has not received yet
  --updates 50000   updates that a writer has at most
  --seconds 10
log         an editing history through a socket of Convene, and the cold open of its document
  --trace seph-blog1
  --traces ../shared/traces     the folder of the traces
  --reps 3          cold opens
many        documents of Convene that are opened again after a restart, and stay open
  --known 100000
  --open 5000

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
    documents: { type: "string", default: "32" },
    depth: { type: "string", default: "64" },
    updates: { type: "string", default: "50000" },
    known: { type: "string", default: "100000" },
    open: { type: "string", default: "5000" },
    trace: { type: "string", default: "seph-blog1" },
    traces: { type: "string", default: "../shared/traces" },
  },
});

const scenarios = { fanout, flood, log, many };
if (!scenarios[scenario]) {
  console.error(USAGE);
  process.exit(2);
}
pinSelf();
const count = (name) => Number(values[name]);
await scenarios[scenario]({
  readers: count("readers"), unmodified: count("unmodified"), rate: count("rate"), inFlight: count("in-flight"),
  seconds: count("seconds"), reps: count("reps"), documents: count("documents"), depth: count("depth"),
  updates: count("updates"), known: count("known"), open: count("open"), protocol: values.protocol, trace: values.trace, traces: values.traces,
});
process.exit(0);
