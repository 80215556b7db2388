// The socket of this tab, in the nexus dialect: it carries all conversations. It reconnects with growing, jittered delays, and
// handles close codes, the heartbeat and fresh tokens. Rooms and the list of conversations interpret the frames.

import { accessToken, call, fromHere, refresh, sessionEvents } from "./api.js";

const PATH = "/ws";
const BACKOFF_FIRST_MS = 500;
const BACKOFF_MAX_MS = 30_000;
const PING_EVERY_MS = 25_000;
const SILENCE_MAX_MS = 10_000;

const FINAL_CLOSE_CODES = {
  4403: { sentence: "You were disconnected, or you no longer have access here.", action: "Try again" },
  4409: { sentence: "You are connected in too many tabs or devices, so this tab was disconnected.", action: "Use this tab" },
  4429: { sentence: "You sent too many messages in a short time and are blocked for a while.", action: "Try again" },
};

/** Fires "frame" with each frame of the server as its `detail`, and "phase" when the state of the connection has changed. */
export class Connection extends EventTarget {
  /** {phase: "connecting" | "open" | "waiting" | "stopped", sentence?, action?, untilMs?} */
  state = { phase: "connecting" };
  #socket = null;
  #attempts = 0;
  #restartDelayMs = null;
  #retryTimer = 0;
  #pingTimer = 0;
  #silenceTimer = 0;
  #closed = new AbortController();

  constructor() {
    super();
    const { signal } = this.#closed;
    addEventListener("online", this.#wake, { signal });
    document.addEventListener("visibilitychange", this.#wake, { signal });
    sessionEvents.addEventListener("refreshed", () => this.send({ event_type: "auth.refresh", token: accessToken() }), { signal });
    // The server answers again over REST, so there is no reason to wait any longer.
    sessionEvents.addEventListener("reached", () => { if (this.state.phase === "waiting") this.retryNow(); }, { signal });
    this.#connect();
  }

  close() {
    this.#closed.abort();
    this.#dropSocket();
    clearTimeout(this.#retryTimer);
  }

  get isOpen() {
    return this.state.phase === "open";
  }

  /** Sends a frame if the socket is open. Returns whether it did. */
  send(frame) {
    if (!this.isOpen || this.#socket?.readyState !== WebSocket.OPEN) return false;
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
    if (document.hidden) return;
    if (this.state.phase === "waiting") this.retryNow();
    else this.#ping();
  };

  get #isClosed() {
    return this.#closed.signal.aborted;
  }

  #setPhase(phase, detail = {}) {
    this.state = { phase, ...detail };
    this.dispatchEvent(new Event("phase"));
  }

  #connect() {
    if (this.#isClosed) return;
    this.#setPhase("connecting");
    const url = fromHere(PATH);
    url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    // The token is sent as a subprotocol, because a URL may be written to logs.
    const socket = new WebSocket(url, ["bearer", accessToken()]);
    let opened = false;
    socket.addEventListener("open", () => {
      opened = true;
      clearInterval(this.#pingTimer);
      this.#pingTimer = setInterval(() => this.#ping(), PING_EVERY_MS);
    });
    socket.addEventListener("message", ({ data }) => {
      if (socket === this.#socket) this.#receive(data);
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
    clearInterval(this.#pingTimer);
    clearTimeout(this.#silenceTimer);
    this.#silenceTimer = 0;
    socket?.close(1000);
  }

  #receive(data) {
    clearTimeout(this.#silenceTimer);
    this.#silenceTimer = 0;
    let frame;
    try {
      frame = JSON.parse(data);
    } catch {
      return;
    }
    if (frame.event_type === "server_restarting") this.#restartDelayMs = frame.reconnect_in_ms ?? null;
    if (frame.event_type === "system.message" && frame.connection_id && !this.isOpen) {
      this.#attempts = 0;
      this.#setPhase("open");
    }
    this.dispatchEvent(new CustomEvent("frame", { detail: frame }));
  }

  #ping() {
    if (!this.send({ event_type: "ping" }) || this.#silenceTimer) return;
    this.#silenceTimer = setTimeout(() => {
      this.#dropSocket();
      this.#afterClose(1006, true);
    }, SILENCE_MAX_MS);
  }

  async #afterClose(code, opened) {
    if (this.#isClosed) return;
    if (code === 4401) return this.#reconnectAfter(refresh);
    if (code >= 4400 && code < 4500) {
      const fallback = { sentence: "The server closed the connection.", action: "Try again" };
      return this.#setPhase("stopped", FINAL_CLOSE_CODES[code] ?? fallback);
    }
    if (opened) return this.#wait();
    // A browser hides why an upgrade was refused; REST says it, and refreshes an expired token.
    this.#setPhase("waiting");
    try {
      await call("GET", "/api/auth/me");
      this.#wait();
    } catch (error) {
      if (error.status !== 401) this.#wait(error.retryAfterSeconds && error.retryAfterSeconds * 1000);
    }
  }

  async #reconnectAfter(action) {
    this.#setPhase("waiting");
    try {
      await action();
      if (!this.#socket) this.#connect();
    } catch (error) {
      if (error.status !== 401) this.#wait();
    }
  }

  #wait(askedMs) {
    if (this.#isClosed || this.#socket) return;
    const ceiling = Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** this.#attempts);
    const delayMs = askedMs || (this.#restartDelayMs ?? ceiling / 2 + Math.random() * (ceiling / 2));
    this.#restartDelayMs = null;
    this.#attempts += 1;
    clearTimeout(this.#retryTimer);
    this.#retryTimer = setTimeout(() => this.#connect(), delayMs);
    this.#setPhase("waiting", { untilMs: Date.now() + delayMs });
  }
}
