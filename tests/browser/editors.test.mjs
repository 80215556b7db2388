// The pages of examples/editor in a real Chromium: CodeMirror on y-websocket and Tiptap on Hocuspocus' provider, both unmodified.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { access } from "node:fs/promises";
import { createServer } from "node:net";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

import { Server } from "./server.mjs";
import { launch, openTab, PASSWORD } from "./tab.mjs";

const EXAMPLE = fileURLToPath(new URL("../../examples/editor", import.meta.url));
const DEADLINE_MS = 20_000;
const KINDS = {
  codemirror: { area: ".cm-content", caret: ".cm-ySelectionCaret", label: ".cm-ySelectionInfo" },
  tiptap: { area: ".tiptap", caret: ".collaboration-carets__caret", label: ".collaboration-carets__label" },
};

let server;
let browser;
const pages = {};
const tokens = new Map();
const opened = [];

async function freePort() {
  const listener = createServer().listen(0, "127.0.0.1");
  await once(listener, "listening");
  const { port } = listener.address();
  listener.close();
  return port;
}

/** Starts the example's own server of a page. */
async function servePage(kind, port) {
  await access(`${EXAMPLE}/node_modules`).catch(() => {
    throw new Error("The packages of the example are missing. Install them with: npm ci --prefix examples/editor");
  });
  const { PATH, HOME } = process.env;
  const child = spawn("node", ["serve.mjs", kind], {
    cwd: EXAMPLE, env: { PATH, HOME, PORT: String(port), CONVENE_URL: server.url }, stdio: ["ignore", "pipe", "inherit"],
  });
  const lines = createInterface({ input: child.stdout });
  const [line] = await Promise.race([once(lines, "line"), once(child, "exit").then(() => ["it ended"])]);
  assert.match(line, /^The editor is at /, `serve.mjs ${kind}`);
  pages[kind] = { child, origin: `http://localhost:${port}` };
}

before(async () => {
  const [one, two] = [await freePort(), await freePort()];
  server = await Server.start({ ALLOWED_ORIGINS: `http://localhost:${one},http://localhost:${two}`, LOGIN_ATTEMPTS_PER_MINUTE: "0" });
  [browser] = await Promise.all([launch(), servePage("codemirror", one), servePage("tiptap", two)]);
});

after(async () => {
  await browser?.close();
  for (const { child } of Object.values(pages)) child.kill();
  await server?.remove();
});

