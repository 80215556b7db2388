// What this user can open: groups with their channels, direct messages, and what is unread in them. All of it is read from the
// server, so it is the same on every device; only a conversation without a message is known to this tab alone. Fires "change",
// and "loaded" once.

import { call, currentUser } from "./api.js";

const POLL_MS = 8_000;
// A user without a group is probably waiting to be added to one.
const POLL_LONELY_MS = 4_000;
const CONVERSATIONS_MAX = 100;

export class Directory extends EventTarget {
  groups = [];
  direct = [];
  // conversation id -> {count, mentions}
  unread = new Map();
  loaded = false;
  #timer = 0;
  #round = 0;
  #shownRound = 0;
  #stopped = false;

  constructor() {
    super();
    document.addEventListener("visibilitychange", this.#onVisible);
  }

  stop() {
    this.#stopped = true;
    clearTimeout(this.#timer);
    document.removeEventListener("visibilitychange", this.#onVisible);
  }

  #onVisible = () => {
    if (!document.hidden) this.refresh().catch(() => {});
  };

  #tell(event) {
    if (!this.#stopped) this.dispatchEvent(new Event(event));
  }

  #schedule() {
    clearTimeout(this.#timer);
    if (this.#stopped) return;
    this.#timer = setTimeout(() => {
      if (document.hidden) this.#schedule();
      else this.refresh().catch(() => {});
    }, this.groups.length ? POLL_MS : POLL_LONELY_MS);
  }

  /** Reads the groups, and the channels of new groups, of `groupId`, and of one further group per round. */
  async refresh(groupId) {
    const round = (this.#round += 1);
    try {
      const known = new Map(this.groups.map((group) => [group.id, group]));
      const [listed, conversations] = await Promise.all([
        call("GET", "/api/groups"), call("GET", `/api/conversations?limit=${CONVERSATIONS_MAX}`),
      ]);
      const turn = listed[round % Math.max(1, listed.length)]?.id;
      const groups = await Promise.all(listed.map(async (group) => {
        const channels = known.get(group.id)?.channels;
        const stale = !channels || group.id === groupId || group.id === turn;
        return { ...group, channels: stale ? await call("GET", `/api/groups/${group.id}/channels`) : channels };
      }));
      // A response that was overtaken by a later one is out of date.
      if (round < this.#shownRound) return;
      this.#shownRound = round;
      const state = () => JSON.stringify([this.groups, this.direct, [...this.unread]]);
      const before = state();
      this.groups = groups;
      this.#takeConversations(conversations.conversations);
      const first = !this.loaded;
      this.loaded = true;
      if (state() !== before) this.#tell("change");
      if (first) this.#tell("loaded");
    } finally {
      this.#schedule();
    }
  }

  #takeConversations(conversations) {
    this.unread = new Map(conversations.map((one) => [one.conversation_id, { count: one.unread_count, mentions: one.mention_count }]));
    const listed = conversations.filter((one) => one.type === "direct" && one.user)
      .map((one) => ({ ...one.user, conversationId: one.conversation_id }));
    const opened = this.direct.filter((person) => !person.conversationId && !listed.some(({ id }) => id === person.id));
    this.direct = [...opened, ...listed];
  }

  /** {count, mentions} of a conversation. */
  unreadIn(conversationId) {
    return this.unread.get(conversationId) ?? { count: 0, mentions: 0 };
  }

  /** Everything in a conversation was read. */
  noteRead(conversationId) {
    if (!this.unreadIn(conversationId).count) return;
    this.unread.set(conversationId, { count: 0, mentions: 0 });
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

  async createGroup(name, description) {
    const group = await call("POST", "/api/groups", description ? { name, description } : { name });
    await this.refresh(group.id);
    return group;
  }

  async createChannel(groupId, name) {
    const channel = await call("POST", `/api/groups/${groupId}/channels`, { name, type: "TEXT" });
    await this.refresh(groupId);
    return channel;
  }

  addMember(groupId, username) {
    return call("POST", `/api/groups/${groupId}/members`, { username });
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
