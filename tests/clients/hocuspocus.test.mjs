// The real providers of Hocuspocus, versions 3 and 4 from npm, with many documents on one socket.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import WebSocket from "ws";
import * as Y from "yjs";
import * as v3 from "hocuspocus-provider-3";
import * as v4 from "hocuspocus-provider-4";

import { Server } from "../browser/server.mjs";
import { signIn } from "./stage.mjs";

const DEADLINE_MS = 20_000;
let server;
const open = [];

before(async () => { server = await Server.start(); });

after(async () => {
  for (const { provider, doc } of open) {
    provider.destroy();
    // The provider leaves the document alone.
    doc.destroy();
  }
  for (const socket of sockets) socket.destroy();
  await server?.remove();
  // A provider that was about to reconnect may leave a timer, which must not keep the process running.
  setTimeout(() => process.exit(0), 2_000).unref();
});

/** Waits until the condition holds. */
async function until(what, condition) {
  const end = Date.now() + DEADLINE_MS;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`waited in vain for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const sockets = [];

/** A socket that may be closed while it connects, of which ws complains. */
class QuietSocket extends WebSocket {
  constructor(...args) {
    super(...args);
    this.on("error", () => {});
  }
}

/** A socket for many documents. */
function connect(version) {
  const url = `${server.url.replace("http", "ws")}/hocuspocus`;
  const socket = new version.HocuspocusProviderWebsocket({ url, WebSocketPolyfill: QuietSocket, delay: 100, minDelay: 100, maxDelay: 300 });
  sockets.push(socket);
  return socket;
}

/** A document on it. */
function attach(version, websocketProvider, name, token) {
  const document = new Y.Doc();
  const one = { doc: document, text: document.getText("content"), denied: null, scope: null };
  one.provider = new version.HocuspocusProvider({
    websocketProvider, name, document, token,
    onAuthenticationFailed: ({ reason }) => { one.denied = reason; },
    onAuthenticated: ({ scope }) => { one.scope = scope; },
  });
  one.provider.attach();
  open.push(one);
  return one;
}

const settled = (one) => one.provider.isSynced && !one.provider.hasUnsyncedChanges;

for (const [name, version] of [["3", v3], ["4", v4]]) {
  test(`provider ${name} edits several documents on one socket, and knows when they are stored`, async () => {
    const [ann, bea] = [await signIn(server.url, `ann${name}`), await signIn(server.url, `bea${name}`)];
    const socket = connect(version);
    const [first, second] = ["a", "b/c d"].map((id) => attach(version, socket, `${name}${id}`, ann));
    await until("both documents", () => settled(first) && settled(second));
    assert.equal(first.scope, "read-write");
    const other = attach(version, connect(version), `${name}b/c d`, bea);
    await until("the other one", () => settled(other));
    first.text.insert(0, "only here");
    second.text.insert(0, "Hello 😀");
    await until("the text", () => other.text.toString() === "Hello 😀");
    other.text.insert(other.text.length, " world");
    await until("the addition", () => second.text.toString() === "Hello 😀 world");
    await until("all to be stored", () => [first, second, other].every(settled));
    await server.kill();
    await server.restart();
    const late = attach(version, connect(version), `${name}b/c d`, bea);
    await until("the stored text", () => late.text.toString() === "Hello 😀 world");
    await until("all to be back", () => [first, second, other, late].every(settled));
    second.text.insert(0, "! ");
    await until("what was written after the crash", () => late.text.toString() === "! Hello 😀 world");
  });

  test(`provider ${name} shows awareness, and it ends with the document`, async () => {
    const ann = await signIn(server.url, `cyd${name}`);
    const [one, two] = [attach(version, connect(version), `${name}aware`, ann), attach(version, connect(version), `${name}aware`, ann)];
    await until("both", () => settled(one) && settled(two));
    one.provider.awareness.setLocalStateField("user", { name: "Cyd" });
    const seen = () => two.provider.awareness.getStates().get(one.doc.clientID)?.user?.name;
    await until("the name", () => seen() === "Cyd");
    one.provider.detach();
    await until("the end", () => !two.provider.awareness.getStates().has(one.doc.clientID));
  });

  test(`provider ${name} learns that it may only read, or nothing`, async () => {
    const [ann, bea] = [await signIn(server.url, `dan${name}`), await signIn(server.url, `eve${name}`)];
    const headers = { "Content-Type": "application/json", Authorization: `Bearer ${ann}` };
    for (const [id, access] of [["read", "view"], ["none", "private"]]) {
      const body = JSON.stringify({ document_id: `${name}${id}`, access });
      assert.equal((await fetch(`${server.url}/api/documents`, { method: "POST", headers, body })).status, 201);
    }
    const socket = connect(version);
    const [reader, stranger] = ["read", "none"].map((id) => attach(version, socket, `${name}${id}`, bea));
    await until("the reader", () => reader.provider.isSynced);
    assert.equal(reader.scope, "readonly");
    await until("the refusal", () => stranger.denied !== null);
    reader.text.insert(0, "ignored");
    const writer = attach(version, connect(version), `${name}read`, ann);
    await until("the owner", () => settled(writer));
    writer.text.insert(0, "stored");
    await until("the owner's text", () => reader.text.toString().includes("stored"));
    assert.equal(writer.text.toString(), "stored");
    assert.ok(reader.provider.hasUnsyncedChanges);
  });

  test(`provider ${name} with a bad token is refused`, async () => {
    const one = attach(version, connect(version), `${name}bad`, "rubbish");
    await until("the refusal", () => one.denied !== null);
    assert.equal(one.provider.isSynced, false);
  });
}
