// Requests to the daemon that this page came from. The key lives in this tab's storage and in a header, nowhere else.

const KEY = "gimp-bridge.key";
const PATIENCE = 60_000;

export const key = {
  get: () => sessionStorage.getItem(KEY),
  use: (text) => sessionStorage.setItem(KEY, text),
  forget: () => sessionStorage.removeItem(KEY),
};

/** What the daemon refuses, or why it was not reached (`kind` is `away`). */
export class Refused extends Error {
  constructor(status, kind, message, hint) {
    super(message);
    Object.assign(this, { status, kind, hint });
  }
}

function refusal(status, body) {
  const error = body?.error?.data ?? body?.error ?? body ?? {};
  const message = error.message ?? body?.message ?? `the daemon answers ${status}`;
  return new Refused(status, error.kind ?? "internal", message, error.hint);
}

/** The answer to one request; throws `Refused` for any but a good one. */
export async function ask(method, path, { body, headers = {} } = {}) {
  const sent = { ...headers };
  const secret = key.get();
  if (secret) sent["X-API-Key"] = secret;
  if (body !== undefined) sent["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(path, {
      method, headers: sent, body: body === undefined ? undefined : JSON.stringify(body),
      credentials: "omit", redirect: "error", signal: AbortSignal.timeout(PATIENCE),
    });
  } catch (error) {
    const late = error.name === "TimeoutError";
    throw new Refused(0, "away", late ? `no answer within ${PATIENCE / 1000} s` : "the daemon does not answer", undefined);
  }
  if (!answer.ok) throw refusal(answer.status, await answer.json().catch(() => null));
  return answer;
}

export async function json(method, path, options) {
  const answer = await ask(method, path, options);
  const body = await answer.json().catch(() => null);
  if (body === null) throw new Refused(answer.status, "protocol_error", "the answer is no JSON");
  return body;
}

const request = (method, params) => ({ jsonrpc: "2.0", id: 1, method, params });

/** What a JSON-RPC answer found; throws for an error and for `success: false`. */
export function result(answer) {
  if (answer?.error) throw refusal(200, answer.error);
  if (answer?.result?.success === false) throw refusal(200, answer.result);
  return answer?.result?.result ?? answer?.result ?? {};
}

export const call = async (method, params) => result(await json("POST", "jsonrpc", { body: request(method, params) }));

/** Begins a call that goes on without this page. */
export const begin = (method, params) =>
  json("POST", "jsonrpc", { body: request(method, params), headers: { Prefer: "respond-async" } });

/** Tools of generation have an address of their own. */
export const tool = (name, params = {}) => json("POST", `mcp/v1/tools/${name}`, { body: params });

export const image = (id, width) => `images/${encodeURIComponent(id)}${width ? `?width=${width}` : ""}`;
