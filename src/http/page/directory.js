// What this user can open: groups with their channels, and direct messages. Groups are read from the server; the list
// of direct messages is kept in this browser, per user. Fires "change", and "loaded" once.

import { call, currentUser } from "./api.js";

const POLL_MS = 20_000;
// A user without a group is probably waiting to be added to one.
const POLL_LONELY_MS = 4_000;
const DIRECT_MAX = 50;

export class Directory extends EventTarget {
  groups = [];
  direct = [];
  loaded = false;
  #timer = 0;
  #round = 0;
  #shownRound = 0;
  #stopped = false;

  constructor() {
    super();
    this.#restoreDirect();
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
      const listed = await call("GET", "/api/groups");
      const turn = listed[round % Math.max(1, listed.length)]?.id;
      const groups = await Promise.all(listed.map(async (group) => {
        const channels = known.get(group.id)?.channels;
        const stale = !channels || group.id === groupId || group.id === turn;
        return { ...group, channels: stale ? await call("GET", `/api/groups/${group.id}/channels`) : channels };
      }));
      // A response that was overtaken by a later one is out of date.
      if (round < this.#shownRound) return;
      this.#shownRound = round;
      const before = JSON.stringify(this.groups);
      this.groups = groups;
      const first = !this.loaded;
      this.loaded = true;
      if (JSON.stringify(groups) !== before) this.#tell("change");
      if (first) this.#tell("loaded");
    } finally {
      this.#schedule();
    }
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

  /** Moves a user to the top of the direct messages; `unread` marks an unread message. */
  rememberPerson({ id, username, display_name: displayName }, unread = false) {
    const known = this.person(id);
    if (known && !known.unread === !unread && known.username === username) return;
    const person = { ...known, id, username, display_name: displayName ?? known?.display_name, unread };
    this.direct = known
      ? this.direct.map((other) => (other.id === id ? person : other))
      : [person, ...this.direct].slice(0, DIRECT_MAX);
    this.#storeDirect();
    this.#tell("change");
  }

  #directKey() {
    return `convene.direct.${currentUser().id}`;
  }

  #restoreDirect() {
    try {
      this.direct = JSON.parse(localStorage.getItem(this.#directKey())) ?? [];
    } catch {
      this.direct = [];
    }
  }

  #storeDirect() {
    try {
      localStorage.setItem(this.#directKey(), JSON.stringify(this.direct));
    } catch {
      // If the browser stores nothing, the list is still kept until the tab is closed.
    }
  }
}
