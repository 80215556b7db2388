// REST calls and the session. The session is kept in localStorage: all tabs of a browser are signed in and out together. No
// other module may read or write tokens.

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

/**
 * Fires "refreshed" when there is a new access token, "ended" when the user must sign in again, and "reached" at the first
 * answer after the server could not be reached.
 */
export const sessionEvents = new EventTarget();

let session = restore();
let refreshTimer = 0;
let refreshing = null;
let unreachable = false;

/** A request that remembers whether the server could be reached. */
async function request(path, options) {
  let response;
  try {
    response = await fetch(fromHere(path), options);
  } catch {
    unreachable = true;
    throw new ApiError(0, "UNREACHABLE", "Can't reach the server. Check your connection and try again.");
  }
  if (unreachable) {
    unreachable = false;
    sessionEvents.dispatchEvent(new Event("reached"));
  }
  return response;
}

// Another tab has signed in or out, or has refreshed the session. A refresh token can be used only once, so the tabs refresh one
// after the other (REFRESH_LOCK).
addEventListener("storage", ({ key }) => {
  if (key !== STORAGE_KEY && key !== null) return;
  const stored = restore();
  if (stored?.user.id !== session?.user.id) return location.reload();
  if (stored && stored.access_token !== session.access_token) take(stored);
});

function restore() {
  try {
    return JSON.parse(localStorage.getItem(STORAGE_KEY));
  } catch {
    return null;
  }
}

function adopt(next) {
  session = next;
  localStorage.setItem(STORAGE_KEY, JSON.stringify(session));
  scheduleRefresh();
}

/** Continues with a session that another tab has refreshed. */
function take(stored) {
  session = stored;
  scheduleRefresh();
  sessionEvents.dispatchEvent(new Event("refreshed"));
}

function clear() {
  session = null;
  clearTimeout(refreshTimer);
  localStorage.removeItem(STORAGE_KEY);
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
  const response = await request(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
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

/** Sends a request with a body of any type as the signed-in user, and returns the response. Refused ones reject. */
export async function fetchSigned(method, path, { headers = {}, body } = {}) {
  const attempt = () => request(path, { method, headers: { ...headers, Authorization: `Bearer ${accessToken()}` }, body });
  let response = await attempt();
  if (response.status === 401 && session) {
    await refresh();
    response = await attempt();
  }
  if (response.ok) return response;
  const answer = await response.json().catch(() => null);
  throw new ApiError(response.status, answer?.code, answer?.error ?? `The server responded with status ${response.status}.`);
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
  return navigator.locks.request(REFRESH_LOCK, () => {
    // Another tab may have refreshed the session while this one waited.
    const stored = restore();
    if (session && stored?.user.id === session.user.id && stored.refresh_token !== stale) return take(stored);
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
