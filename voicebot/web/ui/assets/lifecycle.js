/** What befalls a page besides its user: sleep, a network that goes and comes, being left and come back to. */

const TICK_MS = 1_000;

/** So much later than due, and the machine, or the page, was asleep. */
const OVERSLEPT_MS = 5_000;

/**
 * @typedef {object} Life
 * @property {() => void} doubt what was connected may no longer be, or may be again
 * @property {() => void} left the page is left: it may end without another word, or be kept for later
 * @property {() => void} returned the browser kept the page, and shows it again
 */

/** @param {Life} life */
export function watchLife({ doubt, left, returned }) {
  let ticked_ms = Date.now();
  setInterval(() => {
    const now_ms = Date.now();
    if (now_ms - ticked_ms > TICK_MS + OVERSLEPT_MS) doubt();
    ticked_ms = now_ms;
  }, TICK_MS);
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && doubt());
  document.addEventListener("resume", doubt);
  for (const change of ["online", "offline"]) addEventListener(change, doubt);
  addEventListener("pagehide", left);
  addEventListener("pageshow", (event) => event.persisted && returned());
}
