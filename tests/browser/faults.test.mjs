// The page's behaviour when its socket breaks: a proxy inside the browser, between the page and the real server, cuts,
// delays or drops frames as the test demands.

import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { Server } from "./server.mjs";
import { composer, connected, launch, message, openTab, say, sent, signUp, texts } from "./tab.mjs";

let server;
let browser;
let tab;

// The sockets opened so far, newest last, and the proxy's rules. A frame passes unless a rule forbids it.
let sockets;
let passOut;
let passIn;

const state = (phase) => tab.page.locator(`#connection[data-phase="${phase}"]`);
const failed = (text) => tab.page.locator('#messages .message[data-state="failed"]', { hasText: text });
const cut = (code) => sockets.at(-1).route.close({ code, reason: "cut by the test" });

function proxy(route) {
  const upstream = route.connectToServer();
  const joins = [];
  sockets.push({ url: new URL(route.url()), openedAt: Date.now(), route, joins });
  route.onMessage((text) => {
    const frame = JSON.parse(text);
    if (frame.event_type === "room.join") joins.push(frame);
    if (passOut(frame)) upstream.send(text);
  });
  upstream.onMessage((text) => {
    const frame = JSON.parse(text);
    const passed = passIn(frame);
    if (passed) route.send(passed === true ? text : JSON.stringify(passed));
  });
}

before(async () => {
  server = await Server.start();
  browser = await launch();
  sockets = [];
  passOut = passIn = () => true;
  tab = await openTab(browser, server.url, "ada");
  await tab.page.routeWebSocket(/\/ws$/, proxy);
  await tab.page.reload();
  await signUp(tab);
  const dialog = tab.page.getByRole("dialog");
  await tab.page.locator("#steps").getByRole("button", { name: "New group" }).click();
  await dialog.getByLabel("Name").fill("Faults");
  await dialog.getByRole("button", { name: "Create group" }).click();
  await tab.page.locator("#steps").getByRole("button", { name: "New channel" }).click();
  await dialog.getByLabel("Name").fill("general");
  await dialog.getByRole("button", { name: "Create channel" }).click();
  await connected(tab);
});

after(async () => {
  await browser?.close();
  await server?.remove();
});

beforeEach(async () => {
  passOut = passIn = () => true;
  await connected(tab);
});

test("the token is not in the socket's address, and the position is in the join", () => {
  const { url, joins } = sockets.at(-1);
  assert.equal(url.search, "");
  assert.equal(joins.length, 1);
  assert.ok(joins[0].epoch);
  assert.ok(Number.isInteger(joins[0].since));
});

test("after 45xx, 1012 and a bare cut it resumes after what it has seen", async () => {
  for (const code of [4508, 4510, 1012, 1011]) {
    const text = `Seen before ${code}.`;
    await say(tab, text);
    await sent(tab, text).waitFor();
    const [before] = [sockets.length];
    await cut(code);
    await tab.page.waitForFunction(() => document.querySelector("#connection").dataset.phase !== "open");
    await connected(tab);
    assert.equal(sockets.length, before + 1);
    assert.ok(sockets.at(-1).joins[0].since > sockets.at(-2).joins[0].since);
    assert.equal(await message(tab, text).count(), 1);
  }
});

test("after 44xx it stays disconnected, shows why, and reconnects only on request", async () => {
  for (const [code, button] of [[4403, "Try again"], [4409, "Use this tab"], [4429, "Try again"]]) {
    const before = sockets.length;
    await cut(code);
    await state("stopped").waitFor();
    await tab.page.evaluate(() => dispatchEvent(new Event("online")));
    assert.equal(sockets.length, before);
    await tab.page.getByRole("button", { name: button }).click();
    await connected(tab);
    assert.equal(sockets.length, before + 1);
  }
});

test("after 4401 it gets a new token and reconnects with it", async () => {
  const token = () => tab.page.evaluate(() => JSON.parse(localStorage.getItem("convene.session")).access_token);
  const stale = await token();
  const refreshed = tab.page.waitForResponse((response) => response.url().endsWith("/api/auth/refresh"));
  await cut(4401);
  assert.equal((await refreshed).status(), 200);
  await connected(tab);
  assert.notEqual(await token(), stale);
  await say(tab, "With a fresh token.");
  await sent(tab, "With a fresh token.").waitFor();
});

test("a restarting server is given the time that it asked for", async () => {
  const ASKED_MS = 1_500;
  sockets.at(-1).route.send(JSON.stringify({ event_type: "server_restarting", reconnect_in_ms: ASKED_MS }));
  const cutAt = Date.now();
  await cut(1012);
  await state("waiting").waitFor();
  await connected(tab);
  assert.ok(sockets.at(-1).openedAt - cutAt >= ASKED_MS - 50);
});

