import assert from "node:assert/strict";
import { test } from "node:test";

import { SHORT_MS, UP, holdStep } from "../../voicebot/web/ui/static/push_to_talk.js";

/** @typedef {import("../../voicebot/web/ui/static/push_to_talk.js").HoldEvent} HoldEvent */

/** Returns how the button is held after each of the events. @param {[HoldEvent, number][]} events */
function play(events) {
  let hold = UP;
  return events.map(([event, at_ms]) => (hold = holdStep(hold, event, at_ms)).how);
}

test("a long press talks until the button is let go", () => {
  assert.deepEqual(
    play([
      ["down", 0],
      ["up", SHORT_MS],
    ]),
    ["held", "up"],
  );
});

test("a short press talks until the next press, however long that one is", () => {
  const short = /** @type {[HoldEvent, number][]} */ ([
    ["down", 0],
    ["up", SHORT_MS - 1],
    ["down", 5_000],
  ]);
  assert.deepEqual(play([...short, ["up", 5_010]]), ["held", "kept", "up", "up"]);
  assert.deepEqual(play([...short, ["up", 9_000]]), ["held", "kept", "up", "up"]);
});

test("a click without a length, as of a screen reader, starts and stops", () => {
  assert.deepEqual(
    play([
      ["click", 0],
      ["click", 10],
      ["click", 20],
    ]),
    ["kept", "up", "kept"],
  );
});

test("a button that is let go without being down stays up", () => {
  assert.deepEqual(
    play([
      ["up", 0],
      ["let go", 1],
      ["down", 2],
      ["let go", 3],
      ["up", 4],
    ]),
    ["up", "up", "held", "up", "up"],
  );
});
