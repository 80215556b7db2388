// As many updates as possible: a writer and a reader in each of several documents.

import * as Y from "yjs";

import { clockOf, openReader, updateFrame, until } from "./clients.mjs";
import { Server } from "./server.mjs";

const WARM_UP_S = 1;

/** The updates of somebody who types one character after the other; the same ones serve in every document. */
function updates(count) {
  const doc = new Y.Doc();
  const made = [];
  doc.on("update", (update) => made.push(update));
  const text = doc.getText("content");
  for (let index = 0; index < count; index++) text.insert(index, "x");
  return { client: doc.clientID, frames: made.map(updateFrame), updates: made };
}

/** Prints the updates that reach the readers in a second. */
export async function flood(options) {
  const server = await Server.start("convene");
  const sockets = [];
  try {
    const typed = updates(options.updates);
    const lines = [];
    for (let index = 0; index < options.documents; index++) {
      const line = { sent: 0, received: 0 };
      line.reader = openReader(server, "yjs", `flood-${index}`, `reader-${index}`, (update) => {
        const next = typed.updates[line.received];
        line.received = next && Buffer.compare(next, update) === 0 ? line.received + 1 : Math.max(line.received, clockOf(update, typed.client));
      });
      line.writer = openReader(server, "yjs", `flood-${index}`, `writer-${index}`, () => {});
      lines.push(line);
      sockets.push(line.reader, line.writer);
    }
    await until("the sockets", () => sockets.every((socket) => socket.isSynced || socket.error));
    const received = () => lines.reduce((sum, line) => sum + line.received, 0);
    const drive = async (seconds) => {
      const end = performance.now() + seconds * 1_000;
      while (performance.now() < end) {
        for (const line of lines) {
          const until = Math.min(line.received + options.depth, typed.frames.length);
          while (line.sent < until) line.writer.send(typed.frames[line.sent++]);
        }
        const error = sockets.find((socket) => socket.error)?.error;
        if (error) throw error;
        await new Promise((next) => setImmediate(next));
      }
    };
    await drive(WARM_UP_S);
    const [before, cpuBefore, clientBefore, begin] = [received(), server.cpuUs, process.cpuUsage(), performance.now()];
    await drive(options.seconds);
    const [count, cpuUs, elapsedUs] = [received() - before, server.cpuUs - cpuBefore, (performance.now() - begin) * 1_000];
    const client = process.cpuUsage(clientBefore);
    if (lines.some((line) => line.sent === typed.frames.length)) throw new Error("a writer ran out of updates; increase --updates");
    await until("every update at its reader", () => lines.every((line) => line.received === line.sent));
    console.log(`${Math.round(count / elapsedUs * 1e6)} updates/s in ${options.documents} documents, ${(cpuUs / count).toFixed(1)} µs CPU of the server each, `
      + `server ${Math.round(cpuUs / elapsedUs * 100)} % busy, client ${Math.round((client.user + client.system) / elapsedUs * 100)} % busy`);
  } finally {
    for (const socket of sockets) socket.close();
    await server.remove();
  }
}