test("a server that answers again over REST is not kept waiting", async () => {
  const LONG_MS = 60_000;
  await tab.page.route("**/api/**", (route) => route.abort());
  sockets.at(-1).route.send(JSON.stringify({ event_type: "server_restarting", reconnect_in_ms: LONG_MS }));
  const failed = tab.page.waitForEvent("requestfailed");
  await cut(1012);
  await state("waiting").waitFor();
  await failed;
  await tab.page.unroute("**/api/**");
  await connected(tab);
});

test("a socket that has joined as many rooms as it may is replaced by a new one", async () => {
  let refused = false;
  passIn = (frame) => {
    if (frame.event_type !== "room.join" || frame.ref === undefined || refused) return true;
    refused = true;
    return { event_type: "error", code: "CONFLICT", error: "This socket has joined 100 rooms, the maximum; leave one first", ref: frame.ref };
  };
  const before = sockets.length;
  await cut(1011);
  await tab.page.waitForFunction(() => document.querySelector("#connection").dataset.phase !== "open");
  await connected(tab);
  assert.equal(refused, true);
  assert.equal(sockets.length, before + 2);
});

test("a message that never got out is sent again by itself, once", async () => {
  passOut = (frame) => frame.event_type !== "chat.message";
  await say(tab, "Lost on the way out.");
  await message(tab, "Sending…").waitFor();
  passOut = () => true;
  await cut(1011);
  await sent(tab, "Lost on the way out.").waitFor();
  await tab.page.reload();
  await connected(tab);
  await sent(tab, "Lost on the way out.").waitFor();
  assert.equal(await message(tab, "Lost on the way out.").count(), 1);
});

test("a message that was stored, but whose answer was lost, is found again by the replay", async () => {
  let swallowed;
  const bothSwallowed = new Promise((done) => { swallowed = done; });
  let echo = false;
  let ack = false;
  passIn = (frame) => {
    echo ||= frame.event_type === "chat.message";
    ack ||= frame.event_type === "chat.delivered";
    if (echo && ack) swallowed();
    return !["chat.message", "chat.delivered"].includes(frame.event_type);
  };
  await say(tab, "Stored without a word.");
  await bothSwallowed;
  await message(tab, "Sending…").waitFor();
  passIn = () => true;
  await cut(1011);
  await sent(tab, "Stored without a word.").waitFor();
  assert.equal(await message(tab, "Stored without a word.").count(), 1);
});

test("what the server cannot replay is read over REST", async () => {
  await say(tab, "The last one before the gap.");
  await sent(tab, "The last one before the gap.").waitFor();
  passIn = (frame) => !["chat.message", "chat.delivered"].includes(frame.event_type);
  await say(tab, "Missed by the replay.");
  await message(tab, "Sending…").waitFor();
  passIn = (frame) => {
    if (frame.event_type === "recovered") return { ...frame, complete: false };
    return frame.event_type !== "chat.message";
  };
  await cut(1011);
  await sent(tab, "Missed by the replay.").waitFor();
  assert.deepEqual((await texts(tab)).slice(-2), ["The last one before the gap.", "Missed by the replay."]);
});

test("a refusal is shown at the message, in the server's sentence, and can be taken back", async () => {
  const sentence = "You are sending too fast. Wait 7 seconds.";
  passOut = (frame) => {
    if (frame.event_type !== "chat.message") return true;
    sockets.at(-1).route.send(JSON.stringify({ event_type: "error", code: "RATE_LIMIT_EXCEEDED", error: sentence, retry_after: 7, ref: frame.ref }));
    return false;
  };
  await say(tab, "Too fast.");
  await failed("Too fast.").getByText(sentence).waitFor();
  await failed("Too fast.").getByRole("button", { name: "Delete", exact: true }).click();
  await message(tab, "Too fast.").waitFor({ state: "detached" });
});

test("typing is sent at most once in two seconds, and its end at once", async () => {
  const TYPING_EVERY_MS = 2_000;
  const told = [];
  passOut = (frame) => {
    if (frame.event_type === "chat.typing") told.push(frame.is_typing);
    return true;
  };
  const begunAt = Date.now();
  await composer(tab).pressSequentially("A long sentence about nothing in particular", { delay: 60 });
  await composer(tab).press("Enter");
  await sent(tab, "A long sentence").waitFor();
  // However slow the machine: more frames than these would have been closer together.
  const framesMax = 1 + Math.floor((Date.now() - begunAt) / TYPING_EVERY_MS);
  const begun = told.filter((isTyping) => isTyping).length;
  assert.ok(begun >= 1 && begun <= framesMax, `${begun} frames, at most ${framesMax} allowed`);
  assert.equal(told.at(-1), false);
});

test("no exception and no policy violation on the way", () => {
  // Requests that the test has aborted are logged by the browser.
  assert.deepEqual(tab.complaints.filter((line) => !/net::ERR_FAILED/.test(line)), []);
});
