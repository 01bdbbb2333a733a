/** The conversation as the page knows it: the server's last whole state, and what is kept of it between two sessions. */

import { fetchJson } from "./connection.js";
import { forget, remember, remembered } from "./memory.js";
import { WrongCalls } from "./wrong_calls.js";

export class Conversation {
  constructor() {
    /** @type {Record<string, any> | null} the server's last whole state */
    this.view = null;
    this.bytesHeard = 0;
    /** @type {string | null} the name under which the last session can be taken along */
    this.recording = null;
    this.wrongCalls = new WrongCalls();
    /** The server's name for this session. */
    this._session = "";
    /** @type {string | null} the conversation's name, until something was said in it: only then is it worth going on */
    this._unspoken = null;
  }

  /** @param {Record<string, any>} connected the message of a new session */
  begin({ session_id, conversation, recording }) {
    this._session = session_id;
    this._unspoken = conversation;
    // An import to a server that keeps nothing: this session has taken it over, and another would begin anew.
    if (conversation === null) forget();
    this.recording = recording;
    this.bytesHeard = 0;
  }

  /** @param {Record<string, any>} state */
  take(state) {
    this.view = state;
    this.wrongCalls.collect(this._session, state.rulings);
    if (!this._unspoken || !state.chat.length) return;
    remember(this._unspoken);
    this._unspoken = null;
  }

  /** The session is over: nothing goes on in it any more. */
  end() {
    this.view &&= ended(this.view);
  }

  /** Another one, in the place of this. @param {Record<string, any> | null} view */
  replace(view) {
    this.view = view;
    this.recording = null;
  }

  /** What was said before a reload, if it can be had. @returns {Promise<Record<string, any> | null>} */
  async recall() {
    const name = remembered();
    if (name === null) return null;
    try {
      return await fetchJson(`conversations/${name}`);
    } catch {
      // It is gone, or out of reach for now: the server says more when one connects.
      return null;
    }
  }

  /** Deletes it, there and here. Throws what `fetchJson` throws. */
  async erase() {
    const name = remembered();
    if (name !== null) await fetchJson(`conversations/${name}`, { method: "DELETE" });
    if (this.recording !== null) await fetchJson(`recordings/${this.recording}.zip`, { method: "DELETE" });
    forget();
    this.replace(null);
  }
}

/** @param {Record<string, any>} view */
function ended(view) {
  const chat = view.chat
    .filter((/** @type {any} */ message) => !message.interim)
    .map((/** @type {any} */ message) =>
      message.live ? { ...message, live: false, unheard: "", interrupted: message.unheard !== "" } : message,
    );
  return { ...view, chat, phase: "idle", status: {}, error: null };
}
