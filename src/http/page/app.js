// The entry point: signing in, routes in the URL, and the wiring between the sidebar, the start page and the open room.

import { currentUser, resumeSession, sessionEvents, signIn, signOut, signUp } from "./api.js";
import { askForm, askPerson } from "./dialogs.js";
import { Directory } from "./directory.js";
import { avatar, byId, showError, toast } from "./dom.js";
import { OpenRoom } from "./room.js";
import { renderSidebar, renderSteps } from "./sidebar.js";

const WIDE = matchMedia("(min-width: 760px)");
const ROOMY = matchMedia("(min-width: 1080px)");
const LAST_ROOM_KEY = "convene.last-room";

let directory = null;
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
  byId("auth-submit").textContent = creating ? "Create account" : "Sign in";
  byId("auth-switch-text").textContent = creating ? "Have an account already?" : "New here?";
  byId("auth-switch").textContent = creating ? "Sign in" : "Create an account";
  showError(byId("auth-error"), null);
}

byId("auth-switch").addEventListener("click", () => {
  setMode(mode === "sign-in" ? "sign-up" : "sign-in");
  byId("auth-username").focus();
});

byId("auth-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const submit = byId("auth-submit");
  if (submit.disabled) return;
  submit.disabled = true;
  showError(byId("auth-error"), null);
  const name = byId("auth-username").value.trim();
  const password = byId("auth-password").value;
  try {
    if (mode === "sign-up") await signUp(name, byId("auth-email").value.trim(), password);
    else await signIn(name, password);
    byId("auth-form").reset();
    enter();
  } catch (error) {
    showError(byId("auth-error"), error.message);
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
  directory?.stop();
  directory = null;
  byId("dialog").close();
}

async function enter() {
  const user = currentUser();
  byId("welcome").hidden = true;
  byId("app").hidden = false;
  byId("account-avatar").replaceChildren(avatar(user.id, user.display_name || user.username));
  byId("account-name").textContent = user.display_name || user.username;
  byId("account-handle").textContent = `@${user.username}`;
  byId("home-handle").textContent = user.username;
  byId("home-title").textContent = `Welcome, ${user.display_name || user.username}`;
  directory = new Directory();
  directory.addEventListener("change", drawDirectory);
  directory.addEventListener("loaded", followRoute);
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
  directMessageElsewhere: () => directory?.refresh().catch(() => {}),
  read: (conversationId) => directory?.noteRead(conversationId),
  title: (name, unseen) => { document.title = `${unseen ? `(${unseen}) ` : ""}${name} · Convene`; },
};

byId("home-dm").addEventListener("click", actions.newDirect);
byId("room-add").addEventListener("click", () => actions.addMember(room.target.group));
byId("room-members").addEventListener("click", () => setMembersShown(byId("app").dataset.members !== "shown"));
byId("skip").addEventListener("click", (event) => { event.preventDefault(); byId("composer-input").focus(); });

function setMembersShown(shown) {
  byId("app").dataset.members = shown ? "shown" : "away";
  byId("room-members").setAttribute("aria-expanded", String(shown));
}

function drawDirectory() {
  renderSidebar(directory, room?.target.key, actions);
  renderSteps(directory, actions);
}

// ---- routes: #/c/<channel>, #/d/<user>, #/ for the start page; without one, the last route of this tab

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
  document.title = "Convene";
  drawDirectory();
}

function showRoom(target) {
  if (room?.target.key === target.key) return;
  closeRoom();
  byId("home").hidden = true;
  byId("room").hidden = false;
  byId("skip").hidden = false;
  byId("app").dataset.pane = "room";
  setMembersShown(ROOMY.matches);
  if (target.person) directory.rememberPerson(target.person);
  room = new OpenRoom(target, directory, actions);
  actions.title(room.name, 0);
  sessionStorage.setItem(LAST_ROOM_KEY, JSON.stringify({ user: currentUser().id, hash: location.hash }));
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
  const [, kind, rawId] = location.hash.match(/^#\/([cd])\/(.+)$/) ?? [];
  if (kind === "c") return openChannel(decodeURIComponent(rawId));
  if (kind === "d") return openDirect(decodeURIComponent(rawId));
  const first = directory.groups.flatMap((group) => group.channels)[0];
  const start = lastRoom() ?? (first && `#/c/${first.id}`);
  if (location.hash === "" && WIDE.matches && start) {
    history.replaceState(null, "", start);
    return followRoute();
  }
  return showHome();
}

async function openChannel(channelId) {
  if (!directory.findChannel(channelId)) await directory.refresh().catch(() => {});
  const found = directory?.findChannel(channelId);
  if (found) return showRoom({ key: `c:${channelId}`, ...found });
  if (!directory) return undefined;
  toast("This channel no longer exists, or you are not a member of its group.");
  history.replaceState(null, "", "#/");
  return showHome();
}

function openDirect(userId) {
  showRoom({ key: `d:${userId}`, person: directory.person(userId) ?? { id: userId, username: "Direct message" } });
}

addEventListener("hashchange", followRoute);

if (resumeSession()) enter();
else showWelcome();
