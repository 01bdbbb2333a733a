/** The checks before the user talks: microphone, level, echo, engines. None asks for anything before it is pressed. */

import { hasMicrophone } from "./audio.js";
import { find, write } from "./dom.js";
import { microphoneProblem } from "./problems.js";
import { checkEcho, checkLevel } from "./sound_check.js";

/** @typedef {import("./problems.js").Problem} Problem */
/** @typedef {import("./types.d.ts").EngineHealth} EngineHealth */

/**
 * @typedef {object} Item
 * @property {"todo" | "busy" | "ok" | "problem"} state
 * @property {string} word beside the item's name
 * @property {string} advice what the result means, and what to do
 */

/** @param {Item["state"]} state @param {string} word @param {string} [advice] @returns {Item} */
function makeItem(state, word, advice = "") {
  return { state, word, advice };
}

export const MICROPHONE = {
  granted: makeItem("ok", "allowed"),
  prompt: makeItem("todo", "will ask"),
  denied: makeItem("problem", "blocked", "Blocked: allow it, or type."),
  missing: makeItem("problem", "not found", "No microphone: you can type."),
  insecure: makeItem("problem", "needs https", "It needs https: you can type."),
};

const LEVEL = {
  untested: makeItem("todo", "test"),
  testing: makeItem("busy", "speak…", "Say something, please."),
  good: makeItem("ok", "good", "Your microphone works well."),
  quiet: makeItem("problem", "too quiet", "Too quiet: move closer."),
  clipping: makeItem("problem", "too loud", "Too loud: move back a little."),
  nothing: makeItem("problem", "silent", "No sound at all: is it muted?"),
};

const ECHO = {
  untested: makeItem("todo", "test"),
  testing: makeItem("busy", "listen…", "Playing a soft sound. Quiet, please."),
  none: makeItem("ok", "none", "There is no echo."),
  some: makeItem("problem", "some", "Some echo: headphones help."),
  strong: makeItem("problem", "strong", "Strong echo: use headphones."),
};

export const ENGINES = {
  unknown: makeItem("todo", "…"),
  ready: makeItem("ok", "ready"),
  limited: makeItem("ok", "limited", "Some engines are down."),
  typing: makeItem("problem", "typing only", "It cannot hear you: you can type."),
  down: makeItem("problem", "down", "The bot can't answer now."),
};

const SIGNS = { todo: "○", busy: "…", ok: "✓", problem: "!" };

/** @typedef {"level" | "echo"} Test */

export class Preflight {
  /** @param {{changed: () => void, level: (dbfs: number) => void, problem: (problem: Problem) => void}} events */
  constructor(events) {
    this._events = events;
    /** @type {{microphone: Item, level: Item, echo: Item, engines: Item}} */
    this.items = {
      microphone: MICROPHONE.prompt,
      level: LEVEL.untested,
      echo: ECHO.untested,
      engines: ENGINES.unknown,
    };
    /** The advice of the newest result. */
    this.advice = "";
    this._test = new AbortController();
    /** @type {PermissionStatus | undefined} */
    this._permission = undefined;
  }

  /** Checks the microphone, now and whenever something about it changes. */
  async watch() {
    navigator.mediaDevices?.addEventListener?.("devicechange", () => void this._checkMicrophone());
    try {
      this._permission = await navigator.permissions.query({ name: /** @type {PermissionName} */ ("microphone") });
      this._permission.addEventListener("change", () => void this._checkMicrophone());
    } catch {
      // This browser does not tell. It asks when the user presses the button.
    }
    await this._checkMicrophone();
  }

  async _checkMicrophone() {
    if (!window.isSecureContext) return this._show("microphone", MICROPHONE.insecure);
    const exists = await hasMicrophone().catch(() => true);
    this._show("microphone", exists ? MICROPHONE[this._permission?.state ?? "prompt"] : MICROPHONE.missing);
  }

  /** @param {Record<string, EngineHealth[]>} stages */
  updateEngines(stages) {
    this.items.engines = enginesItem(stages);
  }

  /** Starts a test, or stops it. @param {Test} test */
  async press(test) {
    const running = this.items[test].state === "busy";
    this.stop();
    if (running) return;
    const { signal } = (this._test = new AbortController());
    this._show(test, (test === "level" ? LEVEL : ECHO).testing);
    try {
      const result = await (test === "level" ? this._levelItem(signal) : this._echoItem(signal));
      if (signal.aborted || !result) return;
      this._events.level(-Infinity);
      this._show(test, result);
    } catch (error) {
      if (signal.aborted) return;
      this._show(test, (test === "level" ? LEVEL : ECHO).untested);
      this._events.problem(microphoneProblem(error));
    }
  }

  /** @param {AbortSignal} signal */
  async _levelItem(signal) {
    const verdict = await checkLevel(signal, this._events.level);
    return verdict && LEVEL[verdict];
  }

  /** @param {AbortSignal} signal */
  async _echoItem(signal) {
    const verdict = await checkEcho(signal);
    return verdict && ECHO[verdict];
  }

  /** Stops a running test, since the user talks or presses another one. Older advice is not shown any more. */
  stop() {
    this.advice = "";
    const test = /** @type {const} */ (["level", "echo"]).find((each) => this.items[each].state === "busy");
    if (!test) return;
    this._test.abort();
    this._events.level(-Infinity);
    this._show(test, (test === "level" ? LEVEL : ECHO).untested);
  }

  /** @param {keyof Preflight["items"]} name @param {Item} item */
  _show(name, item) {
    if (this.items[name] === item) return;
    this.items[name] = item;
    this.advice = item.advice;
    this._events.changed();
  }
}

/** @param {Record<string, EngineHealth[]>} stages @returns {Item} */
export function enginesItem(stages) {
  if (!Object.keys(stages).length) return ENGINES.unknown;
  const needed = Object.keys(stages).filter((stage) => stage !== "end_of_turn" && stage !== "mcp");
  const down = needed.filter((stage) => !stages[stage].some(({ ready }) => ready));
  if (down.length) return down.every((stage) => stage === "stt") ? ENGINES.typing : ENGINES.down;
  // The engines of a stage stand in for one another, but no MCP server has the tools of another one.
  const lacking = Object.entries(stages).some(([stage, engines]) =>
    (stage === "mcp" ? engines : engines.slice(0, 1)).some(({ ready }) => !ready),
  );
  return lacking ? ENGINES.limited : ENGINES.ready;
}

/** Returns what the user should know or do before they talk: what the newest test found, or else the first obstacle.
 * @param {Pick<Preflight, "items" | "advice">} preflight */
export function preflightHint({ items: { microphone, engines }, advice }) {
  if (advice && advice !== microphone.advice) return advice;
  for (const { state, advice: obstacle } of [engines, microphone]) if (state === "problem") return obstacle;
  return microphone.state === "ok" ? "Press and speak." : "Allow the microphone, then speak.";
}

/** Draws the checks beneath the talk button. @param {HTMLElement} root @param {Preflight} preflight */
export function drawPreflight(root, { items, advice }) {
  for (const [name, { state, word }] of Object.entries(items)) {
    const place = find(root, `[data-item="${name}"]`);
    place.dataset.state = state;
    write(find(place, ".vb-sign"), SIGNS[state]);
    write(find(place, ".vb-word"), word);
  }
  write(find(root, ".vb-visually-hidden"), advice);
}
