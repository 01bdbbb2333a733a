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
  waiting: ["Not listening", "Hold the button while you speak."],
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

/** What the user can do in some states with push-to-talk. @type {Record<string, string>} */
const HINTS_HOLDING = { speaking: "Hold the button to interrupt.", thinking: "Hold the button to say more." };
/** What the user can do while a person answers. @type {Record<string, string>} */
const HINTS_HANDED_OVER = {
  ready: "A person answers you. Type below, or press to talk.",
  listening: "A person answers you. Go ahead.",
};
const LET_GO = "Let go when you are done.";
const PRESS_AGAIN = "Press again when you are done.";

/** @typedef {Pick<Session, "state" | "view" | "muted" | "mutedBySystem" | "holdsToTalk" | "pressed">} TalkSession */

/** @param {TalkSession} session */
export function talkState({ state: { link, microphone }, view, muted, mutedBySystem, holdsToTalk, pressed }) {
  if (link === "off" && microphone === "asking") return "connecting";
  if (link !== "on") return link;
  const phase = PHASES[view?.phase ?? ""];
  if (phase) return phase;
  if (microphone !== "on") return microphone === "asking" ? "connecting" : "ready";
  if (muted || mutedBySystem) return muted ? "muted" : "silenced";
  if (!holdsToTalk) return "listening";
  return pressed ? "hearing" : "waiting";
}

/** @param {string} state @param {TalkSession} session @param {boolean} kept whether the button stays down by itself */
export function talkHint(state, { view, holdsToTalk, pressed }, kept) {
  if (pressed) return kept ? PRESS_AGAIN : LET_GO;
  if (view?.handed_over && HINTS_HANDED_OVER[state]) return HINTS_HANDED_OVER[state];
  return (holdsToTalk && HINTS_HOLDING[state]) || STATES[state][1];
}

/** @param {HTMLElement} root @param {Session} session @param {string} hintBefore shown before the user talks
 * @param {boolean} kept whether the talk button stays down by itself */
export function drawTalk(root, session, hintBefore, kept) {
  const state = talkState(session);
  const [label] = STATES[state];
  const { link, microphone } = session.state;
  const hangsUp = microphone !== "off" || link === "connecting";
  root.dataset.state = state;
  write(find(root, ".vb-label"), label);
  write(find(root, ".vb-hint"), state === "off" ? hintBefore : talkHint(state, session, kept));
  write(find(root, ".vb-transport-text"), transportText(session));
  find(root, ".vb-hang-up").hidden = link !== "on" || (hangsUp && !session.holdsToTalk);
  drawTalkButton(find(root, "#vb-talk-button"), session, hangsUp);
}

/** @param {HTMLElement} button @param {Session} session @param {boolean} hangsUp what the button does if not held */
function drawTalkButton(button, { state: { link }, holdsToTalk, pressed }, hangsUp) {
  const action = link === "reconnecting" ? "Cancel" : holdsToTalk ? "Hold to talk" : hangsUp ? "Hang up" : "Talk";
  write(find(button, ".vb-talk-action"), action);
  if (holdsToTalk) {
    button.setAttribute("aria-pressed", String(pressed));
    button.setAttribute("aria-keyshortcuts", "Space");
  } else {
    button.removeAttribute("aria-pressed");
    button.removeAttribute("aria-keyshortcuts");
  }
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
