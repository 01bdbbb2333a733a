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
 * @typedef {{decision: string, rule: string, reason: string, text: string, took_ms: number}} Ruling
 * @param {HTMLElement} root
 * @param {Ruling[]} rulings the newest first
 */
export function drawRulings(root, rulings) {
  root.classList.toggle("vb-empty", rulings.length === 0);
  const list = find(root, "ol");
  resize(list, rulings.length, makeRuling);
  rulings.forEach((ruling, index) => drawRuling(list.children[index], ruling));
}

function makeRuling() {
  const spans = ["vb-decision", "vb-rule", "vb-took"].map((className) => make("span", className));
  return make("li", "vb-ruling", [make("p", "vb-ruling-head", spans), make("p", "vb-reason")]);
}

/** @param {Element} item @param {Ruling} ruling */
function drawRuling(item, { decision, rule, reason, took_ms }) {
  item.setAttribute("data-decision", decision);
  write(find(item, ".vb-decision"), DECISIONS[decision] ?? decision);
  write(find(item, ".vb-rule"), rule);
  write(find(item, ".vb-took"), `${took_ms} ms`);
  write(find(item, ".vb-reason"), reason);
}

/**
 * @typedef {{name: string, from_ms: number, to_ms: number}} Step
 * @param {HTMLElement} root
 * @param {Step[]} turn the steps that have come
 * @param {Record<string, number>} medians
 */
export function drawTurn(root, turn, medians) {
  const whole_ms = Math.max(1, ...turn.map((step) => step.to_ms));
  const steps = new Map(turn.map((step) => [step.name, step]));
  for (const row of root.querySelectorAll("[data-step]")) {
    const name = row.getAttribute("data-step") ?? "";
    drawStep(row, steps.get(name), whole_ms, medians[name]);
  }
  const answered = turn.some((step) => step.name === root.dataset.lastStep);
  write(find(root, "tfoot .vb-now"), answered ? String(whole_ms) : "–");
  write(find(root, "tfoot .vb-median"), String(medians["response gap"] ?? "–"));
}

/** @param {Element} row @param {Step | undefined} step @param {number} whole_ms
 * @param {number | undefined} median_ms */
function drawStep(row, step, whole_ms, median_ms) {
  const bar = find(row, ".vb-bar");
  bar.style.setProperty("--there", step ? "1" : "0");
  bar.style.setProperty("--from", String(step ? step.from_ms / whole_ms : 0));
  bar.style.setProperty("--length", String(step ? (step.to_ms - step.from_ms) / whole_ms : 0));
  write(find(row, ".vb-now"), step ? String(step.to_ms - step.from_ms) : "–");
  write(find(row, ".vb-median"), String(median_ms ?? "–"));
}
