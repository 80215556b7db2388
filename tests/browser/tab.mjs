// One user's tab in a real Chromium, with the actions and observations of a user.

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { chromium } from "playwright-core";

// While one works on the page: CONVENE_PAGE=src/http/page serves its files from there, with the headers of the binary.
const PAGE_FILES = process.env.CONVENE_PAGE;

async function serveFromFiles(context) {
  await context.route((url) => url.pathname === "/" || url.pathname.startsWith("/assets/"), async (route) => {
    const name = new URL(route.request().url()).pathname.replace("/assets/", "").replace(/^\/$/, "index.html");
    const type = { html: "text/html", css: "text/css", js: "text/javascript", svg: "image/svg+xml" }[name.split(".").at(-1)];
    const start = await route.fetch({ url: new URL("/", route.request().url()).href });
    const policy = start.headers()["content-security-policy"];
    await route.fulfill({ body: await readFile(join(PAGE_FILES, name)), headers: { "content-type": `${type}; charset=utf-8`, "content-security-policy": policy } });
  });
}

const WAIT_MS = 15_000;
export const PASSWORD = "correct horse battery staple";

export function launch() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
      "--disable-background-networking", "--disable-component-update", "--disable-sync",
      // A page that does not come from the network may not open sockets to this machine otherwise.
      ...(PAGE_FILES ? ["--disable-features=LocalNetworkAccessChecks"] : [])],
  });
}

/** A browser context with one tab, and everything that its console reported. */
export async function openTab(browser, url, name, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  context.setDefaultTimeout(WAIT_MS);
  if (PAGE_FILES) await serveFromFiles(context);
  const page = await context.newPage();
  const complaints = [];
  page.on("pageerror", (error) => complaints.push(`exception: ${error.stack}`));
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) complaints.push(`${message.type()}: ${message.text()}`);
  });
  await page.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (event) => {
      console.error(`policy violation: ${event.violatedDirective} ${event.blockedURI}`);
    });
  });
  await page.goto(url);
  return { name, page, complaints };
}

export async function signUp({ name, page }) {
  const form = page.locator("#auth-form");
  await form.getByRole("button", { name: "Create an account" }).click();
  await form.getByLabel("Username").fill(name);
  await form.getByLabel("Email").fill(`${name}@example.com`);
  await form.getByLabel("Password").fill(PASSWORD);
  await form.getByRole("button", { name: "Create account" }).click();
  await page.getByText(`@${name}`, { exact: true }).waitFor();
}

export const composer = ({ page }) => page.locator("#composer-input");
export const message = ({ page }, text) => page.locator("#messages .message", { hasText: text });
export const sent = ({ page }, text) => page.locator('#messages .message[data-state="sent"]', { hasText: text });
export const connected = ({ page }) => page.locator('#connection[data-phase="open"]').waitFor();
export const member = ({ page }, name, online) => page.locator(`#members-list li[data-user="${name}"][data-online="${online}"]`);

export async function say(tab, text) {
  await composer(tab).fill(text);
  await composer(tab).press("Enter");
}

/** A request over REST as the user who is signed in in the tab. */
export function asUser({ page }, method, path, body) {
  return page.evaluate(async ({ method, path, body }) => {
    const { access_token: token } = JSON.parse(localStorage.getItem("convene.session"));
    const headers = { "Content-Type": "application/json", Authorization: `Bearer ${token}` };
    const answer = await fetch(path, { method, headers, body: body && JSON.stringify(body) });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    return answer.status === 204 ? null : answer.json();
  }, { method, path, body });
}

export async function openChannel(tab, name) {
  await tab.page.locator("#directory").getByRole("link", { name }).click();
  await tab.page.getByRole("heading", { name: `#${name}`, level: 1 }).waitFor();
  await connected(tab);
}

/** All message texts on the screen, in order. */
export const texts = ({ page }) => page.locator("#messages .message .body").allTextContents();
