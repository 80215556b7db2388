// What both editors share: sign-in, a valid token at any time, the role in a document, and the people in it.

export const socketUrl = CONVENE_URL.replace("http", "ws");
export const documentName = new URLSearchParams(location.search).get("document") || "notes";

const RENEW_BEFORE_MS = 60_000;
const COLOURS = ["#c0392b", "#1e6fb8", "#1d8348", "#8e44ad", "#b9570e", "#0e7c7b", "#a0256e", "#5b5f0f"];
const byId = (id) => document.getElementById(id);

async function request(method, path, { body, token } = {}) {
  const headers = { "Content-Type": "application/json" };
  if (token) headers.Authorization = `Bearer ${token}`;
  const answer = await fetch(CONVENE_URL + path, { method, headers, body: body && JSON.stringify(body) });
  const json = await answer.json();
  return answer.ok ? json : Promise.reject(Object.assign(new Error(json.error), { status: answer.status }));
}

class Session {
  #answer;
  #expiresAt;
  #renewal = null;

  constructor(answer) {
    this.#keep(answer);
  }

  #keep(answer) {
    this.#answer = answer;
    this.#expiresAt = Date.now() + answer.expires_in * 1_000;
  }

  /** The access token, renewed if it is about to expire. */
  async token() {
    if (Date.now() > this.#expiresAt - RENEW_BEFORE_MS) {
      this.#renewal ??= request("POST", "/api/auth/refresh", { body: { refresh_token: this.#answer.refresh_token } })
        .then((answer) => this.#keep(answer))
        .finally(() => { this.#renewal = null; });
      await this.#renewal;
    }
    return this.#answer.access_token;
  }

  /** Name and colour, as the bindings of the editors expect them in the awareness. */
  get face() {
    const { id, username } = this.#answer.user;
    const sum = [...id].reduce((total, letter) => total * 31 + letter.charCodeAt(0) >>> 0, 0);
    const color = COLOURS[sum % COLOURS.length];
    return { name: username, color, colorLight: `${color}33` };
  }

  /** Whether the user may change the document. Who opens one that does not exist yet becomes its owner. */
  async mayEdit() {
    const path = `/api/documents/${encodeURIComponent(documentName)}`;
    const found = await request("GET", path, { token: await this.token() }).catch((error) => {
      if (error.status === 404) return { role: "owner" };
      throw error;
    });
    return ["owner", "editor"].includes(found.role);
  }
}

/** Shows the form until the user has signed in. */
export function signIn() {
  document.title = documentName;
  byId("document").textContent = documentName;
  const form = byId("sign-in");
  return new Promise((resolve) => {
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const { username, password } = Object.fromEntries(new FormData(form));
      try {
        if (event.submitter.value === "create") {
          await request("POST", "/api/auth/register", { body: { username, password, email: `${username}@example.org` } });
        }
        const session = new Session(await request("POST", "/api/auth/login", { body: { username, password } }));
        form.hidden = true;
        byId("editor").hidden = false;
        resolve(session);
      } catch (error) {
        byId("problem").textContent = error.status ? error.message : `The server at ${CONVENE_URL} does not answer.`;
      }
    });
  });
}

export function showStatus(text) {
  byId("status").textContent = text;
}

/** Lists who has the document open, as the awareness says. */
export function showPeople(awareness) {
  const draw = () => {
    const people = [...awareness.getStates().values()].filter(({ user }) => user).map(({ user }) => {
      const item = document.createElement("li");
      item.textContent = user.name;
      item.style.setProperty("--colour", user.color);
      return item;
    });
    byId("people").replaceChildren(...people);
  };
  awareness.on("change", draw);
  draw();
}
