/** What the server says outside a conversation: its notice, its engines, and how they do. */

import { fetchJson } from "./http.js";
import { connectionProblem, enginesProblem } from "./problems.js";

/** @typedef {import("./problems.js").Problem} Problem */
/** @typedef {import("./types.d.ts").HealthReport} HealthReport */

export class Server {
  /** @param {{changed: () => void, problem: (problem: Problem) => void, solved: (problem: Problem) => void}} events */
  constructor(events) {
    this._events = events;
    /** The engine of each stage that is tried first. @type {Record<string, string>} */
    this.engines = {};
    /** @type {HealthReport["stages"]} */
    this.stages = {};
    this.checking = false;
    this.notice = "";
    /** Why no session can work. @type {Problem | null} */
    this._problem = null;
  }

  /** Takes over what the server says before anybody connects. @param {import("./types.d.ts").Config} config */
  configure(config) {
    this.engines = config.engines;
    this.notice = config.notice;
    this._update(config);
  }

  /** Has the server check its engines again. */
  async check() {
    if (this.checking) return;
    this.checking = true;
    this._events.changed();
    try {
      this._update(await fetchJson("preflight", { method: "POST" }));
    } catch (error) {
      // A conversation may well go on: there is nothing to reconnect.
      this._events.problem({ ...connectionProblem(error), action: null, button: "Dismiss" });
    }
    this.checking = false;
    this._events.changed();
  }

  /** @param {HealthReport} report */
  _update({ stages, problem, problem_code }) {
    this.stages = stages;
    if (this._problem) this._events.solved(this._problem);
    this._problem = problem ? enginesProblem(problem, problem_code) : null;
    if (this._problem) this._events.problem(this._problem);
    this._events.changed();
  }
}
