/** Draws the talk control: what the bot is doing, in words and colours that can be read across a room. */

import { find, write } from "./dom.js";

/** @typedef {import("./session.js").Session} Session */

/** Each state's name, and what one may do in it. @type {Record<string, [string, string]>} */
const STATES = {
  off: ["Press to talk", "Allow the microphone and speak."],
  connecting: ["Connecting…", "Allow the microphone if asked."],
  ready: ["Ready", "Type below, or press to talk."],
  listening: ["Listening", "Go ahead, ask something."],
  reconnecting: ["Reconnecting…", "It goes on by itself."],
  muted: ["Muted", "Press Mute to be heard again."],
  silenced: ["No sound", "The system mutes your microphone."],
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
function stateOf({ link, view, muted, silenced, talking }) {
  if (link !== "on") return link;
  return PHASES[view?.phase] ?? (muted ? "muted" : silenced ? "silenced" : talking ? "listening" : "ready");
}

/** @param {HTMLElement} root @param {Session} session @param {string} advice before one talks */
export function drawTalk(root, session, advice) {
  const state = stateOf(session);
  const [label, hint] = STATES[state];
  const mending = session.link === "reconnecting";
  const hangsUp = session.talking || session.link === "connecting";
  root.dataset.state = state;
  write(find(root, ".vb-label"), label);
  write(find(root, ".vb-hint"), (state === "off" && advice) || hint);
  write(find(root, ".vb-does"), mending ? "Cancel" : hangsUp ? "Hang up" : "Talk");
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
function transport({ link, talking, muted, tries }) {
  if (link === "off") return "Not connected";
  if (link === "reconnecting") return tries > 1 ? `Connection lost, try ${tries}` : "Connection lost";
  if (link === "connecting") return "Connecting";
  if (!talking) return "Connected, text only";
  return muted ? "Connected, muted" : "Connected";
}
