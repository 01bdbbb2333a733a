/** Reconnects after the connection broke: soon at first, then less and less often, and not for ever. */

import { Refused } from "./http.js";

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 15_000;

/** Takes about a minute and a half, if each retry fails at once. */
const RETRIES = 10;

/** After a connection that lasted this long, retries are counted anew. */
const STABLE_MS = 10_000;

/** Returns how long to wait before the next retry: half to all of a time that doubles with each one, so that not all
 * pages come at once to a server that is back. @param {number} retries so far @param {number} random 0 to 1 */
export function backoff_ms(retries, random) {
  const longest_ms = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** retries);
  return (longest_ms * (1 + random)) / 2;
}

/** Returns whether a retry may succeed. It cannot if the server gave a reason that stays. @param {unknown} error */
export function isTemporary(error) {
  if (!(error instanceof Refused)) return true;
  if (error.code === "rate" || error.code === "moving") return true;
  return error.code === undefined && (error.status >= 500 || error.status === 429);
}

/**
 * @typedef {object} ReconnectionEvents
 * @property {() => Promise<void>} connect throws why it could not
 * @property {(retry: number) => void} waiting the retry of this number, from 1, comes next
 * @property {(error: unknown) => void} failed there are no more retries, and why the last one failed
 */

export class Reconnection {
  /** @param {ReconnectionEvents} events */
  constructor(events) {
    this._events = events;
    this._retries = 0;
    this._endPause = () => {};
    /** @type {symbol | undefined} */
    this._run = undefined;
  }

  /** Starts to retry.
   * @param {number} lasted_ms how long the connection lasted that has just broken
   * @param {boolean} [atOnce] the first retry needs no pause, unless the connection before broke soon too */
  start(lasted_ms, atOnce = false) {
    if (lasted_ms >= STABLE_MS) this._retries = 0;
    this._run = Symbol("run");
    void this._retry(this._run, atOnce && this._retries === 0);
  }

  /** Retries at once, and counts retries anew, because something has changed. */
  retryNow() {
    this._retries = 0;
    this._endPause();
  }

  cancel() {
    this._run = undefined;
    this._retries = 0;
    this._endPause();
  }

  /** @param {symbol} run @param {boolean} atOnce */
  async _retry(run, atOnce) {
    /** @type {unknown} */
    let failure = null;
    while (this._retries < RETRIES) {
      this._events.waiting(this._retries + 1);
      const asked_ms = failure instanceof Refused ? failure.retryAfter_s * 1000 : 0;
      if (!atOnce || this._retries > 0) {
        await this._pause(Math.max(asked_ms, backoff_ms(this._retries, Math.random())));
      }
      if (run !== this._run) return;
      this._retries += 1;
      try {
        return await this._events.connect();
      } catch (error) {
        failure = error;
      }
      if (run !== this._run) return;
      if (!isTemporary(failure)) break;
    }
    this.cancel();
    this._events.failed(failure);
  }

  /** @param {number} duration_ms @returns {Promise<void>} */
  _pause(duration_ms) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, duration_ms);
      this._endPause = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
