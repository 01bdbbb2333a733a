/** Which conversation to go on with, in the browser's storage, which may be blocked: a reload finds it there. */

const KEY = "voicebot.conversation";

/** As the server names them; anything else was not written by us. */
const NAME = /^[\w-]{22,64}$/;

/** The conversation's name, if there is one: this tab's own, else that of the tab which spoke last.
 * @returns {string | null} */
export function remembered() {
  return stored(() => sessionStorage) ?? stored(() => localStorage);
}

/** @param {string} name */
export function remember(name) {
  attempt(() => sessionStorage.setItem(KEY, name));
  attempt(() => localStorage.setItem(KEY, name));
}

export function forget() {
  attempt(() => sessionStorage.removeItem(KEY));
  attempt(() => localStorage.removeItem(KEY));
}

/** @param {() => Storage} storage @returns {string | null} */
function stored(storage) {
  const name = attempt(() => storage().getItem(KEY)) ?? null;
  return name !== null && NAME.test(name) ? name : null;
}

/** Where storage is blocked, even naming it throws: then a reload begins anew. @template T @param {() => T} use */
function attempt(use) {
  try {
    return use();
  } catch {
    return undefined;
  }
}
