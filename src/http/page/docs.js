// The API reference at /api/docs. It renders the two documents of this server and must show nothing that is not in
// them.

import { byId, el, showError } from "./dom.js";
import { bounds, fields, kind, resolve, sample } from "./schema.js";
import { trial } from "./trial.js";

const METHODS = ["get", "post", "put", "patch", "delete", "head", "options"];

async function load(path) {
  const response = await fetch(path);
  if (!response.ok) throw new Error(`${path} returned status ${response.status}`);
  return response.json();
}

const json = (value) => el("pre", { tabindex: "0" }, JSON.stringify(value, null, 2));

/** Text in which `words` are shown as code. */
function prose(text) {
  const pieces = String(text ?? "").split("`");
  return pieces.map((piece, index) => (index % 2 ? el("code", {}, piece) : piece));
}

function fieldTable(rows, root, caption) {
  if (!rows.length) return null;
  const line = ({ path, schema, needed, description }) => el("tr", {},
    el("th", { scope: "row" }, el("code", {}, path), needed ? el("span", { class: "needed" }, " required") : null),
    el("td", {}, el("code", {}, kind(schema, root))),
    el("td", {}, bounds(schema, root), el("p", {}, ...prose(description ?? schema?.description ?? resolve(schema, root).description))));
  return el("table", { class: "fields" },
    el("caption", { class: "sr-only" }, caption),
    el("thead", {}, el("tr", {}, ...["Name", "Type", "Limits and meaning"].map((name) => el("th", { scope: "col" }, name)))),
    el("tbody", {}, ...rows.map(line)));
}

/** Of several types with the same fields, the fields are listed once. */
function content(media, root, caption) {
  let listed = null;
  return Object.entries(media ?? {}).flatMap(([type, { schema, example }]) => {
    const shown = type.includes("json") && schema ? json(example ?? sample(schema, root)) : null;
    const same = JSON.stringify(schema) === listed;
    listed = JSON.stringify(schema);
    return [el("p", { class: "hint" }, same ? `${type}, with the same fields` : type), same ? null : fieldTable(fields(schema, root), root, caption), shown];
  });
}

/** A path that may break behind its separators only. */
function breakable(text) {
  return text.split(/(?<=[/_.-])/).flatMap((piece) => [piece, el("wbr")]);
}

/** A collapsible box with its own URL. */
function box(id, badge, name, summary, build) {
  const inside = el("div");
  const node = el("details", { class: "entry-box", id },
    el("summary", {}, el("span", { class: `method ${badge}` }, badge.toUpperCase()), el("code", {}, name), el("span", {}, summary)), inside);
  node.addEventListener("toggle", () => {
    if (node.open && !inside.childElementCount) inside.append(...build().filter((part) => part));
  });
  node.dataset.find = `${badge} ${name} ${summary}`.toLowerCase();
  return node;
}

// ---- REST ----

function operationBox(method, path, operation, shared, root) {
  const parameters = [...shared, ...(operation.parameters ?? [])].map((parameter) => resolve(parameter, root));
  const open = (operation.security ?? root.security ?? []).every((one) => !Object.keys(one).length);
  return box(operation.operationId, method, path, operation.summary ?? "", () => [
    operation.description ? el("p", {}, ...prose(operation.description)) : null,
    el("p", { class: "hint" }, open ? "Needs no token." : "Needs an access token."),
    parameters.length ? el("h4", {}, "Parameters") : null,
    fieldTable(parameters.map((one) => ({ path: `${one.name} (${one.in})`, schema: one.schema, needed: one.required, description: one.description })), root, "Parameters"),
    ...(operation.requestBody ? [el("h4", {}, "Body"), ...content(operation.requestBody.content, root, "Fields of the body")] : []),
    el("h4", {}, "Answers"),
    ...answers(operation, root),
    el("h4", {}, "Try it"),
    trial(method, path, operation, parameters, root),
  ]);
}

function answers(operation, root) {
  return Object.entries(operation.responses).map(([status, answer]) => {
    const found = resolve(answer, root);
    const line = el("p", {}, el("code", {}, status), " ", ...prose(found.description));
    if (status >= "400" && status !== "503") return line;
    return el("div", {}, line, ...content(found.content, root, `Fields of the response ${status}`).filter((part) => part));
  });
}

