// The list of messages on the screen. It gets all entries and updates only the changed DOM nodes, and keeps the scroll
// position of the reader.

import { actionBar, editBox, emojiPicker, reactionRow } from "./actions.js";
import { fileList } from "./attachments.js";
import { avatar, el } from "./dom.js";
import { formatted } from "./text.js";

const RUN_MAX_MS = 5 * 60_000;
const BOTTOM_SLACK_PX = 80;
const FOUND_MS = 4_000;

const timeFormat = new Intl.DateTimeFormat(undefined, { hour: "numeric", minute: "2-digit" });
const dayFormat = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const dayOfYearFormat = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long", year: "numeric" });
const fullFormat = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });

function dayName(date) {
  const now = new Date();
  const startOfDay = (day) => new Date(day.getFullYear(), day.getMonth(), day.getDate());
  const daysAgo = Math.round((startOfDay(now) - startOfDay(date)) / 86_400_000);
  if (daysAgo === 0) return "Today";
  if (daysAgo === 1) return "Yesterday";
  return (date.getFullYear() === now.getFullYear() ? dayFormat : dayOfYearFormat).format(date);
}

export class MessageList {
  #rows = new Map();
  #days = new Map();
  #newLine = el("li", { class: "day new" }, el("span", {}, "New messages"));
  // the message that is edited, and the one for which a reaction is chosen: {key, box} and {key, node}
  #editing = null;
  #picking = null;
  // whether the reader is at the end and stays there when something grows
  #stuck = true;
  // the row that the Tab key reaches
  #current = null;

