// The members of the open room and who is online. The socket reports who is in this room and whose presence changes; REST, polled
// periodically, reports the members and who is online anywhere on the server.

import { call, currentUser } from "./api.js";
import { avatar, byId, el, icon } from "./dom.js";

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
  #known = true;

  /** `onChange()` is called when the list of members has changed. `actions`: leaveGroup(group), removeMember(group, member). */
  constructor(target, directory, actions, onChange) {
    Object.assign(this, { target, directory, actions, onChange });
    byId("members-leave").hidden = !target.group;
    byId("members-leave").onclick = () => actions.leaveGroup(target.group);
    byId("room-members").hidden = byId("members").hidden = !!target.person;
    byId("members-list").replaceChildren();
    this.#draw();
  }

  close() {
    this.#closed = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#leavingTimer);
  }

  /** Those who can be mentioned: [{id, username, name}], without this user. */
  get others() {
    const me = currentUser().id;
    const { person } = this.target;
    const all = person ? [person] : this.#members.map((one) => ({ ...one, id: one.user_id }));
    return all.filter(({ id }) => id !== me).map((one) => ({ id: one.id, username: one.username, name: one.display_name || one.username }));
  }

  usernameOf(userId) {
    return this.others.find(({ id }) => id === userId)?.username;
  }

  /** Without a connection nothing is known about who is online. */
  setConnected(isConnected) {
    if (this.#known === isConnected) return;
    this.#known = isConnected;
    this.#draw();
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

  /** The presence of a user has changed, wherever the user is. */
  setOnline(userId, online) {
    if (!online) this.#here.delete(userId);
    this.#members = this.#members.map((one) => ((one.user_id ?? one.id) === userId ? { ...one, online } : one));
    this.#draw();
  }

  #reloadIn(delayMs) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => (document.hidden ? this.#reloadIn(RELOAD_EVERY_MS) : this.reload()), delayMs);
  }

  async reload() {
    if (this.#closed) return;
    this.#reloadIn(RELOAD_EVERY_MS);
    try {
      const members = await this.#read();
      if (this.#closed) return;
      this.#members = members;
      this.#draw();
      this.onChange();
    } catch {
      // Retried soon; the current list stays.
    }
  }

  async #read() {
    const { person, group, room } = this.target;
    if (person) return (await this.directory.findUsers(person.username)).filter(({ id }) => id === person.id);
    if (group) return call("GET", `/api/groups/${group.id}/members`);
    return (await call("GET", `/api/ws/rooms/${encodeURIComponent(room.id)}`)).members;
  }

  #draw() {
    if (this.#closed) return;
    byId("members").dataset.known = byId("room-subtitle").dataset.known = String(this.#known);
    if (this.target.person) this.#drawPartner();
    else this.#drawMembers();
  }

  #drawPartner() {
    if (!this.#known) {
      byId("room-subtitle").textContent = `@${this.target.person.username}`;
      return;
    }
    const online = this.#here.has(this.target.person.id) || !!this.#members[0]?.online;
    const dot = el("i", { class: `dot ${online ? "online" : "offline"}`, "aria-hidden": "true" });
    byId("room-subtitle").replaceChildren(dot, online ? "Online" : "Offline");
  }

  #drawMembers() {
    const me = currentUser().id;
    const people = this.#members
      .map((member) => ({ ...member, online: this.#known && (member.online || this.#here.has(member.user_id) || member.user_id === me) }))
      .sort((a, b) => b.online - a.online || a.username.localeCompare(b.username));
    const online = people.filter((one) => one.online).length;
    const { group } = this.target;
    const count = people.length && this.#known ? `${online} of ${people.length} online` : people.length ? `${people.length} members` : "";
    byId("room-subtitle").textContent = [group?.name, count].filter(Boolean).join(" · ");
    byId("room-subtitle").title = group?.description ?? "";
    byId("members-count").textContent = people.length || "";
    byId("members-list").replaceChildren(...people.map((one) => this.#row(one, one.user_id === me)));
  }

  /** Moderators remove members; only owners remove moderators and owners. */
  #mayRemove({ role }) {
    const { group } = this.target;
    return group && this.directory.mayManage(group) && (role === "member" || group.role === "owner");
  }

  #row(one, isMe) {
    const name = one.display_name || one.username;
    const remember = () => this.directory.rememberPerson({ id: one.user_id, username: one.username, display_name: one.display_name });
    const link = { class: "entry", href: `#/d/${encodeURIComponent(one.user_id)}`, title: `Write to ${one.username}`, on: { click: remember } };
    const note = isMe ? "you" : one.role === "member" ? null : one.role;
    const presence = !this.#known ? null : one.online ? "online" : "offline";
    return el("li", { class: one.online ? "" : "away", data: { user: one.username, online: one.online } },
      el(isMe ? "div" : "a", isMe ? { class: "entry" } : link,
        avatar(one.user_id, name, presence),
        el("span", { dir: "auto" }, name, presence && el("span", { class: "sr-only" }, `, ${presence}`)),
        note && el("small", { class: "end" }, note)),
      !isMe && this.#mayRemove(one) && el("button", {
        class: "icon-button small remove", type: "button", "aria-label": `Remove ${one.username}`, title: `Remove ${one.username}`,
        on: { click: () => this.actions.removeMember(this.target.group, one) },
      }, icon("close")));
  }
}
