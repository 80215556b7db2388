// DOM helpers. Text always becomes a text node: no module of the page may parse markup.

export const byId = (id) => document.getElementById(id);

/** Creates an element; string children become text nodes. `on` contains listeners, `data` the data-* attributes. */
export function el(tag, { on = {}, data = {}, ...attributes } = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) node.setAttribute(name, "");
    else if (value !== undefined && value !== null && value !== false) node.setAttribute(name, value);
  }
  for (const [name, value] of Object.entries(data)) node.dataset[name] = value;
  for (const [name, listener] of Object.entries(on)) node.addEventListener(name, listener);
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

const ICONS = {
  hash: "M9 4 7 20M17 4l-2 16M4 9h16M3.5 15h16",
  voice: "M5 10v4h3l5 4V6l-5 4zM17 9a4 4 0 0 1 0 6",
  plus: "M12 5v14M5 12h14",
  close: "M6 6l12 12M18 6L6 18",
  back: "M15 5l-7 7 7 7",
  people: "M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM2.5 20a6.5 6.5 0 0 1 13 0M16 4.3a3.5 3.5 0 0 1 0 6.4M18 14.3a6.5 6.5 0 0 1 3.5 5.7",
  attach: "M8 12.5l6-6a3 3 0 0 1 4.2 4.2l-8 8a5 5 0 0 1-7-7l7.5-7.5",
  send: "M12 19V5M6 11l6-6 6 6",
  smile: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM8.5 14.5a4.5 4.5 0 0 0 7 0M9 9.5v.01M15 9.5v.01",
  pencil: "M4 20l1-4L16 5l3 3L8 19zM14 7l3 3",
  trash: "M5 7h14M10 7V4.5h4V7M7 7l1 13h8l1-13",
  check: "M5 12.5l4.5 4.5L19 7.5",
};

export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", ICONS[name]);
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  svg.append(path);
  return svg;
}

const HUES = 8;

/** A round avatar with the first letter of the name. The colour is derived from the user id, so it is the same everywhere. */
export function avatar(userId, name, presence) {
  let hash = 0;
  for (const unit of String(userId)) hash = Math.imul(hash ^ unit.codePointAt(0), 0x01000193);
  const letter = [...(name || "?").trim()][0]?.toUpperCase() ?? "?";
  const node = el("span", { class: `avatar hue-${(hash >>> 16) % HUES}`, "aria-hidden": "true" }, letter);
  if (presence) node.append(el("i", { class: `dot ${presence}` }));
  return node;
}

const TOAST_MS = 5_000;
let toastTimer = 0;

/** Shows a sentence at the bottom of the page for a few seconds. */
export function toast(sentence) {
  const node = byId("toast");
  node.textContent = sentence;
  node.hidden = false;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => { node.hidden = true; }, TOAST_MS);
}

/** Announces a sentence to screen readers only. */
export function announce(sentence) {
  const node = byId("announcer");
  node.append(el("p", {}, sentence));
  while (node.childElementCount > 5) node.firstElementChild.remove();
}

export function showError(node, sentence) {
  node.textContent = sentence ?? "";
  node.hidden = !sentence;
}
