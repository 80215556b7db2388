// The message box: it grows with the text, sends on Enter, keeps a draft per room, and reports typing.

import { upload } from "./attachments.js";
import { byId, el, toast } from "./dom.js";
import { MentionBox } from "./mentions.js";

const HEIGHT_MAX_PX = 180;
const TYPING_EVERY_MS = 2_000;
const TYPING_IDLE_MS = 4_000;

const FILES_MAX = 10;

const drafts = new Map();

export class Composer {
  #input = byId("composer-input");
  #typingSentAt = 0;
  #idleTimer = 0;
  // {file, name, id, share}: those without an id are being uploaded
  #files = [];

  /**
   * `onSubmit(text, files)`, `onTyping(isTyping)` and `onEditLast()` are called until `signal` aborts. `key` names the room's draft,
   * `people()` are those who can be mentioned.
   */
  constructor({ key, name, people, signal, onSubmit, onTyping, onEditLast }) {
    Object.assign(this, { key, onSubmit, onTyping });
    this.mentionBox = new MentionBox({ input: this.#input, people, signal });
    this.#input.value = drafts.get(key) ?? "";
    this.#input.placeholder = `Message ${name}`;
    byId("composer-label").textContent = `Message ${name}`;
    this.#fit();
    this.#input.addEventListener("input", () => { this.#fit(); this.#noteTyping(); }, { signal });
    this.#input.addEventListener("keydown", (event) => {
      if (event.key === "ArrowUp" && !this.#input.value && onEditLast()) event.preventDefault();
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.#submit();
    }, { signal });
    byId("composer").addEventListener("submit", (event) => { event.preventDefault(); this.#submit(); }, { signal });
    this.#takeFiles(signal);
    // On a touch screen, focus would open the keyboard and cover the messages.
    if (matchMedia("(hover: hover)").matches) this.focus();
  }

  focus() {
    this.#input.focus();
  }

  close() {
    drafts.set(this.key, this.#input.value);
    this.#stopTyping();
  }

  #fit() {
    this.#input.style.height = "auto";
    this.#input.style.height = `${Math.min(this.#input.scrollHeight, HEIGHT_MAX_PX)}px`;
  }

  #submit() {
    const text = this.#input.value.trim();
    if (this.#files.some(({ id }) => !id)) return toast("A file is still being uploaded.");
    if (!text && !this.#files.length) return undefined;
    const files = this.#files.map(({ id, file }) => ({ id, filename: file.name, size: file.size, mime_type: file.type }));
    this.#input.value = "";
    this.#files = [];
    this.#drawFiles();
    this.#fit();
    this.#stopTyping();
    return this.onSubmit(text, files);
  }

  // ---- files: by the button, pasted or dropped

  #takeFiles(signal) {
    const picker = byId("composer-file");
    byId("composer-attach").addEventListener("click", () => picker.click(), { signal });
    picker.addEventListener("change", () => { this.#add([...picker.files]); picker.value = ""; }, { signal });
    this.#input.addEventListener("paste", (event) => {
      const files = [...event.clipboardData.files];
      if (!files.length) return;
      event.preventDefault();
      this.#add(files);
    }, { signal });
    const room = byId("room");
    room.addEventListener("dragover", (event) => { if (event.dataTransfer.types.includes("Files")) event.preventDefault(); }, { signal });
    room.addEventListener("drop", (event) => {
      if (!event.dataTransfer.files.length) return;
      event.preventDefault();
      this.#add([...event.dataTransfer.files]);
    }, { signal });
    this.#drawFiles();
  }

  #add(files) {
    for (const file of files) {
      if (this.#files.length >= FILES_MAX) return toast(`At most ${FILES_MAX} files go with a message.`);
      const one = { file, id: null, share: 0 };
      this.#files.push(one);
      upload(file, (share) => { one.share = share; this.#drawFiles(); })
        .then((id) => { one.id = id; })
        .catch((error) => { this.#remove(one); toast(`${file.name}: ${error.message}`); })
        .finally(() => this.#drawFiles());
    }
    this.#drawFiles();
    return this.focus();
  }

  #remove(one) {
    this.#files = this.#files.filter((other) => other !== one);
    this.#drawFiles();
  }

  #drawFiles() {
    const list = byId("composer-files");
    list.hidden = !this.#files.length;
    list.replaceChildren(...this.#files.map((one) => el("li", { data: { ready: Boolean(one.id) } },
      el("span", {}, one.file.name), el("small", {}, one.id ? "" : ` ${Math.round(one.share * 100)} %`),
      el("button", { class: "link", type: "button", "aria-label": `Remove ${one.file.name}`, on: { click: () => this.#remove(one) } }, "✕"))));
  }

  #noteTyping() {
    if (!this.#input.value.trim()) return this.#stopTyping();
    clearTimeout(this.#idleTimer);
    this.#idleTimer = setTimeout(() => this.#stopTyping(), TYPING_IDLE_MS);
    if (Date.now() - this.#typingSentAt < TYPING_EVERY_MS) return undefined;
    this.#typingSentAt = Date.now();
    return this.onTyping(true);
  }

  #stopTyping() {
    clearTimeout(this.#idleTimer);
    if (this.#typingSentAt === 0) return;
    this.#typingSentAt = 0;
    this.onTyping(false);
  }
}

/** Tracks who else is typing. A typing event expires, because its end may be lost. */
export class TypingLine {
  #names = new Map();
  #timers = new Map();

  constructor() {
    this.#draw();
  }

  set(userId, name, isTyping) {
    clearTimeout(this.#timers.get(userId));
    this.#names.delete(userId);
    if (isTyping) {
      this.#names.set(userId, name);
      this.#timers.set(userId, setTimeout(() => this.set(userId, name, false), TYPING_EVERY_MS + TYPING_IDLE_MS));
    }
    this.#draw();
  }

  close() {
    for (const timer of this.#timers.values()) clearTimeout(timer);
  }

  #draw() {
    const names = [...this.#names.values()];
    const who = names.length > 2 ? "Several people are" : names.length === 2 ? `${names.join(" and ")} are` : `${names[0]} is`;
    byId("typing").textContent = names.length ? `${who} typing…` : "";
  }
}
