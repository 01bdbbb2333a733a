/** Draws which engines there are, how they do, and which of them are at work. */

import { find, make, resize, write } from "./dom.js";

/** @typedef {object} Health
 * @property {string} name
 * @property {boolean} ready
 * @property {string | null} reason
 * @property {number | null} probe_ms
 * @property {string | null} [model] the one of the service's models that is used
 * @property {string | null} [warning] that this model will not be there for much longer, or that a voice is on its way
 */
/** @typedef {{name: string, reasons: string[]}} Serving */

/** @type {Record<string, string>} */
const STAGES = { stt: "Hears", llm: "Thinks", tts: "Speaks" };

/**
 * @param {HTMLElement} root
 * @param {Record<string, Health[]>} stages what the server knew when it was last asked
 * @param {Record<string, Serving>} serving what does the work in this session, and why none before it does
 * @param {boolean} checking
 */
export function drawEngines(root, stages, serving, checking) {
  const list = find(root, "ul");
  const entries = Object.entries(stages);
  resize(list, entries.length, () => make("li", "", [make("h3", ""), make("ol", "")]));
  entries.forEach(([stage, engines], index) => {
    const item = list.children[index];
    write(find(item, "h3"), STAGES[stage] ?? stage);
    const rows = find(item, "ol");
    resize(rows, engines.length, () => make("li", "", [make("span", "vb-name"), make("span", "vb-model"), make("span", "vb-state")]));
    engines.forEach((health, place) => drawEngine(rows.children[place], health, serving[stage]));
  });
  find(root, "button").setAttribute("aria-disabled", String(checking));
}

/** What the session has met with is newer than what the server knew when it was asked.
 * @param {Element} row @param {Health} health @param {Serving | undefined} serving */
function drawEngine(row, { name, ready, reason, probe_ms, model, warning }, serving) {
  const met = serving?.reasons.find((each) => each.startsWith(`${name}: `))?.slice(name.length + 2);
  const works = serving?.name === name;
  const rests = !works && (met !== undefined || !ready);
  const more = `${probe_ms ? `, ${probe_ms} ms away` : ""}${reason ? `, but: ${reason}` : ""}`;
  row.setAttribute("data-state", works ? "works" : rests ? "rests" : "ready");
  write(find(row, ".vb-name"), name);
  write(find(row, ".vb-model"), [model, warning].filter(Boolean).join(": "));
  write(find(row, ".vb-state"), works ? "at work" : rests ? `not now: ${met ?? reason}` : `ready${more}`);
}

/** How much sound has arrived where it is understood. @param {HTMLElement} root @param {number} bytes */
export function drawTelemetry(root, bytes) {
  write(find(root, ".vb-telemetry"), bytes ? `${Math.round(bytes / 1024)} kB heard` : "");
}
