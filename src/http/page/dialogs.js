// The dialog of the page, used for short forms and for finding a user.

import { currentUser } from "./api.js";
import { avatar, byId, el, showError } from "./dom.js";

const SEARCH_PAUSE_MS = 200;

const dialog = byId("dialog");
let submitAction = async () => {};

byId("dialog-cancel").addEventListener("click", () => dialog.close());
byId("dialog-form").addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(submitAction);
});

async function attempt(action) {
  const submit = byId("dialog-submit");
  if (submit.disabled) return;
  submit.disabled = true;
  showError(byId("dialog-error"), null);
  try {
    await action();
    dialog.close();
  } catch (error) {
    showError(byId("dialog-error"), error.message);
    byId("dialog-fields").querySelector("input")?.focus();
  } finally {
    submit.disabled = false;
  }
}

function prepare({ title, hint, submit, fields, dangerous = false }) {
  byId("dialog-title").textContent = title;
  byId("dialog-hint").textContent = hint;
  byId("dialog-submit").textContent = submit;
  byId("dialog-status").textContent = "";
  byId("dialog-results").hidden = true;
  byId("dialog-results").replaceChildren();
  showError(byId("dialog-error"), null);
  const inputs = fields.map(({ label, ...attributes }) => {
    const input = el("input", { autocomplete: "off", ...attributes });
    return { input, field: el("label", { class: "field" }, el("span", {}, label), input) };
  });
  byId("dialog-fields").replaceChildren(...inputs.map(({ field }) => field));
  byId("dialog-submit").classList.toggle("danger", dangerous);
  dialog.showModal();
  (inputs[0]?.input ?? byId("dialog-cancel")).focus();
  return inputs.map(({ input }) => input);
}

/** Shows a form. `onSubmit(values)` may reject: the dialog then stays open and shows the error. */
export function askForm({ onSubmit, ...form }) {
  const inputs = prepare(form);
  submitAction = () => onSubmit(Object.fromEntries(inputs.map((input) => [input.name, input.value.trim()])));
}

/** Asks whether something that can't be undone is meant. `onSubmit()` may reject. */
export function askConfirm({ onSubmit, ...form }) {
  prepare({ ...form, fields: [], dangerous: true });
  submitAction = onSubmit;
}

/** Finds a user by name. `search(query)` returns users, `onPick(user)` may reject. */
export function askPerson({ search, onPick, ...form }) {
  const [input] = prepare({
    ...form,
    fields: [{ label: "Username", name: "username", required: true, autocapitalize: "none", spellcheck: "false", maxlength: 64 }],
  });
  let found = [];
  let timer = 0;
  let latest = 0;

  const look = async () => {
    const query = input.value.trim();
    const turn = (latest += 1);
    const users = query ? await search(query).catch(() => []) : [];
    if (turn !== latest) return;
    found = users.filter((user) => user.id !== currentUser()?.id);
    byId("dialog-results").hidden = found.length === 0;
    byId("dialog-results").replaceChildren(...found.map((user) => el("li", {},
      el("button", { type: "button", class: "entry", on: { click: () => attempt(() => onPick(user)) } },
        avatar(user.id, user.display_name || user.username, user.online ? "online" : "offline"),
        el("span", {}, el("strong", {}, user.display_name || user.username), " ", el("small", {}, `@${user.username}`)),
        user.online && el("small", { class: "end" }, "online")))));
    byId("dialog-status").textContent = query && !found.length ? nobody(query) : "";
  };
  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(look, SEARCH_PAUSE_MS);
  });
  const nobody = (query) => (query.toLowerCase() === currentUser()?.username.toLowerCase() ? "This is your own username." : "No user with this name.");
  submitAction = async () => {
    clearTimeout(timer);
    await look();
    const typed = input.value.trim().toLowerCase();
    const user = found.find(({ username }) => username.toLowerCase() === typed) ?? (found.length === 1 ? found[0] : null);
    byId("dialog-status").textContent = "";
    if (!user) throw new Error(found.length ? "Choose one of the users below." : nobody(input.value.trim()));
    await onPick(user);
  };
}