function restChapters(root) {
  const byTag = new Map((root.tags ?? []).map((tag) => [tag.name, { tag, boxes: [] }]));
  for (const [path, item] of Object.entries(root.paths)) {
    for (const method of METHODS.filter((name) => item[name])) {
      const tag = item[method].tags?.[0] ?? "other";
      if (!byTag.has(tag)) byTag.set(tag, { tag: { name: tag }, boxes: [] });
      byTag.get(tag).boxes.push(operationBox(method, path, item[method], item.parameters ?? [], root));
    }
  }
  return [...byTag.values()].filter(({ boxes }) => boxes.length)
    .map(({ tag, boxes }) => chapter(tag.name, tag.description, boxes));
}

// ---- sockets ----

function messageBox(channelName, operation, reference, root) {
  const channelMessage = resolve(reference, root);
  const message = resolve(channelMessage, root);
  // The AsyncAPI document describes the server's side: what the server receives, a client sends.
  const badge = operation.action === "receive" ? "send" : "receive";
  const name = message.name ?? "message";
  return box(`${channelName}-${badge}-${name}`, badge, name, message.summary ?? "", () => [
    message.description ? el("p", {}, ...prose(message.description)) : null,
    fieldTable(fields(message.payload, root), root, "Fields of the message"),
    json(message.examples?.[0]?.payload ?? sample(message.payload, root)),
  ]);
}

function channelChapter(name, channel, root) {
  const used = Object.values(root.operations).filter((operation) => operation.channel.$ref === `#/channels/${name}`);
  const boxes = used.flatMap((operation) => operation.messages.map((reference) => messageBox(name, operation, reference, root)));
  const parameters = Object.entries(channel.parameters ?? {}).map(([path, one]) => ({ path, schema: { type: "string" }, needed: true, description: one.description }));
  const query = fields(channel.bindings?.ws?.query, root).map((row) => ({ ...row, path: `?${row.path}=` }));
  const made = chapter(channel.title ?? name, channel.description, [
    el("p", {}, el("code", {}, channel.address)),
    fieldTable([...parameters, ...query], root, "URL parameters"), ...boxes,
  ].filter((part) => part));
  return made;
}

function closeCodes(root) {
  const rows = Object.entries(root["x-close-codes"] ?? {});
  if (!rows.length) return null;
  const lines = rows.map(([code, { reason, description }]) => el("tr", {}, el("th", { scope: "row" }, code), el("td", {}, reason), el("td", {}, description)));
  return chapter("Close codes", "44xx: reconnect only after fixing the cause, or not at all. 45xx and 1012: reconnect and resume.", [
    el("table", { class: "fields" }, el("thead", {}, el("tr", {}, ...["Code", "Reason", "What to do"].map((name) => el("th", { scope: "col" }, name)))), el("tbody", {}, ...lines)),
  ]);
}

// ---- page layout ----

function chapter(title, description, parts) {
  const id = `chapter-${title.toLowerCase().replace(/[^a-z0-9]+/g, "-")}`;
  return el("section", { class: "chapter", "aria-labelledby": id },
    el("h2", { id }, title), description ? el("p", { class: "lead" }, ...prose(description)) : null, ...parts);
}

function fillContents() {
  const lists = [...document.querySelectorAll(".chapter")].flatMap((section) => {
    const heading = section.querySelector("h2");
    const links = [...section.querySelectorAll(".entry-box")].map((node) => {
      const [badge, name] = node.querySelector("summary").children;
      return el("li", { data: { find: node.dataset.find } }, el("a", { href: `#${node.id}` }, ...breakable(`${badge.textContent} ${name.textContent}`)));
    });
    return [el("h2", {}, el("a", { href: `#${heading.id}` }, heading.textContent)), el("ul", {}, ...links)];
  });
  byId("contents").replaceChildren(...lists);
}

function find() {
  const words = byId("find").value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const node of document.querySelectorAll("[data-find]")) node.hidden = !words.every((word) => node.dataset.find.includes(word));
}

function openTarget() {
  const node = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!node) return;
  if (node.matches("details")) {
    node.open = true;
    node.querySelector("summary").focus({ preventScroll: true });
  }
  node.scrollIntoView();
}

async function start() {
  try {
    const [rest, sockets] = await Promise.all([load("openapi.json"), load("asyncapi.json")]);
    byId("rest").append(...restChapters(rest));
    const chapters = Object.entries(sockets.channels).map(([name, channel]) => channelChapter(name, channel, sockets));
    byId("sockets").append(...chapters, ...[closeCodes(sockets)].filter((part) => part));
    fillContents();
    openTarget();
  } catch (error) {
    showError(byId("failure"), `Can't load the API documents: ${error.message}. Reload the page.`);
  }
}

byId("find").addEventListener("input", find);
addEventListener("hashchange", openTarget);
start();
