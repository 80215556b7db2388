// One writer and many readers of one document, on each server in turn.

import * as Y from "yjs";

import { openProvider, openReader, until } from "./clients.mjs";
import { Server } from "./server.mjs";
import { median, table } from "./report.mjs";

// In pairs: Convene, and the server that is compared with it.
const SUBJECTS = [
  { label: "Convene /yjs", server: "convene", protocol: "yjs" },
  { label: "@y/websocket-server", server: "y-websocket", protocol: "yjs" },
  { label: "Convene /hocuspocus", server: "convene", protocol: "hocuspocus" },
  { label: "@hocuspocus/server", server: "hocuspocus", protocol: "hocuspocus" },
];
const OPENED_AT_ONCE = 50;
const BUCKET_MS = 0.1;
const BUCKETS = 200_000;
const NAME = "bench";
// The first edits warm the servers up and are not counted.
const WARM_UP_S = 2;

/** Edits of one character: the clock of the writer says which ones a frame contains. */
class Edits {
  constructor(readers) {
    this.readers = readers;
    this.madeAtMs = [];
    this.received = [];
    this.begin = 0;
    this.done = 0;
    this.buckets = new Uint32Array(BUCKETS);
  }

  /** Everything so far was the warm-up. */
  startCounting() {
    this.begin = this.madeAtMs.length;
    this.buckets.fill(0);
  }

  /** Reader `reader` has received the edits up to `to` for the first time. */
  receive(reader, from, to) {
    const now = performance.now();
    if (from > reader.clock) throw new Error(`a reader received edit ${from} after ${reader.clock}`);
    for (; reader.clock < to; reader.clock++) {
      const late = Math.floor((now - this.madeAtMs[reader.clock]) / BUCKET_MS);
      this.buckets[Math.min(Math.max(late, 0), BUCKETS - 1)]++;
      this.received[reader.clock]++;
      if (this.received[reader.clock] === this.readers) this.done++;
    }
  }

  get deliveries() {
    return this.buckets.reduce((sum, count) => sum + count, 0);
  }

  quantile(share) {
    let left = this.deliveries * share;
    const at = this.buckets.findIndex((count) => (left -= count) <= 0);
    return (at + 1) * BUCKET_MS;
  }
}

async function openReaders(server, protocol, count, edits, writer) {
  const meta = { update: null, from: 0, to: 0 };
  const readers = [];
  while (readers.length < count) {
    const batch = Array.from({ length: Math.min(OPENED_AT_ONCE, count - readers.length) }, (_, index) => {
      const state = { clock: 0 };
      const reader = openReader(server, protocol, NAME, `reader-${readers.length + index}`, (update) => {
        if (meta.update !== update) {
          const { from, to } = Y.parseUpdateMeta(update);
          Object.assign(meta, { update, from: from.get(writer.doc.clientID) ?? 0, to: to.get(writer.doc.clientID) ?? 0 });
        }
        edits.receive(state, meta.from, meta.to);
      });
      return reader;
    });
    await until("the readers", () => batch.every((reader) => reader.isSynced || reader.error));
    readers.push(...batch);
    failed(readers);
  }
  return readers;
}

function failed(readers) {
  const error = readers.find((reader) => reader.error)?.error;
  if (error) throw error;
}

function edit(writer, edits, dueMs) {
  edits.madeAtMs.push(dueMs);
  edits.received.push(0);
  writer.text.insert(writer.text.length, "x");
}

/** Evenly spaced edits. Latency counts from the time when an edit was due. */
async function steady(writer, edits, rate, seconds) {
  const begin = performance.now();
  for (let index = 0; index < rate * seconds; index++) {
    const due = begin + index * 1_000 / rate;
    while (performance.now() < due) await new Promise((next) => setTimeout(next, Math.max(0, due - performance.now())));
    edit(writer, edits, due);
  }
}

