// "Try it": sends one request to this server and shows the response.

import { announce, byId, el } from "./dom.js";
import { sample } from "./schema.js";

const BODY_CHARS_SHOWN_MAX = 20_000;

function input(parameter, id, root) {
  const example = parameter.example ?? parameter.schema?.examples?.[0] ?? "";
  const value = parameter.required ? example : "";
  const label = `${parameter.name} (${parameter.in}${parameter.required ? "" : ", optional"})`;
  const node = el("input", { id, value, autocomplete: "off", spellcheck: "false", required: parameter.required ? true : null });
  return { parameter, node, row: el("label", { class: "field", for: id }, el("span", {}, label), node), root };
}

function address(path, inputs) {
  const query = new URLSearchParams();
  let filled = path;
  for (const { parameter, node } of inputs) {
    if (parameter.in === "path") filled = filled.replace(`{${parameter.name}}`, encodeURIComponent(node.value));
    if (parameter.in === "query" && node.value !== "") query.append(parameter.name, node.value);
  }
  // The page is at <root>/api/docs, and a proxy may add a prefix to the root.
  const url = new URL(`..${filled}`, document.baseURI);
  url.search = query;
  return url;
}

function readable(text, contentType) {
  if (contentType.includes("json")) {
    try {
      return JSON.stringify(JSON.parse(text), null, 2);
    } catch {
      // Not JSON: shown as text.
    }
  }
  return text.length > BODY_CHARS_SHOWN_MAX ? `${text.slice(0, BODY_CHARS_SHOWN_MAX)}…` : text;
}

/** A sign-in also signs in the following tries. */
function keepToken(response, text) {
  if (!response.ok || !response.headers.get("content-type")?.includes("json")) return;
  const { access_token: token } = JSON.parse(text) ?? {};
  if (typeof token === "string") byId("token").value = token;
}

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

/** The same request for a shell, in which `$token` is the access token. */
function curl(method, url, inputs, contentType, body) {
  const parts = [`curl -X ${method.toUpperCase()} ${quoted(String(url))}`];
  if (byId("token").value.trim()) parts.push('-H "Authorization: Bearer $token"');
  for (const { parameter, node } of inputs) {
    if (parameter.in === "header" && node.value !== "") parts.push(`-H ${quoted(`${parameter.name}: ${node.value}`)}`);
  }
  if (body) parts.push(`-H ${quoted(`Content-Type: ${contentType}`)}`, `-d ${quoted(body)}`);
  return parts.join(" \\\n  ");
}

async function ask(method, url, inputs, contentType, body) {
  const headers = new Headers();
  const token = byId("token").value.trim();
  if (token) headers.set("authorization", `Bearer ${token}`);
  if (contentType) headers.set("content-type", contentType);
  for (const { parameter, node } of inputs) {
    if (parameter.in === "header" && node.value !== "") headers.set(parameter.name, node.value);
  }
  const began = performance.now();
  const response = await fetch(url, { method: method.toUpperCase(), headers, body, cache: "no-store" });
  const text = await response.text();
  const ms = Math.round(performance.now() - began);
  const told = ["content-type", "retry-after", "location"].filter((name) => response.headers.has(name));
  keepToken(response, text);
  const lines = [`${response.status} ${response.statusText} (${ms} ms)`, ...told.map((name) => `${name}: ${response.headers.get(name)}`)];
  return `${lines.join("\n")}\n\n${readable(text, response.headers.get("content-type") ?? "")}`.trimEnd();
}

/** The form under a route. */
export function trial(method, path, operation, parameters, root) {
  const id = operation.operationId ?? `${method}-${path}`;
  const inputs = parameters.map((parameter, index) => input(parameter, `${id}-p${index}`, root));
  const [contentType, media] = Object.entries(operation.requestBody?.content ?? {})[0] ?? [];
  const body = contentType && el("textarea", { id: `${id}-body`, spellcheck: "false" });
  if (body) body.value = contentType.includes("json") ? JSON.stringify(sample(media.schema, root), null, 2) : "";
  const output = el("output", { role: "status" });
  const button = el("button", { class: "button primary", type: "submit" }, `Send ${method.toUpperCase()}`);
  const send = async (event) => {
    event.preventDefault();
    button.disabled = true;
    const line = curl(method, address(path, inputs), inputs, contentType, body?.value);
    try {
      const shown = await ask(method, address(path, inputs), inputs, contentType, body?.value || undefined);
      output.replaceChildren(el("pre", { tabindex: "0" }, shown), el("p", { class: "hint" }, "The same request in a shell:"), el("pre", { class: "curl", tabindex: "0" }, line));
      announce(shown.split("\n")[0]);
    } catch (error) {
      output.replaceChildren(el("p", { class: "form-error" }, `Can't reach the server: ${error.message}. Try again.`));
    }
    button.disabled = false;
  };
  const rows = inputs.map(({ row }) => row);
  if (body) rows.push(el("label", { class: "field", for: body.id }, el("span", {}, `Body (${contentType})`), body));
  return el("form", { class: "trial", on: { submit: send } }, ...rows, button, output);
}
