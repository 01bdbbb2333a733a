/** Draws the guided tour and carries out the commands of its steps. */

import { find, isForSomethingElse, makeButton, resize, write } from "./dom.js";
import { OFF, tourStep } from "./tour_steps.js";
import { tourText } from "./tour_text.js";

/** @typedef {import("./session.js").Session} Session */
/** @typedef {import("./tour_steps.js").Input} Input */
/** @typedef {import("./tour_steps.js").Command} Command */

const STORAGE_KEY = "voicebot.tour";
const HINT_CHECK_MS = 1_000;

/** What the tour can point at. On a phone the list of verdicts is far away. */
const HIGHLIGHTED = { talk: "#vb-talk", verdict: "#vb-verdicts, .vb-last-verdict" };

export class GuidedTour {
  /** @param {Session} session @param {HTMLElement} root */
  constructor(session, root) {
    this._session = session;
    this._root = root;
    this._tour = OFF;
    /** @type {ReturnType<typeof setInterval> | undefined} */
    this._timer = undefined;
    /** What had the keyboard's focus before. @type {HTMLElement | null} */
    this._focusedBefore = null;
    find(root, ".vb-tour-leave").addEventListener("click", () => this._step("leave"));
    find(root, ".vb-tour-buttons").addEventListener("click", (event) => this._pressed(event));
    for (const button of document.querySelectorAll("[data-tour]")) {
      button.addEventListener("click", () => this._step("start"));
    }
    // Captures Escape before the page takes it for an interruption.
    window.addEventListener("keydown", (event) => this._keyPressed(event), { capture: true });
    this._draw();
  }

  sessionChanged() {
    if (this._tour !== OFF) this._step("seen");
  }

  /** @param {Event} event */
  _pressed(event) {
    const input = event.target instanceof Element ? event.target.closest("button")?.dataset.input : undefined;
    if (input) this._step(/** @type {Input} */ (input));
  }

  /** @param {KeyboardEvent} event */
  _keyPressed(event) {
    if (event.key !== "Escape" || this._tour === OFF || isForSomethingElse(event)) return;
    event.stopPropagation();
    this._step("leave");
  }

  /** @param {Input} input */
  _step(input) {
    const [tour, commands] = tourStep(this._tour, input, seen(this._session), performance.now());
    const wasOpen = this._tour !== OFF;
    this._tour = tour;
    this._draw();
    if (wasOpen !== (tour !== OFF)) this._openChanged(tour !== OFF);
    else if (input !== "seen") this._focus();
    for (const command of commands) this._do(command);
  }

  /** @param {boolean} open */
  _openChanged(open) {
    clearInterval(this._timer);
    if (open) {
      this._timer = setInterval(() => this._step("seen"), HINT_CHECK_MS);
      this._focusedBefore = document.activeElement instanceof HTMLElement ? document.activeElement : null;
      this._focus();
    } else if (this._focusedBefore?.checkVisibility()) {
      this._focusedBefore.focus();
    } else {
      find(document, "#vb-open-tour").focus();
    }
  }

  /** Brings the tour into sight and gives it the keyboard's focus. */
  _focus() {
    find(this._root, ".vb-tour-title").focus({ preventScroll: true });
    this._root.scrollIntoView({ block: "nearest" });
  }

  /** @param {Command} command */
  _do(command) {
    switch (command.do) {
      case "say":
        return void this._session.sendText(command.text);
      case "talk":
        return void this._session.talk();
      case "interrupt":
        return this._session.interrupt();
      case "remember":
        rememberTour();
        return this._draw();
    }
  }

  _draw() {
    const open = this._tour !== OFF;
    this._root.hidden = !open;
    for (const button of document.querySelectorAll("[data-tour]")) {
      button.setAttribute("aria-disabled", String(open));
    }
    write(find(document, ".vb-tour-offer button"), wasTaken() ? "Show me again" : "Show me");
    const { part, title, text, hint, buttons, highlights } = tourText(this._tour, seen(this._session));
    for (const [name, selector] of Object.entries(HIGHLIGHTED)) {
      for (const element of document.querySelectorAll(selector)) {
        element.classList.toggle("vb-highlighted", open && name === highlights);
      }
    }
    if (!open) return;
    write(find(this._root, ".vb-tour-part"), part);
    write(find(this._root, ".vb-tour-title"), title);
    write(find(this._root, ".vb-tour-text"), text);
    write(find(this._root, ".vb-tour-hint"), hint);
    const list = find(this._root, ".vb-tour-buttons");
    const hadFocus = list.contains(document.activeElement);
    resize(list, buttons.length, () => makeButton("vb-tour-button"));
    if (hadFocus && !list.contains(document.activeElement)) find(this._root, ".vb-tour-title").focus();
    buttons.forEach(([input, label], place) => {
      list.children[place].setAttribute("data-input", input);
      write(list.children[place], label);
    });
  }
}

/** @param {Session} session @returns {import("./tour_steps.js").Seen} */
function seen({ state, talking, muted, holdsToTalk: holds, view }) {
  const { phase = "idle", older = 0, chat = [], verdicts = [] } = view ?? {};
  return { on: state.link === "on", talking, muted, holds, phase, older, chat, verdicts };
}

/** The browser may block its storage. Then the tour is offered as new each time. */
function wasTaken() {
  try {
    return localStorage.getItem(STORAGE_KEY) === "done";
  } catch {
    return false;
  }
}

function rememberTour() {
  try {
    localStorage.setItem(STORAGE_KEY, "done");
  } catch {
    // See above.
  }
}
