// CodeMirror 6 on the npm package y-websocket, as it is.

import { Compartment, EditorState } from "@codemirror/state";
import { EditorView, keymap } from "@codemirror/view";
import { basicSetup } from "codemirror";
import { yCollab, yUndoManagerKeymap } from "y-codemirror.next";
import { WebsocketProvider } from "y-websocket";
import * as Y from "yjs";

import { documentName, showPeople, showStatus, signIn, socketUrl } from "../session.js";
import "../style.css";

const session = await signIn();
const doc = new Y.Doc();
const provider = new WebsocketProvider(`${socketUrl}/yjs`, documentName, doc, {
  params: { token: await session.token() },
  // Otherwise tabs of one browser would also talk to each other directly, past the server and its rights.
  disableBc: true,
});
provider.awareness.setLocalStateField("user", session.face);
showPeople(provider.awareness);

// The root "content" is the text that editors by line and column see as well.
const text = doc.getText("content");
const writable = new Compartment();
const view = new EditorView({
  parent: document.getElementById("editor"),
  extensions: [
    basicSetup,
    keymap.of(yUndoManagerKeymap),
    EditorView.lineWrapping,
    yCollab(text, provider.awareness, { undoManager: new Y.UndoManager(text) }),
    writable.of(EditorState.readOnly.of(true)),
  ],
});

/** Shows whether the user may write. Fails if they may not even read. */
async function showRights() {
  const mayEdit = await session.mayEdit();
  view.dispatch({ effects: writable.reconfigure(EditorState.readOnly.of(!mayEdit)) });
  document.body.dataset.mode = mayEdit ? "edit" : "read";
}

async function renewToken() {
  provider.params = { token: await session.token() };
}

provider.on("status", ({ status }) => {
  showStatus(status);
  if (status === "connected") showRights().catch((error) => showStatus(error.message));
});
// The provider connects again by itself, with a token that may have expired by then. A server that is away can't renew it either: the
// next attempt fails as well, and then this is called again.
provider.on("connection-close", () => renewToken().catch(() => {}));
// After codes 44xx the provider gives up. With a new token (4401) or as a reader (4403) the user may return.
provider.on("closed", async ({ code, reason }) => {
  try {
    if (![4401, 4403].includes(code)) throw new Error(`closed: ${reason || code}`);
    await renewToken();
    await showRights();
    provider.connect();
  } catch (error) {
    showStatus(error.message);
  }
});
