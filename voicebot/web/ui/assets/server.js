/** What the server says beside a conversation: its notice, which engines would answer, and how all of them do. */

import { fetchJson } from "./connection.js";
import { connectionProblem, enginesProblem } from "./problems.js";

/** @typedef {import("./problems.js").Problem} Problem */
/** @typedef {{stages: Record<string, import("./engines.js").Health[]>, problem: string | null}} Report */

export class Server {
  /** @param {{changed: () => void, problem: (problem: Problem) => void, mended: (problem: Problem) => void}} events */
  constructor(events) {
    this._events = events;
    /** @type {Record<string, string>} */
    this.engines = {};
    /** @type {Report["stages"]} each stage's engines and how they do */
    this.stages = {};
    this.checking = false;
    this.notice = "";
    /** Without some stage no session can work. @type {Problem | null} */
    this._problem = null;
  }

  /** @param {Record<string, any>} config as it tells before anybody connects */
  take({ engines, notice, stages, problem }) {
    this.engines = engines;
    this.notice = notice ?? "";
    this._judge({ stages, problem });
  }

  /** Has it look at its engines once more. */
  async check() {
    if (this.checking) return;
    this.checking = true;
    this._events.changed();
    try {
      this._judge(await fetchJson("preflight", { method: "POST" }));
    } catch (error) {
      // A connection that there is may well go on: there is nothing to mend but this.
      this._events.problem({ ...connectionProblem(error), action: null, button: "Dismiss" });
    }
    this.checking = false;
    this._events.changed();
  }

  /** @param {Report} report */
  _judge({ stages, problem }) {
    this.stages = stages;
    if (this._problem) this._events.mended(this._problem);
    this._problem = problem ? enginesProblem(problem) : null;
    if (this._problem) this._events.problem(this._problem);
    this._events.changed();
  }
}