async function eventually(what, condition) {
  const end = Date.now() + DEADLINE_MS;
  while (!await condition()) {
    if (Date.now() > end) throw new Error(`waited in vain for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

/** A request over REST as a user, who is registered if necessary. */
async function asUser(name, method, path, body) {
  const send = (method, path, body, token) => fetch(server.url + path, {
    method, body: JSON.stringify(body), headers: { "Content-Type": "application/json", ...(token && { Authorization: `Bearer ${token}` }) },
  });
  if (!tokens.has(name)) {
    await send("POST", "/api/auth/register", { username: name, email: `${name}@example.org`, password: PASSWORD });
    tokens.set(name, (await (await send("POST", "/api/auth/login", { username: name, password: PASSWORD })).json()).access_token);
  }
  const answer = await send(method, path, body, tokens.get(name));
  assert.ok(answer.ok, `${method} ${path}: ${answer.status}`);
  return answer.json();
}

/** A signed-in user's editor of a document. `mode`: edit or read. `prepare` is given the page before anybody signs in. */
async function openEditor(kind, name, document, { mode = "edit", prepare } = {}) {
  await asUser(name, "GET", "/api/auth/me");
  const tab = await openTab(browser, `${pages[kind].origin}/?document=${encodeURIComponent(document)}`, name);
  opened.push(tab);
  await prepare?.(tab.page);
  await tab.page.getByLabel("Username").fill(name);
  await tab.page.getByLabel("Password").fill(PASSWORD);
  await tab.page.getByRole("button", { name: "Sign in" }).click();
  await tab.page.locator(`body[data-mode="${mode}"]`).waitFor();
  return { ...tab, ...KINDS[kind] };
}

/** The text without the cursors of others, a line for each block. */
const shown = ({ page, area, caret }) => page.evaluate(([area, caret]) => {
  const copy = document.querySelector(area).cloneNode(true);
  for (const one of copy.querySelectorAll(caret)) one.remove();
  return [...copy.children].map(({ textContent }) => textContent.replaceAll("\u2060", "")).join("\n");
}, [area, caret]);

const shows = (tab, text) => eventually(`${tab.name} to see ${JSON.stringify(text)}`, async () => await shown(tab) === text);

async function write({ page, area }, text, key = "ControlOrMeta+End") {
  await page.locator(area).focus();
  await page.keyboard.press(key);
  await page.keyboard.type(text);
}

/** Waits until both have the same text, and returns it. */
async function converged(one, two, parts) {
  let text;
  await eventually(`both to have ${parts}`, async () => {
    const [first, second] = [await shown(one), await shown(two)];
    text = first;
    return first === second && parts.every((part) => first.includes(part));
  });
  return text;
}

for (const kind of Object.keys(KINDS)) {
  test(`${kind}: two users see each other's text, names and cursors`, async () => {
    const [ann, bea] = [await openEditor(kind, "ann", `${kind}/both`), await openEditor(kind, "bea", `${kind}/both`)];
    await write(ann, "Hello 😀");
    await shows(bea, "Hello 😀");
    await write(bea, " world");
    await shows(ann, "Hello 😀 world");
    await write(ann, "Oh: ", "ControlOrMeta+Home");
    await shows(bea, "Oh: Hello 😀 world");
    for (const [tab, other] of [[ann, "bea"], [bea, "ann"]]) {
      const label = tab.page.locator(tab.label);
      await label.waitFor();
      assert.equal(await label.textContent(), other);
      const look = await label.evaluate((node) => ({ opacity: getComputedStyle(node).opacity, colour: getComputedStyle(node).backgroundColor }));
      assert.equal(look.opacity, "1");
      const person = tab.page.locator("#people li", { hasText: other });
      assert.equal(look.colour, await person.evaluate((node) => getComputedStyle(node).backgroundColor));
      assert.deepEqual((await tab.page.locator("#people li").allTextContents()).sort(), ["ann", "bea"]);
    }
    await bea.page.context().close();
    await ann.page.locator(ann.label).waitFor({ state: "detached" });
    assert.deepEqual(await ann.page.locator("#people li").allTextContents(), ["ann"]);
  });

  test(`${kind}: a reader sees everything and changes nothing, even if the page lets them type`, async () => {
    const document = `${kind}/read`;
    await asUser("ann", "POST", "/api/documents", { document_id: document, access: "view" });
    const ann = await openEditor(kind, "ann", document);
    const honest = await openEditor(kind, "bea", document, { mode: "read" });
    const lying = await openEditor(kind, "cyd", document, { prepare: pretendToBeAnEditor });
    await write(ann, "mine");
    await shows(honest, "mine");
    await honest.page.locator(honest.area).click();
    await honest.page.keyboard.type("not this");
    await shows(lying, "mine");
    await write(lying, " and not this");
    await shows(lying, "mine and not this");
    await write(ann, ", all mine");
    await shows(honest, "mine, all mine");
    const late = await openEditor(kind, "dan", document, { mode: "read" });
    await shows(late, "mine, all mine");
    assert.equal(await shown(ann), "mine, all mine");
  });

  test(`${kind}: an editor whose right is taken away becomes a reader`, async () => {
    const document = `${kind}/demoted`;
    const [ann, bea] = [await openEditor(kind, "ann", document), await openEditor(kind, "bea", document)];
    await write(bea, "before");
    await shows(ann, "before");
    await asUser("ann", "PATCH", `/api/documents/${encodeURIComponent(document)}`, { access: "view" });
    await bea.page.locator('body[data-mode="read"]').waitFor();
    await write(ann, ", after");
    await shows(bea, "before, after");
  });

  test(`${kind}: two users who write on through a crash of the server end with the same text`, async () => {
    const document = `${kind}/crash`;
    const [ann, bea] = [await openEditor(kind, "ann", document), await openEditor(kind, "bea", document)];
    await write(ann, "start ");
    await shows(bea, "start ");
    await server.kill();
    await write(ann, "annwasaway ");
    await write(bea, "beawasaway ");
    await server.restart();
    const text = await converged(ann, bea, ["start ", "annwasaway ", "beawasaway "]);
    const late = await openEditor(kind, "cyd", document);
    await shows(late, text);
  });

  test(`${kind}: a tab that was offline and edited comes back`, async () => {
    const document = `${kind}/offline`;
    const line = { cut: null, isUp: true };
    const ann = await openEditor(kind, "ann", document);
    const bea = await openEditor(kind, "bea", document, { prepare: (page) => page.routeWebSocket(/\/(yjs|hocuspocus)/, (socket) => {
      if (!line.isUp) return socket.close({ code: 1011 });
      socket.connectToServer();
      line.cut = () => socket.close({ code: 1011 });
    }) });
    await write(ann, "one two three");
    await shows(bea, "one two three");
    line.isUp = false;
    await line.cut();
    await bea.page.locator("#status", { hasText: /^(dis)?connect(ed|ing)$/ }).waitFor();
    await ann.page.locator(ann.label).waitFor({ state: "detached" });
    await write(bea, " four");
    await write(ann, "zero ", "ControlOrMeta+Home");
    await shows(bea, "one two three four");
    await shows(ann, "zero one two three");
    line.isUp = true;
    await shows(bea, "zero one two three four");
    await shows(ann, "zero one two three four");
  });
}

