/** Tries to come back after the connection broke: soon, then less and less often, and not for ever. */

import { Refused } from "./connection.js";

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 15_000;

/** About a minute and a half, if each fails at once. */
export const TRIES = 10;

/** A connection that lasted so long was a good one: the next break is not the same trouble. */
const STABLE_MS = 10_000;

/** Between half and all of a time that doubles with each try: so not all pages come at once to a server that is back.
 * @param {number} tries so far @param {number} random 0 to 1 */
export function pause_ms(tries, random) {
  const longest_ms = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** tries);
  return (longest_ms * (1 + random)) / 2;
}

/** Whether it may be different at the next try: not when the server gave a reason that stays. @param {unknown} error */
export function mayPass(error) {
  if (!(error instanceof Refused)) return true;
  return error.code === "rate" || (error.code === undefined && (error.status >= 500 || error.status === 429));
}

/**
 * @typedef {object} Attempts
 * @property {() => Promise<void>} connect throws why it could not
 * @property {(number: number) => void} trying the try of this number (from 1) comes next
 * @property {(error: unknown) => void} failed no more tries, and why the last one failed
 */

export class Reconnection {
  /** @param {Attempts} attempts */
  constructor(attempts) {
    this._attempts = attempts;
    this._tries = 0;
    this._hurry = () => {};
  }

  /** The connection, which had lasted so long, has just broken. @param {number} lasted_ms */
  begin(lasted_ms) {
    if (lasted_ms >= STABLE_MS) this._tries = 0;
    this._run = Symbol("run");
    void this._go(this._run);
  }

  /** Something has changed: tries at once, and may try as often as at first. */
  hurry() {
    this._tries = 0;
    this._hurry();
  }

  cancel() {
    this._run = undefined;
    this._tries = 0;
    this._hurry();
  }

  /** @param {symbol} run */
  async _go(run) {
    /** @type {unknown} */
    let failure = null;
    while (this._tries < TRIES) {
      this._attempts.trying(this._tries + 1);
      const asked_ms = failure instanceof Refused ? failure.retryAfter_s * 1000 : 0;
      await this._pause(Math.max(asked_ms, pause_ms(this._tries, Math.random())));
      if (run !== this._run) return;
      this._tries += 1;
      try {
        return await this._attempts.connect();
      } catch (error) {
        failure = error;
      }
      if (run !== this._run) return;
      if (!mayPass(failure)) break;
    }
    this.cancel();
    this._attempts.failed(failure);
  }

  /** @param {number} duration_ms @returns {Promise<void>} */
  _pause(duration_ms) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, duration_ms);
      this._hurry = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
