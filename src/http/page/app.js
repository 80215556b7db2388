// The entry point: signing in, routes in the URL, and the wiring between the sidebar, the start page and the open room.

import { call, currentUser, resumeSession, sessionEvents, signIn, signOut, signUp } from "./api.js";
import { Connection } from "./connection.js";
import { askConfirm, askForm, askPerson } from "./dialogs.js";
import { Directory } from "./directory.js";
import { avatar, byId, icon, showError, toast } from "./dom.js";
import { OpenRoom } from "./room.js";
import { Search } from "./search.js";
import { renderSidebar, renderSteps } from "./sidebar.js";

const WIDE = matchMedia("(min-width: 760px)");
const ROOMY = matchMedia("(min-width: 1080px)");
const LAST_ROOM_KEY = "convene.last-room";
const ROUTE = /^(#\/([cdr])\/([^/]+))(?:\/([^/]+))?$/;

let connection = null;
let directory = null;
let search = null;
let room = null;
let mode = "sign-in";

// ---- signing in and out

function setMode(next) {
  mode = next;
  const creating = mode === "sign-up";
  byId("auth-title").textContent = creating ? "Create your account" : "Sign in";
  byId("auth-name-label").textContent = creating ? "Username" : "Username or email";
  byId("auth-email-field").hidden = !creating;
  byId("auth-email").required = creating;
  byId("auth-password").autocomplete = creating ? "new-password" : "current-password";
  byId("auth-name-hint").textContent = creating ? "3 to 64 characters. Others find and mention you by it." : "";
  byId("auth-password-hint").textContent = creating ? "At least 8 characters." : "";
  for (const [id, least, most] of [["auth-username", 3, 64], ["auth-password", 8, 256]]) {
    byId(id).removeAttribute("minlength");
    byId(id).removeAttribute("maxlength");
    if (creating) Object.assign(byId(id), { minLength: least, maxLength: most });
  }
  byId("auth-submit").textContent = creating ? "Create account" : "Sign in";
  byId("auth-switch-text").textContent = creating ? "Have an account already?" : "New here?";
  byId("auth-switch").textContent = creating ? "Sign in" : "Create an account";
  showAuthError(null);
}

/** The server names the wrong field in front of its sentence. */
function showAuthError(sentence) {
  const [, field, rest] = sentence?.match(/^(username|email|password): (.+)$/) ?? [];
  for (const id of ["auth-username", "auth-email", "auth-password"]) byId(id).removeAttribute("aria-invalid");
  if (field) {
    byId(`auth-${field}`).setAttribute("aria-invalid", "true");
    byId(`auth-${field}`).focus();
  }
  showError(byId("auth-error"), field ? `${field[0].toUpperCase()}${field.slice(1)} ${rest}` : sentence);
}

// The browser itself says what is wrong with a field.
byId("auth-form").addEventListener("invalid", () => showAuthError(null), { capture: true });
byId("auth-show").addEventListener("change", ({ target }) => { byId("auth-password").type = target.checked ? "text" : "password"; });

byId("auth-switch").addEventListener("click", () => {
  setMode(mode === "sign-in" ? "sign-up" : "sign-in");
  byId("auth-username").focus();
});

byId("auth-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const submit = byId("auth-submit");
  if (submit.disabled) return;
  submit.disabled = true;
  showAuthError(null);
  const name = byId("auth-username").value.trim();
  const password = byId("auth-password").value;
  try {
    if (mode === "sign-up") await signUp(name, byId("auth-email").value.trim(), password);
    else await signIn(name, password);
    byId("auth-form").reset();
    byId("auth-password").type = "password";
    enter();
  } catch (error) {
    showAuthError(error.message);
  } finally {
    submit.disabled = false;
  }
});

byId("sign-out").addEventListener("click", () => {
  leave();
  signOut();
  history.replaceState(null, "", location.pathname);
  showWelcome();
});

sessionEvents.addEventListener("ended", () => {
  leave();
  showWelcome();
  showError(byId("auth-error"), "Your session has ended. Sign in again.");
});

function showWelcome() {
  byId("app").hidden = true;
  byId("welcome").hidden = false;
  document.title = "Convene";
  setMode("sign-in");
  byId("auth-username").focus();
}