  /**
   * `me` is {id, username}. `nameOf(userId)` is the user name of a member, or undefined. `on` handles what the user does with a
   * message: retry(entry), discard(entry), edit(entry, text), erase(entry), react(entry, emoji, remove), changed() to draw again.
   * `signal` ends it.
   */
  constructor({ scroller, list, me, nameOf, on, signal }) {
    Object.assign(this, { scroller, list, me, nameOf, on });
    list.replaceChildren();
    list.addEventListener("focusin", ({ target }) => { if (target.matches(".message")) this.#makeCurrent(target); }, { signal });
    list.addEventListener("keydown", (event) => this.#key(event), { signal });
    scroller.addEventListener("scroll", () => { this.#stuck = this.atBottom(); }, { signal });
    // Images that are loaded later, and what stands above the first message, make the content taller.
    const growth = new ResizeObserver(() => { if (this.#stuck) this.toBottom(); });
    for (const part of scroller.children) growth.observe(part);
    signal.addEventListener("abort", () => growth.disconnect());
  }

  atBottom() {
    const { scrollTop, scrollHeight, clientHeight } = this.scroller;
    return scrollHeight - scrollTop - clientHeight < BOTTOM_SLACK_PX;
  }

  toBottom() {
    this.#stuck = true;
    this.scroller.scrollTop = this.scroller.scrollHeight;
  }

  /** Behind `readUpTo`, if there is such a position, a line separates what is new. */
  render(entries, readUpTo = null) {
    const stick = this.atBottom();
    const anchor = stick ? null : this.#anchor();
    const focused = this.#focused();
    this.#place(this.#wanted(entries, readUpTo));
    this.#restore(focused);
    // Until the user goes to another one, the Tab key reaches the newest.
    if (!this.list.contains(document.activeElement)) this.#makeCurrent(this.list.querySelector(".message:last-of-type"));
    if (stick) this.toBottom();
    else if (anchor?.row.isConnected) this.scroller.scrollTop += anchor.row.offsetTop - anchor.top;
  }

  /** Scrolls to a message and marks it for a moment. Returns whether it is here. */
  reveal(id) {
    const row = [...this.#rows.values()].find((one) => one.id === id);
    if (!row) return false;
    this.#stuck = false;
    row.node.scrollIntoView({ block: "center" });
    row.node.classList.add("found");
    row.node.focus({ preventScroll: true });
    setTimeout(() => row.node.classList.remove("found"), FOUND_MS);
    return true;
  }

  /** Opens the box in which a message is edited. */
  edit(entry) {
    const close = () => {
      this.#editing = null;
      this.on.changed();
      this.on.left();
    };
    this.#picking = null;
    this.#editing = { key: entry.key, box: editBox(entry, (text) => this.on.edit(entry, text), close), isNew: true };
    this.on.changed();
  }

  #pick(entry) {
    const close = () => {
      if (this.#picking?.key !== entry.key) return;
      this.#picking = null;
      this.on.changed();
    };
    const wasOpen = this.#picking?.key === entry.key;
    close();
    if (wasOpen) return;
    const pick = (emoji) => { close(); this.on.react(entry, emoji, false); this.#rows.get(entry.key)?.node.focus({ preventScroll: true }); };
    this.#picking = { key: entry.key, node: emojiPicker(pick, close), isNew: true };
    this.on.changed();
  }

  // ---- the keyboard: Tab reaches one message, the arrow keys go to the others, and Tab goes on to the buttons of that one

  #makeCurrent(row) {
    if (!row || row === this.#current) return;
    const reach = (of, index) => {
      if (!of) return;
      of.tabIndex = index;
      for (const button of of.querySelectorAll(".actions button")) button.tabIndex = index;
    };
    reach(this.#current, -1);
    reach(row, 0);
    this.#current = row;
  }

  #key(event) {
    const step = { ArrowUp: "previousElementSibling", ArrowDown: "nextElementSibling" }[event.key];
    if (!step || !event.target.matches(".message")) return;
    let next = event.target[step];
    while (next && !next.matches(".message")) next = next[step];
    if (!next) return;
    event.preventDefault();
    next.focus();
  }

  /** What has the focus within a row, by its key: rows are built anew when they change. */
  #focused() {
    const { activeElement: active } = document;
    const row = active && this.list.contains(active) && active.closest(".message");
    return row ? { row, active, key: active.dataset.key } : null;
  }

  #restore(focused) {
    if (focused && document.activeElement !== focused.active) {
      const same = focused.active.isConnected ? focused.active
        : focused.key && focused.row.querySelector(`[data-key="${CSS.escape(focused.key)}"]`);
      if (focused.row.isConnected) (same || focused.row).focus({ preventScroll: true });
    }
    for (const opened of [this.#editing, this.#picking]) {
      if (!opened?.isNew) continue;
      opened.isNew = false;
      if (opened.box) opened.box.focus();
      else opened.node.querySelector("button").focus();
    }
  }

  #anchor() {
    const top = this.scroller.scrollTop;
    for (const row of this.list.children) {
      if (row.offsetTop + row.offsetHeight > top) return { row, top: row.offsetTop };
    }
    return null;
  }

  #wanted(entries, readUpTo) {
    const firstNew = readUpTo === null ? null : entries.find((one) => one.seq > readUpTo && one.senderId !== this.me.id && !one.deleted);
    const wanted = [];
    const rows = new Map();
    const days = new Map();
    let previous = null;
    for (const entry of entries) {
      const day = dayName(entry.at);
      const newDay = !previous || dayName(previous.at) !== day;
      if (newDay && !days.has(day)) {
        const separator = this.#days.get(day) ?? el("li", { class: "day" }, el("span", {}, day));
        days.set(day, separator);
        wanted.push(separator);
      }
      if (entry === firstNew) wanted.push(this.#newLine);
      const starts = newDay || entry === firstNew || previous.senderId !== entry.senderId || entry.at - previous.at > RUN_MAX_MS;
      const row = this.#row(entry, starts);
      rows.set(entry.key, row);
      wanted.push(row.node);
      previous = entry;
    }
    this.#rows = rows;
    this.#days = days;
    return wanted;
  }

  #place(wanted) {
    let cursor = this.list.firstChild;
    for (const node of wanted) {
      if (node === cursor) cursor = cursor.nextSibling;
      else this.list.insertBefore(node, cursor);
    }
    while (cursor) {
      const next = cursor.nextSibling;
      cursor.remove();
      cursor = next;
    }
  }

  #row(entry, starts) {
    const mentioned = entry.mentions.map((id) => (id === this.me.id ? this.me.username : this.nameOf(id))).filter(Boolean);
    const box = this.#editing?.key === entry.key ? this.#editing.box : null;
    const picker = this.#picking?.key === entry.key ? this.#picking.node : null;
    const shown = JSON.stringify([starts, entry.state, entry.reason, +entry.at, entry.senderName, entry.content, entry.edited,
      entry.deleted, entry.reactions, mentioned, Boolean(box), Boolean(picker), entry.attachments.length]);
    const known = this.#rows.get(entry.key);
    if (known?.shown === shown) return Object.assign(known, { id: entry.id });
    const node = known?.node ?? el("li", { tabindex: "-1" });
    // Images are not read again when something else of the row changes.
    const files = known?.files?.of === entry.attachments ? known.files : { of: entry.attachments, node: fileList(entry.attachments) };
    node.className = `message${starts ? " starts" : ""}${entry.mentions.includes(this.me.id) ? " to-me" : ""}${box || picker ? " busy" : ""}`;
    node.dataset.state = entry.state;
    node.replaceChildren(...[
      ...this.#head(entry, starts), box?.node ?? this.#body(entry, mentioned), files.node, ...this.#delivery(entry),
      reactionRow(entry, (emoji, reacted) => this.on.react(entry, emoji, reacted)), this.#bar(entry), picker,
    ].filter(Boolean));
    if (node === this.#current) {
      for (const button of node.querySelectorAll(".actions button")) button.tabIndex = 0;
    }
    return { node, shown, files, id: entry.id };
  }

  #head(entry, starts) {
    const time = el("time", { datetime: entry.at.toISOString(), title: fullFormat.format(entry.at) }, timeFormat.format(entry.at));
    if (starts) return [avatar(entry.senderId, entry.senderName), el("div", { class: "head" }, el("strong", { dir: "auto" }, entry.senderName), time)];
    return [time, el("span", { class: "sr-only" }, `${entry.senderName}: `)];
  }

  #body(entry, mentioned) {
    if (entry.deleted) return el("div", { class: "body deleted" }, "This message was deleted.");
    return el("div", { class: "content" }, el("div", { class: "body", dir: "auto" }, ...formatted(entry.content, mentioned, this.me.username)),
      entry.edited && el("small", { class: "edited" }, "edited"));
  }

  #bar(entry) {
    if (!entry.id || entry.deleted) return null;
    return actionBar(entry, entry.senderId === this.me.id, {
      pick: () => this.#pick(entry), edit: () => this.edit(entry), erase: () => this.on.erase(entry),
    });
  }

  #delivery(entry) {
    switch (entry.state) {
      case "sent":
        return [];
      case "failed":
        return [el("div", { class: "delivery failed", role: "alert" },
          `Not sent. ${entry.reason ?? ""} `,
          el("button", { class: "link", type: "button", on: { click: () => this.on.retry(entry) } }, "Retry"), " ",
          el("button", { class: "link", type: "button", on: { click: () => this.on.discard(entry) } }, "Delete"))];
      case "queued":
        return [el("div", { class: "delivery" }, "Will be sent when connected")];
      default:
        return [el("div", { class: "delivery" }, "Sending…")];
    }
  }
}