test("CodeMirror and Tiptap edit two texts of the same document", async () => {
  const plain = [await openEditor("codemirror", "ann", "shared"), await openEditor("codemirror", "bea", "shared")];
  const rich = [await openEditor("tiptap", "ann", "shared"), await openEditor("tiptap", "bea", "shared")];
  await write(plain[0], "plain");
  await write(rich[0], "rich");
  await rich[0].page.keyboard.press("ControlOrMeta+a");
  await rich[0].page.keyboard.press("ControlOrMeta+b");
  await shows(plain[1], "plain");
  await shows(rich[1], "rich");
  await rich[1].page.locator(".tiptap strong", { hasText: "rich" }).waitFor();
  assert.deepEqual([await shown(plain[0]), await shown(rich[0])], ["plain", "rich"]);
  const { content } = await asUser("ann", "GET", "/api/documents/shared");
  assert.equal(content, "plain");
});

test("no exception on the way", () => {
  // While the server is away the browser reports each attempt to connect, and readers are reported as such by y-websocket.
  const expected = /WebSocket connection to|net::ERR_|Permission denied to access/;
  const complaints = opened.flatMap((tab) => tab.complaints).filter((line) => !expected.test(line));
  assert.deepEqual(complaints, []);
});

/** Makes the page believe that the user may edit: it lies about the role over REST and in the socket. */
async function pretendToBeAnEditor(page) {
  await page.route(/\/api\/documents\//, async (route) => {
    const answer = await route.fetch();
    await route.fulfill({ response: answer, json: { ...await answer.json(), role: "editor" } });
  });
  await page.routeWebSocket(/\/hocuspocus/, (socket) => {
    const upstream = socket.connectToServer();
    socket.onMessage((message) => upstream.send(message));
    // a string in this protocol is preceded by its length
    upstream.onMessage((message) => {
      socket.send(Buffer.from(message.toString("latin1").replace("\x08readonly", "\x0aread-write"), "latin1"));
    });
  });
}
