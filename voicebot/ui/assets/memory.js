/** Which conversation to go on with, in the browser's storage, which may be blocked: a reload finds it there. */

const KEY = "voicebot.conversation";

/** As the server names them; anything else was not written by us. */
const NAME = /^[\w-]{22,64}$/;

/** The conversation's name, if there is one. @returns {string | null} */
export function remembered() {
  try {
    const name = localStorage.getItem(KEY);
    return name !== null && NAME.test(name) ? name : null;
  } catch {
    return null;
  }
}

/** @param {string} name */
export function remember(name) {
  try {
    localStorage.setItem(KEY, name);
  } catch {
    // Then a reload begins anew.
  }
}

export function forget() {
  try {
    localStorage.removeItem(KEY);
  } catch {
    // Nothing can have been stored.
  }
}
