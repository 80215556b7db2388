// The page at /api/docs in a real Chromium: the contents of the two documents are shown, searchable, linkable, and can
// be tried.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Server } from "./server.mjs";
import { launch, openTab, PASSWORD } from "./tab.mjs";

let server;
let browser;
const opened = [];

before(async () => {
  server = await Server.start();
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await server?.remove();
});

async function open(address = "/api/docs", options = {}) {
  const tab = await openTab(browser, `${server.url}${address}`, "docs", options);
  opened.push(tab);
  await tab.page.locator("#rest .entry-box").first().waitFor();
  return tab;
}

test("every route and every message of the documents is there, and can be found", async () => {
  const { page } = await open();
  const rest = await (await fetch(`${server.url}/api/openapi.json`)).json();
  const sockets = await (await fetch(`${server.url}/api/asyncapi.json`)).json();
  const operations = Object.values(rest.paths).flatMap((item) => Object.keys(item)).length;
  const messages = Object.values(sockets.channels).flatMap((channel) => Object.keys(channel.messages)).length;
  assert.equal(await page.locator("#rest .entry-box").count(), operations);
  assert.equal(await page.locator("#sockets .entry-box").count(), messages);
  await page.getByLabel("Find").fill("post login");
  assert.deepEqual(await page.locator("#rest .entry-box:visible summary code").allTextContents(), ["/api/auth/login"]);
});

test("a route is opened by its address and tried, with a token and without", async () => {
  const { page } = await open("/api/docs#accounts-me");
  const route = page.locator("#accounts-me");
  await route.getByRole("button", { name: "Send GET" }).click();
  await route.getByText("401 Unauthorized").waitFor();

  await page.goto(`${server.url}/api/docs#accounts-register`);
  const register = page.locator("#accounts-register");
  await register.getByLabel(/^Body/).fill(JSON.stringify({ username: "ada", email: "ada@example.org", password: PASSWORD }));
  await register.getByRole("button", { name: "Send POST" }).click();
  await register.getByText("201 Created").waitFor();

  await page.goto(`${server.url}/api/docs#accounts-login`);
  const login = page.locator("#accounts-login");
  await login.getByLabel(/^Body/).fill(JSON.stringify({ username: "ada", password: PASSWORD }));
  await login.getByRole("button", { name: "Send POST" }).click();
  await login.getByText("200 OK").waitFor();
  assert.match(await page.getByLabel("Access token").inputValue(), /^ey/);
  await page.evaluate(() => { location.hash = "accounts-me"; });
  await route.getByRole("button", { name: "Send GET" }).click();
  await route.getByText("200 OK").waitFor();
  await route.locator("output", { hasText: '"username": "ada"' }).waitFor();
  assert.match(await route.locator(".curl").textContent(), /^curl -X GET 'http:.*\/api\/auth\/me' \\\n  -H "Authorization: Bearer \$token"$/);
});

test("a message shows its fields and an example, in the dark and on a telephone as well", async () => {
  const { page } = await open("/api/docs#channel-send-message", { colorScheme: "dark", viewport: { width: 390, height: 800 } });
  const message = page.locator('[id="channel-send-message"]');
  await message.getByRole("rowheader", { name: "type required", exact: true }).waitFor();
  // Each is optional if the other one is present.
  for (const name of ["content", "attachments"]) assert.equal(await message.getByRole("rowheader", { name, exact: true }).count(), 1, name);
  assert.match(await message.locator("pre").textContent(), /"type": "message"/);
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), "the page is wider than the screen");
});

test("nothing is refused by the policy, and nothing is complained of but the refusal that was asked for", () => {
  const complaints = opened.flatMap((tab) => tab.complaints).filter((line) => !line.includes("401 (Unauthorized)"));
  assert.deepEqual(complaints, []);
});
