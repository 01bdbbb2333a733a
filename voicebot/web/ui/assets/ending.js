/** Tells of the session's end before it comes. */

import { endingNotice } from "./problems.js";

/** So long before; of a short session at half its time. */
const ENDING_S = 60;

export class Ending {
  /** @param {(notice: import("./problems.js").Problem) => void} tell */
  constructor(tell) {
    this._tell = tell;
  }

  /** @param {number | null | undefined} ends_in_s @param {boolean} kept whether the conversation is */
  foresee(ends_in_s, kept) {
    this.cancel();
    if (typeof ends_in_s !== "number") return;
    const told_s = Math.min(ENDING_S, ends_in_s / 2);
    this._timer = setTimeout(() => this._tell(endingNotice(told_s, kept)), (ends_in_s - told_s) * 1000);
  }

  cancel() {
    clearTimeout(this._timer);
  }
}
