// Changes of messages in the page at /: editing, deleting and reacting, seen by others at once, after a reload and after a lost
// connection; mentions; searching and jumping to a message; group conversations.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Server } from "./server.mjs";
import { asUser, composer, connected, launch, member, message, openChannel, openTab, say, sent, signUp, texts } from "./tab.mjs";

let server;
let browser;
let ada;
let grace;
// grace's sockets go through a proxy, so that the test can cut them
let socket;
let isCut = false;
let group;

const button = (tab, text, name) => message(tab, text).getByRole("button", { name, exact: true });
const reaction = (tab, text, emoji) => message(tab, text).locator(".reaction", { hasText: emoji });
const unread = ({ page }, name) => page.locator("#directory").getByRole("link", { name }).locator(".badge");

/** Presses a button that a message shows under the pointer. */
async function press(tab, text, name) {
  await message(tab, text).hover();
  await button(tab, text, name).click();
}

async function reload(tab) {
  await tab.page.reload();
  await connected(tab);
}

before(async () => {
  server = await Server.start();
  browser = await launch();
  ada = await openTab(browser, server.url, "ada");
  grace = await openTab(browser, server.url, "grace");
  await grace.page.routeWebSocket(/\/ws$/, (route) => {
    if (isCut) return route.close({ code: 1011 });
    socket = route;
    return route.connectToServer();
  });
  await grace.page.reload();
  await Promise.all([signUp(ada), signUp(grace)]);
  group = await asUser(ada, "POST", "/api/groups", { name: "Engines" });
  for (const name of ["general", "plans"]) await asUser(ada, "POST", `/api/groups/${group.id}/channels`, { name });
  await asUser(ada, "POST", `/api/groups/${group.id}/members`, { username: "grace" });
  await Promise.all([ada, grace].map(async (tab) => {
    await tab.page.reload();
    await openChannel(tab, "general");
  }));
});

after(async () => {
  await browser?.close();
  await server?.remove();
});

test("an edited message is changed and marked for both, also after a reload; others can't edit it", async () => {
  await say(ada, "The engine is cold.");
  await sent(grace, "The engine is cold.").waitFor();
  assert.equal(await button(grace, "The engine is cold.", "Edit message").count(), 0);
  assert.equal(await button(grace, "The engine is cold.", "Delete message").count(), 0);
  await press(ada, "The engine is cold.", "Edit message");
  const box = ada.page.getByRole("textbox", { name: "Edit message" });
  assert.equal(await box.inputValue(), "The engine is cold.");
  await box.fill("The engine is <b>warm</b>.");
  await box.press("Enter");
  for (const tab of [ada, grace]) await message(tab, "The engine is <b>warm</b>.").getByText("edited", { exact: true }).waitFor();
  assert.deepEqual(await texts(grace), ["The engine is <b>warm</b>."]);
  assert.equal(await ada.page.locator("#composer-input:focus").count(), 1);
  await reload(grace);
  await message(grace, "The engine is <b>warm</b>.").getByText("edited", { exact: true }).waitFor();
});

test("the up arrow edits the last own message, and Escape leaves it as it was", async () => {
  await composer(ada).press("ArrowUp");
  const box = ada.page.getByRole("textbox", { name: "Edit message" });
  await box.fill("something else");
  await box.press("Escape");
  await box.waitFor({ state: "detached" });
  assert.deepEqual(await texts(ada), ["The engine is <b>warm</b>."]);
});

test("a reaction is counted for both, added to, and taken back", async () => {
  await press(grace, "warm", "Add reaction");
  await grace.page.getByRole("button", { name: "party popper" }).click();
  await reaction(ada, "warm", "🎉 1").waitFor();
  assert.equal(await reaction(ada, "warm", "🎉 1").getAttribute("aria-pressed"), "false");
  await reaction(ada, "warm", "🎉 1").click();
  for (const tab of [ada, grace]) await reaction(tab, "warm", "🎉 2").waitFor();
  await reload(ada);
  await reaction(ada, "warm", "🎉 2").waitFor();
  assert.equal(await reaction(ada, "warm", "🎉 2").getAttribute("aria-pressed"), "true");
  await reaction(grace, "warm", "🎉 2").click();
  for (const tab of [ada, grace]) await reaction(tab, "warm", "🎉 1").waitFor();
  await reaction(ada, "warm", "🎉 1").click();
  for (const tab of [ada, grace]) await reaction(tab, "warm", "🎉").waitFor({ state: "detached" });
});

