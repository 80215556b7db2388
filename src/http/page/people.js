// The members of the open room and who is online. The socket reports who is in this room; REST, polled periodically,
// reports who is online anywhere on the server.

import { call, currentUser } from "./api.js";
import { avatar, byId, el } from "./dom.js";

const RELOAD_EVERY_MS = 30_000;
const RELOAD_SOON_MS = 600;
// The server counts a user as online for five seconds after the last socket closes, so that reloading a page does not
// look like leaving.
const RELOAD_AFTER_LEAVING_MS = 6_000;

export class People {
  #members = [];
  #here = new Set();
  #timer = 0;
  #leavingTimer = 0;
  #closed = false;

  constructor(target, directory) {
    Object.assign(this, { target, directory });
    byId("room-members").hidden = byId("members").hidden = !!target.person;
    byId("members-list").replaceChildren();
    this.#draw();
  }

  close() {
    this.#closed = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#leavingTimer);
  }

  /** Sets the complete list of users in the room, from the first frame. */
  areHere(userIds) {
    this.#here = new Set(userIds);
    this.#draw();
  }

  came(userId) {
    this.#here.add(userId);
    if (!this.target.person && !this.#members.some((member) => member.user_id === userId)) this.#reloadIn(RELOAD_SOON_MS);
    this.#draw();
  }

  went(userId) {
    this.#here.delete(userId);
    // The user may only have moved to another room; REST will show it.
    clearTimeout(this.#leavingTimer);
    this.#leavingTimer = setTimeout(() => this.reload(), RELOAD_AFTER_LEAVING_MS);
    this.#draw();
  }

  #reloadIn(delayMs) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => (document.hidden ? this.#reloadIn(RELOAD_EVERY_MS) : this.reload()), delayMs);
  }

  async reload() {
    this.#reloadIn(RELOAD_EVERY_MS);
    try {
      const { person, group } = this.target;
      const members = person
        ? (await this.directory.findUsers(person.username)).filter(({ id }) => id === person.id)
        : await call("GET", `/api/groups/${group.id}/members`);
      this.#members = members;
      this.#draw();
    } catch {
      // Retried soon; the current list stays.
    }
  }

  #draw() {
    if (this.#closed) return;
    if (this.target.person) this.#drawPartner();
    else this.#drawMembers();
  }

  #drawPartner() {
    const online = this.#here.has(this.target.person.id) || !!this.#members[0]?.online;
    const dot = el("i", { class: `dot ${online ? "online" : "offline"}`, "aria-hidden": "true" });
    byId("room-subtitle").replaceChildren(dot, online ? "Online" : "Offline");
  }

  #drawMembers() {
    const me = currentUser().id;
    const people = this.#members
      .map((member) => ({ ...member, online: member.online || this.#here.has(member.user_id) || member.user_id === me }))
      .sort((a, b) => b.online - a.online || a.username.localeCompare(b.username));
    const online = people.filter((one) => one.online).length;
    const { name } = this.target.group;
    byId("room-subtitle").textContent = people.length ? `${name} · ${online} of ${people.length} online` : name;
    byId("members-count").textContent = people.length || "";
    byId("members-list").replaceChildren(...people.map((one) => this.#row(one, one.user_id === me)));
  }

  #row(one, isMe) {
    const name = one.display_name || one.username;
    const remember = () => this.directory.rememberPerson({ id: one.user_id, username: one.username, display_name: one.display_name });
    const link = { class: "entry", href: `#/d/${encodeURIComponent(one.user_id)}`, title: `Write to ${one.username}`, on: { click: remember } };
    const note = isMe ? "you" : one.role === "member" ? null : one.role;
    return el("li", { class: one.online ? "" : "away", data: { user: one.username, online: one.online } },
      el(isMe ? "div" : "a", isMe ? { class: "entry" } : link,
        avatar(one.user_id, name, one.online ? "online" : "offline"),
        el("span", {}, name, el("span", { class: "sr-only" }, one.online ? ", online" : ", offline")),
        note && el("small", { class: "end" }, note)));
  }
}
