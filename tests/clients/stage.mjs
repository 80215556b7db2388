// Shared by the tests of real clients: a signed-in user, bytes, a proxy that breaks connections, Python programs.

import { spawn } from "node:child_process";
import { access } from "node:fs/promises";
import { createServer, connect } from "node:net";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

const HERE = fileURLToPath(new URL(".", import.meta.url));
const PYTHON = process.env.CONVENE_TEST_PYTHON ?? `${HERE}.venv/bin/python`;

/** Bytes without repetition, so that a misplaced one is detected. */
export function pattern(count) {
  const bytes = Buffer.alloc(count);
  for (let at = 0; at < count; at++) bytes[at] = Math.imul(at, 2654435761) >>> 11;
  return bytes;
}

/** Registers and returns the access token. */
export async function signIn(url, username) {
  const post = (path, body) => fetch(url + path, {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
  });
  const password = "correct horse battery staple";
  await post("/api/auth/register", { username, email: `${username}@example.org`, password });
  return (await (await post("/api/auth/login", { username, password })).json()).access_token;
}

/** The bytes of a file, or of a range of it. */
export async function content(url, location, token, range) {
  const path = `${new URL(location, url).pathname}/content?token=${token}`;
  const answer = await fetch(url + path, { headers: range ? { Range: range } : {} });
  return { status: answer.status, bytes: Buffer.from(await answer.arrayBuffer()) };
}

/** A proxy to the server that breaks once, after this many bytes towards it. */
export async function breakingLine(url, bytesUntilBreak) {
  const port = Number(new URL(url).port);
  let left = bytesUntilBreak;
  const line = { breaks: 0, onBreak: async () => {} };
  const listener = createServer((client) => {
    const server = connect(port, "127.0.0.1");
    const end = () => { client.destroy(); server.destroy(); };
    for (const socket of [client, server]) socket.on("error", end).on("close", end);
    server.pipe(client);
    client.on("data", (chunk) => {
      if (!server.write(chunk)) { client.pause(); server.once("drain", () => client.resume()); }
      left -= chunk.length;
      if (left > 0 || line.breaks > 0) return;
      line.breaks++;
      client.pause();
      // Bytes that the proxy accepted must have been forwarded.
      setTimeout(() => line.onBreak().then(() => { client.resetAndDestroy(); end(); }), 50);
    });
  });
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  line.url = `http://127.0.0.1:${listener.address().port}`;
  line.close = () => listener.close();
  return line;
}

async function python(args) {
  await access(PYTHON).catch(() => {
    throw new Error(`There is no ${PYTHON}. Make it with: python3 -m venv tests/clients/.venv && tests/clients/.venv/bin/pip install -r tests/clients/requirements.txt`);
  });
  return spawn(PYTHON, args, { cwd: HERE, stdio: ["ignore", "pipe", "pipe"] });
}

/** Runs a Python program to its end and returns its output. */
export async function runPython(...args) {
  const child = await python(args);
  let [out, error] = ["", ""];
  child.stdout.on("data", (chunk) => { out += chunk; });
  child.stderr.on("data", (chunk) => { error += chunk; });
  const [code] = await once(child, "close");
  if (code !== 0) throw new Error(`${args.join(" ")} ended with ${code}:\n${error}`);
  return out.trim();
}

/** An S3 server with one bucket. */
export async function startS3(bucket) {
  const listener = createServer().listen(0, "127.0.0.1");
  await once(listener, "listening");
  const { port } = listener.address();
  listener.close();
  const child = await python(["-m", "moto.server", "-H", "127.0.0.1", "-p", String(port)]);
  child.stdout.resume();
  child.stderr.resume();
  const url = `http://127.0.0.1:${port}`;
  const deadline = Date.now() + 60_000;
  for (;;) {
    const made = await fetch(`${url}/${bucket}`, { method: "PUT" }).catch(() => null);
    if (made?.ok) break;
    if (child.exitCode !== null || Date.now() > deadline) throw new Error("the S3 server does not answer");
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const keys = async () => {
    const text = await (await fetch(`${url}/${bucket}?list-type=2`)).text();
    return [...text.matchAll(/<Key>([^<]*)<\/Key>/g)].map(([, key]) => key);
  };
  return { url, keys, stop: async () => { child.kill(); await once(child, "close"); } };
}

/** A port that is free now. */
export async function freePort() {
  const listener = createServer().listen(0, "127.0.0.1");
  await once(listener, "listening");
  const { port } = listener.address();
  listener.close();
  return port;
}

/** Starts a program and waits until its output matches. */
export async function startProgram(name, args, ready) {
  const child = spawn(name, args.map(String), { stdio: ["ignore", "pipe", "pipe"] });
  let text = "";
  await new Promise((resolve, reject) => {
    const take = (chunk) => {
      text += chunk;
      if (ready.test(text)) resolve();
    };
    child.stdout.on("data", take);
    child.stderr.on("data", take);
    child.once("error", (error) => reject(new Error(`${name} does not start (${error.message}); install it`)));
    child.once("exit", (code) => reject(new Error(`${name} ended with ${code}:\n${text}`)));
    setTimeout(() => reject(new Error(`${name} is not ready:\n${text}`)), 20_000).unref();
  });
  // coturn would wait for its sessions
  return { log: () => text, stop: async () => { child.kill("SIGKILL"); await once(child, "exit"); } };
}