test("what is not an emoji is refused in the server's sentence", async () => {
  await press(grace, "warm", "Add reaction");
  await grace.page.getByRole("textbox", { name: "Another emoji" }).fill("no");
  const [refused] = await Promise.all([
    grace.page.waitForResponse((response) => response.url().includes("/reactions/")),
    grace.page.getByRole("textbox", { name: "Another emoji" }).press("Enter"),
  ]);
  assert.equal(refused.status(), 400);
  await grace.page.locator("#toast", { hasText: (await refused.json()).error }).waitFor();
});

test("a message is deleted after a question, for both, also after a reload", async () => {
  await say(ada, "A slip of the pen.");
  await sent(grace, "A slip of the pen.").waitFor();
  const dialog = ada.page.getByRole("dialog");
  await press(ada, "A slip of the pen.", "Delete message");
  await dialog.getByRole("button", { name: "Cancel" }).click();
  assert.equal(await message(ada, "A slip of the pen.").count(), 1);
  await press(ada, "A slip of the pen.", "Delete message");
  await dialog.getByRole("button", { name: "Delete message" }).click();
  for (const tab of [ada, grace]) {
    await message(tab, "This message was deleted.").waitFor();
    assert.equal(await message(tab, "A slip of the pen.").count(), 0);
  }
  await reload(grace);
  await message(grace, "This message was deleted.").waitFor();
  assert.equal(await message(grace, "This message was deleted.").getByRole("button").count(), 0);
});

test("changes that were made while the connection was lost are seen after it is back", async () => {
  for (const text of ["first note", "second note", "third note"]) await say(ada, text);
  await sent(grace, "third note").waitFor();
  isCut = true;
  await socket.close({ code: 1011 });
  await grace.page.locator('#connection[data-phase="waiting"]').waitFor();
  // Who is online is not known now.
  await grace.page.locator('#members[data-known="false"]').waitFor();
  assert.equal(await grace.page.locator("#room-subtitle").textContent(), "Engines · 2 members");
  await press(ada, "first note", "Edit message");
  await ada.page.getByRole("textbox", { name: "Edit message" }).fill("first note, corrected");
  await ada.page.getByRole("textbox", { name: "Edit message" }).press("Enter");
  await message(ada, "first note, corrected").waitFor();
  await press(ada, "second note", "Delete message");
  await ada.page.getByRole("dialog").getByRole("button", { name: "Delete message" }).click();
  await message(ada, "second note").waitFor({ state: "detached" });
  await press(ada, "third note", "Add reaction");
  await ada.page.getByRole("button", { name: "heart" }).click();
  await reaction(ada, "third note", "❤️ 1").waitFor();
  assert.equal(await message(grace, "second note").count(), 1);
  isCut = false;
  await connected(grace);
  await message(grace, "first note, corrected").getByText("edited", { exact: true }).waitFor();
  await message(grace, "second note").waitFor({ state: "detached" });
  await reaction(grace, "third note", "❤️ 1").waitFor();
  assert.deepEqual(await texts(grace), await texts(ada));
});

test("a name is completed behind @, the mention is counted, marked, and only then shown as one", async () => {
  await openChannel(grace, "plans");
  await composer(ada).pressSequentially("Please look, @gr");
  const option = ada.page.getByRole("option", { name: /grace/ });
  await option.waitFor();
  assert.equal(await composer(ada).getAttribute("aria-activedescendant"), await option.getAttribute("id"));
  await composer(ada).press("Enter");
  assert.equal(await composer(ada).inputValue(), "Please look, @grace ");
  await option.waitFor({ state: "detached" });
  await composer(ada).pressSequentially("and not @nobody or a@grace.");
  await composer(ada).press("Enter");
  await sent(ada, "Please look, @grace and").waitFor();
  await unread(grace, "general").and(grace.page.locator(".mention")).waitFor();
  await openChannel(grace, "general");
  const row = message(grace, "Please look");
  await row.locator(".mention.own").waitFor();
  assert.deepEqual(await row.locator(".mention").allTextContents(), ["@grace"]);
  await unread(grace, "general").waitFor({ state: "detached" });
});

