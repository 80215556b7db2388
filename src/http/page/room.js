// The open room: its history and its connection, and the dispatch of its frames.

import { accessToken, call, currentUser, sessionEvents } from "./api.js";
import { Composer, TypingLine } from "./composer.js";
import { RoomConnection } from "./connection.js";
import { announce, byId, el, icon, toast } from "./dom.js";
import { MessageList } from "./messages.js";
import { People } from "./people.js";
import { Timeline } from "./timeline.js";

const PAGE_SIZE = 50;
const GAP_PAGE_SIZE = 100;
const GAP_PAGES_MAX = 10;
const SHOWN_MAX = 500;
const NEAR_TOP_PX = 300;
const READ_DELAY_MS = 300;

/** One open channel or direct conversation. `target`: {key, group, channel} or {key, person}. */
export class OpenRoom {
  #closed = new AbortController();
  #connection = null;
  #loadingOlder = false;
  #hasOlder = false;
  #loaded = false;
  #frameRequested = false;
  #countdown = 0;
  #unseen = 0;
  #readTimer = 0;
  #readId = null;

  constructor(target, directory, actions) {
    Object.assign(this, { target, directory, actions });
    this.isDirect = !!target.person;
    this.conversationId = target.channel?.id;
    const roomId = encodeURIComponent(this.isDirect ? target.person.id : target.channel.id);
    this.restPath = this.isDirect ? `/api/dm/${roomId}/messages` : `/api/channels/${roomId}/messages`;
    this.socketPath = this.isDirect ? `/ws/dm/${roomId}` : `/ws/channel/${roomId}`;
    this.timeline = new Timeline(currentUser().id);
    this.list = new MessageList({
      scroller: byId("scroller"),
      list: byId("messages"),
      onRetry: (entry) => { this.timeline.requeue(entry); this.#flush(); this.#draw(); },
      onDiscard: (entry) => { this.timeline.remove(entry); this.#draw(); },
    });
    this.people = new People(target, directory);
    this.typing = new TypingLine();
    this.#prepareView();
    this.#listen();
    this.composer = new Composer({
      key: target.key,
      name: this.name,
      signal: this.#closed.signal,
      onSubmit: (text, files) => this.#say(text, files),
      onTyping: (isTyping) => this.#connection?.send({ type: this.isDirect ? "dm_typing" : "typing", is_typing: isTyping }),
    });
    this.#start();
  }

  close() {
    this.composer.close();
    this.people.close();
    this.typing.close();
    this.#closed.abort();
    this.#connection?.close();
    clearInterval(this.#countdown);
    clearTimeout(this.#readTimer);
  }

  get isClosed() {
    return this.#closed.signal.aborted;
  }

  get name() {
    const { person, channel } = this.target;
    return this.isDirect ? person.display_name || person.username : `#${channel.name}`;
  }

  // ---- the view around the messages

  #prepareView() {
    byId("room-title").textContent = this.name;
    byId("room-add").hidden = this.isDirect || !this.directory.mayManage(this.target.group);
    byId("older").hidden = true;
    byId("jump").hidden = true;
    byId("beginning").hidden = true;
  }

  #listen() {
    const { signal } = this.#closed;
    const on = (id, event, listener) => byId(id).addEventListener(event, listener, { signal });
    on("scroller", "scroll", () => {
      if (byId("scroller").scrollTop < NEAR_TOP_PX) this.#loadOlder();
      if (this.list.atBottom()) this.#seen();
    });
    on("older", "click", () => this.#loadOlder());
    on("jump", "click", () => { this.list.toBottom(); this.composer.focus(); });
    on("connection-action", "click", () => this.#connection?.retryNow());
    document.addEventListener("visibilitychange", () => { if (!document.hidden) this.#seen(); }, { signal });
    sessionEvents.addEventListener("refreshed", () => this.#connection?.send({ type: "auth_refresh", token: accessToken() }), { signal });
    addEventListener("resize", () => { if (this.list.atBottom()) this.list.toBottom(); }, { signal });
  }

  #draw() {
    if (this.#frameRequested || this.isClosed) return;
    this.#frameRequested = true;
    const draw = () => {
      this.#frameRequested = false;
      if (this.isClosed) return;
      if (this.list.atBottom() && this.timeline.trim(SHOWN_MAX)) this.#hasOlder = true;
      this.list.render(this.timeline.entries);
      byId("older").hidden = !this.#hasOlder;
      this.#drawBeginning();
      this.#markRead();
    };
    // A hidden tab gets no animation frames, but should be complete when it becomes visible.
    if (document.hidden) setTimeout(draw, 100);
    else requestAnimationFrame(draw);
  }

  #drawBeginning() {
    const node = byId("beginning");
    node.hidden = !this.#loaded || this.#hasOlder;
    if (node.hidden || node.dataset.key === this.target.key) return;
    node.dataset.key = this.target.key;
    const mayAdd = !this.isDirect && this.directory.mayManage(this.target.group);
    node.replaceChildren(el("div", {},
      el("h2", {}, this.isDirect ? this.name : `Welcome to ${this.name}`),
      el("p", {}, this.isDirect ? `Only you and ${this.name} can read this.` : `This is the start of ${this.name} in ${this.target.group.name}. Say hello.`),
      mayAdd && el("button", { class: "button quiet", type: "button", on: { click: () => this.actions.addMember(this.target.group) } }, "Add people")));
  }

  // ---- history and connection

  async #start() {
    let position = null;
    try {
      const page = await this.#page({ limit: PAGE_SIZE });
      if (this.isClosed) return;
      this.#takeNewest(page);
      this.epoch = page.epoch ?? undefined;
      // Messages between this response and the opening of the socket arrive as a replay.
      if (this.epoch !== undefined) position = { seq: page.seq ?? 0, epoch: page.epoch };
    } catch {
      // The connection keeps retrying and shows the reason.
    }
    if (this.isClosed) return;
    this.#connection = new RoomConnection({
      path: this.socketPath,
      position,
      probe: () => this.#page({ limit: 1 }),
      onFrame: (frame) => this.#receive(frame),
      onReady: (how) => this.#afterReady(how),
      onPhase: (phase) => this.#showPhase(phase),
    });
    this.people.reload();
  }

  #page({ limit, before }) {
    const query = new URLSearchParams({ limit });
    if (before) query.set("before", before);
    return call("GET", `${this.restPath}?${query}`);
  }

  #takeNewest(page) {
    for (const message of page.messages) this.timeline.accept(message);
    this.#hasOlder = page.has_more;
    this.#loaded = true;
    this.#learnConversation(page.messages[0]);
    this.list.toBottom();
    this.#draw();
  }

  /** A direct conversation has an id of its own, which every message in it names. */
  #learnConversation(message) {
    this.conversationId ??= message?.conversation_id;
  }

