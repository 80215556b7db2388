// A document with a long log: an editing history of a real text, one update for each keystroke, and its cold open.

import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import * as Y from "yjs";

import { clockOf, openProvider, openReader, until } from "./clients.mjs";
import { median, table } from "./report.mjs";
import { Server } from "./server.mjs";

const NAME = "trace";
const EDITS_AT_ONCE = 200;
const BUFFERED_BYTES_MAX = 256 * 1024;
const DEADLINE_MS = 600_000;
// Reports each state that is stored of a document.
const SETTINGS = { RUST_LOG: "warn,convene::actors::room=debug" };
const SAVED = /event=document_saved /g;

function read(folder, name) {
  const path = `${folder}/${name}.json.gz`;
  let trace;
  try {
    trace = JSON.parse(gunzipSync(readFileSync(path)));
  } catch (error) {
    throw new Error(`${path} can't be read (${error.code ?? error.message}). It is part of github.com/josephg/editing-traces; name its folder with --traces.`);
  }
  // Positions are code points; without surrogate pairs they are also those of Yjs.
  if (/[\ud800-\udfff]/.test(JSON.stringify(trace.txns))) throw new Error(`${name} has characters outside the basic plane`);
  return trace;
}

/** Replays the trace through an unmodified provider as fast as the socket takes it. */
async function replay(writer, trace) {
  writer.text.insert(0, trace.startContent);
  let made = 0;
  for (const { patches } of trace.txns) {
    writer.doc.transact(() => {
      for (const [at, deleted, inserted] of patches) {
        if (deleted > 0) writer.text.delete(at, deleted);
        if (inserted) writer.text.insert(at, inserted);
      }
    });
    if (++made % EDITS_AT_ONCE > 0) continue;
    do await new Promise((next) => setImmediate(next)); while (writer.socket().bufferedAmount > BUFFERED_BYTES_MAX);
  }
}

async function write(server, trace) {
  const before = server.residentBytes;
  const writer = await openProvider(server, "yjs", NAME, "writer");
  let clock = 0;
  const reader = openReader(server, "yjs", NAME, "reader", (update) => {
    clock = Math.max(clock, clockOf(update, writer.doc.clientID));
  });
  await until("the reader", () => reader.isSynced);
  const [cpuBefore, clientBefore, begin] = [server.cpuUs, process.cpuUsage(), performance.now()];
  await replay(writer, trace);
  // The last mark comes after every edit of the trace, also after deletions.
  writer.text.insert(0, "|");
  const last = Y.getState(writer.doc.store, writer.doc.clientID);
  await until("the last edit at the reader", () => clock === last || reader.error, DEADLINE_MS);
  if (reader.error) throw reader.error;
  const seconds = (performance.now() - begin) / 1_000;
  const client = process.cpuUsage(clientBefore);
  const count = trace.txns.length;
  const encoded = Y.encodeStateAsUpdate(writer.doc).length;
  const peak = server.peakBytes;
  console.log(`${count} updates in ${seconds.toFixed(1)} s: ${Math.round(count / seconds)} updates/s, `
    + `${((server.cpuUs - cpuBefore) / count).toFixed(1)} µs CPU of the server each, client ${Math.round((client.user + client.system) / seconds / 1e4)} % busy`);
  console.log(`states stored meanwhile: ${server.log.match(SAVED)?.length ?? 0}`);
  console.log(`encoded ${(encoded / 1_024).toFixed(0)} KiB; peak memory ${(peak / 2 ** 20).toFixed(1)} MiB, of which ${(before / 2 ** 20).toFixed(1)} MiB `
    + `before: ${((peak - before) / encoded).toFixed(1)} times the encoded size`);
  const expected = writer.text.toString();
  if (expected !== `|${trace.endContent}`) throw new Error("the text of the trace is not what was replayed");
  writer.close();
  reader.close();
  return { expected, encoded };
}

/** Opens the document once; how long the connection and the state took. */
async function open(server, name, expected) {
  const begin = performance.now();
  let first = null;
  const reader = openReader(server, "yjs", name, "reader", (update) => { first ??= { update, atMs: performance.now() }; });
  await until("the state", () => first !== null || reader.error);
  if (reader.error) throw reader.error;
  reader.close();
  const doc = new Y.Doc();
  Y.applyUpdate(doc, first.update);
  if (doc.getText("content").toString() !== expected) throw new Error(`the text of ${name} is not what was written`);
  return { totalMs: first.atMs - begin, stateMs: first.atMs - reader.openedAtMs };
}

/** Prints what writing the trace costs, and how long it takes a server that was killed to open the document. */
export async function log({ traces, trace: name, reps }) {
  const trace = read(traces, name);
  const server = await Server.start("convene", SETTINGS);
  try {
    const { expected, encoded } = await write(server, trace);
    const opened = [];
    for (let round = 0; round < reps; round++) {
      await server.kill();
      await server.restart();
      // The first socket of a server pays for more than its document.
      await open(server, "another", "");
      const before = server.residentBytes;
      const cpuBefore = server.cpuUs;
      const times = await open(server, NAME, expected);
      opened.push({ ...times, cpuMs: (server.cpuUs - cpuBefore) / 1_000, times: (server.peakBytes - before) / encoded });
    }
    const of = (field, digits) => median(opened.map((one) => one[field]), digits);
    table(["cold open", "ms"], [["connection and state", of("totalMs", 1)], ["state", of("stateMs", 1)], ["CPU of the server", of("cpuMs")]]);
    console.log(`memory for it: ${of("times", 1)} times the encoded size`);
  } finally {
    await server.remove();
  }
}
