// The page at / in a real Chromium, with the real binary: two users, two browser contexts, one server, which is also
// killed and restarted during the test.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Server } from "./server.mjs";
import { composer, connected, launch, member, message, openChannel, openTab, PASSWORD, say, sent, signUp, texts } from "./tab.mjs";

const MARKUP = `<img src=x onerror="document.title='broken'"><script>document.title='broken'</script><b>bold</b>`;

let server;
let browser;
let ada;
let grace;

/** Makes a user send `count` numbered messages to the channel open in the tab, over a separate socket. Returns them once stored. */
function speak({ page }, username, count) {
  return page.evaluate(async ({ username, password, count }) => {
    const headers = { "Content-Type": "application/json" };
    const login = await fetch("/api/auth/login", { method: "POST", headers, body: JSON.stringify({ username, password }) });
    const { access_token: token } = await login.json();
    const path = `/ws/channel/${location.hash.replace("#/c/", "")}`;
    const socket = new WebSocket(new URL(path, location.href.replace(/^http/, "ws")), ["bearer", token]);
    await new Promise((done) => socket.addEventListener("open", done));
    const said = Array.from({ length: count }, (_, index) => `Card number ${index + 1} of the deck.`);
    await new Promise((done, failed) => {
      let acknowledged = 0;
      socket.addEventListener("message", ({ data }) => {
        const frame = JSON.parse(data);
        if (frame.type === "error") failed(new Error(frame.error));
        if (frame.type === "ack" && (acknowledged += 1) === count) done();
      });
      said.forEach((content, ref) => socket.send(JSON.stringify({ type: "message", content, ref })));
    });
    socket.close();
    return said;
  }, { username, password: PASSWORD, count });
}

before(async () => {
  server = await Server.start();
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await server?.remove();
});

test("two people sign up, each in a tab of their own", async () => {
  ada = await openTab(browser, server.url, "ada");
  grace = await openTab(browser, server.url, "grace");
  await Promise.all([signUp(ada), signUp(grace)]);
  await ada.page.getByRole("heading", { name: "Welcome, ada" }).waitFor();
});

test("what is wrong with a form is said in the server's sentence", async () => {
  const other = await openTab(browser, server.url, "ada");
  const form = other.page.locator("#auth-form");
  const alert = other.page.getByRole("alert");
  await form.getByLabel("Username or email").fill("ada");
  await form.getByLabel("Password").fill("not the password");
  const [refused] = await Promise.all([
    other.page.waitForResponse((response) => response.url().endsWith("/api/auth/login")),
    form.getByRole("button", { name: "Sign in" }).click(),
  ]);
  assert.equal(refused.status(), 401);
  await alert.filter({ hasText: (await refused.json()).error }).waitFor();

  await form.getByRole("button", { name: "Create an account" }).click();
  await alert.waitFor({ state: "hidden" });
  await form.getByLabel("Email").fill("another@example.com");
  const [taken] = await Promise.all([
    other.page.waitForResponse((response) => response.url().endsWith("/api/auth/register")),
    form.getByRole("button", { name: "Create account" }).click(),
  ]);
  assert.equal(taken.status(), 409);
  await alert.filter({ hasText: (await taken.json()).error }).waitFor();
  // The browser itself logs refused requests; there must be no other messages.
  assert.deepEqual(other.complaints.filter((line) => !/status of (401|409)/.test(line)), []);
  await other.page.context().close();
});

