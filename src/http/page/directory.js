// What this user can open: groups with their channels, direct messages and other conversations, and what is unread in them. All of
// it is read from the server, so it is the same on every device; only a direct conversation without a message is known to this tab
// alone. Fires "change", and "loaded" once.

import { call, currentUser } from "./api.js";

// Frames of the socket cause most refreshes. Unread messages of channels that this tab has not opened are found by this timer.
const POLL_MS = 8_000;
const REFRESH_SOON_MS = 150;
const REFRESH_EVERY_MS = 1_500;
const PAGE_SIZE = 100;
const PAGES_MAX = 20;
const NOTHING_UNREAD = { count: 0, mentions: 0 };

// The frames after which the list may have to look different.
const CHANGES = new Set([
  "chat.message", "chat.delete", "chat.read", "notification", "conversation.update", "error",
]);

export class Directory extends EventTarget {
  groups = [];
  direct = [];
  // groups of named people, and open rooms that this user takes part in: {id, name}
  rooms = [];
  // conversation id -> {count, mentions, readSeq}
  unread = new Map();
  loaded = false;
  // Somebody else has written somewhere.
  hasAnswers = false;
  #mediums = new Map();
  #timer = 0;
  #soonTimer = 0;
  #refreshedAt = 0;
  #round = 0;
  #shownRound = 0;
  #closed = new AbortController();

