/** What went wrong, in plain words: what it is, and what to do about it. */

import { Refused, Unreachable } from "./connection.js";

/**
 * @typedef {object} Problem
 * @property {string} what
 * @property {string} todo
 * @property {"reconnect" | "unblock" | null} action what the button beside it does, if there is one
 */

/** @param {string} what @param {string} todo @param {Problem["action"]} [action] @returns {Problem} */
export function problem(what, todo, action = null) {
  return { what, todo, action };
}

export const CONNECTION_LOST = problem("The connection was lost.", "Check your network, then reconnect.", "reconnect");
export const SOUND_BLOCKED = problem("The browser holds the sound back.", "Allow it to be played.", "unblock");
export const MICROPHONE_GONE = problem(
  "The microphone is gone.",
  "Plug it in again and press the button, or go on by typing.",
);

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

/** Why there is no connection. @param {unknown} error @returns {Problem} */
export function connectionProblem(error) {
  if (error instanceof Refused) return refusal(error);
  if (error instanceof Unreachable && error.message === "no media") {
    return problem("The sound cannot get through.", "A firewall may hold it back: try another network.", "reconnect");
  }
  return problem("The bot cannot be reached.", "Is it running? Try again in a moment.", "reconnect");
}

/** @param {Refused} error */
function refusal({ code, limit }) {
  if (code === "concurrency_limit_reached") {
    const taken = limit ? `All ${limit} lines are taken.` : "All lines are taken.";
    return problem(taken, "Try again in a minute.", "reconnect");
  }
  return problem("The bot refused the connection.", code, "reconnect");
}

/** No session can work: some stage has no engine. @param {string} message */
export function enginesProblem(message) {
  return problem(message, "The engines' own list, below, says more; check again in a moment.");
}

/** The server ended the session. @param {string} reason */
export function closedProblem(reason) {
  return problem("The bot ended the conversation.", reason, "reconnect");
}

/** The bot writes faster than it speaks, and is set not to wait. @param {string} text */
export function droppedProblem(text) {
  return problem(`The bot left out a sentence: “${text}”`, "It had more to say than it could speak in time.");
}

/** Something failed on the way to an answer; the session goes on. @param {string} message */
export function serverProblem(message) {
  return problem(message, "You can simply go on.");
}
