/** The conversation as the page knows it: the server's last state, and what is kept of it between two sessions. */

import { fetchJson } from "./http.js";

/** @typedef {import("./types.d.ts").View} View */
/** @typedef {import("./types.d.ts").Verdict} Verdict */

const STORAGE_KEY = "voicebot.conversation";

/** The names that the server gives. Anything else in the storage was not written by us. */
const NAME = /^[\w-]{22,64}$/;

const CASES_FILE_NAME = "voice-bot-cases.jsonl";

export class Conversation {
  constructor() {
    /** The server's last state. @type {View | null} */
    this.view = null;
    this.bytesReceived = 0;
    /** The name under which the last session can be downloaded. @type {string | null} */
    this.recording = null;
    this.wrongVerdicts = new WrongVerdicts();
    /** The server's name for this session. */
    this._session = "";
    /** The conversation's name, until something is said in it: before that there is nothing to continue.
     * @type {string | null} */
    this._untouched = null;
  }

  /** A session begins. @param {import("./types.d.ts").Connected} connected */
  begin({ session_id, conversation, recording }) {
    this._session = session_id;
    this._untouched = conversation;
    // After an import to a server that keeps nothing, this session has it, and another one would start afresh.
    if (conversation === null) forgetConversation();
    this.recording = recording;
    this.bytesReceived = 0;
  }

  /** @param {View} view */
  update(view) {
    this.view = view;
    this.wrongVerdicts.update(this._session, view.verdicts);
    if (!this._untouched || view.chat.every((message) => message.interim)) return;
    rememberConversation(this._untouched);
    this._untouched = null;
  }

  /** The session is over: nothing in it is going on any more. */
  end() {
    this.view &&= ended(this.view);
  }

  /** Shows another conversation instead. @param {View | null} view */
  replace(view) {
    this.view = view;
    this.recording = null;
  }

  /** Returns what was said before a reload, if the server has it. @returns {Promise<View | null>} */
  async recall() {
    const name = rememberedConversation();
    if (name === null) return null;
    try {
      return await fetchJson(`conversations/${name}`);
    } catch {
      // It is gone, or the server cannot be reached, which it says when the user connects.
      return null;
    }
  }

  /** Deletes the conversation here and on the server. Throws what `fetchJson` throws. */
  async erase() {
    const name = rememberedConversation();
    if (name !== null) await fetchJson(`conversations/${name}`, { method: "DELETE" });
    if (this.recording !== null) await fetchJson(`recordings/${this.recording}.zip`, { method: "DELETE" });
    forgetConversation();
    this.replace(null);
  }
}

/** Returns the view once the session is over. @param {View} view @returns {View} */
export function ended(view) {
  const chat = view.chat
    .filter((message) => !message.interim)
    .map((message) =>
      message.live ? { ...message, live: false, unheard: "", interrupted: message.unheard !== "" } : message,
    );
  return { ...view, chat, phase: "idle", status: {}, confirmation: null, error: null };
}

/** The verdicts that the user called wrong, each as a line for the bot's test set. They outlive the page's list. */
export class WrongVerdicts {
  constructor() {
    /** @type {Map<string, string>} */
    this._lines = new Map();
  }

  get count() {
    return this._lines.size;
  }

  get lines() {
    return Array.from(this._lines.values());
  }

  /** Takes over what the server says of the verdicts that it still shows. Older ones stay as they were.
   * @param {string} session numbers its verdicts anew @param {Verdict[]} verdicts */
  update(session, verdicts) {
    for (const { number, case: line } of verdicts) {
      if (line === undefined) this._lines.delete(`${session}/${number}`);
      else this._lines.set(`${session}/${number}`, line);
    }
  }

  /** Gives them to the user as a file. */
  save() {
    const lines = this.lines.map((line) => `${line}\n`);
    const address = URL.createObjectURL(new Blob(lines, { type: "application/jsonl" }));
    const link = document.createElement("a");
    link.href = address;
    link.download = CASES_FILE_NAME;
    link.click();
    // The browser has taken over the file by the next task.
    setTimeout(() => URL.revokeObjectURL(address));
  }
}

/** Returns the name of the conversation to continue: this tab's own, or that of the tab that was used last.
 * @returns {string | null} */
export function rememberedConversation() {
  return stored(() => sessionStorage) ?? stored(() => localStorage);
}

/** @param {string} name */
export function rememberConversation(name) {
  tryStorage(() => sessionStorage.setItem(STORAGE_KEY, name));
  tryStorage(() => localStorage.setItem(STORAGE_KEY, name));
}

function forgetConversation() {
  tryStorage(() => sessionStorage.removeItem(STORAGE_KEY));
  tryStorage(() => localStorage.removeItem(STORAGE_KEY));
}

/** @param {() => Storage} storage @returns {string | null} */
function stored(storage) {
  const name = tryStorage(() => storage().getItem(STORAGE_KEY)) ?? null;
  return name !== null && NAME.test(name) ? name : null;
}

/** Returns undefined where the browser blocks storage, which throws even when it is only named.
 * @template T @param {() => T} use */
function tryStorage(use) {
  try {
    return use();
  } catch {
    return undefined;
  }
}