  async #afterReady({ hasGap }) {
    try {
      if (hasGap) await this.#fillGap();
      else if (!this.#loaded) this.#takeNewest(await this.#page({ limit: PAGE_SIZE }));
      this.timeline.settle(Date.now());
    } catch {
      toast("Some earlier messages could not be loaded. Reload the page to see them.");
    }
    if (this.isClosed) return;
    this.#flush();
    this.#draw();
    this.people.reload();
  }

  /** The server can't replay everything: reads pages until they meet the known messages, or starts over. */
  async #fillGap() {
    const knownSeq = this.timeline.newestSeq();
    const missed = [];
    let page = await this.#page({ limit: GAP_PAGE_SIZE });
    const sameSequence = page.epoch === this.epoch;
    this.epoch = page.epoch;
    missed.push(...page.messages);
    const oldestSeq = () => missed.at(-1)?.seq ?? 0;
    for (let pages = 1; sameSequence && page.has_more && oldestSeq() > knownSeq && pages < GAP_PAGES_MAX; pages += 1) {
      page = await this.#page({ limit: GAP_PAGE_SIZE, before: missed.at(-1).id });
      missed.push(...page.messages);
    }
    if (this.isClosed) return;
    if (!sameSequence || oldestSeq() > knownSeq) {
      this.timeline.reset();
      this.#hasOlder = page.has_more;
    }
    for (const message of missed) this.timeline.accept(message);
    this.#loaded = true;
  }

  async #loadOlder() {
    const oldest = this.timeline.oldest();
    if (this.#loadingOlder || !this.#hasOlder || !oldest) return;
    this.#loadingOlder = true;
    byId("older").textContent = "Loading…";
    try {
      const page = await this.#page({ limit: PAGE_SIZE, before: oldest.id });
      for (const message of page.messages) this.timeline.accept(message);
      this.#hasOlder = page.has_more;
    } catch (error) {
      toast(error.message);
    } finally {
      this.#loadingOlder = false;
      byId("older").textContent = "Load older messages";
      this.#draw();
    }
  }

  #showPhase({ phase, sentence, action, untilMs }) {
    if (phase !== "open") this.timeline.interrupted();
    clearInterval(this.#countdown);
    const say = (text) => { byId("connection-text").textContent = text; };
    const button = byId("connection-action");
    if (byId("connection").dataset.phase !== phase && phase !== "connecting") {
      announce({ open: "Connected", waiting: "Connection lost", stopped: sentence }[phase]);
    }
    byId("connection").dataset.phase = phase;
    button.hidden = !action && !untilMs;
    button.textContent = action ?? "Retry now";
    switch (phase) {
      case "open": return say("Connected");
      case "connecting": return say("Connecting…");
      case "stopped": return say(sentence);
      default: {
        const tick = () => {
          const seconds = Math.max(0, Math.ceil(((untilMs ?? 0) - Date.now()) / 1000));
          say(seconds > 1 ? `Connection lost. Trying again in ${seconds} s` : "Connection lost. Trying again…");
        };
        tick();
        this.#countdown = setInterval(tick, 1000);
      }
    }
  }

  // ---- frames

  #receive(frame) {
    if (frame.epoch !== undefined && frame.complete === undefined) this.epoch ??= frame.epoch;
    switch (frame.type) {
      case "online_users":
        return this.people.areHere(frame.users);
      case "connected":
        return this.people.areHere([]);
      case "user_joined":
      case "dm_user_online":
        return this.people.came(frame.user_id);
      case "user_left":
      case "dm_user_offline":
        this.typing.set(frame.user_id, frame.username, false);
        return this.people.went(frame.user_id);
      case "typing":
      case "dm_typing":
        return this.typing.set(frame.user_id, frame.username, frame.is_typing && frame.user_id !== currentUser().id);
      case "message":
      case "dm_message":
        return this.#takeMessage(frame);
      case "ack":
        if (frame.id !== undefined) this.timeline.acknowledge(frame.ref, frame.id, frame.seq);
        return this.#draw();
      case "error":
        if (frame.ref === undefined || !this.timeline.refuse(frame.ref, frame.error)) toast(frame.error);
        return this.#draw();
      default:
        return undefined;
    }
  }

  #belongsHere(frame) {
    if (!this.isDirect) return frame.type === "message";
    const pair = [frame.sender_id, frame.recipient_id];
    return pair.includes(this.target.person.id) && pair.includes(currentUser().id);
  }

  #takeMessage(frame) {
    const own = frame.sender_id === currentUser().id;
    if (!this.#belongsHere(frame)) {
      // A direct message is delivered to all sockets of both users, whichever room these are in.
      if (!own) this.actions.directMessageElsewhere({ id: frame.sender_id, username: frame.sender_username });
      return;
    }
    this.#learnConversation(frame);
    this.#connection?.advance(frame.seq);
    const isNew = this.timeline.accept(frame);
    this.typing.set(frame.sender_id, frame.sender_username, false);
    this.#draw();
    if (!isNew || own) return;
    announce(`${frame.sender_username}: ${frame.content.slice(0, 200) || "a file"}`);
    if (!this.list.atBottom()) byId("jump").hidden = false;
    if (document.hidden) this.#unseen += 1;
    this.actions.title(this.name, this.#unseen);
  }

  /** Tells the server how far this user has read, so that all devices count the same. */
  #markRead() {
    const newest = this.timeline.newestOfOthers();
    if (!newest || !this.conversationId || document.hidden || !this.list.atBottom() || newest.id === this.#readId) return;
    clearTimeout(this.#readTimer);
    this.#readTimer = setTimeout(async () => {
      try {
        await call("POST", `/api/conversations/${encodeURIComponent(this.conversationId)}/read`, { message_id: newest.id });
        this.#readId = newest.id;
        this.actions.read(this.conversationId);
      } catch {
        // The next message marks it.
      }
    }, READ_DELAY_MS);
  }

  #seen() {
    this.#markRead();
    if (this.list.atBottom()) byId("jump").hidden = true;
    if (this.#unseen === 0) return;
    this.#unseen = 0;
    this.actions.title(this.name, 0);
  }

  // ---- sending

  #say(text, files) {
    this.timeline.queue(text, currentUser().username, Date.now(), files);
    this.#flush();
    this.list.toBottom();
    this.#draw();
  }

  #flush() {
    if (!this.#connection?.ready) return;
    for (const entry of this.timeline.queued()) {
      const type = this.isDirect ? "dm_message" : "message";
      const message = { type, content: entry.content, ref: entry.ref, client_message_id: entry.clientMessageId };
      if (entry.attachments.length) message.attachments = entry.attachments.map(({ id }) => id);
      if (!this.#connection.send(message)) return;
      this.timeline.sending(entry);
    }
  }
}

byId("room-back").append(icon("back"));
byId("room-members").append(icon("people"));
byId("composer-send").append(icon("send"));
byId("composer-attach").append(icon("attach"));
