/** Draws the guided tour and carries out what its steps ask for. */

import { find, isElsewhere, make, resize, write } from "./dom.js";
import { OFF, advance } from "./tour_steps.js";
import { tourWords } from "./tour_words.js";

/** @typedef {import("./session.js").Session} Session */
/** @typedef {import("./tour_steps.js").Input} Input */
/** @typedef {import("./tour_steps.js").Command} Command */

const DONE_KEY = "voicebot.tour";
const HINT_LOOK_MS = 1_000;

/** What each pointer of the tour means on the page; on a phone the verdicts' card is far below. */
const POINTED = { talk: "#vb-talk", verdict: "#vb-rulings, .vb-last-verdict" };

export class GuidedTour {
  /** @param {Session} session @param {HTMLElement} root */
  constructor(session, root) {
    this._session = session;
    this._root = root;
    this._tour = OFF;
    /** @type {ReturnType<typeof setInterval> | undefined} */
    this._clock = undefined;
    /** Where the keyboard was before. @type {HTMLElement | null} */
    this._from = null;
    find(root, ".vb-tour-leave").addEventListener("click", () => this._take("leave"));
    find(root, ".vb-tour-choices").addEventListener("click", (event) => this._chosen(event));
    for (const button of document.querySelectorAll("[data-tour]")) {
      button.addEventListener("click", () => this._take("start"));
    }
    // Before the page takes Escape for an interruption.
    window.addEventListener("keydown", (event) => this._escaped(event), { capture: true });
    this._draw();
  }

  /** The session has changed. */
  changed() {
    if (this._tour !== OFF) this._take("seen");
  }

  /** @param {Event} event */
  _chosen(event) {
    const choice = event.target instanceof Element ? event.target.closest("button")?.dataset.choice : undefined;
    if (choice) this._take(/** @type {Input} */ (choice));
  }

  /** @param {KeyboardEvent} event */
  _escaped(event) {
    if (event.key !== "Escape" || this._tour === OFF || isElsewhere(event)) return;
    event.stopPropagation();
    this._take("leave");
  }

  /** @param {Input} input */
  _take(input) {
    const [tour, commands] = advance(this._tour, input, seen(this._session), performance.now());
    const wasOpen = this._tour !== OFF;
    this._tour = tour;
    this._draw();
    if (wasOpen !== (tour !== OFF)) this._opened(tour !== OFF);
    else if (input !== "seen") this._attend();
    for (const command of commands) this._do(command);
  }

  /** @param {boolean} open */
  _opened(open) {
    clearInterval(this._clock);
    if (open) {
      this._clock = setInterval(() => this._take("seen"), HINT_LOOK_MS);
      this._from = document.activeElement instanceof HTMLElement ? document.activeElement : null;
      this._attend();
    } else if (this._from?.checkVisibility()) {
      this._from.focus();
    } else {
      find(document, "#vb-show-me").focus();
    }
  }

  /** The keyboard's place, and the eye's, is here. */
  _attend() {
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
        remind();
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
    const { part, title, text, hint, choices, points } = tourWords(this._tour, seen(this._session));
    for (const [name, selector] of Object.entries(POINTED)) {
      for (const element of document.querySelectorAll(selector)) {
        element.classList.toggle("vb-pointed", open && name === points);
      }
    }
    if (!open) return;
    write(find(this._root, ".vb-tour-part"), part);
    write(find(this._root, ".vb-tour-title"), title);
    write(find(this._root, ".vb-tour-text"), text);
    write(find(this._root, ".vb-tour-hint"), hint);
    const list = find(this._root, ".vb-tour-choices");
    const held = list.contains(document.activeElement);
    resize(list, choices.length, makeChoice);
    if (held && !list.contains(document.activeElement)) find(this._root, ".vb-tour-title").focus();
    choices.forEach(([choice, label], place) => {
      list.children[place].setAttribute("data-choice", choice);
      write(list.children[place], label);
    });
  }
}

function makeChoice() {
  const button = make("button", "vb-choice");
  button.setAttribute("type", "button");
  return button;
}

/** @param {Session} session @returns {import("./tour_steps.js").Seen} */
function seen({ link, talking, muted, view }) {
  const { phase = "idle", older = 0, chat = [], rulings = [] } = view ?? {};
  return { on: link === "on", talking, muted, phase, older, chat, rulings };
}

/** The browser's storage may be blocked: then the tour is offered as new each time. */
function wasTaken() {
  try {
    return localStorage.getItem(DONE_KEY) === "done";
  } catch {
    return false;
  }
}

function remind() {
  try {
    localStorage.setItem(DONE_KEY, "done");
  } catch {
    // As above.
  }
}
