/** Draws how the bot works: its parts, its verdicts, where the time goes, and its engines. */

import { find, make, makeButton, resize, write } from "./dom.js";

/** @typedef {import("./types.d.ts").Verdict} Verdict */
/** @typedef {import("./types.d.ts").Step} Step */
/** @typedef {import("./types.d.ts").Budget} Budget */
/** @typedef {import("./types.d.ts").EngineHealth} EngineHealth */
/** @typedef {import("./types.d.ts").EngineInUse} EngineInUse */

/** @param {HTMLElement} root @param {Record<string, string>} status @param {Record<string, string>} engines */
export function drawParts(root, status, engines) {
  for (const part of root.querySelectorAll("[data-part]")) {
    const now = status[part.getAttribute("data-part") ?? ""] ?? "idle";
    part.setAttribute("data-status", now);
    write(find(part, ".vb-status"), now);
    write(find(part, ".vb-engine"), engines[part.getAttribute("data-engine") ?? ""] ?? "");
  }
}

// Verdicts

/** What the bot did after a verdict. @param {string} decision */
function actionOf(decision) {
  return { resume: "Continued", regenerate: "Stopped" }[decision] ?? decision;
}

/** Draws the verdicts. Each one keeps its element, and with it the keyboard's focus, while newer ones come in above it.
 * @param {HTMLElement} root @param {Verdict[]} verdicts the newest first
 * @param {boolean} connected whether the server can be told of a wrong one */
export function drawVerdicts(root, verdicts, connected) {
  root.classList.toggle("vb-empty", verdicts.length === 0);
  const list = find(root, "ol");
  const items = new Map(Array.from(list.children, (item) => [item.getAttribute("data-verdict"), item]));
  for (const verdict of verdicts.toReversed()) {
    const number = String(verdict.number);
    const item = items.get(number) ?? makeVerdict(number);
    if (!items.delete(number)) list.prepend(item);
    drawVerdict(item, verdict, connected);
  }
  for (const item of items.values()) item.remove();
}

/** @param {string} number */
function makeVerdict(number) {
  const button = makeButton("vb-wrong");
  write(button, "Wrong");
  const head = make("p", "vb-verdict-head", [make("span", "vb-decision"), make("span", "vb-text"), button]);
  const facts = ["vb-term", "vb-rule", "vb-took"].map((name) => make("span", name));
  const why = make("p", "vb-why", [make("span", "vb-reason"), make("span", "vb-facts", facts)]);
  const item = make("li", "vb-verdict", [head, why]);
  item.setAttribute("data-verdict", number);
  return item;
}

/** @param {Element} item @param {Verdict} verdict @param {boolean} connected */
function drawVerdict(item, { decision, rule, reason, text, took_ms, disputed }, connected) {
  const action = actionOf(decision);
  const words = text ? `“${text}”` : "no words";
  item.setAttribute("data-decision", decision);
  write(find(item, ".vb-decision"), action);
  write(find(item, ".vb-text"), words);
  write(find(item, ".vb-reason"), reason);
  write(find(item, ".vb-term"), decision.toUpperCase());
  write(find(item, ".vb-rule"), `rule: ${rule}`);
  write(find(item, ".vb-took"), `took ${took_ms} ms`);
  const button = find(item, ".vb-wrong");
  button.setAttribute("aria-label", `Wrong verdict: ${action.toLowerCase()} after ${words}`);
  button.setAttribute("aria-pressed", String(disputed));
  button.setAttribute("aria-disabled", String(!connected));
}

/** Draws the newest verdict beneath the conversation, for screens on which the list is far away.
 * @param {HTMLElement} root @param {Verdict | undefined} verdict */
export function drawLastVerdict(root, verdict) {
  root.dataset.decision = verdict?.decision ?? "";
  write(find(root, ".vb-decision"), verdict ? actionOf(verdict.decision) : "");
  write(find(root, ".vb-reason"), verdict?.reason ?? "Talk over the bot to see its verdict here.");
}

/** @param {HTMLElement} root @param {number} count how many verdicts the user called wrong */
export function drawWrongVerdicts(root, count) {
  const button = find(root, ".vb-save");
  button.hidden = count === 0;
  write(button, `Save wrong verdicts (${count})`);
}

// The response time

/** Draws the steps from the user's last word to the bot's first. @param {HTMLElement} root @param {Step[]} steps
 * the ones that have come @param {Record<string, number>} medians @param {string} endedBy what ended the user's turn */
export function drawTurn(root, steps, medians, endedBy) {
  write(find(root, ".vb-ended-by"), endedByText(endedBy));
  const total_ms = Math.max(0, ...steps.map((step) => step.to_ms));
  const budget_ms = Number(root.dataset.budgetMs);
  const scale_ms = Math.max(total_ms, budget_ms);
  root.style.setProperty("--budget", String(budget_ms / scale_ms));
  const byName = new Map(steps.map((step) => [step.name, step]));
  for (const row of root.querySelectorAll("[data-step]")) {
    const name = row.getAttribute("data-step") ?? "";
    drawStep(row, byName.get(name), scale_ms, medians[name]);
  }
  const answered = byName.has(root.dataset.lastStep ?? "");
  write(find(root, "tfoot .vb-now"), answered ? String(total_ms) : "–");
  write(find(root, "tfoot .vb-median"), String(medians["response gap"] ?? "–"));
}