function leave() {
  closeRoom();
  search?.close();
  directory?.stop();
  connection?.close();
  search = directory = connection = null;
  byId("dialog").close();
}

async function enter() {
  const user = currentUser();
  byId("welcome").hidden = true;
  byId("app").hidden = false;
  byId("account-avatar").replaceChildren(avatar(user.id, user.display_name || user.username));
  byId("account-name").textContent = user.display_name ?? "";
  byId("account-name").hidden = !user.display_name || user.display_name === user.username;
  byId("account-handle").textContent = `@${user.username}`;
  byId("home-handle").textContent = user.username;
  byId("home-title").textContent = `Welcome, ${user.display_name || user.username}`;
  connection = new Connection();
  directory = new Directory(connection, () => (room?.isAttended ? room.conversationId : null));
  directory.addEventListener("change", () => { leaveLostRoom(); drawDirectory(); });
  directory.addEventListener("loaded", followRoute);
  search = new Search({
    place: (conversationId) => directory.place(conversationId),
    // The same result once more does not change the address.
    onOpen: (hash) => { if (location.hash === hash) followRoute(); },
  });
  showHome();
  try {
    await directory.refresh();
  } catch (error) {
    if (error.status !== 401) toast(error.message);
  }
}

// ---- user actions

const actions = {
  newGroup: () => askForm({
    title: "New group",
    hint: "A group has channels and members who can read them.",
    submit: "Create group",
    fields: [
      { label: "Name", name: "name", required: true, maxlength: 128, placeholder: "Reading circle" },
      { label: "Description (optional)", name: "description", maxlength: 500 },
    ],
    onSubmit: ({ name, description }) => directory.createGroup(name, description),
  }),
  newChannel: (group) => askForm({
    title: "New channel",
    hint: `In ${group.name}. Every member of the group can read it.`,
    submit: "Create channel",
    fields: [{ label: "Name", name: "name", required: true, maxlength: 128, placeholder: "general" }],
    onSubmit: async ({ name }) => {
      const channel = await directory.createChannel(group.id, name);
      location.hash = `#/c/${channel.id}`;
    },
  }),
  addMember: (group) => askPerson({
    title: "Add people",
    hint: `They will see all channels of ${group.name}.`,
    submit: "Add",
    search: (query) => directory.findUsers(query),
    onPick: async (user) => {
      await directory.addMember(group.id, user.username);
      toast(`${user.username} was added to ${group.name}.`);
      room?.people.reload();
    },
  }),
  newDirect: () => askPerson({
    title: "New direct message",
    hint: "Find a person by username.",
    submit: "Open",
    search: (query) => directory.findUsers(query),
    onPick: async (user) => {
      directory.rememberPerson(user);
      location.hash = `#/d/${encodeURIComponent(user.id)}`;
    },
  }),
  leaveGroup: (group) => askConfirm({
    title: `Leave ${group.name}?`,
    hint: "You can't read its channels any more until somebody adds you again.",
    submit: "Leave group",
    onSubmit: () => directory.removeMember(group.id, currentUser().id),
  }),
  removeMember: (group, person) => askConfirm({
    title: `Remove ${person.username}?`,
    hint: `${person.username} can't read the channels of ${group.name} any more.`,
    submit: "Remove",
    onSubmit: async () => {
      await directory.removeMember(group.id, person.user_id);
      room?.people.reload();
    },
  }),
  confirmErase: (erase) => askConfirm({
    title: "Delete message?",
    hint: "Its text and its files disappear for everybody.",
    submit: "Delete message",
    onSubmit: erase,
  }),
};

byId("home-dm").addEventListener("click", actions.newDirect);
byId("room-add").addEventListener("click", () => actions.addMember(room.target.group));
byId("room-members").addEventListener("click", () => setMembersShown(byId("app").dataset.members !== "shown"));
byId("skip").addEventListener("click", (event) => { event.preventDefault(); byId("composer-input").focus(); });

// Where the list of members covers the conversation, a click beside it and Escape close it.
byId("members-close").append(icon("close"));
byId("members-close").addEventListener("click", () => { setMembersShown(false); byId("room-members").focus(); });
document.querySelector(".conversation").addEventListener("click", () => { if (!ROOMY.matches) setMembersShown(false); });
addEventListener("keydown", ({ key }) => {
  if (key !== "Escape" || ROOMY.matches || byId("app").dataset.members !== "shown") return;
  setMembersShown(false);
  byId("room-members").focus();
});

