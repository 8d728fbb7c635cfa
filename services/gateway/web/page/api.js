// Asking the gateway: one way for every room. A refusal is a `Problem` with the desk's own sentence.

/** What the gateway refused (RFC 9457), or that it does not answer. */
class Problem extends Error {
  constructor(status, said) {
    super(said.detail ?? said.title ?? `the gateway answered ${status}`);
    this.status = status;
    this.reason = said.reason ?? null;
    this.field = said.field ?? null;
    this.said = said;
  }
}

const AGAIN_MS = [200, 500, 1_000, 2_000, 4_000];
/** Scopes of what is of the whole desk: of no use to who is for some accounts. */
const WHOLE = new Set(["sql:read", "admin"]);
let session = null;
let onSignedOut = () => {};

/** Who is here, as the gateway said: null before anybody is. */
export const who = () => session;
export const may = (scope) => session !== null && (session.scopes.includes(scope) || session.scopes.includes("admin"))
  && !(WHOLE.has(scope) && session.accounts.length > 0);

/** Call this when a session is over. */
export function signedOut(then) {
  onSignedOut = then;
}

/** Return who is here, null where somebody has to log in. */
export async function begin() {
  session = null;
  try {
    session = await ask("GET", "/v1/session");
  } catch (error) {
    if (error.status !== 401) throw error;
  }
  return session;
}

/** See whether the session goes on, once the stream is lost: who was let out is asked to log in again. */
export async function stillHere() {
  try {
    await ask("GET", "/v1/session");
  } catch (error) {
    if (error.status !== 401 || session === null) return;
    session = null;
    onSignedOut();
  }
}

export async function login(user, password) {
  session = await ask("POST", "/v1/session", { body: { user, password } });
  return session;
}

export async function logout() {
  await ask("DELETE", "/v1/session");
  session = null;
  onSignedOut();
}

async function ask(method, path, { body, headers = {}, raw = false } = {}) {
  const sent = { accept: "application/json", ...headers };
  if (body !== undefined) sent["content-type"] = "application/json";
  if (method !== "GET" && session?.csrf) sent["x-csrf-token"] = session.csrf;
  let response;
  try {
    response = await fetch(path, {
      method, headers: sent, credentials: "same-origin", cache: "no-store",
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch {
    throw new Problem(0, { detail: "the gateway does not answer", reason: "gateway_away" });
  }
  if (raw && response.ok) return response;
  const isJson = /json/.test(response.headers.get("content-type") ?? "");
  const said = response.status === 204 ? null : isJson ? await response.json() : { detail: await response.text() };
  if (response.status === 401 && path !== "/v1/session") {
    session = null;
    onSignedOut();
  }
  if (!response.ok) throw new Problem(response.status, said ?? {});
  return said;
}

export const get = (path) => ask("GET", path);
/** Ask with a body what changes nothing: once, without an id. */
export const look = (path, body) => ask("POST", path, { body });

/** Return an id of one's own; `randomUUID` is not there over plain http. */
export const newId = () => crypto.randomUUID?.() ??
  [...crypto.getRandomValues(new Uint8Array(16))].map((each) => each.toString(16).padStart(2, "0")).join("");

/** Do something, once, whatever becomes of the answer: sent again under the same id until the outcome is known. */
export async function act(method, path, body, id = newId()) {
  for (let turn = 0; ; turn += 1) {
    try {
      return await ask(method, path, { body, headers: { "idempotency-key": id } });
    } catch (error) {
      const unknown = error.status === 0 || [502, 503, 504].includes(error.status);
      if (!unknown || turn >= AGAIN_MS.length) {
        if (unknown) error.message = `the outcome is not known yet (${error.message}); look at it before it is sent again`;
        throw error;
      }
    }
    await new Promise((done) => setTimeout(done, AGAIN_MS[turn]));
  }
}

/** Return the rows that analytics has for a question, as objects. */
export async function sql(text, limit = 1_000) {
  const found = await ask("POST", "/v1/sql", { body: { sql: text, limit } });
  return found.rows.map((row) => (Array.isArray(row)
    ? Object.fromEntries(found.columns.map((name, at) => [name.name ?? name, row[at]])) : row));
}

/** Return a part of a path, whatever characters a name has. */
export const part = encodeURIComponent;
