/** Draws the last answer's time against the goal: the mark in the plot, and where most of the time went. */

import { find, write } from "./dom.js";

/**
 * @typedef {object} Budget as voicebot/web/ui/budget.py gives it, in ms
 * @property {number} gap_ms
 * @property {number} limit_ms
 * @property {string} most the step that took most
 * @property {string | null} stage whose engine it waited for
 * @property {number} own_ms
 * @property {number} own_limit_ms
 */

/** @param {HTMLElement} root @param {Budget | null} budget @param {Record<string, string>} engines */
export function drawBudget(root, budget, engines) {
  const over = budget !== null && budget.gap_ms > budget.limit_ms;
  root.dataset.budget = budget === null ? "unknown" : over ? "over" : "kept";
  write(find(root, ".vb-of-budget"), budget ? `${ms(budget.gap_ms)} of ${ms(budget.limit_ms)} ms.` : "");
  write(find(root, ".vb-most"), budget ? where(budget, engines) : `The goal: ${root.dataset.budgetMs} ms, at the median.`);
}

/** @param {Budget} budget @param {Record<string, string>} engines */
function where({ most, stage, own_ms, own_limit_ms }, engines) {
  const engine = stage && engines[stage] ? ` (${engines[stage]})` : "";
  return `Most of it in “${most}”${engine}. The bot's own part: ${ms(own_ms)} of ${own_limit_ms} ms.`;
}

/** @param {number} value */
function ms(value) {
  return value.toLocaleString("en");
}
