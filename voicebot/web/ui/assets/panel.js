/** Draws how the bot works: its parts, its verdicts, where the time goes. The rows are there already. */

import { find, make, resize, write } from "./dom.js";

/** What a verdict did to the reply. @type {Record<string, string>} */
const DECISIONS = { resume: "Went on", regenerate: "Gave way" };

/** @param {HTMLElement} root @param {Record<string, string>} status @param {Record<string, string>} engines */
export function drawParts(root, status, engines) {
  for (const part of root.querySelectorAll("[data-part]")) {
    const now = status[part.getAttribute("data-part") ?? ""] ?? "idle";
    part.setAttribute("data-status", now);
    write(find(part, ".vb-status"), now);
    write(find(part, ".vb-engine"), engines[part.getAttribute("data-engine") ?? ""] ?? "");
  }
}

/**
 * @typedef {object} Ruling as voicebot/web/ui/panel.py gives it
 * @property {number} number
 * @property {string} decision
 * @property {string} rule
 * @property {string} reason
 * @property {string} text
 * @property {number} took_ms
 * @property {boolean} disputed
 * @property {string} [case] a line for the test set, if it is disputed
 */

/** Each verdict keeps its element, and with it the keyboard's place, while newer ones come in above it.
 * @param {HTMLElement} root @param {Ruling[]} rulings the newest first
 * @param {boolean} open whether the server can be told of a wrong one */
export function drawRulings(root, rulings, open) {
  root.classList.toggle("vb-empty", rulings.length === 0);
  const list = find(root, "ol");
  const items = new Map(Array.from(list.children, (item) => [item.getAttribute("data-ruling"), item]));
  for (const ruling of rulings.toReversed()) {
    const number = String(ruling.number);
    const item = items.get(number) ?? makeRuling(number);
    if (!items.delete(number)) list.prepend(item);
    drawRuling(item, ruling, open);
  }
  for (const item of items.values()) item.remove();
}

/** @param {string} number */
function makeRuling(number) {
  const button = make("button", "vb-wrong");
  button.setAttribute("type", "button");
  write(button, "Wrong call");
  const head = make("p", "vb-ruling-head", [make("span", "vb-decision"), make("span", "vb-text"), button]);
  const facts = ["vb-term", "vb-rule", "vb-took"].map((name) => make("span", name));
  const why = make("p", "vb-why", [make("span", "vb-reason"), make("span", "vb-facts", facts)]);
  const item = make("li", "vb-ruling", [head, why]);
  item.setAttribute("data-ruling", number);
  return item;
}

/** @param {Element} item @param {Ruling} ruling @param {boolean} open */
function drawRuling(item, { decision, rule, reason, text, took_ms, disputed }, open) {
  const done = DECISIONS[decision] ?? decision;
  const words = text ? `“${text}”` : "no words";
  item.setAttribute("data-decision", decision);
  write(find(item, ".vb-decision"), done);
  write(find(item, ".vb-text"), words);
  write(find(item, ".vb-reason"), reason);
  write(find(item, ".vb-term"), decision.toUpperCase());
  write(find(item, ".vb-rule"), `rule: ${rule}`);
  write(find(item, ".vb-took"), `took ${took_ms} ms`);
  const button = find(item, ".vb-wrong");
  button.setAttribute("aria-label", `Wrong call: ${done.toLowerCase()} after ${words}`);
  button.setAttribute("aria-pressed", String(disputed));
  button.setAttribute("aria-disabled", String(!open));
}

/** The newest verdict beside the words, for screens on which the list is far from them.
 * @param {HTMLElement} root @param {Ruling | undefined} ruling */
export function drawLastVerdict(root, ruling) {
  root.dataset.decision = ruling?.decision ?? "";
  write(find(root, ".vb-decision"), ruling ? (DECISIONS[ruling.decision] ?? ruling.decision) : "");
  write(find(root, ".vb-reason"), ruling?.reason ?? "Speak while it speaks: its verdict appears here.");
}

/** @param {HTMLElement} root @param {number} count how many verdicts were called wrong */
export function drawWrongCalls(root, count) {
  const button = find(root, ".vb-save");
  button.hidden = count === 0;
  write(button, `Save wrong calls (${count})`);
}

/**
 * @typedef {{name: string, from_ms: number, to_ms: number}} Step
 * @param {HTMLElement} root
 * @param {Step[]} turn the steps that have come
 * @param {Record<string, number>} medians
 */
export function drawTurn(root, turn, medians) {
  const whole_ms = Math.max(0, ...turn.map((step) => step.to_ms));
  const budget_ms = Number(root.dataset.budgetMs);
  const scale_ms = Math.max(whole_ms, budget_ms);
  root.style.setProperty("--budget", String(budget_ms / scale_ms));
  const steps = new Map(turn.map((step) => [step.name, step]));
  for (const row of root.querySelectorAll("[data-step]")) {
    const name = row.getAttribute("data-step") ?? "";
    drawStep(row, steps.get(name), scale_ms, medians[name]);
  }
  const answered = turn.some((step) => step.name === root.dataset.lastStep);
  write(find(root, "tfoot .vb-now"), answered ? String(whole_ms) : "–");
  write(find(root, "tfoot .vb-median"), String(medians["response gap"] ?? "–"));
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