test("one makes a group and a channel and adds the other, who finds them without doing anything", async () => {
  const { page } = ada;
  const dialog = page.getByRole("dialog");
  await page.locator("#steps").getByRole("button", { name: "New group" }).click();
  await dialog.getByLabel("Name").fill("Analytical Engine");
  await dialog.getByRole("button", { name: "Create group" }).click();
  await page.locator("#steps").getByRole("button", { name: "New channel" }).click();
  await dialog.getByLabel("Name").fill("general");
  await dialog.getByRole("button", { name: "Create channel" }).click();
  await page.getByRole("heading", { name: "#general", level: 1 }).waitFor();
  await connected(ada);

  await page.locator("#room-add").click();
  await dialog.getByLabel("Username").fill("nobody-of-that-name");
  await dialog.getByRole("button", { name: "Add", exact: true }).click();
  await dialog.getByRole("alert").waitFor();
  await dialog.getByLabel("Username").fill("grace");
  await dialog.getByRole("button", { name: "Add", exact: true }).click();
  await dialog.waitFor({ state: "hidden" });

  await openChannel(grace, "general");
});

test("both talk, and see who is there and who is typing", async () => {
  await member(ada, "grace", true).waitFor();
  await member(grace, "ada", true).waitFor();

  await say(ada, "Good morning.\nIs the engine warm?");
  await sent(grace, "Is the engine warm?").waitFor();
  await composer(grace).pressSequentially("It is");
  await ada.page.getByText("grace is typing…").waitFor();
  await composer(grace).fill("It is warming up.");
  await composer(grace).press("Enter");
  await sent(ada, "It is warming up.").waitFor();
  await ada.page.getByText("grace is typing…").waitFor({ state: "detached" });
  await sent(ada, "Good morning.").waitFor();
  assert.deepEqual(await texts(ada), ["Good morning.\nIs the engine warm?", "It is warming up."]);
  assert.deepEqual(await texts(grace), await texts(ada));
});

test("markup in a message, a group's name and a channel's name is shown as text", async () => {
  await say(grace, MARKUP);
  await sent(ada, "onerror").waitFor();
  assert.equal((await texts(ada)).at(-1), MARKUP);
  assert.equal(await ada.page.locator("#messages img, #messages script, #messages b").count(), 0);

  const { page } = grace;
  const dialog = page.getByRole("dialog");
  await page.locator("#directory").getByRole("button", { name: "New group" }).click();
  await dialog.getByLabel("Name").fill("<i>Relays</i>");
  await dialog.getByRole("button", { name: "Create group" }).click();
  await page.getByRole("button", { name: "New channel in <i>Relays</i>" }).click();
  await dialog.getByLabel("Name").fill("<u>moths</u>");
  await dialog.getByRole("button", { name: "Create channel" }).click();
  await page.getByRole("heading", { name: "#<u>moths</u>", level: 1 }).waitFor();
  assert.equal(await page.locator("#app i:not(.dot):not(.connection i), #app u").count(), 0);
  assert.notEqual(await page.title(), "broken");
});

test("who leaves a channel is still online, and who closes the tab is not", async () => {
  await member(ada, "grace", true).waitFor();
  const third = await openTab(browser, server.url, "margaret");
  await signUp(third);
  await ada.page.locator("#room-add").click();
  await ada.page.getByRole("dialog").getByLabel("Username").fill("margaret");
  await ada.page.getByRole("dialog").getByRole("button", { name: "Add", exact: true }).click();
  await openChannel(third, "general");
  await member(ada, "margaret", true).waitFor();
  await third.page.context().close();
  await member(ada, "margaret", false).waitFor();
  await member(ada, "grace", true).waitFor();
});

test("a direct conversation: who opens it later finds what was said, then both talk", async () => {
  await openChannel(grace, "general");
  const { page } = ada;
  await page.getByRole("button", { name: "New direct message" }).click();
  await page.getByRole("dialog").getByLabel("Username").fill("grace");
  await page.getByRole("dialog").getByRole("button", { name: /@grace/ }).click();
  await page.getByRole("heading", { name: "grace", level: 1 }).waitFor();
  await connected(ada);
  await say(ada, "A word in private?");
  await sent(ada, "A word in private?").waitFor();

  await grace.page.locator("#members-list").getByRole("link", { name: /ada/ }).click();
  await connected(grace);
  await sent(grace, "A word in private?").waitFor();
  await page.locator("#room-subtitle", { hasText: "Online" }).waitFor();
  await say(grace, "Of course.");
  await sent(ada, "Of course.").waitFor();
  await composer(ada).pressSequentially("It is about");
  await grace.page.getByText("ada is typing…").waitFor();
  assert.deepEqual(await texts(grace), ["A word in private?", "Of course."]);
});

