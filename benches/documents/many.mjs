// Many documents that nobody has open, some of which are opened again.

import * as Y from "yjs";

import { openReader, sendUpdate, until } from "./clients.mjs";
import { median, quantile, table } from "./report.mjs";
import { Server, tokenOf } from "./server.mjs";

const AT_ONCE = 32;
const TEXT = "All work and no play makes a document long. ".repeat(20);

/** Runs `work` for 0 to count - 1, a few at a time. */
async function each(count, work) {
  let next = 0;
  const worker = async () => { while (next < count) await work(next++); };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

/** Creates documents over REST, and writes a page of text into the first ones. */
async function fill(server, { known, open }) {
  const headers = { "Content-Type": "application/json", Authorization: `Bearer ${tokenOf("owner")}` };
  await each(known, async (index) => {
    const body = JSON.stringify({ document_id: `many-${index}` });
    const answer = await fetch(`http://127.0.0.1:${server.port}/api/documents`, { method: "POST", headers, body });
    if (answer.status !== 201) throw new Error(`a document could not be created: ${answer.status} ${await answer.text()}`);
    await answer.arrayBuffer();
  });
  const doc = new Y.Doc();
  doc.getText("content").insert(0, TEXT);
  const update = Y.encodeStateAsUpdate(doc);
  await each(open, (index) => sendUpdate(server, `many-${index}`, "owner", update));
}

/** Prints how long it takes to open them after a restart, and the memory while all of them are open. */
export async function many(options) {
  const server = await Server.start("convene");
  const readers = [];
  try {
    process.stderr.write(`creating ${options.known} documents\n`);
    await fill(server, options);
    await server.kill();
    await server.restart();
    const openOne = async (name) => {
      const begin = performance.now();
      let state = null;
      const reader = openReader(server, "yjs", name, "owner", (update) => { state ??= { update, atMs: performance.now() }; });
      readers.push(reader);
      await until("the state", () => state !== null || reader.error);
      if (reader.error) throw reader.error;
      return { ...state, totalMs: state.atMs - begin, stateMs: state.atMs - reader.openedAtMs };
    };
    // The first socket of a server pays for more than its document.
    await openOne("another");
    const before = server.residentBytes;
    const opened = [];
    for (let index = 0; index < options.open; index++) {
      const { update, ...times } = await openOne(`many-${index}`);
      const doc = new Y.Doc();
      Y.applyUpdate(doc, update);
      if (doc.getText("content").toString() !== TEXT) throw new Error(`the text of many-${index} is not what was written`);
      opened.push(times);
    }
    const resident = server.residentBytes;
    const row = (what, field) => [what, ...[0.5, 0.99, 1].map((share) => quantile(opened.map((one) => one[field]), share).toFixed(1))];
    table(["opened again, one after the other", "p50 ms", "p99 ms", "max ms"], [row("connection and state", "totalMs"), row("state", "stateMs")]);
    console.log(`${options.known} known, ${options.open} open with a socket each: ${median([resident / 2 ** 20], 1)} MiB resident, `
      + `${median([(resident - before) / options.open / 1_024], 1)} KiB for each that is open`);
  } finally {
    for (const reader of readers) reader.close();
    await server.remove();
  }
}