/** As many edits as possible, with `depth` of them that not every reader has received yet. */
async function saturated(writer, edits, depth, seconds) {
  const end = performance.now() + seconds * 1_000;
  while (performance.now() < end) {
    while (edits.madeAtMs.length - edits.done < depth) edit(writer, edits, performance.now());
    await new Promise((next) => setImmediate(next));
  }
}

async function run({ server: kind, protocol }, options) {
  const server = await Server.start(kind);
  const open = [];
  try {
    const writer = await openProvider(server, protocol, NAME, "writer");
    open.push(writer);
    const edits = new Edits(options.readers);
    const readers = await openReaders(server, protocol, options.readers, edits, writer);
    open.push(...readers);
    const unmodified = [];
    for (let index = 0; index < options.unmodified; index++) unmodified.push(await openProvider(server, protocol, NAME, `provider-${index}`));
    open.push(...unmodified);

    const drive = (seconds) => options.inFlight > 0
      ? saturated(writer, edits, options.inFlight, seconds) : steady(writer, edits, options.rate, seconds);
    const all = () => until("every edit at every reader", () => { failed(readers); return edits.done === edits.madeAtMs.length; });
    await drive(WARM_UP_S);
    await all();
    edits.startCounting();
    const [serverBefore, clientBefore, begin] = [server.cpuUs, process.cpuUsage(), performance.now()];
    await drive(options.seconds);
    await all();
    const elapsedUs = (performance.now() - begin) * 1_000;
    const client = process.cpuUsage(clientBefore);
    const cpuUs = server.cpuUs - serverBefore;
    const count = edits.madeAtMs.length - edits.begin;
    if (edits.deliveries !== count * options.readers) throw new Error(`${edits.deliveries} deliveries of ${count * options.readers}`);
    await until("the same text in the providers", () => unmodified.every(({ text }) => text.length === writer.text.length));
    return {
      perDelivery: cpuUs / (count * (options.readers + options.unmodified)),
      perCpuSecond: count / (cpuUs / 1e6),
      rate: count / (elapsedUs / 1e6),
      p50: edits.quantile(0.5), p99: edits.quantile(0.99),
      serverBusy: cpuUs / elapsedUs, clientBusy: (client.user + client.system) / elapsedUs,
      peak: server.peakBytes,
    };
  } finally {
    for (const client of open) client.close();
    await server.remove();
  }
}

/** Prints the medians of all repetitions, and the ratios to the server with the same protocol. */
export async function fanout(options) {
  const subjects = SUBJECTS.filter(({ protocol }) => [protocol, "both"].includes(options.protocol));
  const runs = new Map(subjects.map((subject) => [subject, []]));
  for (let round = 1; round <= options.reps; round++) {
    for (const subject of subjects) {
      process.stderr.write(`round ${round}: ${subject.label}\n`);
      runs.get(subject).push(await run(subject, options));
    }
  }
  const of = (subject, field) => runs.get(subject).map((one) => one[field]);
  table(
    ["server", "edits/s", "µs CPU per delivery", "edits per CPU-second", "p50 ms", "p99 ms", "server busy %", "client busy %", "peak MiB"],
    subjects.map((subject) => [subject.label, median(of(subject, "rate")), median(of(subject, "perDelivery"), 2),
      median(of(subject, "perCpuSecond")), median(of(subject, "p50"), 1), median(of(subject, "p99"), 1),
      median(of(subject, "serverBusy").map((share) => share * 100)), median(of(subject, "clientBusy").map((share) => share * 100)),
      median(of(subject, "peak").map((bytes) => bytes / 2 ** 20))]),
  );
  for (let index = 0; index < subjects.length; index += 2) {
    const [ours, theirs] = subjects.slice(index, index + 2);
    const ratio = (field) => median(of(ours, field).map((value, round) => value / of(theirs, field)[round]), 2);
    console.log(`${ours.label} / ${theirs.label}: CPU per delivery ${ratio("perDelivery")}, edits per CPU-second ${ratio("perCpuSecond")}, p99 ${ratio("p99")}`);
  }
  console.log("Where the client is more than 80 % busy, latencies and edits/s are those of the client; the CPU columns still count.");
}
