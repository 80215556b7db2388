// What can be done with a message: its buttons, the choice of a reaction, the reactions that it has, and the box in which it is
// edited. Only builds nodes; the list of messages decides where they are, and the room what they do.

import { el, icon } from "./dom.js";

const EMOJI = [
  ["👍", "thumbs up"], ["❤️", "heart"], ["😂", "tears of joy"], ["🎉", "party popper"], ["😮", "surprised"], ["😢", "sad"],
  ["👀", "eyes"], ["✅", "check mark"],
];

function button(name, label, key, run) {
  return el("button", { class: "icon-button small", type: "button", tabindex: "-1", "aria-label": label, title: label, data: { key }, on: { click: run } }, icon(name));
}

/** The buttons of a message. `on`: pick(), edit(), erase(). */
export function actionBar(entry, isOwn, on) {
  return el("div", { class: "actions", role: "group", "aria-label": "Message actions" },
    button("smile", "Add reaction", "react", on.pick),
    isOwn && entry.isPlain && button("pencil", "Edit message", "edit", on.edit),
    isOwn && button("trash", "Delete message", "delete", on.erase));
}

/** A row of emoji. `onPick(emoji)`, `onClose()`. */
export function emojiPicker(onPick, onClose) {
  const own = el("input", { class: "emoji-input", "aria-label": "Another emoji", placeholder: "…", autocomplete: "off", maxlength: "16" });
  own.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.isComposing) return;
    event.preventDefault();
    if (own.value.trim()) onPick(own.value.trim());
  });
  const node = el("div", { class: "picker", role: "group", "aria-label": "Choose a reaction" },
    ...EMOJI.map(([emoji, name]) => el("button", { class: "emoji", type: "button", "aria-label": name, title: name, on: { click: () => onPick(emoji) } }, emoji)),
    own);
  node.addEventListener("keydown", (event) => {
    if (event.key === "Escape") onClose();
  });
  node.addEventListener("focusout", ({ relatedTarget }) => {
    if (relatedTarget && !node.contains(relatedTarget)) onClose();
  });
  return node;
}

/** The reactions to a message, each a button that adds or takes back one's own. Null without any. */
export function reactionRow(entry, onToggle) {
  if (!entry.reactions.length) return null;
  return el("ul", { class: "reactions", "aria-label": "Reactions" }, ...entry.reactions.map(({ emoji, count, reacted }) => el("li", {},
    el("button", {
      class: "reaction", type: "button", "aria-pressed": String(reacted), data: { key: `r:${emoji}` },
      "aria-label": `${emoji} ${count}, ${reacted ? "take back your reaction" : "react as well"}`,
      on: { click: () => onToggle(emoji, reacted) },
    }, el("span", { "aria-hidden": "true" }, `${emoji} ${count}`)))));
}

const EDIT_HEIGHT_MAX_PX = 240;

/** The box in which a message is edited. `onSave(text)` may reject: the box then stays and shows why. */
export function editBox(entry, onSave, onClose) {
  const input = el("textarea", { rows: "1", maxlength: "10000", "aria-label": "Edit message", dir: "auto" });
  const problem = el("div", { class: "delivery failed", role: "alert" });
  const fit = () => {
    input.style.height = "auto";
    input.style.height = `${Math.min(input.scrollHeight + 2, EDIT_HEIGHT_MAX_PX)}px`;
  };
  const save = async () => {
    const text = input.value.trim();
    if (text === entry.content) return onClose();
    if (!text) {
      problem.textContent = "A message needs a text. To remove it, delete it.";
      return undefined;
    }
    input.disabled = true;
    try {
      await onSave(text);
      return onClose();
    } catch (error) {
      problem.textContent = error.message;
      input.disabled = false;
      return input.focus();
    }
  };
  input.value = entry.content;
  input.addEventListener("input", fit);
  input.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    if (event.key === "Escape") onClose();
    if (event.key === "Enter" && !event.shiftKey) { event.preventDefault(); save(); }
    event.stopPropagation();
  });
  const node = el("form", { class: "edit", on: { submit: (event) => { event.preventDefault(); save(); } } }, input,
    el("div", { class: "edit-actions" }, el("button", { class: "link", type: "submit" }, "Save"), " ",
      el("button", { class: "link", type: "button", on: { click: onClose } }, "Cancel"),
      el("small", {}, "Enter saves, Escape cancels")),
    problem);
  return {
    node,
    focus: () => { fit(); input.focus(); input.setSelectionRange(input.value.length, input.value.length); },
  };
}