test("code is set off, and nothing in it is a link", async () => {
  await say(ada, "Run `make all` or\n```sh\ncurl https://example.org/a\n```");
  const row = message(grace, "make all");
  await row.waitFor();
  assert.deepEqual(await row.locator("code").allTextContents(), ["make all", "curl https://example.org/a"]);
  assert.equal(await row.locator("a").count(), 0);
});

test("a search shows extracts as text, and a result opens the history around the message", async () => {
  const { id } = (await asUser(ada, "GET", `/api/groups/${group.id}/channels`)).find(({ name }) => name === "plans");
  await asUser(ada, "POST", `/api/channels/${id}/messages`, { content: "The <i>lighthouse</i> opens at nine." });
  for (let index = 1; index <= 130; index += 1) await asUser(index % 2 ? ada : grace, "POST", `/api/channels/${id}/messages`, { content: `Item ${index} of the plan` });
  const { page } = grace;
  const box = page.getByRole("searchbox", { name: "Search messages" });
  await box.fill("nothing-of-this-kind");
  await page.getByText("No messages found.").first().waitFor();
  await box.fill("lighthouse");
  const result = page.locator("#search-results").getByRole("link");
  await result.waitFor();
  assert.deepEqual(await result.locator("mark").allTextContents(), ["lighthouse"]);
  assert.match(await result.textContent(), /#plans.*ada: The <i>lighthouse<\/i> opens at nine\./s);
  await result.click();
  await page.getByRole("heading", { name: "#plans", level: 1 }).waitFor();
  await message(grace, "lighthouse").and(page.locator(".found")).waitFor();
  assert.equal(await message(grace, "lighthouse").evaluate((row) => {
    const { top, bottom } = row.getBoundingClientRect();
    return top >= 0 && bottom <= innerHeight;
  }), true);
  assert.equal(await message(grace, "Item 130 ").count(), 0, "the newest are not loaded");

  // What is sent meanwhile does not follow what is shown; scrolling down loads all that is between, each once.
  await asUser(ada, "POST", `/api/channels/${id}/messages`, { content: "Said while an older part was shown" });
  await page.waitForFunction(() => {
    const scroller = document.getElementById("scroller");
    scroller.scrollTop = scroller.scrollHeight;
    return document.getElementById("messages").textContent.includes("Said while an older part was shown");
  });
  const all = await texts(grace);
  assert.deepEqual(all.slice(1), [...Array.from({ length: 130 }, (_, index) => `Item ${index + 1} of the plan`), "Said while an older part was shown"]);
  await asUser(ada, "POST", `/api/channels/${id}/messages`, { content: "And this is live again" });
  await sent(grace, "And this is live again").waitFor();

  // Escape brings the list back; the button goes straight to the newest message.
  await result.click();
  await message(grace, "lighthouse").and(page.locator(".found")).waitFor();
  await box.press("Escape");
  await page.locator("#directory").waitFor();
  await page.reload();
  await connected(grace);
  await message(grace, "lighthouse").and(page.locator(".found")).waitFor();
  await page.locator("#jump").click();
  await sent(grace, "And this is live again").waitFor();
  await page.locator("#jump").waitFor({ state: "hidden" });
});

test("a group conversation is in the list of its members, with what is unread", async () => {
  const users = await asUser(ada, "GET", "/api/users?query=grace");
  const made = await asUser(ada, "POST", "/api/conversations", { name: "Night shift", members: [users[0].id] });
  await asUser(ada, "POST", `/api/conversations/${made.conversation_id}/messages`, { content: "Who has the keys?" });
  await unread(grace, "Night shift").getByText("1").waitFor();
  await grace.page.locator("#directory").getByRole("link", { name: "Night shift" }).click();
  await sent(grace, "Who has the keys?").waitFor();
  await connected(grace);
  await grace.page.locator("#members-list", { hasText: "ada" }).waitFor();
  await say(grace, "I have.");
  await sent(grace, "I have.").waitFor();
});

test("new channels and groups appear at once, without waiting for the next poll", async () => {
  // Less than the interval of the poll, several times in a row.
  const SOON_MS = 3_000;
  const list = grace.page.locator("#directory");
  for (const name of ["first", "second", "third", "fourth"]) {
    await asUser(ada, "POST", `/api/groups/${group.id}/channels`, { name });
    await list.getByRole("link", { name }).waitFor({ timeout: SOON_MS });
  }
  const users = await asUser(ada, "GET", "/api/users?query=grace");
  await asUser(ada, "POST", "/api/conversations", { name: "Day shift", members: [users[0].id] });
  await list.getByRole("link", { name: "Day shift" }).waitFor({ timeout: SOON_MS });
});

test("who is removed from a group is told, and the open channel is closed", async () => {
  const other = await asUser(ada, "POST", "/api/groups", { name: "Relays" });
  await asUser(ada, "POST", `/api/groups/${other.id}/channels`, { name: "moths" });
  const { user_id: id } = await asUser(ada, "POST", `/api/groups/${other.id}/members`, { username: "grace" });
  await openChannel(grace, "moths");
  await asUser(ada, "DELETE", `/api/groups/${other.id}/members/${id}`);
  await grace.page.getByText("You no longer have access to #moths.").waitFor();
  await grace.page.locator("#room").waitFor({ state: "hidden" });
  assert.equal(await grace.page.locator("#directory").getByRole("link", { name: "moths" }).count(), 0);
});

test("a conversation is opened at its end, also if its beginning is shown and an image comes late", async () => {
  const { page } = grace;
  await page.setViewportSize({ width: 1280, height: 420 });
  await openChannel(grace, "general");
  await reload(grace);
  const distance = () => page.locator("#scroller").evaluate(({ scrollHeight, scrollTop, clientHeight }) => {
    if (scrollHeight <= clientHeight) throw new Error("everything fits, so this shows nothing");
    return scrollHeight - scrollTop - clientHeight;
  });
  await page.locator("#beginning").waitFor();
  assert.ok(await distance() < 2, `${await distance()} pixels above the end`);
  await page.evaluate(() => {
    const late = document.createElement("img");
    late.height = 300;
    document.querySelector("#messages .message").append(late);
  });
  await page.waitForFunction(() => {
    const { scrollHeight, scrollTop, clientHeight } = document.getElementById("scroller");
    return scrollHeight - scrollTop - clientHeight < 2;
  });
  await page.setViewportSize({ width: 1280, height: 800 });
});

test("who looks at the start page is online", async () => {
  await openChannel(ada, "general");
  await grace.page.goto(`${server.url}/#/`);
  await grace.page.locator("#home").waitFor();
  await member(ada, "grace", true).waitFor();
  await grace.page.reload();
  await grace.page.locator("#home").waitFor();
  // Longer than the server counts a user as online after the last socket.
  await ada.page.waitForTimeout(8_000);
  assert.equal(await member(ada, "grace", true).count(), 1);
});

test("messages and what can be done with them are reached with the keyboard alone", async () => {
  await openChannel(ada, "general");
  await say(ada, "Reached by keys.");
  await sent(ada, "Reached by keys.").waitFor();
  const { page } = ada;
  await page.locator("#scroller").focus();
  const isFocused = (text) => message(ada, text).evaluate((row) => row === document.activeElement);
  while (!(await page.evaluate(() => document.activeElement.matches(".message")))) await page.keyboard.press("Tab");
  assert.equal(await isFocused("Reached by keys."), true);
  await page.keyboard.press("ArrowUp");
  assert.equal(await isFocused("Reached by keys."), false);
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => document.activeElement.title === "thumbs up");
  await page.keyboard.press("Enter");
  await reaction(ada, "Reached by keys.", "👍 1").waitFor();
});

test("no complaint in either console", () => {
  assert.deepEqual(ada.complaints, []);
  // The browser itself logs refused requests.
  assert.deepEqual(grace.complaints.filter((line) => !/status of 400/.test(line)), []);
});
