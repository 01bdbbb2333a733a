/** What went wrong, in plain words: what it is, and what to do about it. */

import { Refused, Unreachable } from "./connection.js";

/**
 * @typedef {object} Problem
 * @property {string} what
 * @property {string} todo
 * @property {"reconnect" | "renew" | "unblock" | null} action what the button beside it does, if there is one
 * @property {string} button what it says
 * @property {boolean} calm whether it is only a notice
 */

/** @param {string} what @param {string} todo @param {Problem["action"]} [action] @param {string} [button]
 * @returns {Problem} */
export function problem(what, todo, action = null, button = action ? "Reconnect" : "Dismiss") {
  return { what, todo, action, button, calm: false };
}

/** @param {Parameters<typeof problem>} words @returns {Problem} */
function notice(...words) {
  return { ...problem(...words), calm: true };
}

export const CONNECTION_LOST = problem("The connection was lost.", "Check your network, then reconnect.", "reconnect");
export const SOUND_BLOCKED = problem(
  "The browser holds the sound back.",
  "Allow it to be played.",
  "unblock",
  "Play sound",
);
export const MICROPHONE_GONE = problem("The microphone is gone.", "Plug it in again, or go on by typing.");
export const LEFT = notice("You left this page.", "The conversation can go on where it was.", "reconnect", "Go on");

/** What the engines say when their key is the trouble, or that somebody else has to be there. */
const KEY_WRONG = /\bkey\b|HTTP 40[123]/;
const UNREACHABLE = /reached|HTTP 5|too long|in time|HTTP 429/;

/** Why the microphone could not be had. @param {unknown} error @returns {Problem} */
export function microphoneProblem(error) {
  if (!window.isSecureContext) {
    return problem("The microphone works on secure pages only.", "Open this page over https, or type below.");
  }
  const name = error instanceof DOMException ? error.name : "";
  switch (name) {
    case "NotAllowedError":
      return problem(
        "The microphone is not allowed.",
        "Allow it beside the page's address and press again, or type below.",
      );
    case "NotFoundError":
      return problem("There is no microphone.", "Plug one in and press again, or type below.");
    case "NotReadableError":
      return problem("The microphone is in use.", "Close the program that holds it and press again, or type below.");
    default:
      return problem("The microphone does not work here.", "Try another browser, or type below.");
  }
}

/** The microphone went while one talked. @param {unknown} error why there is no other @returns {Problem} */
export function goneProblem(error) {
  const none = error instanceof DOMException && error.name === "NotFoundError";
  return none ? MICROPHONE_GONE : microphoneProblem(error);
}

/** @param {string} label of the one that took its place */
export function movedNotice(label) {
  return notice("The microphone went, another one is in use.", label ? `It is “${label}”.` : "You can simply go on.");
}

/** Why there is no connection. @param {unknown} error @returns {Problem} */
export function connectionProblem(error) {
  if (error instanceof Refused) return refusal(error);
  if (error instanceof Unreachable && error.message === "no media") {
    return problem("The sound cannot get through.", "A firewall may hold it back: try another network.", "reconnect");
  }
  return problem("The bot cannot be reached.", "Is it running? Try again in a moment.", "reconnect");
}

/** Why a connection that broke was not mended. @param {unknown} error of the last try @returns {Problem} */
export function brokenProblem(error) {
  return error instanceof Refused ? refusal(error) : CONNECTION_LOST;
}

/** @param {Refused} error @returns {Problem} */
function refusal({ code, status, limit, message }) {
  if (status === 401) return problem("Your name or password is not accepted.", "Load the page again to log in.");
  switch (code) {
    case "full":
      return problem(
        limit ? `All ${limit} lines are taken.` : "All lines are taken.",
        "Try again in a minute.",
        "reconnect",
        "Try again",
      );
    case "address":
      return problem("You are talking already.", message, "reconnect", "Try again");
    case "day":
      return problem("That was all for today.", message);
    case "rate":
      return problem("You are connecting too often.", "Wait a little, then try again.", "reconnect", "Try again");
    case "engines":
      return enginesProblem(message);
    default:
      return problem("The bot refused the connection.", message, "reconnect");
  }
}

/** No session can work: some stage has no engine. @param {string} message */
export function enginesProblem(message) {
  const todo = KEY_WRONG.test(message)
    ? "Who runs it has to mend its key. The engines' own list, below, says more."
    : "The engines' own list, below, says more; check again in a moment.";
  return problem(message, todo);
}

/** The server ended the session for a reason of this code, and a new one may well last: it restarts, say.
 * @param {string | undefined} code */
export function passes(code) {
  return code === "fault" || code === "media" || code === "shutdown";
}

/** The server ended the session. @param {string | undefined} code @param {string} reason
 * @param {boolean} kept whether the conversation is @returns {Problem} */
export function closedProblem(code, reason, kept) {
  switch (code) {
    case "elsewhere":
      return notice("This conversation goes on in another tab.", "It can go on in one at a time.", "reconnect", "Go on here");
    case "time":
      return notice(
        reason,
        kept ? "You can go on in a new session: the conversation is kept." : "You can begin a new session.",
        "reconnect",
        "Go on",
      );
    case "day":
      return problem("That was all for today.", reason);
    case "full":
    case "address":
      return refusal(new Refused(reason, { code }));
    case "idle":
      return notice("The bot hung up, as nobody spoke.", "Whenever you like, go on.", "reconnect", "Go on");
    default:
      return problem("The bot ended the conversation.", reason, "reconnect");
  }
}

/** The session's time is almost over. @param {number} left_s @param {boolean} kept whether the conversation is */
export function endingNotice(left_s, kept) {
  const left = left_s > 90 ? `${Math.round(left_s / 60)} minutes` : `${Math.round(left_s)} seconds`;
  return notice(
    `This session ends within ${left}.`,
    kept ? "Go on in a new one, with the same conversation." : "A new one begins a new conversation.",
    "renew",
    "Go on in a new one",
  );
}

/** The bot writes faster than it speaks, and is set not to wait. @param {string} text */
export function droppedProblem(text) {
  return problem(`The bot left out a sentence: “${text}”`, "It had more to say than it could speak in time.");
}

/** Something failed on the way to an answer; the session goes on. @param {string} message */
export function serverProblem(message) {
  if (KEY_WRONG.test(message)) return problem(message, "Who runs the bot has to mend its key.");
  if (UNREACHABLE.test(message)) return problem(message, "Say it again in a moment.");
  return problem(message, "You can simply go on.");
}
