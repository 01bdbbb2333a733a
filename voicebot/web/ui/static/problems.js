/** What went wrong and what the user can do about it. The server's errors are told apart by their code. */

import { Refused, Unreachable } from "./http.js";

/**
 * @typedef {object} Problem
 * @property {string} text
 * @property {string} advice
 * @property {"reconnect" | "renew" | "unblock" | null} action what its button does, beside dismissing it
 * @property {string} button
 * @property {boolean} calm whether it is only a notice
 */

/** @param {string} text @param {string} advice @param {Problem["action"]} [action] @param {string} [button]
 * @returns {Problem} */
export function makeProblem(text, advice, action = null, button = action ? "Reconnect" : "Dismiss") {
  return { text, advice, action, button, calm: false };
}

/** @param {Parameters<typeof makeProblem>} parts @returns {Problem} */
function makeNotice(...parts) {
  return { ...makeProblem(...parts), calm: true };
}

export const CONNECTION_LOST = makeProblem(
  "The connection was lost.",
  "Check your network, then reconnect.",
  "reconnect",
);
export const SOUND_BLOCKED = makeProblem(
  "Your browser has blocked the sound.",
  "Press the button to hear the bot.",
  "unblock",
  "Play sound",
);
export const MICROPHONE_UNPLUGGED = makeProblem(
  "The microphone was disconnected.",
  "Plug it in again, or type instead.",
);
export const LEFT_PAGE = makeNotice(
  "You left this page.",
  "You can continue the conversation where you left off.",
  "reconnect",
  "Continue",
);

/** Returns why the microphone could not be opened. @param {unknown} error of `openMicrophone` @returns {Problem} */
export function microphoneProblem(error) {
  if (!window.isSecureContext) {
    return makeProblem("The microphone needs a secure page.", "Open this page over https, or type.");
  }
  const name = error instanceof DOMException ? error.name : "";
  switch (name) {
    case "NotAllowedError":
      return makeProblem(
        "The microphone is blocked.",
        "Allow it in your browser's address bar and press again, or type.",
      );
    case "NotFoundError":
      return makeProblem("No microphone was found.", "Plug one in and press again, or type.");
    case "NotReadableError":
      return makeProblem("Another program is using the microphone.", "Close that program and press again, or type.");
    default:
      return makeProblem("The microphone does not work here.", "Try another browser, or type.");
  }
}

/** The microphone was unplugged during a conversation.
 * @param {unknown} error why there is no other @returns {Problem} */
export function microphoneLostProblem(error) {
  const none = error instanceof DOMException && error.name === "NotFoundError";
  return none ? MICROPHONE_UNPLUGGED : microphoneProblem(error);
}

/** @param {string} label of the microphone that is used now */
export function switchedNotice(label) {
  return makeNotice(
    "Your microphone was disconnected.",
    label ? `“${label}” is used now.` : "Another one is used now.",
  );
}

/** Returns why there is no connection. @param {unknown} error @returns {Problem} */
export function connectionProblem(error) {
  if (error instanceof Refused) return refusalProblem(error);
  if (error instanceof Unreachable && error.message === "no media") {
    return makeProblem(
      "The sound cannot get through.",
      "A firewall may be blocking it. Try another network.",
      "reconnect",
    );
  }
  return makeProblem("The bot cannot be reached.", "Try again in a moment.", "reconnect");
}

/** Returns why the retries after a lost connection failed. @param {unknown} error of the last one @returns {Problem} */
export function lostProblem(error) {
  return error instanceof Refused ? refusalProblem(error) : CONNECTION_LOST;
}

/** @param {Refused} error @returns {Problem} */
function refusalProblem({ code, problemCode, status, limit, message }) {
  if (status === 401) return makeProblem("Your name or password was not accepted.", "Reload the page to log in.");
  switch (code) {
    case "full":
      return makeProblem(
        "The bot is busy.",
        limit
          ? `All ${limit} places are taken. Try again in a minute.`
          : "All places are taken. Try again in a minute.",
        "reconnect",
        "Try again",
      );
    case "address":
      return makeProblem("You are already talking to the bot.", message, "reconnect", "Try again");
    case "day":
      return makeProblem("That's all for today.", message);
    case "rate":
      return makeProblem("You are connecting too often.", "Wait a moment, then try again.", "reconnect", "Try again");
    case "engines":
      return enginesProblem(message, problemCode);
    default:
      return makeProblem("The bot refused the connection.", message, "reconnect");
  }
}

/** No session can work, because some stage has no engine. @param {string} message
 * @param {string | null | undefined} code */
export function enginesProblem(message, code) {
  return makeProblem(
    message,
    code === "credentials"
      ? "The bot's operator has to fix the key or the account. The list of engines says more."
      : "The list of engines says more. Check again in a moment.",
  );
}

/** Returns whether a new session may last after the server ended one for this reason.
 * @param {string | undefined} code */
export function canReconnectAfter(code) {
  return code === "fault" || code === "media" || code === "moving" || code === "shutdown";
}

/** The server ended the session. @param {string | undefined} code @param {string} reason
 * @param {boolean} kept whether the conversation is kept @returns {Problem} */
export function closedProblem(code, reason, kept) {
  switch (code) {
    case "elsewhere":
      return makeNotice(
        "This conversation continues in another tab.",
        "Only one tab can use it at a time.",
        "reconnect",
        "Continue here",
      );
    case "time":
      return makeNotice(
        reason,
        kept ? "You can continue the conversation in a new session." : "You can start a new session.",
        "reconnect",
        "Continue",
      );
    case "day":
      return makeProblem("That's all for today.", reason);
    case "full":
    case "address":
      return refusalProblem(new Refused(reason, { code }));
    case "idle":
      return makeNotice(
        "The bot hung up because nobody spoke.",
        "You can continue whenever you like.",
        "reconnect",
        "Continue",
      );
    default:
      return makeProblem("The bot ended the conversation.", reason, "reconnect");
  }
}

/** The session is about to reach its time limit.
 * @param {number} left_s @param {boolean} kept whether the conversation is kept */
export function endingNotice(left_s, kept) {
  const left = left_s > 90 ? `${Math.round(left_s / 60)} minutes` : `${Math.round(left_s)} seconds`;
  return makeNotice(
    `This session ends in ${left}.`,
    kept ? "You can continue the conversation in a new one." : "A new session starts a new conversation.",
    "renew",
    kept ? "Continue in a new session" : "Start a new session",
  );
}

/** The bot writes faster than it speaks, and is set not to wait. @param {string} sentence */
export function droppedProblem(sentence) {
  return makeProblem(`The bot skipped a sentence: “${sentence}”`, "It had more to say than it could speak in time.");
}

/** Something failed on the way to an answer, and the session goes on.
 * @param {import("./types.d.ts").ServerError} error @returns {Problem} */
export function serverProblem({ code, message: text }) {
  const message = /[.!?…”]$/.test(text) ? text : `${text}.`;
  switch (code) {
    case "credentials":
      return makeProblem(message, "The bot's operator has to fix the key or the account.");
    case "unavailable":
      return makeProblem(message, "Say it again in a moment.");
    default:
      return makeProblem(message, "You can simply carry on.");
  }
}
