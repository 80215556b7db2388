// Conversations in the page at /: what is unread, on every device of a user; files and links; one session for all tabs.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Server } from "./server.mjs";
import { composer, connected, launch, message, openChannel, openTab, PASSWORD, say, sent, signUp } from "./tab.mjs";

// A red pixel.
const PNG = Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC", "base64");

let server;
let browser;
let ada;
let grace;

/** The number at a conversation in the list. */
const unread = ({ page }, name) => page.locator("#directory").getByRole("link", { name }).locator(".badge");

async function signIn({ page }, name) {
  await page.getByLabel("Username or email").fill(name);
  await page.getByLabel("Password").fill(PASSWORD);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByText(`@${name}`, { exact: true }).waitFor();
}

before(async () => {
  server = await Server.start();
  browser = await launch();
  ada = await openTab(browser, server.url, "ada");
  grace = await openTab(browser, server.url, "grace");
  await Promise.all([signUp(ada), signUp(grace)]);
  // ada's group with two channels, and grace in it
  await ada.page.evaluate(async () => {
    const { access_token: token } = JSON.parse(localStorage.getItem("convene.session"));
    const post = async (path, body) => (await fetch(path, {
      method: "POST", headers: { "Content-Type": "application/json", Authorization: `Bearer ${token}` }, body: JSON.stringify(body),
    })).json();
    const { id } = await post("/api/groups", { name: "Engines" });
    await post(`/api/groups/${id}/channels`, { name: "general", type: "TEXT" });
    await post(`/api/groups/${id}/channels`, { name: "plans", type: "TEXT" });
    await post(`/api/groups/${id}/members`, { username: "grace" });
  });
  await ada.page.reload();
  await openChannel(ada, "general");
});

after(async () => {
  await browser?.close();
  await server?.remove();
});

test("what is unread is counted, and not any more once it was read", async () => {
  await openChannel(grace, "plans");
  await say(ada, "one");
  await say(ada, "two");
  await sent(ada, "two").waitFor();
  await unread(grace, "general").getByText("2").waitFor();
  await openChannel(grace, "general");
  await sent(grace, "two").waitFor();
  assert.deepEqual(await grace.page.locator("#messages > li").evaluateAll((rows) => rows.slice(1, 3).map((row) => row.className.split(" ")[0] + (row.matches(".new") ? " new" : ""))), ["day new", "message"]);
  await unread(grace, "general").waitFor({ state: "detached" });
  // on the server, not only here
  await grace.page.reload();
  await connected(grace);
  assert.equal(await unread(grace, "general").count(), 0);
});

test("a direct message is listed with its count, also after signing in elsewhere", async () => {
  await ada.page.locator("#members-list").getByRole("link", { name: /grace/ }).click();
  await ada.page.getByRole("heading", { name: "grace", level: 1 }).waitFor();
  await connected(ada);
  await say(ada, "A word in private?");
  await sent(ada, "A word in private?").waitFor();
  await unread(grace, /^ada/).getByText("1").waitFor();

  const elsewhere = await openTab(browser, server.url, "grace");
  await signIn(elsewhere, "grace");
  await unread(elsewhere, /^ada/).getByText("1").waitFor();
  await elsewhere.page.locator("#directory").getByRole("link", { name: /^ada/ }).click();
  await sent(elsewhere, "A word in private?").waitFor();
  await unread(grace, /^ada/).waitFor({ state: "detached" });
  await elsewhere.page.context().close();
});

test("an image is uploaded by the button and shown to the others; another file can be downloaded", async () => {
  await openChannel(ada, "general");
  await openChannel(grace, "general");
  await ada.page.locator("#composer-file").setInputFiles([
    { name: "pixel.png", mimeType: "image/png", buffer: PNG },
    { name: "notes.txt", mimeType: "text/plain", buffer: Buffer.from("the notes") },
  ]);
  await ada.page.locator('#composer-files li[data-ready="true"]').nth(1).waitFor();
  await composer(ada).press("Enter");
  const row = message(grace, "pixel.png");
  const image = row.getByRole("img", { name: "pixel.png" });
  await image.waitFor();
  await grace.page.waitForFunction(() => document.querySelector(".files .preview")?.naturalWidth === 1);
  const [download] = await Promise.all([
    grace.page.waitForEvent("download"), row.getByRole("button", { name: "notes.txt" }).click(),
  ]);
  assert.equal(download.suggestedFilename(), "notes.txt");
});

