/** Requests to the server. */

const REQUEST_TIMEOUT_MS = 15_000;

/** Returns the server's address for a path, wherever the page is mounted. @param {string} path */
export function serverUrl(path) {
  const folder = location.pathname.endsWith("/") ? location.pathname : `${location.pathname}/`;
  return new URL(path, location.origin + folder);
}

/** The server answered and refused. A proxy in front of it gives a status, but no code. */
export class Refused extends Error {
  /** @param {string} message @param {{code?: string, problemCode?: string, status?: number, retryAfter_s?: number,
   *   limit?: number}} [more] */
  constructor(message, { code, problemCode, status = 200, retryAfter_s = 0, limit } = {}) {
    super(message);
    this.code = code;
    /** The kind of problem that the engines have, if that is why. */
    this.problemCode = problemCode;
    this.status = status;
    this.retryAfter_s = retryAfter_s;
    this.limit = limit;
  }
}

/** The server did not answer in time. Its `message` is "no server" or "no media". */
export class Unreachable extends Error {}

/** Returns JSON from the server. Throws Refused or Unreachable.
 * @param {string} path @param {RequestInit} [options] @param {number} [timeout_ms] @returns {Promise<any>} */
export async function fetchJson(path, options, timeout_ms = REQUEST_TIMEOUT_MS) {
  let response;
  try {
    response = await fetch(serverUrl(path), { ...options, signal: AbortSignal.timeout(timeout_ms) });
  } catch {
    throw new Unreachable("no server");
  }
  const body = response.status === 204 ? {} : await response.json().catch(() => null);
  // Some networks answer for the server, with a page to log in to the network.
  if (response.ok && body === null) throw new Unreachable("no server");
  if (response.ok) return body;
  const { status, headers } = response;
  throw new Refused(body?.error ?? `status ${status}`, {
    code: body?.code,
    problemCode: body?.problem_code,
    status,
    retryAfter_s: Number(headers.get("Retry-After")) || 0,
  });
}
