// Tiptap 3 on the npm package @hocuspocus/provider, as it is.

import { HocuspocusProvider } from "@hocuspocus/provider";
import { Editor } from "@tiptap/core";
import { Collaboration } from "@tiptap/extension-collaboration";
import { CollaborationCaret } from "@tiptap/extension-collaboration-caret";
import { StarterKit } from "@tiptap/starter-kit";
import * as Y from "yjs";

import { documentName, showPeople, showStatus, signIn, socketUrl } from "../session.js";
import "../style.css";

const session = await signIn();
const doc = new Y.Doc();
const provider = new HocuspocusProvider({
  url: `${socketUrl}/hocuspocus`,
  name: documentName,
  document: doc,
  token: () => session.token(),
  onAuthenticated: ({ scope }) => showRights(scope === "read-write"),
  onAuthenticationFailed: ({ reason }) => showStatus(`refused: ${reason}`),
  onStatus: ({ status }) => showStatus(status),
  onUnsyncedChanges: () => showStored(),
});
showPeople(provider.awareness);

const editor = new Editor({
  element: document.getElementById("editor"),
  editable: false,
  extensions: [
    StarterKit.configure({ undoRedo: false }), // Collaboration has its own, which undoes only what this user did.
    Collaboration.configure({ document: doc }),
    CollaborationCaret.configure({ provider, user: session.face }),
  ],
});

function showRights(mayEdit) {
  editor.setEditable(mayEdit);
  document.body.dataset.mode = mayEdit ? "edit" : "read";
}

/** The server acknowledges an update after it has stored it. */
function showStored() {
  showStatus(provider.hasUnsyncedChanges ? "saving" : "saved");
}
