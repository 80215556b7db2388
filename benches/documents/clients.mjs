// Clients of both protocols: unmodified providers from npm, and readers that only count what they receive.

import { HocuspocusProvider, HocuspocusProviderWebsocket } from "@hocuspocus/provider";
import * as decoding from "lib0/decoding";
import * as encoding from "lib0/encoding";
import WebSocket from "ws";
import { WebsocketProvider } from "y-websocket";
import * as Y from "yjs";

import { tokenOf } from "./server.mjs";

const DEADLINE_MS = 60_000;
const [SYNC, AUTHENTICATION, SYNC_REPLY] = [0, 2, 4];
const [STEP_1, UPDATE] = [0, 2];
const AUTHENTICATED = 2;

/** Waits until the condition holds. */
export async function until(what, condition, deadlineMs = DEADLINE_MS) {
  const end = Date.now() + deadlineMs;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`waited in vain for: ${what}`);
    await new Promise((done) => setTimeout(done, 5));
  }
}

function address(server, protocol, name, user) {
  const origin = `ws://127.0.0.1:${server.port}`;
  if (protocol === "hocuspocus") return server.kind === "convene" ? `${origin}/hocuspocus` : origin;
  return server.kind === "convene" ? `${origin}/yjs/${name}?token=${tokenOf(user)}` : `${origin}/${name}`;
}

/** An unmodified provider, synchronised. */
export async function openProvider(server, protocol, name, user) {
  const doc = new Y.Doc();
  const url = new URL(address(server, protocol, name, user));
  let client;
  if (protocol === "hocuspocus") {
    const websocketProvider = new HocuspocusProviderWebsocket({ url: url.href, WebSocketPolyfill: WebSocket });
    const provider = new HocuspocusProvider({ websocketProvider, name, document: doc, token: tokenOf(user) });
    provider.attach();
    client = { isSynced: () => provider.isSynced, socket: () => websocketProvider.webSocket,
      close: () => { provider.destroy(); websocketProvider.destroy(); doc.destroy(); } };
  } else {
    const base = url.origin.replace("null", `ws://${url.host}`) + url.pathname.slice(0, -name.length - 1);
    const params = Object.fromEntries(url.searchParams);
    const provider = new WebsocketProvider(base, name, doc, { params, WebSocketPolyfill: WebSocket, disableBc: true });
    client = { isSynced: () => provider.synced, socket: () => provider.ws, close: () => { provider.destroy(); doc.destroy(); } };
  }
  await until("the first synchronisation", client.isSynced);
  return { doc, text: doc.getText("content"), ...client };
}

/** SyncStep1 of an empty document, and the message before it if the protocol needs one. */
function hello(protocol, name, user) {
  const step = encoding.createEncoder();
  if (protocol === "hocuspocus") encoding.writeVarString(step, name);
  for (const value of [SYNC, STEP_1]) encoding.writeVarUint(step, value);
  encoding.writeVarUint8Array(step, Uint8Array.of(0));
  if (protocol !== "hocuspocus") return { step: encoding.toUint8Array(step) };
  const token = encoding.createEncoder();
  encoding.writeVarString(token, name);
  for (const value of [AUTHENTICATION, 0]) encoding.writeVarUint(token, value);
  encoding.writeVarString(token, tokenOf(user));
  return { token: encoding.toUint8Array(token), step: encoding.toUint8Array(step) };
}

/** The message of the y-websocket protocol that brings an update. */
export function updateFrame(update) {
  const encoder = encoding.createEncoder();
  for (const value of [SYNC, UPDATE]) encoding.writeVarUint(encoder, value);
  encoding.writeVarUint8Array(encoder, update);
  return encoding.toUint8Array(encoder);
}

/** The number of edits of a client up to which an update goes. */
export function clockOf(update, client) {
  return Y.parseUpdateMeta(update).to.get(client) ?? 0;
}

/** What a frame contains: {kind: "authenticated"}, {kind: "update", update}, or null. */
function parse(protocol, frame) {
  const decoder = decoding.createDecoder(frame);
  if (protocol === "hocuspocus") decoding.readVarString(decoder);
  const type = decoding.readVarUint(decoder);
  if (protocol === "hocuspocus" && type === AUTHENTICATION) {
    return decoding.readVarUint(decoder) === AUTHENTICATED ? { kind: "authenticated" } : null;
  }
  if (type !== SYNC && type !== SYNC_REPLY) return null;
  if (decoding.readVarUint(decoder) === STEP_1) return null;
  return { kind: "update", update: decoding.readVarUint8Array(decoder) };
}

// All readers of a document receive the same frames, so each is decoded once.
const last = { frame: Buffer.alloc(0), parsed: null };

function parseOnce(protocol, frame) {
  if (!last.frame.equals(frame)) Object.assign(last, { frame: Buffer.from(frame), parsed: parse(protocol, frame) });
  return last.parsed;
}

/** Opens a reader. `onUpdate` is given each update that it receives; the first one is the state of the document. */
export function openReader(server, protocol, name, user, onUpdate) {
  const { token, step } = hello(protocol, name, user);
  const socket = new WebSocket(address(server, protocol, name, user), { perMessageDeflate: false, skipUTF8Validation: true });
  const reader = { isSynced: false, openedAtMs: 0, send: (frame) => socket.send(frame), close: () => socket.terminate() };
  socket.on("open", () => {
    reader.openedAtMs = performance.now();
    socket.send(token ?? step);
  });
  socket.on("message", (frame) => {
    const parsed = parseOnce(protocol, frame);
    if (parsed?.kind === "authenticated") socket.send(step);
    if (parsed?.kind !== "update") return;
    reader.isSynced = true;
    onUpdate(parsed.update);
  });
  socket.on("error", (error) => { reader.error = error; });
  socket.on("close", (code) => { reader.error ??= new Error(`a reader was closed with ${code}`); });
  return reader;
}

/** Writes an update into a document. Another reader has received it in the end, so it is stored. */
export async function sendUpdate(server, name, user, update) {
  let isStored = false;
  const writer = openReader(server, "yjs", name, user, () => {});
  const reader = openReader(server, "yjs", name, user, (received) => { isStored ||= received.length >= update.length; });
  await until("both sockets", () => writer.error || reader.error || (writer.isSynced && reader.isSynced));
  writer.send(updateFrame(update));
  await until("the update", () => isStored || writer.error || reader.error);
  writer.close();
  reader.close();
  const error = writer.error ?? reader.error;
  if (!isStored) throw error;
}