  /** `attended()` is the id of the conversation that the user is looking at, if any. */
  constructor(connection, attended) {
    super();
    this.attended = attended;
    const { signal } = this.#closed;
    const refresh = () => this.refresh().catch(() => {});
    document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); }, { signal });
    connection.addEventListener("phase", () => { if (connection.isOpen && this.loaded) refresh(); }, { signal });
    connection.addEventListener("frame", ({ detail: frame }) => {
      if (!CHANGES.has(frame.event_type)) return;
      // In large rooms one frame has the marks of several users.
      const isOwn = ({ user_id: id }) => id === currentUser()?.id;
      if (frame.event_type === "chat.read" && ![frame, ...(frame.readers ?? [])].some(isOwn)) return;
      this.#refreshSoon();
    }, { signal });
  }

  stop() {
    this.#closed.abort();
    clearTimeout(this.#timer);
    clearTimeout(this.#soonTimer);
  }

  get #isStopped() {
    return this.#closed.signal.aborted;
  }

  #tell(event) {
    if (!this.#isStopped) this.dispatchEvent(new Event(event));
  }

  #schedule() {
    clearTimeout(this.#timer);
    if (this.#isStopped) return;
    this.#timer = setTimeout(() => {
      if (document.hidden) this.#schedule();
      else this.refresh().catch(() => {});
    }, POLL_MS);
  }

  /** Several frames at once cause one refresh, and a busy room not more than one in a while. */
  #refreshSoon() {
    if (this.#soonTimer) return;
    const wait = Math.max(REFRESH_SOON_MS, this.#refreshedAt + REFRESH_EVERY_MS - Date.now());
    this.#soonTimer = setTimeout(() => {
      this.#soonTimer = 0;
      this.refresh().catch(() => {});
    }, wait);
  }

  /** Reads everything. */
  async refresh() {
    const round = (this.#round += 1);
    this.#refreshedAt = Date.now();
    try {
      const [groups, conversations] = await Promise.all([call("GET", "/api/groups"), this.#conversations()]);
      await this.#learnMediums(conversations);
      // A response that was overtaken by a later one is out of date.
      if (round < this.#shownRound || this.#isStopped) return;
      this.#shownRound = round;
      const state = () => JSON.stringify([this.groups, this.direct, this.rooms, [...this.unread]]);
      const before = state();
      this.#take(groups, conversations);
      const first = !this.loaded;
      this.loaded = true;
      if (state() !== before) this.#tell("change");
      if (first) this.#tell("loaded");
    } finally {
      this.#schedule();
    }
  }

  async #conversations() {
    const all = [];
    let cursor = null;
    for (let pages = 0; pages < PAGES_MAX; pages += 1) {
      const query = new URLSearchParams({ limit: PAGE_SIZE, ...(cursor && { cursor }) });
      const page = await call("GET", `/api/conversations?${query}`);
      all.push(...page.conversations);
      if (!page.has_more) break;
      cursor = page.next_cursor;
    }
    return all;
  }

  /** Whether a channel is for text, voice or video never changes, so it is read once. */
  async #learnMediums(conversations) {
    const unknown = conversations.filter((one) => one.type === "channel" && !this.#mediums.has(one.conversation_id));
    await Promise.all([...new Set(unknown.map((one) => one.group_id))].map(async (groupId) => {
      for (const { id, type } of await call("GET", `/api/groups/${groupId}/channels`)) this.#mediums.set(id, type);
    }));
  }

  #take(groups, conversations) {
    const byName = (a, b) => a.name.localeCompare(b.name);
    const channelsOf = (group) => conversations
      .filter((one) => one.type === "channel" && one.group_id === group.id)
      .map(({ conversation_id: id, name }) => ({ id, name, type: this.#mediums.get(id) ?? "TEXT" }))
      .sort(byName);
    this.groups = groups.map((group) => ({ ...group, channels: channelsOf(group) }));
    this.rooms = conversations.filter((one) => one.type === "group" || one.type === "open")
      .map(({ conversation_id: id, name, type }) => ({ id, name: name || "Group conversation", type })).sort(byName);
    this.hasAnswers ||= conversations.some((one) => one.last_message && one.last_message.sender_id !== currentUser()?.id);
    this.unread = new Map(conversations.map((one) => [one.conversation_id,
      { count: one.unread_count, mentions: one.mention_count, readSeq: one.last_read_seq }]));
    const listed = conversations.filter((one) => one.type === "direct" && one.user)
      .map((one) => ({ ...one.user, conversationId: one.conversation_id }));
    const opened = this.direct.filter((person) => !person.conversationId && !listed.some(({ id }) => id === person.id));
    this.direct = [...opened, ...listed];
  }

  /** {count, mentions} of a conversation. */
  unreadIn(conversationId) {
    if (conversationId === undefined || conversationId === this.attended()) return NOTHING_UNREAD;
    return this.unread.get(conversationId) ?? NOTHING_UNREAD;
  }

  /** The position up to which a conversation was read, if something in it is unread. */
  readUpTo(conversationId) {
    const { count, readSeq } = this.unread.get(conversationId) ?? NOTHING_UNREAD;
    return count ? readSeq : null;
  }

  /** The unread messages of all conversations. */
  get unreadTotal() {
    return [...this.unread.keys()].reduce((total, id) => total + this.unreadIn(id).count, 0);
  }

  /** Everything in a conversation was read. */
  noteRead(conversationId) {
    if (!this.unread.get(conversationId)?.count) return;
    this.unread.set(conversationId, NOTHING_UNREAD);
    this.#tell("change");
  }

  mayManage(group) {
    return group.owner_id === currentUser()?.id || group.role === "owner" || group.role === "moderator";
  }

  findChannel(channelId) {
    for (const group of this.groups) {
      const channel = group.channels.find(({ id }) => id === channelId);
      if (channel) return { group, channel };
    }
    return null;
  }

  findRoom(conversationId) {
    return this.rooms.find(({ id }) => id === conversationId) ?? null;
  }

  /** The name and the address of a conversation, or null if it is not in the list. */
  place(conversationId) {
    const found = this.findChannel(conversationId);
    if (found) return { name: `#${found.channel.name}`, hash: `#/c/${conversationId}` };
    const room = this.findRoom(conversationId);
    if (room) return { name: room.name, hash: `#/r/${encodeURIComponent(conversationId)}` };
    const person = this.direct.find((one) => one.conversationId === conversationId);
    return person ? { name: person.display_name || person.username, hash: `#/d/${encodeURIComponent(person.id)}` } : null;
  }

  async createGroup(name, description) {
    const group = await call("POST", "/api/groups", description ? { name, description } : { name });
    await this.refresh();
    return group;
  }

  async createChannel(groupId, name) {
    const channel = await call("POST", `/api/groups/${groupId}/channels`, { name, type: "TEXT" });
    await this.refresh();
    return channel;
  }

  addMember(groupId, username) {
    return call("POST", `/api/groups/${groupId}/members`, { username });
  }

  async removeMember(groupId, userId) {
    await call("DELETE", `/api/groups/${groupId}/members/${encodeURIComponent(userId)}`);
    if (userId === currentUser()?.id) await this.refresh();
  }

  findUsers(query) {
    return call("GET", `/api/users?query=${encodeURIComponent(query)}`);
  }

  person(userId) {
    return this.direct.find(({ id }) => id === userId) ?? null;
  }

  /** Lists a user with whom there is no conversation yet. */
  rememberPerson({ id, username, display_name: displayName }) {
    if (this.person(id)) return;
    this.direct = [{ id, username, display_name: displayName }, ...this.direct];
    this.#tell("change");
  }
}
