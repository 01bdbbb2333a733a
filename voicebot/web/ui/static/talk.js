/** Draws the talk button and what the bot is doing, in words and colours that can be read across a room. */

import { find, write } from "./dom.js";

/** @typedef {import("./session.js").Session} Session */

/** Each state's name, and what the user can do in it; before they talk, that depends on the checks. @type {Record<string, [string, string]>} */
const STATES = {
  off: ["Press to talk", ""],
  connecting: ["Connecting…", "Allow the microphone if asked."],
  ready: ["Ready", "Type below, or press to talk."],
  listening: ["Listening", "Go ahead, ask something."],
  reconnecting: ["Reconnecting…", "Please wait a moment."],
  muted: ["Muted", "Press Mute again to be heard."],
  silenced: ["No sound", "Your system has muted the microphone."],
  hearing: ["Hearing you", "Take your time."],
  understanding: ["Understanding", "Working out your words."],
  thinking: ["Thinking", "The answer is on its way."],
  held: ["Hearing you", "The answer can wait."],
  speaking: ["Speaking", "Interrupt whenever you like."],
  paused: ["Paused", "Did you mean to interrupt?"],
  stopping: ["Stopping", "It's your turn."],
};

/** The session's phases under the names above. @type {Record<string, string>} */
const PHASES = {
  listening: "hearing",
  transcribing: "understanding",
  thinking: "thinking",
  held: "held",
  speaking: "speaking",
  paused: "paused",
  cancelling: "stopping",
};

/** @param {Pick<Session, "state" | "view" | "muted" | "mutedBySystem">} session */
export function talkState({ state: { link, microphone }, view, muted, mutedBySystem }) {
  if (link === "off" && microphone === "asking") return "connecting";
  if (link !== "on") return link;
  const phase = PHASES[view?.phase ?? ""];
  if (phase) return phase;
  if (microphone !== "on") return microphone === "asking" ? "connecting" : "ready";
  return muted ? "muted" : mutedBySystem ? "silenced" : "listening";
}

/** @param {HTMLElement} root @param {Session} session @param {string} hintBefore shown before the user talks */
export function drawTalk(root, session, hintBefore) {
  const state = talkState(session);
  const [label, hint] = STATES[state];
  const { link, microphone } = session.state;
  const hangsUp = microphone !== "off" || link === "connecting";
  root.dataset.state = state;
  write(find(root, ".vb-label"), label);
  write(find(root, ".vb-hint"), state === "off" ? hintBefore : hint);
  write(find(root, ".vb-talk-action"), link === "reconnecting" ? "Cancel" : hangsUp ? "Hang up" : "Talk");
  write(find(root, ".vb-transport-text"), transportText(session));
  find(root, ".vb-hang-up").hidden = link !== "on" || hangsUp;
}

/** Draws the user's level. @param {HTMLElement} root @param {number} level 0 to 1 */
export function drawLevel(root, level) {
  root.style.setProperty("--level", level.toFixed(3));
}

/** Draws the level of the bot's voice. @param {HTMLElement} root @param {number} level 0 to 1 */
export function drawVoice(root, level) {
  root.style.setProperty("--voice", level.toFixed(3));
}

/** @param {Pick<Session, "state" | "muted">} session */
export function transportText({ state: { link, microphone, retry }, muted }) {
  switch (link) {
    case "off":
      return "Not connected";
    case "connecting":
      return "Connecting";
    case "reconnecting":
      return retry > 1 ? `Connection lost, attempt ${retry}` : "Connection lost";
    case "on":
      if (microphone !== "on") return "Connected, no mic";
      return muted ? "Connected, muted" : "Connected";
  }
}