test("a reload keeps the session, the room and what was said", async () => {
  await openChannel(ada, "general");
  await openChannel(grace, "general");
  const earlier = await texts(ada);
  await ada.page.reload();
  await ada.page.getByRole("heading", { name: "#general", level: 1 }).waitFor();
  await connected(ada);
  await sent(ada, "onerror").waitFor();
  assert.deepEqual(await texts(ada), earlier);
});

test("scrolling up reads older messages, each of them once", async () => {
  const { page } = ada;
  const spoken = await speak(ada, "margaret", 55);
  await sent(ada, spoken.at(-1)).waitFor();
  await page.reload();
  await connected(ada);
  await sent(ada, spoken.at(-1)).waitFor();
  assert.equal(await message(ada, "Is the engine warm?").count(), 0);
  await page.locator("#scroller").hover();
  await page.locator("#scroller").evaluate((scroller) => { scroller.scrollTop = 0; });
  await page.getByText("Welcome to #general").waitFor();
  const all = await texts(ada);
  assert.deepEqual(all.slice(0, 3), ["Good morning.\nIs the engine warm?", "It is warming up.", MARKUP]);
  assert.deepEqual(all.slice(3), spoken);
});

test("no complaint in either console so far", () => {
  assert.deepEqual(ada.complaints, []);
  assert.deepEqual(grace.complaints, []);
});

test("the server is killed and started again: both tabs come back by themselves and miss nothing", async () => {
  await say(ada, "Before the crash.");
  await sent(ada, "Before the crash.").waitFor();
  await server.kill();
  for (const tab of [ada, grace]) await tab.page.locator('#connection[data-phase="waiting"]').waitFor();
  await say(grace, "Written while the server was away.");
  await message(grace, "Will be sent when connected").waitFor();
  await server.restart();

  await connected(ada);
  await connected(grace);
  await sent(ada, "Written while the server was away.").waitFor();
  await sent(grace, "Written while the server was away.").waitFor();
  await say(ada, "After the crash.");
  await sent(grace, "After the crash.").waitFor();
  const expected = ["Before the crash.", "Written while the server was away.", "After the crash."];
  assert.deepEqual((await texts(ada)).slice(-3), expected);
  assert.deepEqual((await texts(grace)).slice(-3), expected);
  for (const { complaints } of [ada, grace]) {
    // While the server is down the browser logs every failed attempt; there must be no other messages.
    assert.deepEqual(complaints.filter((line) => !/net::ERR_(CONNECTION_REFUSED|CONNECTION_RESET|EMPTY_RESPONSE)/.test(line)), []);
  }
});

test("signing out ends the session for good", async () => {
  const { page } = grace;
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  await page.reload();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  assert.equal(await page.evaluate(() => localStorage.getItem("convene.session")), null);
  await member(ada, "grace", false).waitFor();
});

test("at a phone's width one thing is shown at a time", async () => {
  const phone = await openTab(browser, server.url, "phone", { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true });
  const { page } = phone;
  await page.getByLabel("Username or email").fill("ada");
  await page.getByLabel("Password").fill(PASSWORD);
  await page.getByRole("button", { name: "Sign in" }).tap();
  await page.locator("#directory").getByRole("link", { name: "general" }).tap();
  await connected(phone);
  await page.locator("#directory").waitFor({ state: "hidden" });
  await say(phone, "Sent from the stairs.");
  await sent(ada, "Sent from the stairs.").waitFor();
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.equal(overflow, 0);
  await page.getByRole("link", { name: "Back to all conversations" }).tap();
  await page.locator("#directory").waitFor();
  await page.locator("#room").waitFor({ state: "hidden" });
  assert.deepEqual(phone.complaints, []);
});
