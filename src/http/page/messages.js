// The list of messages on the screen. It gets all entries and updates only the changed DOM nodes, and keeps the scroll
// position of the reader.

import { fileList } from "./attachments.js";
import { avatar, el } from "./dom.js";
import { withLinks } from "./text.js";

const RUN_MAX_MS = 5 * 60_000;
const BOTTOM_SLACK_PX = 80;

const timeFormat = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const dayFormat = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const fullFormat = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });

function dayName(date) {
  const startOfDay = (day) => new Date(day.getFullYear(), day.getMonth(), day.getDate());
  const daysAgo = Math.round((startOfDay(new Date()) - startOfDay(date)) / 86_400_000);
  if (daysAgo === 0) return "Today";
  if (daysAgo === 1) return "Yesterday";
  return dayFormat.format(date);
}

export class MessageList {
  #rows = new Map();
  #days = new Map();

  /** `onRetry(entry)` and `onDiscard(entry)` handle a message that was not sent. */
  constructor({ scroller, list, onRetry, onDiscard }) {
    Object.assign(this, { scroller, list, onRetry, onDiscard });
    list.replaceChildren();
  }

  atBottom() {
    const { scrollTop, scrollHeight, clientHeight } = this.scroller;
    return scrollHeight - scrollTop - clientHeight < BOTTOM_SLACK_PX;
  }

  toBottom() {
    this.scroller.scrollTop = this.scroller.scrollHeight;
  }

  render(entries) {
    const stick = this.atBottom();
    const anchor = stick ? null : this.#anchor();
    this.#place(this.#wanted(entries));
    if (stick) this.toBottom();
    else if (anchor?.row.isConnected) this.scroller.scrollTop += anchor.row.offsetTop - anchor.top;
  }

  #anchor() {
    const top = this.scroller.scrollTop;
    for (const row of this.list.children) {
      if (row.offsetTop + row.offsetHeight > top) return { row, top: row.offsetTop };
    }
    return null;
  }

  #wanted(entries) {
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
      const starts = newDay || previous.senderId !== entry.senderId || entry.at - previous.at > RUN_MAX_MS;
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
    const shown = `${starts}|${entry.state}|${entry.reason}|${+entry.at}|${entry.senderName}`;
    const known = this.#rows.get(entry.key);
    if (known?.shown === shown) return known;
    const node = known?.node ?? el("li");
    node.className = `message${starts ? " starts" : ""}`;
    node.dataset.state = entry.state;
    const time = el("time", { datetime: entry.at.toISOString(), title: fullFormat.format(entry.at) }, timeFormat.format(entry.at));
    const head = starts
      ? [avatar(entry.senderId, entry.senderName), el("div", { class: "head" }, el("strong", {}, entry.senderName), time)]
      : [time, el("span", { class: "sr-only" }, `${entry.senderName}: `)];
    const body = entry.deleted
      ? el("div", { class: "body deleted" }, "This message was deleted.")
      : el("div", { class: "body", dir: "auto" }, ...withLinks(entry.content));
    node.replaceChildren(...[...head, body, fileList(entry.attachments), ...this.#delivery(entry)].filter(Boolean));
    return { node, shown };
  }

  #delivery(entry) {
    switch (entry.state) {
      case "sent":
        return [];
      case "failed":
        return [el("div", { class: "delivery failed", role: "alert" },
          `Not sent. ${entry.reason ?? ""} `,
          el("button", { class: "link", type: "button", on: { click: () => this.onRetry(entry) } }, "Retry"), " ",
          el("button", { class: "link", type: "button", on: { click: () => this.onDiscard(entry) } }, "Delete"))];
      case "queued":
        return [el("div", { class: "delivery" }, "Will be sent when connected")];
      default:
        return [el("div", { class: "delivery" }, "Sending…")];
    }
  }
}
