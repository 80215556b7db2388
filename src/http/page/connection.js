// One WebSocket to one room: it reconnects with growing, jittered delays and resumes where it stopped. It handles close
// codes, positions and the heartbeat; the room interprets the frames.

import { accessToken, fromHere, refresh } from "./api.js";

const BACKOFF_FIRST_MS = 500;
const BACKOFF_MAX_MS = 30_000;
const PING_EVERY_MS = 25_000;
const SILENCE_MAX_MS = 10_000;

const FINAL_CLOSE_CODES = {
  4403: { sentence: "You were disconnected, or you no longer have access here.", action: "Try again" },
  4409: { sentence: "You are connected in too many tabs or devices, so this tab was disconnected.", action: "Use this tab" },
  4429: { sentence: "You sent too many messages in a short time and are blocked for a while.", action: "Try again" },
};

export class RoomConnection {
  #socket = null;
  #attempts = 0;
  #restartDelayMs = null;
  #retryTimer = 0;
  #pingTimer = 0;
  #silenceTimer = 0;
  #closed = false;
  #firstFrame = null;

  /**
   * `path` is the endpoint; `position` {seq, epoch} is where to resume, or null to start with new messages.
   * `probe` checks over REST whether the user may enter the room, because a browser hides the status of a refused upgrade.
   * `onFrame(frame)` gets every frame, `onReady()` is called when all missed messages have arrived,
   * `onPhase({phase, sentence?, action?, untilMs?})` reports the state of the connection.
   */
  constructor({ path, position, probe, onFrame, onReady, onPhase }) {
    Object.assign(this, { path, position, probe, onFrame, onReady, onPhase });
    this.ready = false;
    addEventListener("online", this.#wake);
    document.addEventListener("visibilitychange", this.#wake);
    this.#connect();
  }

  close() {
    this.#closed = true;
    removeEventListener("online", this.#wake);
    document.removeEventListener("visibilitychange", this.#wake);
    this.#dropSocket();
    clearTimeout(this.#retryTimer);
  }

  /** Sends a frame if the socket is open. Returns whether it did. */
  send(frame) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify(frame));
    return true;
  }

  retryNow() {
    clearTimeout(this.#retryTimer);
    this.#dropSocket();
    this.#connect();
  }

  // Reconnect at once when a laptop wakes up or the network returns, instead of waiting for the timer.
  #wake = () => {
    if (document.hidden || this.phase === "stopped") return;
    if (this.phase === "waiting") this.retryNow();
    else this.#ping();
  };

  #setPhase(phase, detail = {}) {
    this.phase = phase;
    this.onPhase({ phase, ...detail });
  }

  #connect() {
    if (this.#closed) return;
    this.#setPhase("connecting");
    this.#firstFrame = null;
    const url = fromHere(this.path);
    url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    const { position } = this;
    if (position) {
      url.searchParams.set("since", position.seq);
      url.searchParams.set("epoch", position.epoch);
    }
    // The token is sent as a subprotocol, because a URL may be written to logs.
    const socket = new WebSocket(url, ["bearer", accessToken()]);
    let opened = false;
    socket.addEventListener("open", () => {
      opened = true;
      clearInterval(this.#pingTimer);
      this.#pingTimer = setInterval(() => this.#ping(), PING_EVERY_MS);
    });
    socket.addEventListener("message", ({ data }) => {
      if (socket === this.#socket) this.#receive(data, position);
    });
    socket.addEventListener("close", ({ code }) => {
      if (socket !== this.#socket) return;
      this.#dropSocket();
      this.#afterClose(code, opened);
    });
    this.#socket = socket;
  }

  #dropSocket() {
    const socket = this.#socket;
    this.#socket = null;
    this.ready = false;
    clearInterval(this.#pingTimer);
    clearTimeout(this.#silenceTimer);
    this.#silenceTimer = 0;
    socket?.close(1000);
  }

  #receive(data, resumedFrom) {
    clearTimeout(this.#silenceTimer);
    this.#silenceTimer = 0;
    let frame;
    try {
      frame = JSON.parse(data);
    } catch {
      return;
    }
    if (frame.type === "server_restarting") this.#restartDelayMs = frame.reconnect_in_ms ?? null;
    const isFirst = !this.#firstFrame && frame.epoch !== undefined;
    if (isFirst) {
      this.#firstFrame = frame;
      this.#attempts = 0;
    }
    this.onFrame(frame);
    if (isFirst && !resumedFrom) this.#becomeReady({ seq: frame.seq, epoch: frame.epoch });
    if (frame.type === "recovered") {
      this.#becomeReady({ seq: frame.seq, epoch: this.#firstFrame?.epoch ?? resumedFrom?.epoch }, frame.complete === false);
    }
  }

  #becomeReady(position, hasGap = false) {
    this.position = position;
    this.ready = true;
    this.#setPhase("open");
    this.onReady({ hasGap });
  }

  /** Records a live event of this room. If the connection breaks before the replay is complete, all of it must be requested again. */
  advance(seq) {
    if (this.ready && this.position && seq > this.position.seq) this.position = { ...this.position, seq };
  }

  #ping() {
    if (!this.send({ type: "ping" }) || this.#silenceTimer) return;
    this.#silenceTimer = setTimeout(() => {
      this.#dropSocket();
      this.#afterClose(1006, true);
    }, SILENCE_MAX_MS);
  }

  async #afterClose(code, opened) {
    if (this.#closed) return;
    if (code === 4401) return this.#refreshAndReconnect();
    if (code >= 4400 && code < 4500) {
      const fallback = { sentence: "The server closed this conversation.", action: "Try again" };
      return this.#setPhase("stopped", FINAL_CLOSE_CODES[code] ?? fallback);
    }
    if (opened) return this.#wait();
    this.#setPhase("waiting");
    try {
      await this.probe();
      this.#wait();
    } catch (error) {
      if (this.#closed || error.status === 401) return;
      if (error.status === 403 || error.status === 404) {
        this.#setPhase("stopped", { sentence: error.message, action: "Try again" });
      } else {
        this.#wait(error.retryAfterSeconds && error.retryAfterSeconds * 1000);
      }
    }
  }

  async #refreshAndReconnect() {
    this.#setPhase("waiting");
    try {
      await refresh();
      if (!this.#socket) this.#connect();
    } catch (error) {
      if (error.status !== 401) this.#wait();
    }
  }

  #wait(askedMs) {
    if (this.#closed || this.#socket) return;
    const ceiling = Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** this.#attempts);
    const delayMs = askedMs || (this.#restartDelayMs ?? ceiling / 2 + Math.random() * (ceiling / 2));
    this.#restartDelayMs = null;
    this.#attempts += 1;
    clearTimeout(this.#retryTimer);
    this.#retryTimer = setTimeout(() => this.#connect(), delayMs);
    this.#setPhase("waiting", { untilMs: Date.now() + delayMs });
  }
}
