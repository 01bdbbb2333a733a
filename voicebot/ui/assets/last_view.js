/** What is left to see of a session. */

/** The last state of a session that is over: nothing goes on in it any more. @param {Record<string, any>} view */
export function ended(view) {
  const chat = view.chat
    .filter((/** @type {any} */ message) => !message.interim)
    .map((/** @type {any} */ message) =>
      message.live ? { ...message, live: false, unheard: "", interrupted: message.unheard !== "" } : message,
    );
  return { ...view, chat, phase: "idle", status: {}, error: null };
}
