// The open room: its place on the connection, the dispatch of its frames, and what the user does in it.

import { call, currentUser } from "./api.js";
import { Composer, TypingLine } from "./composer.js";
import { announce, byId, el, icon, toast } from "./dom.js";
import { History } from "./history.js";
import { mentionedIds } from "./mentions.js";
import { MessageList } from "./messages.js";
import { People } from "./people.js";
import { Timeline } from "./timeline.js";

const NEAR_EDGE_PX = 300;
const READ_DELAY_MS = 300;
const REJOIN_AFTER_MS = 5_000;

/** A message of the socket in the form of the history. */
function fromFrame(frame) {
  return { ...frame, id: frame.message_id, sender_id: frame.user_id, sender_username: frame.username, created_at: frame.timestamp };
}

/** One open conversation. `target`: {key, group, channel}, {key, person} or {key, room}. */
export class OpenRoom {
  #closed = new AbortController();
  #joinRef = null;
  #joins = 0;
  #isStarted = false;
  #isReady = false;
  #refused = null;
  #rejoinTimer = 0;
  // {seq, epoch} up to which this tab has seen everything
  #position = null;
  #resumedFrom = null;
  #frameRequested = false;
  #countdown = 0;
  #readTimer = 0;
  #readId = null;

  constructor(target, { directory, connection, actions, messageId }) {
    Object.assign(this, { target, directory, connection, actions });
    const { signal } = this.#closed;
    this.isDirect = !!target.person;
    this.conversationId = target.channel?.id ?? target.room?.id ?? target.person?.conversationId;
    this.readUpTo = directory.readUpTo(this.conversationId);
    this.timeline = new Timeline(currentUser().id);
    this.people = new People(target, directory, actions, () => this.#draw());
    this.list = new MessageList({
      scroller: byId("scroller"),
      list: byId("messages"),
      me: currentUser(),
      nameOf: (userId) => this.people.usernameOf(userId),
      on: this.#messageActions(),
      signal,
    });
    this.history = new History({ timeline: this.timeline, list: this.list, on: this.#historyEvents() });
    this.typing = new TypingLine();
    this.#prepareView();
    this.#listen();
    this.composer = new Composer({
      key: target.key,
      name: this.name,
      people: () => this.people.others,
      signal,
      onSubmit: (text, files) => this.#say(text, files),
      onTyping: (isTyping) => this.#sendTyping(isTyping),
      onEditLast: () => this.#editLast(),
    });
    this.#showPhase();
    this.#start(messageId);
  }

  close() {
    this.composer.close();
    this.people.close();
    this.typing.close();
    this.#closed.abort();
    clearInterval(this.#countdown);
    clearTimeout(this.#readTimer);
    clearTimeout(this.#rejoinTimer);
  }

  get isClosed() {
    return this.#closed.signal.aborted;
  }

  get name() {
    const { person, channel, room } = this.target;
    if (room) return room.name;
    return this.isDirect ? person.display_name || person.username : `#${channel.name}`;
  }

  // ---- the view around the messages

  #prepareView() {
    byId("room-title").textContent = this.name;
    byId("room-add").hidden = !this.target.group || !this.directory.mayManage(this.target.group);
    byId("older").hidden = true;
    byId("jump").hidden = true;
    byId("beginning").hidden = true;
  }

  #listen() {
    const { signal } = this.#closed;
    const on = (id, event, listener) => byId(id).addEventListener(event, listener, { signal });
    on("scroller", "scroll", () => {
      const { scrollTop, scrollHeight, clientHeight } = byId("scroller");
      if (scrollTop < NEAR_EDGE_PX) this.history.loadOlder();
      if (scrollHeight - scrollTop - clientHeight < NEAR_EDGE_PX) this.history.loadNewer();
      if (this.list.atBottom()) this.#seen();
    });
    on("older", "click", () => this.history.loadOlder());
    on("jump", "click", async () => { await this.toNewest(); this.composer.focus(); });
    on("connection-action", "click", () => this.#retry());
    document.addEventListener("visibilitychange", () => { if (!document.hidden) this.#seen(); }, { signal });
    addEventListener("focus", () => this.#seen(), { signal });
    addEventListener("resize", () => { if (this.list.atBottom()) this.list.toBottom(); }, { signal });
    this.connection.addEventListener("phase", () => this.#followConnection(), { signal });
    this.connection.addEventListener("frame", ({ detail }) => this.#receive(detail), { signal });
  }

  #draw() {
    if (this.#frameRequested || this.isClosed) return;
    this.#frameRequested = true;
    const draw = () => {
      this.#frameRequested = false;
      if (this.isClosed) return;
      this.history.trim();
      this.list.render(this.timeline.entries, this.readUpTo);
      this.history.showEnds();
      this.#drawBeginning();
      this.history.revealWanted();
      this.#markRead();
    };
    // A hidden tab gets no animation frames, but should be complete when it becomes visible.
    if (document.hidden) setTimeout(draw, 100);
    else requestAnimationFrame(draw);
  }

  #drawBeginning() {
    const node = byId("beginning");
    node.hidden = !this.history.isLoaded || this.history.hasOlder;
    if (node.hidden || node.dataset.key === this.target.key) return;
    node.dataset.key = this.target.key;
    const { group } = this.target;
    const mayAdd = group && this.directory.mayManage(group);
    const text = this.isDirect ? `Only you and ${this.name} can read this.`
      : group ? `This is the start of ${this.name} in ${group.name}.${group.description ? ` ${group.description}` : ""} Say hello.`
        : `This is the start of ${this.name}. Say hello.`;
    node.replaceChildren(el("div", {},
      el("h2", { dir: "auto" }, this.isDirect || !group ? this.name : `Welcome to ${this.name}`),
      el("p", {}, text),
      mayAdd && el("button", { class: "button quiet", type: "button", on: { click: () => this.actions.addMember(group) } }, "Add people")));
  }

  // ---- history

  get #path() {
    if (this.conversationId) return `/api/conversations/${encodeURIComponent(this.conversationId)}/messages`;
    return `/api/dm/${encodeURIComponent(this.target.person.id)}/messages`;
  }

  async #start(messageId) {
    try {
      if (messageId) await this.jumpTo(messageId);
      if (!this.history.isLoaded && !this.isClosed) await this.history.readNewest();
    } catch (error) {
      // Otherwise the connection keeps retrying and shows the reason.
      if (error.status === 403 || error.status === 404) this.#refuse(error.message);
    }
    if (this.isClosed) return;
    this.#isStarted = true;
    this.people.reload();
    this.#join();
  }

  #historyEvents() {
    return {
      path: () => this.#path,
      isClosed: () => this.isClosed,
      // Messages between this response and the join arrive as a replay.
      shows: (page) => { this.#position ??= { seq: page.seq ?? 0, epoch: page.epoch }; },
      // A direct conversation has an id of its own, which every message in it names.
      takes: (page) => { this.conversationId ??= page.messages[0]?.conversation_id; },
      draw: () => this.#draw(),
    };
  }

  /** Shows a message with the history around it. */
  jumpTo(messageId) {
    return this.history.jumpTo(messageId);
  }

  /** Shows the newest messages. */
  toNewest() {
    return this.history.toNewest();
  }

  // ---- the connection

  #followConnection() {
    this.#isReady = false;
    this.#joinRef = null;
    this.timeline.interrupted();
    this.people.setConnected(this.connection.isOpen);
    this.#showPhase();
    if (this.connection.isOpen) this.#join();
    this.#draw();
  }

  /** Joins, and asks for everything after the position. */
  #join() {
    if (!this.connection.isOpen || this.isClosed || !this.#isStarted || this.#joinRef || this.#isReady) return;
    if (!this.conversationId) {
      // The first message makes the conversation. It reaches this socket without a join.
      if (this.history.isLoaded) this.#becomeReady();
      else this.#loadAfterwards();
      return;
    }
    clearTimeout(this.#rejoinTimer);
    this.#refused = null;
    this.#joinRef = `join-${(this.#joins += 1)}`;
    this.#resumedFrom = this.#position;
    const { seq: since, epoch } = this.#position ?? {};
    this.connection.send({ event_type: "room.join", room_id: this.conversationId, ref: this.#joinRef, ...(this.#position && { since, epoch }) });
    this.#showPhase();
  }

  #retry() {
    if (this.connection.isOpen) this.#join();
    else this.connection.retryNow();
  }

  #refuse(sentence) {
    this.#joinRef = null;
    this.#refused = sentence;
    this.#showPhase();
  }

  #entered(frame) {
    this.people.areHere(frame.members.map(({ user_id: id }) => id));
    if (this.#resumedFrom) return undefined; // `recovered` follows
    this.#position = { seq: frame.seq, epoch: frame.epoch };
    return this.#loadAfterwards();
  }

  async #recovered({ seq, complete }) {
    this.#position = { seq, epoch: this.#position.epoch };
    if (complete !== false && this.history.isLoaded) return this.#becomeReady();
    this.#position = null;
    return this.#loadAfterwards();
  }

  /** The history is read although the room is joined already: nothing was replayed. */
  async #loadAfterwards() {
    try {
      await this.history.readNewest();
      this.#becomeReady();
    } catch (error) {
      if (error.status === 403 || error.status === 404) return this.#refuse(error.message);
      this.#joinRef = null;
      this.#rejoinTimer = setTimeout(() => this.#join(), REJOIN_AFTER_MS);
    }
    return undefined;
  }

  #becomeReady() {
    if (this.isClosed || !this.connection.isOpen) return;
    this.#joinRef = null;
    this.#refused = null;
    this.#isReady = true;
    this.timeline.settle(Date.now());
    this.#showPhase();
    this.#flush();
    this.#draw();
    this.people.reload();
  }

  #showPhase() {
    clearInterval(this.#countdown);
    const { phase: connectionPhase, sentence, action, untilMs } = this.connection.state;
    const phase = connectionPhase !== "open" ? connectionPhase : this.#refused ? "stopped" : this.#isReady ? "open" : "connecting";
    const reason = sentence ?? this.#refused;
    const say = (text) => { byId("connection-text").textContent = text; };
    if (byId("connection").dataset.phase !== phase && phase !== "connecting") {
      announce({ open: "Connected", waiting: "Connection lost", stopped: reason }[phase]);
    }
    byId("connection").dataset.phase = phase;
    byId("connection-action").hidden = phase === "open" || phase === "connecting";
    byId("connection-action").textContent = action ?? (this.#refused ? "Try again" : "Retry now");
    if (phase !== "waiting") return say({ open: "Connected", connecting: "Connecting…", stopped: reason }[phase]);
    const tick = () => {
      const seconds = Math.max(0, Math.ceil(((untilMs ?? 0) - Date.now()) / 1000));
      say(seconds > 1 ? `Connection lost. Trying again in ${seconds} s` : "Connection lost. Trying again…");
    };
    tick();
    this.#countdown = setInterval(tick, 1000);
    return undefined;
  }

  // ---- frames

  /** Whether a frame is about this room. */
  #isMine(frame) {
    const id = frame.conversation_id ?? frame.room_id;
    if (id === undefined) return false;
    if (this.conversationId) return id === this.conversationId;
    if (!this.isDirect || !frame.recipient_id) return false;
    const pair = [frame.user_id, frame.recipient_id];
    if (!pair.includes(this.target.person.id) || !pair.includes(currentUser().id)) return false;
    this.conversationId = id;
    // Changes of messages reach only those who have joined.
    this.#isReady = false;
    this.#join();
    return true;
  }

  #receive(frame) {
    if (frame.event_type.startsWith("presence.")) return this.people.setOnline(frame.user_id, frame.status !== "offline");
    if (frame.event_type === "error") return this.#receiveError(frame);
    if (frame.event_type === "ack" || frame.event_type === "chat.delivered") {
      if (frame.id !== undefined) this.timeline.acknowledge(frame.ref, frame.id, frame.seq);
      return this.#draw();
    }
    if (!this.#isMine(frame)) return undefined;
    return this.#receiveOwn(frame);
  }

  #receiveOwn(frame) {
    const { event_type: type, message_id: id, user_id: userId, seq } = frame;
    switch (type) {
      case "room.join":
        if (frame.members === undefined) return this.people.came(userId);
        return frame.ref === this.#joinRef ? this.#entered(frame) : undefined;
      case "recovered":
        return this.#joinRef ? this.#recovered(frame) : undefined;
      case "room.leave":
        this.typing.set(userId, frame.username, false);
        return this.people.went(userId);
      case "chat.typing":
        return this.typing.set(userId, frame.username, frame.is_typing && userId !== currentUser().id);
      case "chat.message":
        this.#advance(seq);
        return this.#takeMessage(fromFrame(frame));
      case "chat.edit":
        this.#advance(seq);
        this.history.changeAhead(id, (message) => { if (message.ciphertext === undefined) message.content = frame.content; });
        return this.timeline.edit(id, frame.content, seq) && this.#draw();
      case "chat.delete":
        this.#advance(seq);
        this.history.changeAhead(id, (message) => { message.deleted = true; });
        return this.timeline.erase(id, seq) && this.#draw();
      case "chat.react":
        this.#advance(seq);
        return this.timeline.react(id, { emoji: frame.emoji, userId, removed: frame.removed }, seq) && this.#draw();
      case "chat.read":
        this.#advance(seq);
        return undefined;
      default:
        return undefined;
    }
  }

  #receiveError(frame) {
    if (frame.ref !== undefined && frame.ref === this.#joinRef) {
      // The socket has joined as many rooms as it may. A new one has joined none.
      if (frame.code === "CONFLICT") return this.connection.retryNow();
      if (!frame.retry_after) return this.#refuse(frame.error);
      this.#joinRef = null;
      this.#rejoinTimer = setTimeout(() => this.#join(), frame.retry_after * 1000);
      return toast(frame.error);
    }
    if (frame.ref === undefined || !this.timeline.refuse(frame.ref, frame.error)) toast(frame.error);
    return this.#draw();
  }

  /** Records an event of this room. If the connection breaks before the replay is complete, all of it must be requested again. */
  #advance(seq) {
    if (this.#isReady && this.#position && seq > this.#position.seq) this.#position = { ...this.#position, seq };
  }

  #takeMessage(message) {
    const own = message.sender_id === currentUser().id;
    this.typing.set(message.sender_id, message.sender_username, false);
    const isNew = this.history.takeLive(message);
    if (!isNew || own || message.deleted) return;
    announce(`${message.sender_username}: ${message.content.slice(0, 200) || "a file"}`);
    if (!this.list.atBottom()) byId("jump").hidden = false;
  }

  /** Whether the user sees the newest messages. */
  get isAttended() {
    return !document.hidden && !this.history.hasNewer && this.list.atBottom();
  }

  /** Tells the server how far this user has read, so that all devices count the same. */
  #markRead() {
    const newest = this.timeline.newestOfOthers();
    if (!newest || !this.conversationId || !this.isAttended || newest.id === this.#readId) return;
    clearTimeout(this.#readTimer);
    this.#readTimer = setTimeout(async () => {
      try {
        await call("POST", `/api/conversations/${encodeURIComponent(this.conversationId)}/read`, { message_id: newest.id });
        this.#readId = newest.id;
        this.directory.noteRead(this.conversationId);
      } catch {
        // The next message marks it.
      }
    }, READ_DELAY_MS);
  }

