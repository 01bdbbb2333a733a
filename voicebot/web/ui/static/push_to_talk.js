/** Push-to-talk: the user holds the talk button, or the space bar, while they speak. */

import { isForSomethingElse } from "./dom.js";

/** @typedef {import("./session.js").Session} Session */

/** A shorter press keeps the button down until the next one. */
export const SHORT_MS = 300;

/**
 * How the talk button is held: "up", "held" since `since_ms`, or "kept" down after a short press.
 * @typedef {{how: "up" | "held" | "kept", since_ms: number}} Hold
 */

/** @typedef {"down" | "up" | "click" | "let go"} HoldEvent */

/** @type {Readonly<Hold>} */
export const UP = { how: "up", since_ms: 0 };

/** Returns how the button is held after an event. "click" is a press of which no length is known, such as that of a
 * screen reader. @param {Readonly<Hold>} hold @param {HoldEvent} event @param {number} now_ms
 * @returns {Readonly<Hold>} */
export function holdStep(hold, event, now_ms) {
  switch (event) {
    case "down":
      return hold.how === "up" ? { how: "held", since_ms: now_ms } : UP;
    case "up":
      if (hold.how === "held" && now_ms - hold.since_ms < SHORT_MS) return { ...hold, how: "kept" };
      return hold.how === "kept" ? hold : UP;
    case "click":
      return hold.how === "up" ? { how: "kept", since_ms: now_ms } : UP;
    case "let go":
      return UP;
  }
}

/** Lets the talk button and the space bar talk while push-to-talk is on; else the button does its usual `act`. */
export class TalkButton {
  /** @param {Session} session @param {HTMLElement} button @param {() => void} act */
  constructor(session, button, act) {
    this._session = session;
    this._button = button;
    this._hold = UP;
    this._isKeyDown = false;
    /** Whether the click that follows belongs to a press that has been handled. */
    this._handled = false;
    button.addEventListener("pointerdown", (event) => this._pointerDown(event));
    button.addEventListener("pointerup", () => this._step("up"));
    button.addEventListener("pointercancel", () => this._step("let go"));
    button.addEventListener("contextmenu", (event) => session.holdsToTalk && event.preventDefault());
    button.addEventListener("click", (event) => this._clicked(event, act));
    document.addEventListener("keydown", (event) => this._keyDown(event));
    document.addEventListener("keyup", (event) => this._keyUp(event));
    addEventListener("blur", () => this._hold.how === "held" && this._step("let go"));
  }

  /** Whether the button stays down until it is pressed again. */
  get isKept() {
    return this._hold.how === "kept";
  }

  /** The session has changed: it may have let go of the button. */
  sessionChanged() {
    if (!this._session.pressed) this._hold = UP;
  }

  /** @param {HoldEvent} event */
  _step(event) {
    if (!this._session.holdsToTalk) return;
    this._hold = holdStep(this._hold, event, performance.now());
    this._session.setPressed(this._hold.how !== "up");
  }

  /** @param {PointerEvent} event */
  _pointerDown({ button, pointerId }) {
    this._handled = this._session.holdsToTalk && button === 0;
    if (!this._handled) return;
    this._button.setPointerCapture(pointerId); // so that the button is let go wherever the pointer is by then
    this._step("down");
  }

  /** @param {MouseEvent} event @param {() => void} act */
  _clicked({ detail }, act) {
    const handled = this._handled && detail > 0; // a keyboard's or a screen reader's click has no detail
    this._handled = false;
    if (handled) return;
    if (this._session.holdsToTalk) this._step("click");
    else act();
  }

  /** @param {KeyboardEvent} event */
  _keyDown(event) {
    if (event.key !== " " || !this._session.holdsToTalk) return;
    if (event.ctrlKey || event.metaKey || event.altKey || isForSomethingElse(event)) return;
    const other = event.target instanceof Element && event.target.closest("button, input, textarea, select, a");
    if (other && other !== this._button) return;
    event.preventDefault(); // neither a scroll nor a click
    if (event.repeat) return;
    this._isKeyDown = true;
    this._step("down");
  }

  /** The key counts wherever the focus is by then. @param {KeyboardEvent} event */
  _keyUp(event) {
    if (event.key !== " " || !this._isKeyDown) return;
    this._isKeyDown = false;
    event.preventDefault();
    this._step("up");
  }
}
