// The real binary on a free port with its own data folder. It can be killed and restarted in place.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { access, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const BINARY = resolve(process.env.CONVENE_BIN ?? join(ROOT, "target/debug/convene"));
const LOG_KEPT_CHARS = 10_000;
const LISTENING = /convene is listening on (https?:\/\/\S+)/;

export class Server {
  #process = null;
  #log = "";
  #killing = false;

  /** `settings`: additional variables of the server. */
  static async start(settings = {}) {
    await access(BINARY).catch(() => {
      throw new Error(`There is no server at ${BINARY}. Build it with: cargo build, or name another one in CONVENE_BIN.`);
    });
    const server = new Server();
    server.settings = settings;
    server.data = await mkdtemp(join(tmpdir(), "convene-browser-"));
    await server.#run(0);
    return server;
  }

  async #run(port) {
    // Only the variables that the test sets, so that a developer's environment does not affect the tests.
    const { PATH, HOME } = process.env;
    const child = spawn(BINARY, [], {
      cwd: this.data,
      env: { PATH, HOME, DATA_DIR: this.data, WS_HOST: "127.0.0.1", WS_PORT: String(port), RUST_LOG: "info", ...this.settings },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#process = child;
    child.stderr.on("data", (chunk) => { this.#log = (this.#log + chunk).slice(-LOG_KEPT_CHARS); });
    child.once("exit", (code, signal) => {
      if (!this.#killing) console.error(`The server ended by itself: code ${code}, signal ${signal}.\n${this.#log}`);
    });
    for await (const line of createInterface({ input: child.stdout })) {
      const found = LISTENING.exec(line);
      if (!found) continue;
      this.url = found[1];
      child.stdout.resume();
      return;
    }
    throw new Error(`The server ended before it listened.\n${this.#log}`);
  }

  /** Kills it like a crash, without closing its connections. */
  async kill() {
    this.#killing = true;
    this.#process.kill("SIGKILL");
    await once(this.#process, "exit");
    this.#killing = false;
  }

  /** The end of what it has logged. */
  get log() {
    return this.#log;
  }

  restart() {
    return this.#run(Number(new URL(this.url).port));
  }

  async remove() {
    if (this.#process?.exitCode === null && this.#process.signalCode === null) await this.kill();
    await rm(this.data, { recursive: true, force: true });
  }
}
