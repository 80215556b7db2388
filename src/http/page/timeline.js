// The messages of one room, in order and each once, and the messages that this tab has yet to send. A pure model: no
// DOM, no network, and no clock except the one passed in.

// queued: not yet passed to a socket. sending: passed, not confirmed. unknown: the socket broke before the
// confirmation. failed: refused, or lost. sent: stored by the server.
const OPEN_STATES = new Set(["sending", "unknown", "failed"]);

export class Timeline {
  entries = [];
  #byId = new Map();
  #byRef = new Map();
  #counter = 0;

  constructor(userId) {
    this.userId = userId;
  }

  /** Adds a message from the server: from a live frame, a replay or the history. Returns whether it was new. */
  accept(message) {
    const known = this.#byId.get(message.id);
    if (known) {
      known.seq ??= message.seq;
      return false;
    }
    const own = message.sender_id === this.userId ? this.#claim(message) : null;
    const entry = own ?? { key: message.id };
    Object.assign(entry, {
      id: message.id,
      seq: message.seq,
      senderId: message.sender_id,
      senderName: message.sender_username,
      content: message.content,
      at: new Date(message.created_at ?? Date.now()),
      state: "sent",
      reason: null,
    });
    this.#byId.set(entry.id, entry);
    if (!own) this.entries.push(entry);
    this.#sort();
    return own === null;
  }

  /** An echo carries no `ref`: it belongs to our oldest unconfirmed message with the same text. */
  #claim(message) {
    return this.entries.find((entry) =>
      OPEN_STATES.has(entry.state) && !entry.refused && entry.content === message.content && message.seq > entry.afterSeq);
  }

  /** Adds our own message, to be sent. `afterSeq` is the newest position seen, so that older messages with the same text are not taken for it. */
  queue(content, senderName, now) {
    const ref = `m${(this.#counter += 1)}-${now}`;
    const entry = { key: ref, ref, senderId: this.userId, senderName, content, at: new Date(now), state: "queued", order: this.#counter };
    this.entries.push(entry);
    this.#byRef.set(ref, entry);
    return entry;
  }

  sending(entry, afterSeq) {
    Object.assign(entry, { state: "sending", afterSeq, refused: false, reason: null });
  }

  acknowledge(ref, id, seq) {
    const entry = this.#byRef.get(ref);
    if (!entry || entry.id) return;
    if (this.#byId.has(id)) {
      this.remove(entry);
      return;
    }
    Object.assign(entry, { id, seq, state: "sent", reason: null });
    this.#byId.set(id, entry);
    this.#sort();
  }

  /** The server refused it, so there will be no echo. */
  refuse(ref, reason) {
    const entry = this.#byRef.get(ref);
    if (!entry || entry.state === "sent") return false;
    Object.assign(entry, { state: "failed", refused: true, reason });
    return true;
  }

  /** The socket broke: messages in transit may or may not have been stored. */
  interrupted() {
    for (const entry of this.entries) if (entry.state === "sending") entry.state = "unknown";
  }

  /** The replay is complete: messages that were not in it were not stored. The user decides whether to send them again. */
  settle() {
    for (const entry of this.entries) {
      if (entry.state !== "unknown") continue;
      Object.assign(entry, { state: "failed", reason: "The connection broke while sending." });
    }
  }

  queued() {
    return this.entries.filter((entry) => entry.state === "queued");
  }

  requeue(entry) {
    this.#byRef.delete(entry.ref);
    entry.ref = `m${(this.#counter += 1)}-r`;
    entry.order = this.#counter;
    entry.state = "queued";
    this.#byRef.set(entry.ref, entry);
    this.#sort();
  }

  remove(entry) {
    this.entries = this.entries.filter((other) => other !== entry);
    this.#byRef.delete(entry.ref);
    if (entry.id) this.#byId.delete(entry.id);
  }

  /** Forgets the server's messages but not our unsent ones, because the sequence has restarted or a gap is too wide. */
  reset() {
    this.entries = this.entries.filter((entry) => entry.state !== "sent");
    this.#byId.clear();
  }

  /** Drops the oldest messages beyond `count`. Returns whether any were dropped. */
  trim(count) {
    const sent = this.entries.filter((entry) => entry.id);
    if (sent.length <= count) return false;
    for (const entry of sent.slice(0, sent.length - count)) this.remove(entry);
    return true;
  }

  oldest() {
    return this.entries.find((entry) => entry.id) ?? null;
  }

  newestSeq() {
    return this.entries.reduce((newest, entry) => Math.max(newest, entry.seq ?? 0), 0);
  }

  #sort() {
    const place = (entry) => entry.seq ?? Infinity;
    this.entries.sort((a, b) => (place(a) === place(b) ? (a.order ?? 0) - (b.order ?? 0) : place(a) - place(b)));
  }
}
