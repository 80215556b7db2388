// The list of conversations. It is redrawn on every change; the focus is then restored.

import { avatar, byId, el, icon } from "./dom.js";

/** The number of unread messages; those that mention the user count more. */
function badge({ count, mentions }) {
  if (!count) return null;
  const label = `${count} unread${mentions ? `, ${mentions} of them mention you` : ""}`;
  return el("span", { class: mentions ? "badge mention" : "badge", role: "img", "aria-label": label }, count > 99 ? "99+" : String(count));
}

/** `actions`: newGroup(), newChannel(group), addMember(group), newDirect(). `openKey` is the room that is shown. */
export function renderSidebar(directory, openKey, actions) {
  const focused = document.activeElement?.dataset?.key;
  const action = (key, label, run) => el("button", {
    class: "icon-button small", type: "button", "aria-label": label, title: label, data: { key }, on: { click: run },
  }, icon("plus"));
  const link = (key, href, ...children) => el("li", {}, el("a", {
    class: "entry", href, data: { key }, "aria-current": key === openKey ? "page" : undefined,
  }, ...children));

  const sections = directory.groups.map((group) => el("section", { "aria-label": group.name },
    el("div", { class: "section-head" },
      el("h2", { title: group.description || group.name }, group.name),
      directory.mayManage(group) && action(`new:${group.id}`, `New channel in ${group.name}`, () => actions.newChannel(group))),
    el("ul", {},
      ...group.channels.map((channel) => link(`c:${channel.id}`, `#/c/${channel.id}`,
        icon(channel.type === "TEXT" ? "hash" : "voice"), el("span", {}, channel.name), badge(directory.unreadIn(channel.id)))),
      group.channels.length === 0 && el("li", { class: "none" }, "No channels yet"))));

  const rooms = directory.rooms.length > 0 && el("section", { "aria-label": "Other conversations" },
    el("div", { class: "section-head" }, el("h2", {}, "Other conversations")),
    el("ul", {}, ...directory.rooms.map((room) => link(`r:${room.id}`, `#/r/${encodeURIComponent(room.id)}`,
      icon("people"), el("span", {}, room.name), badge(directory.unreadIn(room.id))))));

  const direct = el("section", { "aria-label": "Direct messages" },
    el("div", { class: "section-head" }, el("h2", {}, "Direct messages"),
      action("new:direct", "New direct message", actions.newDirect)),
    el("ul", {}, ...directory.direct.map((person) => {
      const name = person.display_name || person.username;
      return link(`d:${person.id}`, `#/d/${encodeURIComponent(person.id)}`, avatar(person.id, name), el("span", {}, name),
        badge(directory.unreadIn(person.conversationId)));
    }), directory.direct.length === 0 && el("li", { class: "none" }, "Nobody yet")));

  byId("directory").replaceChildren(...[...sections, direct, rooms].filter(Boolean),
    el("button", { class: "button quiet wide", type: "button", data: { key: "new:group" }, on: { click: actions.newGroup } },
      icon("plus"), "New group"));
  if (focused) byId("directory").querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
}

/**
 * The start page: three steps for a user who has a group to set up, ticked when they are done, and a hint for one who was added to
 * the groups of others.
 */
export function renderSteps(directory, actions) {
  const managed = directory.groups.filter((one) => directory.mayManage(one));
  const channels = managed.flatMap((one) => one.channels);
  const isGuest = !managed.length && directory.groups.length > 0;
  const group = managed.find((one) => one.channels.length) ?? managed[0];
  const steps = [
    { done: managed.length > 0, title: "Create a group", text: "A group is a team, a class or a circle of friends.", label: "New group", run: actions.newGroup },
    { done: channels.length > 0, title: "Create a channel", text: "A channel is a room for one topic, such as “general”.", label: "New channel", run: group && (() => actions.newChannel(group)) },
    { done: directory.hasAnswers, title: "Add people and say hello", text: "They need an account on this server. Add them by username.", label: "Add people", run: channels.length > 0 && (() => actions.addMember(group)) },
  ];
  const next = steps.findIndex((step) => !step.done);
  const isDone = isGuest || (directory.loaded && next < 0);
  byId("home-lead").textContent = isDone ? "Choose a conversation from the list." : "Three steps to your first message.";
  byId("steps").hidden = isDone;
  byId("home-waiting").hidden = byId("home-alone").hidden = isDone;
  byId("steps").replaceChildren(...steps.map((step, index) => el("li", { class: step.done ? "done" : index === next ? "next" : "" },
    el("span", { class: "number", "aria-hidden": "true" }, step.done ? icon("check") : String(index + 1)),
    el("div", {}, el("strong", {}, step.title), step.done && el("span", { class: "sr-only" }, " (done)"), el("p", {}, step.text)),
    step.run && el("button", { class: index === next ? "button primary" : "button quiet", type: "button", on: { click: step.run } },
      step.label))));
}
