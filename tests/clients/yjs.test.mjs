// The real Yjs clients: yjs with y-websocket from npm, and pycrdt from PyPI, in one document.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import WebSocket from "ws";
import * as Y from "yjs";
import { WebsocketProvider } from "y-websocket";

import { Server } from "../browser/server.mjs";
import { runPython, signIn } from "./stage.mjs";

const DEADLINE_MS = 20_000;
let server;
const open = [];

before(async () => { server = await Server.start(); });

after(async () => {
  for (const provider of open) {
    provider.destroy();
    // The provider leaves its document alone, whose awareness has a timer that keeps the process running.
    provider.doc.destroy();
  }
  await server?.remove();
});

/** Waits until the condition holds. */
async function until(what, condition) {
  const end = Date.now() + DEADLINE_MS;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`waited in vain for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** An editor of a document, synchronised. */
async function editor(token, name) {
  const doc = new Y.Doc();
  const provider = new WebsocketProvider(`${server.url.replace("http", "ws")}/yjs`, name, doc, {
    params: { token }, WebSocketPolyfill: WebSocket, disableBc: true, maxBackoffTime: 200,
  });
  open.push(provider);
  await until("the first synchronisation", () => provider.synced);
  return { doc, provider, text: doc.getText("content") };
}

test("two editors and a newcomer have the same text, with a slash in the name", async () => {
  const token = await signIn(server.url, "ann");
  const [one, two] = [await editor(token, "notes/a b"), await editor(token, "notes/a b")];
  one.text.insert(0, "Hello 😀");
  two.doc.getMap("meta").set("title", "Notes");
  await until("the text", () => two.text.toString() === "Hello 😀");
  two.text.insert(two.text.length, " world");
  await until("the addition", () => one.text.toString() === "Hello 😀 world");
  const late = await editor(token, "notes/a b");
  assert.equal(late.text.toString(), "Hello 😀 world");
  assert.equal(late.doc.getMap("meta").get("title"), "Notes");
});

test("awareness is seen by others, and ends with the editor", async () => {
  const token = await signIn(server.url, "bea");
  const [one, two] = [await editor(token, "aware"), await editor(token, "aware")];
  one.provider.awareness.setLocalStateField("user", { name: "Bea" });
  const seen = () => two.provider.awareness.getStates().get(one.doc.clientID)?.user?.name;
  await until("the name", () => seen() === "Bea");
  one.provider.disconnect();
  await until("the end", () => !two.provider.awareness.getStates().has(one.doc.clientID));
  one.provider.connect();
  await until("the return", () => seen() === "Bea");
});

test("editors that write on through a crash of the server end with the same text", async () => {
  const token = await signIn(server.url, "cyd");
  const [one, two] = [await editor(token, "crash"), await editor(token, "crash")];
  for (let round = 0; round < 3; round++) {
    const writing = [one, two].map(async ({ text }, index) => {
      for (let count = 0; count < 100; count++) {
        text.insert(text.length, `${index}`);
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
    });
    await new Promise((resolve) => setTimeout(resolve, 100));
    await server.kill();
    await server.restart();
    await Promise.all(writing);
  }
  await until("both to be synchronised", () => one.provider.synced && two.provider.synced
    && one.text.toString() === two.text.toString() && one.text.length === 600);
  assert.equal((await editor(token, "crash")).text.toString(), one.text.toString());
});

test("pycrdt edits the same document", async () => {
  const token = await signIn(server.url, "dan");
  const one = await editor(token, "snake");
  one.text.insert(0, "from node");
  const read = await runPython("pycrdt_client.py", server.url, token, "snake", "from node", ", from Python 🐍");
  assert.equal(read, "from node, from Python 🐍");
  await until("what Python wrote", () => one.text.toString() === "from node, from Python 🐍");
});

test("a token without a right is refused, and nothing is sent", async () => {
  const doc = new Y.Doc();
  const provider = new WebsocketProvider(`${server.url.replace("http", "ws")}/yjs`, "notes", doc, {
    params: { token: "rubbish" }, WebSocketPolyfill: WebSocket, disableBc: true,
  });
  open.push(provider);
  const failed = new Promise((resolve) => provider.on("connection-error", resolve));
  await failed;
  assert.equal(provider.synced, false);
});
