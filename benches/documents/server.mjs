// Servers under test as child processes on core 0, and what the kernel says about them.

import { execFileSync, spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const HERE = fileURLToPath(new URL(".", import.meta.url));
const BINARY = resolve(process.env.CONVENE_BIN ?? join(HERE, "../../target/dist/convene"));
const SECRET = "a secret of the bench, long enough for HS256";
const TOKEN_TTL_S = 24 * 3600;
// Linux reports process times in hundredths of a second.
const TICK_US = 10_000;
// Limits that would protect a server from this bench.
const LIMITS_OFF = ["WEBSOCKET_REQUESTS_PER_MINUTE", "WEBSOCKET_REQUESTS_PER_HOUR", "WEBSOCKET_EPHEMERAL_PER_SECOND",
  "REST_READS_PER_MINUTE", "REST_WRITES_PER_MINUTE",
  "WEBSOCKET_EDITS_PER_SECOND", "MAX_DOCUMENT_CONNECTIONS_PER_USER", "WEBSOCKET_MAX_CONNECTIONS"];
// Convene, the Hocuspocus script of this folder, @y/websocket-server
const READY = /listening on http:\/\/127\.0\.0\.1:(\d+)|running at '127\.0\.0\.1' on port (\d+)/;

/** A token for a user, whom Convene may not have seen before. The other servers ignore it. */
export function tokenOf(user) {
  const encode = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const now = Math.floor(Date.now() / 1_000);
  const signed = `${encode({ alg: "HS256", typ: "JWT" })}.${encode({ sub: user, iat: now, exp: now + TOKEN_TTL_S })}`;
  return `${signed}.${createHmac("sha256", SECRET).update(signed).digest("base64url")}`;
}

async function freePort() {
  const listener = createServer().listen(0, "127.0.0.1");
  await once(listener, "listening");
  const { port } = listener.address();
  listener.close();
  return port;
}

/** How each server is started, and under which path it serves its protocol. */
const SERVERS = {
  convene: async (data) => {
    if (!existsSync(BINARY)) throw new Error(`There is no ${BINARY}. Run: cargo build --profile dist --bin convene, or set CONVENE_BIN.`);
    const off = Object.fromEntries(LIMITS_OFF.map((name) => [name, "0"]));
    return [[BINARY], { DATA_DIR: data, WS_HOST: "127.0.0.1", WS_PORT: "0", JWT_SECRET_KEY: SECRET, WORKERS: "1", RUST_LOG: "warn", ...off }];
  },
  hocuspocus: async () => [[process.execPath, join(HERE, "hocuspocus.mjs")], {}],
  "y-websocket": async () => [
    [process.execPath, join(HERE, "node_modules/@y/websocket-server/src/server.js")],
    { HOST: "127.0.0.1", PORT: String(await freePort()) },
  ],
};

export class Server {
  /** `settings`: additional variables of Convene. */
  static async start(kind, settings = {}) {
    const server = new Server();
    server.kind = kind;
    server.settings = settings;
    server.data = await mkdtemp(join(tmpdir(), "convene-documents-"));
    await server.restart();
    return server;
  }

  /** Starts it, again with the same data. */
  async restart() {
    const [command, settings] = await SERVERS[this.kind](this.data);
    const { PATH, HOME } = process.env;
    this.child = spawn("taskset", ["-c", "0", ...command], {
      cwd: this.data, env: { PATH, HOME, ...settings, ...this.settings }, stdio: ["ignore", "pipe", "pipe"],
    });
    this.log = "";
    this.child.stderr.on("data", (chunk) => { this.log += chunk; });
    for await (const line of createInterface({ input: this.child.stdout })) {
      const found = READY.exec(line);
      if (!found) continue;
      this.child.stdout.resume();
      this.port = Number(found[1] ?? found[2]);
      return;
    }
    throw new Error(`${this.kind} ended before it listened:\n${this.log}`);
  }

  /** Kills it like a crash. */
  async kill() {
    this.child.kill("SIGKILL");
    await once(this.child, "exit");
  }

  async remove() {
    await this.kill();
    await rm(this.data, { recursive: true, force: true });
  }

  /** CPU time of all of its threads so far, in µs. */
  get cpuUs() {
    const fields = readFileSync(`/proc/${this.child.pid}/stat`, "utf8").split(") ").at(-1).split(" ");
    return (Number(fields[11]) + Number(fields[12])) * TICK_US;
  }

  #status(name) {
    const line = readFileSync(`/proc/${this.child.pid}/status`, "utf8").split("\n").find((line) => line.startsWith(name));
    return Number(/\d+/.exec(line)[0]) * 1_024;
  }

  get residentBytes() {
    return this.#status("VmRSS");
  }

  get peakBytes() {
    return this.#status("VmHWM");
  }
}

/** Pins this process to core 1. */
export function pinSelf() {
  execFileSync("taskset", ["-a", "-c", "-p", "1", String(process.pid)]);
}