/** @param {string} endedBy for example "words: a whole question"; empty if nothing has */
export function endedByText(endedBy) {
  return endedBy ? `What ended your turn: ${endedBy.replace(/^([^:]+): (.+)$/, "$1 ($2)")}.` : "";
}

/** @param {Element} row @param {Step | undefined} step @param {number} scale_ms
 * @param {number | undefined} median_ms */
function drawStep(row, step, scale_ms, median_ms) {
  const bar = find(row, ".vb-bar");
  bar.style.setProperty("--there", step ? "1" : "0");
  bar.style.setProperty("--from", String(step ? step.from_ms / scale_ms : 0));
  bar.style.setProperty("--length", String(step ? (step.to_ms - step.from_ms) / scale_ms : 0));
  write(find(row, ".vb-now"), step ? String(step.to_ms - step.from_ms) : "–");
  write(find(row, ".vb-median"), String(median_ms ?? "–"));
}

/** Draws the last answer's time against the goal, and where most of it went.
 * @param {HTMLElement} root @param {Budget | null} budget @param {Record<string, string>} engines */
export function drawBudget(root, budget, engines) {
  const over = budget !== null && budget.gap_ms > budget.limit_ms;
  root.dataset.budget = budget === null ? "unknown" : over ? "over" : "kept";
  write(find(root, ".vb-of-budget"), budget ? `${format(budget.gap_ms)} ms, goal ${format(budget.limit_ms)} ms.` : "");
  write(
    find(root, ".vb-most"),
    budget ? budgetText(budget, engines) : `The goal is a median of ${root.dataset.budgetMs} ms.`,
  );
}

/** @param {Budget} budget @param {Record<string, string>} engines */
export function budgetText({ most, stage, own_ms, own_limit_ms }, engines) {
  const engine = stage && engines[stage] ? ` (${engines[stage]})` : "";
  return `Longest step: ${most}${engine}. The bot itself took ${format(own_ms)} ms, goal ${own_limit_ms} ms.`;
}

/** @param {number} value */
function format(value) {
  return value.toLocaleString("en");
}

// Engines

/** @type {Record<string, string>} */
const STAGES = {
  stt: "Speech to text",
  llm: "Language model",
  tts: "Text to speech",
  end_of_turn: "End of turn",
  mcp: "Tools (MCP)",
};

/**
 * @param {HTMLElement} root
 * @param {Record<string, EngineHealth[]>} stages as the server last reported them
 * @param {Record<string, EngineInUse>} inUse what this session uses
 * @param {boolean} checking
 */
export function drawEngines(root, stages, inUse, checking) {
  const list = find(root, "ul");
  const entries = Object.entries(stages);
  resize(list, entries.length, () => make("li", "", [make("h3", ""), make("ol", "")]));
  entries.forEach(([stage, engines], index) => {
    const item = list.children[index];
    write(find(item, "h3"), STAGES[stage] ?? stage);
    const rows = find(item, "ol");
    resize(rows, engines.length, makeEngine);
    engines.forEach((health, place) => drawEngine(rows.children[place], health, inUse[stage]));
  });
  find(root, "button").setAttribute("aria-disabled", String(checking));
}

function makeEngine() {
  return make("li", "", [make("span", "vb-name"), make("span", "vb-model"), make("span", "vb-state")]);
}

/** @param {Element} row @param {EngineHealth} health @param {EngineInUse | undefined} inUse */
function drawEngine(row, health, inUse) {
  const { state, text } = engineStatus(health, inUse);
  row.setAttribute("data-state", state);
  write(find(row, ".vb-name"), health.name);
  write(find(row, ".vb-model"), [inGraph(health), toolCount(health), health.warning].filter(Boolean).join(": "));
  write(find(row, ".vb-state"), text);
}

/** @param {EngineHealth} health */
export function toolCount({ tools }) {
  return tools === null || tools === undefined ? "" : `${tools} ${tools === 1 ? "tool" : "tools"}`;
}

/** Returns the model, and the operator's own graph around it. @param {EngineHealth} health */
export function inGraph({ name, model, graph }) {
  return graph && graph !== name ? `${model ? `${model} ` : ""}in ${graph}` : model;
}

/** Returns what is said of an engine. What the session found out is newer than the server's report.
 * @param {EngineHealth} health @param {EngineInUse | undefined} inUse */
export function engineStatus({ name, ready, reason, probe_ms }, inUse) {
  if (inUse?.name === name) return { state: "used", text: "in use" };
  const failure = inUse?.reasons.find((each) => each.startsWith(`${name}: `))?.slice(name.length + 2);
  if (failure !== undefined || !ready)
    return { state: "down", text: `unavailable: ${failure ?? reason ?? "not ready"}` };
  const probe = probe_ms ? ` (${probe_ms} ms)` : "";
  return { state: "ready", text: `ready${probe}${reason ? `, last error: ${reason}` : ""}` };
}

/** Draws how much sound has reached speech to text. @param {HTMLElement} root @param {number} bytes */
export function drawTelemetry(root, bytes) {
  write(find(root, ".vb-telemetry"), bytes ? `${Math.round(bytes / 1024)} kB received` : "");
}
