/** What measured sound means to somebody who is about to talk. Pure: figures in, a word out. */

/** Speech a hand's breadth to a metre away comes at -40 to -15 dBFS with the browser's gain control; a room's noise
 * without speech seldom reaches this. */
const QUIET_DBFS = -45;

/** Speech stands so far above what is heard between words; noise does not. */
const SPEECH_DB = 10;

/** Below this nothing at all comes from the device: digital silence, but for dither. */
const NOTHING_DBFS = -85;

/** From here on samples are cut off. */
const CLIPPED = 0.99;

/** Speech of so many looks was heard, or cut off: no single click. */
const ENOUGH = 5;
const ENOUGH_CLIPPED = 3;

/**
 * @typedef {object} Look a short piece of the microphone's sound
 * @property {number} dbfs its level
 * @property {number} peak 0 to 1
 */

/** @param {Look[]} looks @returns {"clipping" | "heard" | "quiet" | "nothing"} */
export function judgeLevel(looks) {
  if (looks.filter(({ peak }) => peak >= CLIPPED).length >= ENOUGH_CLIPPED) return "clipping";
  const levels = looks.map(({ dbfs }) => dbfs).sort((a, b) => a - b);
  if (!levels.length || levels[levels.length - 1] < NOTHING_DBFS) return "nothing";
  const floor = levels[Math.floor(levels.length / 10)];
  const speech = levels.filter((dbfs) => dbfs > QUIET_DBFS && dbfs > floor + SPEECH_DB);
  return speech.length >= ENOUGH ? "heard" : "quiet";
}

/** What comes back has to stand so far above the noise to be told from it. */
const ABOVE_NOISE_DB = 6;

/** So far below what was played, the bot takes what comes back for its own voice without fail; less far below, it may
 * drown the user's. */
const HARMLESS_DB = 50;
const LOUD_DB = 30;

/** All in dB on one scale. @param {{played: number, returned: number, noise: number}} levels
 * @returns {"good" | "some" | "much"} */
export function judgeEcho({ played, returned, noise }) {
  if (returned < noise + ABOVE_NOISE_DB || returned < played - HARMLESS_DB) return "good";
  return returned < played - LOUD_DB ? "some" : "much";
}
