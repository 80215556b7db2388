// What was said in one room, in order, each message once; and what this tab is still trying to say.
// A pure model: no DOM, no network, no clock but the one handed in.

// queued: not yet given to a socket. sending: given, not confirmed. unknown: the socket broke before the answer.
// failed: refused, or lost. sent: stored by the server.
const OPEN_STATES = new Set(["sending", "unknown", "failed"]);

export class Timeline {
  entries = [];
  #byId = new Map();
  #byRef = new Map();
  #counter = 0;

  constructor(userId) {
    this.userId = userId;
  }

  /** Takes a message of the server's, from a live frame, a replay or history. Says whether it was new to us. */
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

  /** An echo carries no `ref`: it belongs to the oldest unconfirmed message of ours with the same text. */
  #claim(message) {
    return this.entries.find((entry) =>
      OPEN_STATES.has(entry.state) && !entry.refused && entry.content === message.content && message.seq > entry.afterSeq);
  }

  /** Adds a message of ours, to be sent. `afterSeq` is the newest position seen, so that older twins are not taken for it. */
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

  /** The server refused it, so no echo will come. */
  refuse(ref, reason) {
    const entry = this.#byRef.get(ref);
    if (!entry || entry.state === "sent") return false;
    Object.assign(entry, { state: "failed", refused: true, reason });
    return true;
  }

  /** The socket broke: what it was carrying may or may not have been stored. */
  interrupted() {
    for (const entry of this.entries) if (entry.state === "sending") entry.state = "unknown";
  }

  /** The replay is over: what did not come back in it was not stored. The person decides whether to say it again. */
  settle() {
    for (const entry of this.entries) {
      if (entry.state !== "unknown") continue;
      Object.assign(entry, { state: "failed", reason: "The connection broke while this was being sent." });
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

  /** Forgets what the server said, not what we have yet to say: the sequence has started anew, or a hole is too wide. */
  reset() {
    this.entries = this.entries.filter((entry) => entry.state !== "sent");
    this.#byId.clear();
  }

  /** Drops the oldest messages beyond `count`; says whether any were dropped. */
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
