// REST calls and the session. The session is kept in sessionStorage, so that two tabs can be two users. No other module
// may read or write tokens.

const STORAGE_KEY = "convene.session";
const REFRESH_RETRY_MS = 10_000;
const REFRESH_LOCK = "convene.refresh";
const TIMER_MAX_MS = 2 ** 31 - 1;

/** The server's refusal: `message` is its sentence, suitable for display. Status 0: the server was not reached. */
export class ApiError extends Error {
  constructor(status, code, message, retryAfterSeconds) {
    super(message);
    this.status = status;
    this.code = code;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/** Fires "refreshed" when there is a new access token, and "ended" when the user must sign in again. */
export const sessionEvents = new EventTarget();

let session = restore();
let refreshTimer = 0;
let refreshing = null;

// A duplicated tab starts with a copy of the session, but a refresh token can be used only once. The tab that uses it
// sends the new one to its twins; they refresh one after the other (REFRESH_LOCK).
const twins = new BroadcastChannel("convene.session");
twins.addEventListener("message", ({ data }) => {
  if (!session || data.usedRefreshToken !== session.refresh_token) return;
  adopt(data.session);
  sessionEvents.dispatchEvent(new Event("refreshed"));
});

function restore() {
  try {
    return JSON.parse(sessionStorage.getItem(STORAGE_KEY));
  } catch {
    return null;
  }
}

function adopt(next) {
  session = next;
  sessionStorage.setItem(STORAGE_KEY, JSON.stringify(session));
  scheduleRefresh();
}

function clear() {
  session = null;
  clearTimeout(refreshTimer);
  sessionStorage.removeItem(STORAGE_KEY);
}

export const currentUser = () => session?.user ?? null;
export const accessToken = () => session?.access_token ?? "";

/** Starts the refresh timer of a session that was restored after a reload. */
export function resumeSession() {
  if (session) scheduleRefresh();
  return session !== null;
}

function scheduleRefresh(delayMs) {
  clearTimeout(refreshTimer);
  // Refreshes in the last fifth of a token's lifetime, at a random moment so that twin tabs do not refresh at the same
  // time.
  const spread = session.lifetime_ms * (0.2 + 0.1 * Math.random());
  const wait = delayMs ?? Math.max(0, session.expires_at - spread - Date.now());
  refreshTimer = setTimeout(() => refresh().catch(() => scheduleRefresh(REFRESH_RETRY_MS)), Math.min(wait, TIMER_MAX_MS));
}

/** A URL of this server, relative to the page at the root, so that it works behind a proxy that adds a prefix. */
export const fromHere = (path) => new URL(path.slice(1), document.baseURI);

async function send(method, path, body, token) {
  const headers = {};
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (token) headers.Authorization = `Bearer ${token}`;
  let response;
  try {
    response = await fetch(fromHere(path), { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch {
    throw new ApiError(0, "UNREACHABLE", "Can't reach the server. Check your connection and try again.");
  }
  const answer = await response.json().catch(() => null);
  if (response.ok) return answer;
  const retryAfter = Number(answer?.retry_after ?? response.headers.get("Retry-After")) || undefined;
  const sentence = answer?.error ?? `The server responded with status ${response.status}. Try again in a moment.`;
  throw new ApiError(response.status, answer?.code, sentence, retryAfter);
}

/** Calls the API as the signed-in user. Refreshes an expired access token once, transparently to the caller. */
export async function call(method, path, body) {
  const token = accessToken();
  try {
    return await send(method, path, body, token);
  } catch (error) {
    if (error.status !== 401 || !session) throw error;
    if (session.access_token === token) await refresh();
    return send(method, path, body, accessToken());
  }
}

/** Exchanges the refresh token. Rejects with status 0 while the server is unreachable; a refusal ends the session. */
export function refresh() {
  refreshing ??= inTurn(session?.refresh_token).finally(() => { refreshing = null; });
  return refreshing;
}

// One tab of this browser at a time. Locks exist only on https and localhost; elsewhere the server tolerates a repeated
// refresh within a few seconds.
async function inTurn(stale) {
  if (!navigator.locks) return exchange(stale);
  return navigator.locks.request(REFRESH_LOCK, async () => {
    // A session that a twin sent before it released the lock arrives first.
    await new Promise((resolve) => { setTimeout(resolve); });
    return exchange(stale);
  });
}

async function exchange(stale) {
  if (!session) throw new ApiError(401, "AUTHENTICATION_FAILED", "Sign in first.");
  const used = session.refresh_token;
  if (used !== stale) return;
  try {
    const answer = await send("POST", "/api/auth/refresh", { refresh_token: used });
    if (session?.refresh_token !== used) return;
    adopt(fromAnswer(answer));
    twins.postMessage({ usedRefreshToken: used, session });
    sessionEvents.dispatchEvent(new Event("refreshed"));
  } catch (error) {
    const refused = error.status === 400 || error.status === 401 || error.status === 403;
    if (refused && session?.refresh_token === used) {
      clear();
      sessionEvents.dispatchEvent(new Event("ended"));
    }
    throw error;
  }
}

function fromAnswer(answer) {
  const lifetimeMs = answer.expires_in * 1000;
  return { ...answer, user: answer.user ?? currentUser(), lifetime_ms: lifetimeMs, expires_at: Date.now() + lifetimeMs };
}

export async function signIn(name, password) {
  const who = name.includes("@") ? { email: name } : { username: name };
  adopt(fromAnswer(await send("POST", "/api/auth/login", { ...who, password })));
}

export async function signUp(username, email, password) {
  await send("POST", "/api/auth/register", { username, email, password });
  await signIn(username, password);
}

export function signOut() {
  const ended = session;
  clear();
  if (ended) send("POST", "/api/auth/logout", { refresh_token: ended.refresh_token }, ended.access_token).catch(() => {});
}
