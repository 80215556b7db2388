// The messages of one room, in order and each once, and the messages that this tab has yet to send. A pure model: no
// DOM, no network, and no clock except the one passed in.

// queued: not yet passed to a socket. sending: passed, not confirmed. unknown: the socket broke before the
// confirmation. failed: refused, or too old to repeat. sent: stored by the server.

// The server remembers the ids of messages for 24 hours. Later a repeated message would be stored twice.
const REPEATABLE_MS = 23 * 60 * 60 * 1000;

/** An id that no other tab and no other message has. The server shows it to this user's sockets only. */
function clientMessageId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export class Timeline {
  entries = [];
  #byId = new Map();
  #byRef = new Map();
  #counter = 0;

  constructor(userId) {
    this.userId = userId;
  }

  /**
   * Adds a message from the server: from a live frame, a replay or the history. Returns whether it was new. A message of the
   * history is given with `asOf`, the position of the room up to which later changes are contained in it.
   */
  accept(message, asOf) {
    const own = this.#claim(message);
    const known = this.#byId.get(message.id);
    if (known && own && own !== known) this.remove(own);
    const entry = known ?? own ?? { key: message.id, reactions: [], edited: false };
    this.#fill(entry, message, asOf);
    if (!known) {
      this.#byId.set(entry.id, entry);
      if (!own) this.entries.push(entry);
    }
    this.#sort();
    return !known && !own;
  }

  #fill(entry, message, asOf) {
    Object.assign(entry, {
      id: message.id,
      seq: message.seq ?? entry.seq,
      senderId: message.sender_id,
      senderName: message.sender_username,
      content: message.ciphertext === undefined ? message.content : "This message is encrypted. Open it in an app that has its keys.",
      isPlain: message.ciphertext === undefined,
      attachments: message.attachments ?? [],
      mentions: message.mentions ?? [],
      deleted: message.deleted === true,
      at: new Date(message.created_at ?? Date.now()),
      state: "sent",
      reason: null,
      asOf: Math.max(asOf ?? 0, entry.asOf ?? 0),
    });
    // Only the history contains these; a frame is followed by frames of the changes.
    if (asOf !== undefined) Object.assign(entry, { reactions: message.reactions ?? [], edited: message.edited_at !== undefined });
    if (entry.deleted) Object.assign(entry, { reactions: [], edited: false });
  }

  /** The message, if it is here and does not contain the change yet. */
  #changed(id, seq) {
    const entry = this.#byId.get(id);
    if (!entry || seq <= entry.asOf) return null;
    entry.asOf = seq;
    return entry;
  }

  /** Somebody has changed the text of a message. Returns whether that is visible. */
  edit(id, content, seq) {
    const entry = this.#changed(id, seq);
    if (!entry || entry.deleted) return false;
    if (entry.isPlain) entry.content = content;
    entry.edited = true;
    return true;
  }

  /** Somebody has deleted a message. Returns whether that is visible. */
  erase(id, seq) {
    const entry = this.#changed(id, seq);
    if (!entry) return false;
    Object.assign(entry, { content: "", attachments: [], mentions: [], reactions: [], deleted: true, edited: false });
    return true;
  }

  /** Somebody has given or taken back a reaction. Returns whether that is visible. */
  react(id, { emoji, userId, removed }, seq) {
    const entry = this.#changed(id, seq);
    if (!entry || entry.deleted) return false;
    const known = entry.reactions.find((one) => one.emoji === emoji);
    const count = (known?.count ?? 0) + (removed ? -1 : 1);
    const reacted = userId === this.userId ? !removed : known?.reacted ?? false;
    const next = { emoji, count, reacted };
    entry.reactions = (known ? entry.reactions.map((one) => (one === known ? next : one)) : [...entry.reactions, next])
      .filter((one) => one.count > 0);
    return true;
  }

  /** Our message that the server has stored as this one. Only messages of this user carry a `client_message_id`. */
  #claim(message) {
    const id = message.client_message_id;
    return id === undefined ? undefined : this.entries.find((entry) => entry.clientMessageId === id);
  }

  /** Adds our own message, to be sent. */
  queue(content, senderName, now, { attachments = [], mentions = [] } = {}) {
    const ref = `m${(this.#counter += 1)}-${now}`;
    const entry = {
      key: ref, ref, clientMessageId: clientMessageId(), senderId: this.userId, senderName, content, attachments, mentions,
      reactions: [], edited: false, deleted: false, isPlain: true, at: new Date(now), state: "queued", order: this.#counter,
    };
    this.entries.push(entry);
    this.#byRef.set(ref, entry);
    return entry;
  }

  sending(entry) {
    Object.assign(entry, { state: "sending", reason: null });
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
    Object.assign(entry, { state: "failed", reason });
    return true;
  }

  /** The socket broke: messages in transit may or may not have been stored. */
  interrupted() {
    for (const entry of this.entries) if (entry.state === "sending") entry.state = "unknown";
  }

  /** The replay is complete. Messages that were not in it are sent again: if they were stored after all, the server recognises their ids. */
  settle(now) {
    for (const entry of this.entries.filter(({ state }) => state === "unknown")) {
      if (now - entry.at.getTime() < REPEATABLE_MS) entry.state = "queued";
      else Object.assign(entry, { state: "failed", reason: "The connection broke while sending." });
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
    if (entry.id && this.#byId.get(entry.id) === entry) this.#byId.delete(entry.id);
  }

  /** Forgets the server's messages but not our unsent ones: the sequence has restarted, or another part of it is shown. */
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

  has(id) {
    return this.#byId.has(id);
  }

  oldest() {
    return this.entries.find((entry) => entry.id) ?? null;
  }

  newest() {
    return this.entries.findLast((entry) => entry.id) ?? null;
  }

  /** The last message of somebody else. */
  newestOfOthers() {
    return this.entries.findLast((entry) => entry.id && entry.senderId !== this.userId) ?? null;
  }

  /** The last message of this user that can be edited. */
  newestEditable() {
    return this.entries.findLast((entry) => entry.id && entry.senderId === this.userId && !entry.deleted && entry.isPlain) ?? null;
  }

  #sort() {
    const place = (entry) => entry.seq ?? Infinity;
    this.entries.sort((a, b) => (place(a) === place(b) ? (a.order ?? 0) - (b.order ?? 0) : place(a) - place(b)));
  }
}