test("a file is taken by pasting and by dropping, and can be taken out again", async () => {
  for (const kind of ["paste", "drop"]) {
    await ada.page.evaluate((kind) => {
      const data = new DataTransfer();
      data.items.add(new File(["some text"], `${kind}.txt`, { type: "text/plain" }));
      const target = document.getElementById("composer-input");
      const event = kind === "paste"
        ? new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true })
        : new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true });
      target.dispatchEvent(event);
    }, kind);
    await ada.page.locator('#composer-files li[data-ready="true"]', { hasText: `${kind}.txt` }).waitFor();
  }
  await ada.page.getByRole("button", { name: "Remove paste.txt" }).click();
  await say(ada, "only the dropped one");
  const row = message(grace, "only the dropped one");
  await row.getByRole("button", { name: "drop.txt" }).waitFor();
  assert.equal(await row.locator(".files").getByRole("button").count(), 1);
});

test("addresses are links, and nothing else is", async () => {
  await say(ada, "See https://example.org/a?b=c, or javascript:alert(1) <b>not</b>.");
  const row = message(grace, "javascript:alert");
  await row.waitFor();
  const links = await row.locator("a").evaluateAll((all) => all.map((one) => [one.getAttribute("href"), one.rel]));
  assert.deepEqual(links, [["https://example.org/a?b=c", "noopener noreferrer"]]);
});

test("all tabs of a browser are signed in, and out, together", async () => {
  const second = await grace.page.context().newPage();
  await second.goto(server.url);
  await second.getByText("@grace", { exact: true }).waitFor();
  await second.getByRole("button", { name: "Sign out" }).click();
  await grace.page.getByRole("heading", { name: "Sign in" }).waitFor();
  await second.getByLabel("Username or email").fill("grace");
  await second.getByLabel("Password").fill(PASSWORD);
  await second.getByRole("button", { name: "Sign in" }).click();
  await grace.page.getByText("@grace", { exact: true }).waitFor();
  await second.close();
});

test("members are offered only what they may do", async () => {
  await openChannel(grace, "general");
  assert.equal(await grace.page.locator("#room-add").isVisible(), false);
  await grace.page.goto(`${server.url}/#/`);
  await grace.page.getByText("Choose a conversation from the list.").waitFor();
  assert.equal(await grace.page.locator("#steps").getByRole("button", { name: "New channel" }).count(), 0);
  assert.equal(await grace.page.locator("#steps").getByRole("button", { name: "Add people" }).count(), 0);
  assert.equal(await ada.page.locator("#room-add").isVisible(), true);
});

test("a manager takes a member out, and a member leaves", async () => {
  const { page } = ada;
  await openChannel(ada, "general");
  const row = page.locator('#members-list li[data-user="grace"]');
  await row.hover();
  await row.getByRole("button", { name: "Remove grace" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Remove", exact: true }).click();
  await row.waitFor({ state: "detached" });
  await grace.page.locator("#directory").getByRole("link", { name: "general" }).waitFor({ state: "detached" });

  await page.locator("#room-add").click();
  await page.getByRole("dialog").getByLabel("Username").fill("grace");
  await page.getByRole("dialog").getByRole("button", { name: "Add", exact: true }).click();
  await openChannel(grace, "general");
  assert.equal(await grace.page.getByRole("button", { name: /^Remove/ }).count(), 0);
  await grace.page.getByRole("button", { name: "Leave group" }).click();
  await grace.page.getByRole("dialog").getByRole("button", { name: "Leave group" }).click();
  await grace.page.locator("#room").waitFor({ state: "hidden" });
  assert.equal(await grace.page.locator("#directory").getByRole("link", { name: "general" }).count(), 0);
});

test("the rules of an account are said beforehand, and what is wrong is said at the field", async () => {
  const other = await openTab(browser, server.url, "linus");
  const form = other.page.locator("#auth-form");
  await form.getByRole("button", { name: "Create an account" }).click();
  await form.getByText("At least 8 characters.").waitFor();
  await form.getByLabel("Username").fill("li\u0430nus");
  await form.getByLabel("Email").fill("linus@example.com");
  await form.getByLabel("Password").fill(PASSWORD);
  await form.getByLabel("Show the characters").check();
  assert.equal(await form.getByLabel("Password").getAttribute("type"), "text");
  await form.getByRole("button", { name: "Create account" }).click();
  await form.getByRole("alert").filter({ hasText: /^Username / }).waitFor();
  assert.equal(await form.getByLabel("Username").getAttribute("aria-invalid"), "true");
  assert.equal(await form.getByLabel("Username").evaluate((input) => input === document.activeElement), true);
  await other.page.context().close();
});

test("no complaint in either console", () => {
  assert.deepEqual(ada.complaints, []);
  assert.deepEqual(grace.complaints, []);
});