function setMembersShown(shown) {
  byId("app").dataset.members = shown ? "shown" : "away";
  byId("room-members").setAttribute("aria-expanded", String(shown));
}

function drawDirectory() {
  renderSidebar(directory, room?.target.key, actions);
  renderSteps(directory, actions);
  const unread = directory.unreadTotal;
  document.title = `${unread ? `(${unread}) ` : ""}${room ? `${room.name} · ` : ""}Convene`;
}

// ---- routes: #/c/<channel>, #/d/<user>, #/r/<conversation>, each with /<message> behind it for a place in the history; #/ for the
// start page; without one, the last route of this tab

/** The open channel was removed, or this user from its group. */
function leaveLostRoom() {
  if (!room?.target.channel || directory.findChannel(room.target.channel.id)) return;
  toast(`You no longer have access to ${room.name}.`);
  history.replaceState(null, "", "#/");
  showHome();
}

function closeRoom() {
  room?.close();
  room = null;
  byId("skip").hidden = true;
}

function showHome() {
  closeRoom();
  byId("room").hidden = true;
  byId("home").hidden = false;
  byId("app").dataset.pane = directory.groups.length ? "list" : "start";
  drawDirectory();
}

function showRoom(target, messageId) {
  if (room?.target.key === target.key) {
    byId("app").dataset.pane = "room";
    if (messageId) room.jumpTo(messageId);
    else room.toNewest();
    return;
  }
  closeRoom();
  byId("home").hidden = true;
  byId("room").hidden = false;
  byId("skip").hidden = false;
  byId("app").dataset.pane = "room";
  setMembersShown(ROOMY.matches);
  if (target.person) directory.rememberPerson(target.person);
  room = new OpenRoom(target, { directory, connection, actions, messageId });
  const [, hash] = location.hash.match(ROUTE);
  sessionStorage.setItem(LAST_ROOM_KEY, JSON.stringify({ user: currentUser().id, hash }));
  drawDirectory();
}

function lastRoom() {
  try {
    const last = JSON.parse(sessionStorage.getItem(LAST_ROOM_KEY));
    return last?.user === currentUser().id ? last.hash : null;
  } catch {
    return null;
  }
}

async function followRoute() {
  if (!directory?.loaded) return undefined;
  const [, , kind, rawId, messageId] = location.hash.match(ROUTE) ?? [];
  const id = rawId && decodeURIComponent(rawId);
  if (kind === "c") return openListed(() => directory.findChannel(id), `c:${id}`, messageId);
  if (kind === "r") return openListed(() => { const found = directory.findRoom(id); return found && { room: found }; }, `r:${id}`, messageId);
  if (kind === "d") return openDirect(id, messageId);
  const first = directory.groups.flatMap((group) => group.channels)[0];
  const start = lastRoom() ?? (first && `#/c/${first.id}`);
  if (location.hash === "" && WIDE.matches && start) {
    history.replaceState(null, "", start);
    return followRoute();
  }
  return showHome();
}

async function openListed(find, key, messageId) {
  if (!find()) await directory.refresh().catch(() => {});
  const found = directory ? find() : null;
  if (found) return showRoom({ key, ...found }, messageId);
  if (!directory) return undefined;
  toast("This conversation no longer exists, or you are not a member of it.");
  history.replaceState(null, "", "#/");
  return showHome();
}

async function openDirect(userId, messageId) {
  const asked = location.hash;
  try {
    const person = directory.person(userId) ?? await knownUser(userId);
    if (directory && location.hash === asked) showRoom({ key: `d:${userId}`, person }, messageId);
  } catch (error) {
    toast(error.message);
    history.replaceState(null, "", "#/");
    if (directory) showHome();
  }
}

/** A user with whom there is no conversation yet, by an address. */
async function knownUser(userId) {
  const { user_id: id, username } = await call("GET", `/api/presence/${encodeURIComponent(userId)}`);
  return { id, username };
}

addEventListener("hashchange", followRoute);

if (resumeSession()) enter();
else showWelcome();
