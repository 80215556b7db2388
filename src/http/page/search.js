// The search box above the list of conversations. Results replace the list until the box is empty. Extracts come in pieces of plain
// text and are shown as text.

import { call } from "./api.js";
import { announce, byId, el } from "./dom.js";

const PAUSE_MS = 250;
const dateFormat = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

export class Search {
  #input = byId("search-input");
  #list = byId("search-results");
  #timer = 0;
  #turn = 0;
  #cursor = null;
  #query = "";
  #closed = new AbortController();

  /** `place(conversationId)` is {name, hash} or null, `onOpen(hash)` is called for a result. */
  constructor({ place, onOpen }) {
    Object.assign(this, { place, onOpen });
    const { signal } = this.#closed;
    this.#input.addEventListener("input", () => {
      clearTimeout(this.#timer);
      if (this.#input.value.trim()) this.#timer = setTimeout(() => this.#start(), PAUSE_MS);
      else this.clear();
    }, { signal });
    this.#input.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.clear();
      if (event.key === "ArrowDown") { this.#list.querySelector("a")?.focus(); event.preventDefault(); }
    }, { signal });
    byId("search").addEventListener("submit", (event) => { event.preventDefault(); clearTimeout(this.#timer); this.#start(); }, { signal });
    byId("search-more").addEventListener("click", () => this.#read(), { signal });
    this.clear();
  }

  close() {
    this.clear();
    this.#closed.abort();
  }

  clear() {
    clearTimeout(this.#timer);
    this.#turn += 1;
    this.#input.value = "";
    this.#show(false);
    this.#list.replaceChildren();
    byId("search-status").textContent = "";
  }

  #show(shown) {
    byId("search-panel").hidden = !shown;
    byId("directory").hidden = shown;
  }

  #start() {
    this.#query = this.#input.value.trim();
    if (!this.#query) return this.clear();
    this.#cursor = null;
    this.#list.replaceChildren();
    return this.#read();
  }

  async #read() {
    const turn = (this.#turn += 1);
    this.#show(true);
    byId("search-more").hidden = true;
    byId("search-status").textContent = "Searching…";
    try {
      const query = new URLSearchParams({ q: this.#query, ...(this.#cursor && { cursor: this.#cursor }) });
      const page = await call("GET", `/api/search/messages?${query}`);
      if (turn !== this.#turn) return;
      const first = this.#list.childElementCount;
      this.#list.append(...page.results.map((result) => this.#row(result)));
      this.#cursor = page.next_cursor;
      byId("search-more").hidden = !page.has_more;
      this.#report(page);
      if (this.#cursorMoved(first)) this.#list.children[first]?.querySelector("a")?.focus();
    } catch (error) {
      if (turn === this.#turn) byId("search-status").textContent = error.message;
    }
  }

  // The button for more results had the focus and may be gone.
  #cursorMoved(first) {
    return first > 0 && document.activeElement === document.body;
  }

  #report({ has_more: hasMore, complete }) {
    const count = this.#list.childElementCount;
    const found = count === 0 ? (hasMore ? "No messages so far." : "No messages found.")
      : `${count}${hasMore ? " or more" : ""} ${count === 1 && !hasMore ? "message" : "messages"} found.`;
    byId("search-status").textContent = complete ? found : `${found} The server is still indexing; some messages may be missing.`;
    announce(found);
  }

  #row({ message, extract }) {
    const place = this.place(message.conversation_id) ?? { name: "Another conversation", hash: `#/r/${encodeURIComponent(message.conversation_id)}` };
    const hash = `${place.hash}/${message.id}`;
    const at = new Date(message.created_at);
    const text = extract.parts.map((part) => (part.match ? el("mark", {}, part.text) : part.text));
    return el("li", {}, el("a", { class: "result", href: hash, on: { click: () => this.onOpen(hash) } },
      el("span", { class: "result-head" }, el("strong", {}, place.name), el("time", { datetime: at.toISOString() }, dateFormat.format(at))),
      el("span", { class: "result-text", dir: "auto" }, el("b", {}, `${message.sender_username}: `),
        extract.has_before && "… ", ...text, extract.has_after && " …")));
  }
}
