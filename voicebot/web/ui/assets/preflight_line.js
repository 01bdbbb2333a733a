/** Draws the line beneath the talk control that says how things stand before one talks. */

import { find, write } from "./dom.js";

const SIGNS = { todo: "○", busy: "…", ok: "✓", problem: "!" };

/** @param {HTMLElement} root @param {import("./preflight.js").Preflight} preflight */
export function drawPreflight(root, { items, advice }) {
  for (const [name, { state, word }] of Object.entries(items)) {
    const place = find(root, `[data-item="${name}"]`);
    place.dataset.state = state;
    write(find(place, ".vb-sign"), SIGNS[state]);
    write(find(place, ".vb-word"), word);
  }
  write(find(root, ".vb-unseen"), advice);
}
