/** Draws the talk control: what the bot is doing, in words and colours that can be read across a room. */

import { find, write } from "./dom.js";

/** @typedef {import("./session.js").Session} Session */

/** Each state's name, and what one may do in it. @type {Record<string, [string, string]>} */
const STATES = {
  off: ["Press to talk", "Allow the microphone and speak."],
  connecting: ["Connecting…", "Allow the microphone if asked."],
  ready: ["Ready", "Type below, or press to talk."],
  listening: ["Listening", "Go ahead, ask something."],
  muted: ["Muted", "Press M to be heard again."],
  hearing: ["Hearing you", "Take your time."],
  understanding: ["Understanding", "Finding your words."],
  thinking: ["Thinking", "The answer is on its way."],
  held: ["Hearing you", "The answer waits for you."],
  speaking: ["Speaking", "Talk over it whenever you like."],
  paused: ["Paused", "Did you mean to interrupt?"],
  stopping: ["Stopping", "Making room for you."],
};

/** The machine's phases under the names above; while idle, it depends on the microphone.
 * @type {Record<string, string>} */
const PHASES = {
  listening: "hearing",
  transcribing: "understanding",
  thinking: "thinking",
  held: "held",
  speaking: "speaking",
  paused: "paused",
  cancelling: "stopping",
};

/** @param {Session} session */
function stateOf({ link, view, muted, talking }) {
  if (link !== "on") return link;
  return PHASES[view?.phase] ?? (muted ? "muted" : talking ? "listening" : "ready");
}

/** @param {HTMLElement} root @param {Session} session */
export function drawTalk(root, session) {
  const state = stateOf(session);
  const [label, hint] = STATES[state];
  const hangsUp = session.talking || session.link === "connecting";
  root.dataset.state = state;
  write(find(root, ".vb-label"), label);
  write(find(root, ".vb-hint"), hint);
  write(find(root, ".vb-does"), hangsUp ? "Hang up" : "Talk");
  write(find(root, ".vb-transport-text"), transport(session));
  find(root, ".vb-hang-up").hidden = session.link !== "on" || session.talking;
}

/** The user's loudness. @param {HTMLElement} root @param {number} level 0 to 1 */
export function drawLevel(root, level) {
  root.style.setProperty("--level", level.toFixed(3));
}

/** The bot's own loudness. @param {HTMLElement} root @param {number} level 0 to 1 */
export function drawVoice(root, level) {
  root.style.setProperty("--voice", level.toFixed(3));
}

/** @param {Session} session */
function transport({ link, talking, muted }) {
  if (link === "off") return "Not connected";
  if (link === "connecting") return "Connecting";
  if (!talking) return "Connected, text only";
  return muted ? "Connected, muted" : "Connected";
}
