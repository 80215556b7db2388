// Completes @names in the message box from the members of the room, and finds whom a text mentions.

import { announce, avatar, byId, el } from "./dom.js";
import { mentionsIn } from "./text.js";

const SHOWN_MAX = 6;
// What is typed before the cursor: an @ at the beginning of a word and the part of a name.
const TYPED = /(?:^|[^\p{L}\p{N}_@])@([\p{L}\p{N}_.-]*)$/u;

/** The ids of those of the people whom the text mentions. `people`: [{id, username}]. */
export function mentionedIds(text, people) {
  const names = new Set(mentionsIn(text, people.map(({ username }) => username)).map(({ name }) => name));
  return people.filter(({ username }) => names.has(username.toLowerCase())).map(({ id }) => id);
}

export class MentionBox {
  #list = byId("mention-list");
  #found = [];
  #chosen = 0;

  /** `people()` are those who can be mentioned. `signal` ends it. Must be made before other listeners of the input's keys. */
  constructor({ input, people, signal }) {
    Object.assign(this, { input, people });
    input.addEventListener("input", () => this.#look(), { signal });
    input.addEventListener("keydown", (event) => this.#key(event), { signal });
    input.addEventListener("blur", () => this.#show([]), { signal });
    signal.addEventListener("abort", () => this.#show([]));
    this.#show([]);
  }

  #look() {
    const typed = TYPED.exec(this.input.value.slice(0, this.input.selectionStart))?.[1];
    if (typed === undefined || this.input.selectionStart !== this.input.selectionEnd) return this.#show([]);
    const wanted = typed.toLowerCase();
    const starts = (text) => Boolean(text) && text.toLowerCase().startsWith(wanted);
    const found = this.people().filter((one) => starts(one.username) || starts(one.name));
    return this.#show(found.slice(0, SHOWN_MAX), typed);
  }

  #show(found, typed = "") {
    const opens = found.length > 0 && this.#found.length === 0;
    Object.assign(this, { typed });
    this.#found = found;
    this.#chosen = 0;
    if (opens) announce(`${found.length === 1 ? "1 person" : `${found.length} people`} found. Choose with the arrow keys and Enter.`);
    this.#draw();
  }

  #draw() {
    this.#list.hidden = !this.#found.length;
    this.#list.replaceChildren(...this.#found.map((one, index) => el("li", {
      id: `mention-${index}`, role: "option", class: "entry", "aria-selected": String(index === this.#chosen),
      // The box must keep the focus.
      on: { pointerdown: (event) => { event.preventDefault(); this.#take(one); } },
    }, avatar(one.id, one.name || one.username), el("span", {}, one.name || one.username), el("small", { class: "end" }, `@${one.username}`))));
    if (this.#found.length) this.input.setAttribute("aria-activedescendant", `mention-${this.#chosen}`);
    else this.input.removeAttribute("aria-activedescendant");
  }

  #key(event) {
    if (!this.#found.length || event.isComposing) return;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      this.#chosen = (this.#chosen + step + this.#found.length) % this.#found.length;
      this.#draw();
    } else if (event.key === "Enter" || event.key === "Tab") {
      this.#take(this.#found[this.#chosen]);
    } else if (event.key === "Escape") {
      this.#show([]);
    } else {
      return;
    }
    event.preventDefault();
    event.stopImmediatePropagation();
  }

  #take({ username }) {
    const end = this.input.selectionStart;
    this.input.setRangeText(`@${username} `, end - this.typed.length - 1, end, "end");
    this.#show([]);
    this.input.dispatchEvent(new Event("input", { bubbles: true }));
  }
}
