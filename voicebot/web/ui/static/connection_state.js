/** The state of the connection to the bot, as a pure function of what has happened. Everything else only reads it. */

/**
 * @typedef {object} ConnectionState
 * @property {"off" | "connecting" | "on" | "reconnecting"} link
 * @property {"off" | "asking" | "on"} microphone "asking" while the browser asks the user for permission
 * @property {boolean} wantsToTalk whether the user's last choice was to talk, not only to type
 * @property {number} retry the number of the next retry, from 1, while the link is "reconnecting"
 * @property {number} attempt changes when the user starts or ends something: what an older attempt brings is dropped
 */

/**
 * @typedef {{type: "microphone requested"} | {type: "microphone opened"} | {type: "microphone closed"}
 *   | {type: "typing requested"} | {type: "connecting"} | {type: "connected"} | {type: "lost", retry: number}
 *   | {type: "ended"}} ConnectionEvent
 */

/** @type {Readonly<ConnectionState>} */
export const DISCONNECTED = { link: "off", microphone: "off", wantsToTalk: false, retry: 0, attempt: 0 };

/** Returns the state after the event. An event that comes too late changes nothing.
 * @param {Readonly<ConnectionState>} state @param {ConnectionEvent} event @returns {Readonly<ConnectionState>} */
export function connectionStep(state, event) {
  const { link, microphone, attempt } = state;
  switch (event.type) {
    case "microphone requested":
      return { ...state, microphone: "asking", wantsToTalk: true, attempt: attempt + 1 };
    case "microphone opened":
      return microphone === "asking" ? { ...state, microphone: "on" } : state;
    case "microphone closed":
      return { ...state, microphone: "off" };
    case "typing requested":
      return { ...state, wantsToTalk: false, attempt: attempt + 1 };
    case "connecting":
      return { ...state, link: "connecting" };
    case "connected":
      return link === "off" ? state : { ...state, link: "on", retry: 0 };
    case "lost":
      return link === "off" ? state : { ...state, link: "reconnecting", retry: event.retry };
    case "ended":
      return { ...DISCONNECTED, wantsToTalk: state.wantsToTalk, attempt: attempt + 1 };
  }
}

/** Returns whether nothing is connected, and nothing is about to be. @param {Readonly<ConnectionState>} state */
export function isDisconnected({ link, microphone }) {
  return link === "off" && microphone === "off";
}

/** Returns whether the user can ask for the microphone now. @param {Readonly<ConnectionState>} state */
export function canTalk({ link, microphone }) {
  return microphone === "off" && (link === "off" || link === "on");
}
