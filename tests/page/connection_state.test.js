import assert from "node:assert/strict";
import { test } from "node:test";

import {
  DISCONNECTED,
  canTalk,
  connectionStep,
  isDisconnected,
} from "../../voicebot/web/ui/static/connection_state.js";

/** @typedef {import("../../voicebot/web/ui/static/connection_state.js").ConnectionEvent} ConnectionEvent */

/** @param {(ConnectionEvent["type"] | ConnectionEvent)[]} events */
function after(...events) {
  return events.reduce(
    (state, event) =>
      connectionStep(state, typeof event === "string" ? /** @type {ConnectionEvent} */ ({ type: event }) : event),
    DISCONNECTED,
  );
}

test("a user who talks is asked for the microphone, then connected", () => {
  assert.equal(after("microphone requested").microphone, "asking");
  assert.equal(isDisconnected(after("microphone requested")), false);
  const state = after("microphone requested", "microphone opened", "connecting", "connected");
  assert.deepEqual([state.link, state.microphone, state.wantsToTalk], ["on", "on", true]);
});

test("a microphone that is refused leaves the link as it was", () => {
  assert.equal(isDisconnected(after("microphone requested", "microphone closed")), true);
  const typing = after("typing requested", "connecting", "connected", "microphone requested", "microphone closed");
  assert.deepEqual([typing.link, typing.microphone], ["on", "off"]);
});

test("a lost connection keeps the microphone and counts retries until it is connected again", () => {
  const lost = after("microphone requested", "microphone opened", "connecting", "connected", {
    type: "lost",
    retry: 2,
  });
  assert.deepEqual([lost.link, lost.microphone, lost.retry], ["reconnecting", "on", 2]);
  const again = connectionStep(lost, { type: "connected" });
  assert.deepEqual([again.link, again.microphone, again.retry], ["on", "on", 0]);
});

test("what comes after the end changes nothing", () => {
  const ended = after("microphone requested", "ended");
  assert.equal(isDisconnected(ended), true);
  for (const late of /** @type {ConnectionEvent[]} */ ([
    { type: "microphone opened" },
    { type: "connected" },
    { type: "lost", retry: 1 },
  ])) {
    assert.equal(connectionStep(ended, late), ended);
  }
});

test("every start and end is a new attempt", () => {
  const attempts = [after(), after("microphone requested"), after("microphone requested", "ended")].map(
    ({ attempt }) => attempt,
  );
  assert.deepEqual(attempts, [0, 1, 2]);
});

test("a reconnect remembers whether the user talked", () => {
  assert.equal(
    after("microphone requested", "microphone opened", "connecting", "connected", "ended").wantsToTalk,
    true,
  );
  assert.equal(after("microphone requested", "ended", "typing requested").wantsToTalk, false);
});

test("the user can talk when nothing is connected or only text is", () => {
  assert.equal(canTalk(after()), true);
  assert.equal(canTalk(after("typing requested", "connecting", "connected")), true);
  assert.equal(canTalk(after("typing requested", "connecting")), false);
  assert.equal(canTalk(after("microphone requested")), false);
  assert.equal(canTalk(after("typing requested", "connecting", "connected", { type: "lost", retry: 1 })), false);
});
