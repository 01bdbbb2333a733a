/** What can be known before one talks: microphone, its level, echo, engines. Nothing is asked of the user unpressed. */

import { hasMicrophone } from "./microphone.js";
import { microphoneProblem } from "./problems.js";
import { checkEcho, checkLevel } from "./sound_check.js";

/**
 * @typedef {object} Item
 * @property {"todo" | "busy" | "ok" | "problem"} state
 * @property {string} word that says it beside the item's name
 * @property {string} advice what it means, and what to do
 */

/** @param {Item["state"]} state @param {string} word @param {string} [advice] @returns {Item} */
function item(state, word, advice = "") {
  return { state, word, advice };
}

/** @type {Record<string, Item>} */
const MICROPHONE = {
  granted: item("ok", "allowed"),
  prompt: item("todo", "will ask"),
  denied: item("problem", "blocked", "Blocked: allow it or type."),
  missing: item("problem", "missing", "No microphone: you can type."),
  insecure: item("problem", "needs https", "It needs https: you can type."),
};

/** @type {Record<string, Item>} */
const LEVEL = {
  untested: item("todo", "test"),
  testing: item("busy", "speak…", "Say something, please."),
  heard: item("ok", "heard", "We hear you."),
  quiet: item("problem", "very quiet", "Very quiet: come closer."),
  clipping: item("problem", "clipping", "Clipping: move away a little."),
  nothing: item("problem", "silent", "No sound at all: is it muted?"),
};

/** @type {Record<string, Item>} */
const ECHO = {
  untested: item("todo", "test"),
  testing: item("busy", "listen…", "Quiet, please: a soft sound."),
  good: item("ok", "none", "No echo: nothing comes back."),
  some: item("problem", "some", "Some echo: headphones help."),
  much: item("problem", "much", "Much echo: use headphones."),
};

/** @type {Record<string, Item>} */
const ENGINES = {
  unknown: item("todo", "…"),
  ready: item("ok", "ready"),
  limited: item("ok", "limited", "Stand-ins do some of the work."),
  typing: item("problem", "typing only", "It understands no speech: you can type."),
  down: item("problem", "down", "It cannot answer just now."),
};

/** @typedef {"level" | "echo"} Test */

export class Preflight {
  /** @param {{changed: () => void, level: (dbfs: number) => void, problem: (problem: any) => void}} events */
  constructor(events) {
    this._events = events;
    this.items = {
      microphone: MICROPHONE.prompt,
      level: LEVEL.untested,
      echo: ECHO.untested,
      engines: ENGINES.unknown,
    };
    /** Of what was found out last. */
    this.advice = "";
    this._wanted = new AbortController();
  }

  /** Looks at the microphone, now and whenever something about it changes. */
  async watch() {
    navigator.mediaDevices?.addEventListener?.("devicechange", () => void this._look());
    try {
      const permission = await navigator.permissions.query({ name: /** @type {PermissionName} */ ("microphone") });
      this._permission = permission;
      permission.addEventListener("change", () => void this._look());
    } catch {
      // A browser that does not tell: it asks when one presses.
    }
    await this._look();
  }

  async _look() {
    if (!window.isSecureContext) return this._find("microphone", MICROPHONE.insecure);
    const there = await hasMicrophone().catch(() => true);
    this._find("microphone", there ? MICROPHONE[this._permission?.state ?? "prompt"] : MICROPHONE.missing);
  }

  /** What the server says of its engines. @param {Record<string, import("./engines.js").Health[]>} stages */
  judgeEngines(stages) {
    this.items.engines = enginesItem(stages);
  }

  /** Presses the item: tests it, or stops the test. @param {Test} test */
  async press(test) {
    const running = this.items[test].state === "busy";
    this.stop();
    if (running) return;
    const { signal } = (this._wanted = new AbortController());
    const words = test === "level" ? LEVEL : ECHO;
    this._find(test, words.testing);
    try {
      const found = await (test === "level" ? checkLevel(signal, this._events.level) : checkEcho(signal));
      if (signal.aborted || !found) return;
      this._events.level(-Infinity);
      this._find(test, words[found]);
    } catch (error) {
      if (signal.aborted) return;
      this._find(test, words.untested);
      this._events.problem(microphoneProblem(error));
    }
  }

  /** One talks, or presses another test: no test goes on, and what was found is no news any more. */
  stop() {
    this.advice = "";
    const test = /** @type {const} */ (["level", "echo"]).find((each) => this.items[each].state === "busy");
    if (!test) return;
    this._wanted.abort();
    this._events.level(-Infinity);
    this._find(test, (test === "level" ? LEVEL : ECHO).untested);
  }

  /** @param {keyof Preflight["items"]} name @param {Item} found */
  _find(name, found) {
    if (this.items[name] === found) return;
    this.items[name] = found;
    this.advice = found.advice;
    this._events.changed();
  }
}

/** @param {Record<string, import("./engines.js").Health[]>} stages @returns {Item} */
export function enginesItem(stages) {
  const all = Object.values(stages);
  if (!all.length) return ENGINES.unknown;
  const stuck = Object.keys(stages).filter((stage) => !stages[stage].some(({ ready }) => ready));
  if (stuck.length) return stuck.every((stage) => stage === "stt") ? ENGINES.typing : ENGINES.down;
  return all.some((engines) => !engines[0].ready) ? ENGINES.limited : ENGINES.ready;
}