  #seen() {
    this.#markRead();
    if (this.list.atBottom() && !this.history.hasNewer) byId("jump").hidden = true;
  }

  // ---- what the user does

  #messageActions() {
    const of = (entry) => `/api/messages/${encodeURIComponent(entry.id)}`;
    return {
      retry: (entry) => { this.timeline.requeue(entry); this.#flush(); this.#draw(); },
      discard: (entry) => { this.timeline.remove(entry); this.#draw(); },
      edit: (entry, content) => call("PATCH", of(entry), { content }),
      erase: (entry) => this.actions.confirmErase(() => call("DELETE", of(entry))),
      react: (entry, emoji, remove) => call(remove ? "DELETE" : "PUT", `${of(entry)}/reactions/${encodeURIComponent(emoji)}`)
        .catch((error) => toast(error.message)),
      changed: () => this.#draw(),
      left: () => this.composer.focus(),
    };
  }

  #editLast() {
    const entry = this.timeline.newestEditable();
    if (entry) this.list.edit(entry);
    return entry !== null;
  }

  #sendTyping(isTyping) {
    if (!this.#isReady || !this.conversationId) return;
    this.connection.send({ event_type: "chat.typing", conversation_id: this.conversationId, is_typing: isTyping });
  }

  async #say(text, files) {
    if (this.history.hasNewer) await this.toNewest();
    const mentions = mentionedIds(text, this.people.others);
    this.timeline.queue(text, currentUser().username, Date.now(), { attachments: files, mentions });
    this.#flush();
    this.list.toBottom();
    this.#draw();
  }

  #flush() {
    if (!this.#isReady) return;
    const place = this.conversationId ? { conversation_id: this.conversationId } : { recipient_id: this.target.person.id };
    for (const entry of this.timeline.queued()) {
      const message = { event_type: "chat.message", ...place, content: entry.content, ref: entry.ref, client_message_id: entry.clientMessageId };
      if (entry.mentions.length) message.mentions = entry.mentions;
      if (entry.attachments.length) message.attachments = entry.attachments.map(({ id }) => id);
      if (!this.connection.send(message)) return;
      this.timeline.sending(entry);
    }
  }
}

byId("room-back").append(icon("back"));
byId("room-members").append(icon("people"));
byId("composer-send").append(icon("send"));
byId("composer-attach").append(icon("attach"));
