/** Whether the bot's sound still comes: the server sends a packet each 20 ms, also of silence. */

/** So long without a packet, and the connection is dead. */
const SILENT_MS = 4_000;

/** After a sleep, or when there is reason for doubt, it has so long to prove that it lives. */
const PROOF_MS = 1_500;

/** So long between two looks, and it was us who slept: browsers slow a hidden page's clock down, and lids are closed. */
const ASLEEP_MS = 5_000;

export class Pulse {
  /** @param {number} now_ms */
  constructor(now_ms) {
    this._packets = -1;
    this._looked_ms = now_ms;
    this._deadline_ms = now_ms + SILENT_MS;
  }

  /** Whether it has stopped. @param {number} packets that have come up to now @param {number} now_ms */
  stopped(packets, now_ms) {
    if (packets !== this._packets) this._deadline_ms = now_ms + SILENT_MS;
    else if (now_ms - this._looked_ms > ASLEEP_MS) this.doubt(now_ms);
    this._packets = packets;
    this._looked_ms = now_ms;
    return now_ms > this._deadline_ms;
  }

  /** @param {number} now_ms */
  doubt(now_ms) {
    this._deadline_ms = now_ms + PROOF_MS;
  }
}
