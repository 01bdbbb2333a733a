import assert from "node:assert/strict";
import { test } from "node:test";

import { FIRST_WORDS, OFF, tourStep } from "../../voicebot/web/ui/static/tour_steps.js";
import { tourText } from "../../voicebot/web/ui/static/tour_text.js";

/** @typedef {import("../../voicebot/web/ui/static/tour_steps.js").Input} Input */
/** @typedef {import("../../voicebot/web/ui/static/tour_steps.js").Seen} Seen */
/** @typedef {import("../../voicebot/web/ui/static/types.d.ts").Message} Message */

/** Longer than anybody waits without a hint. */
const PAUSE_MS = 10_000;

const VERDICT = { rule: "", took_ms: 1, disputed: false };
const HUMMED = { ...VERDICT, number: 1, decision: "resume", reason: "“uh-huh” is a backchannel", text: "uh-huh" };
const MISHEARD = {
  ...VERDICT,
  number: 1,
  decision: "regenerate",
  reason: "“the head” is meant for the bot",
  text: "the head",
};
const ASKED = {
  ...VERDICT,
  number: 2,
  decision: "regenerate",
  reason: "“what is” is meant for the bot",
  text: "what is",
};
const COUGHED = { ...VERDICT, number: 2, decision: "resume", reason: "nothing was said", text: "" };

const SAY_STORY = { do: "say", text: "Tell me a long story." };
const REMEMBER = { do: "remember" };

/** Somebody who takes the tour with a scripted session. */
class Tourist {
  tour = OFF;
  now_ms = 0;
  /** @type {Seen} */
  seen = { on: false, talking: false, muted: false, holds: false, phase: "idle", older: 0, chat: [], verdicts: [] };

  /** Presses something, or sees the session after the changes. Returns the tour's commands.
   * @param {Input} input @param {Partial<Seen>} [changes] */
  takes(input, changes = {}) {
    this.seen = { ...this.seen, ...changes };
    const [tour, commands] = tourStep(this.tour, input, this.seen, this.now_ms);
    this.tour = tour;
    return commands;
  }

  /** Hears this many words of the story. @param {number} words @param {Partial<Message>} [changes] */
  hears(words, changes = {}) {
    /** @type {Message} */
    const story = { role: "assistant", heard: "word ".repeat(words), unheard: "more", interrupted: false, live: true };
    return this.takes("seen", {
      chat: [
        { role: "user", text: "Tell me a long story." },
        { ...story, ...changes },
      ],
      phase: "speaking",
    });
  }

  waits() {
    this.now_ms += PAUSE_MS;
    assert.deepEqual(this.takes("seen"), []);
  }

  get text() {
    return tourText(this.tour, this.seen);
  }

  get buttons() {
    return this.text.buttons.map(([input]) => input);
  }
}

/** A user with a microphone, who hears the story. */
function listener() {
  const tourist = new Tourist();
  assert.deepEqual(tourist.takes("start", { on: true, talking: true }), [SAY_STORY]);
  assert.deepEqual(tourist.hears(FIRST_WORDS - 1), []);
  assert.equal(tourist.tour.step, "story");
  assert.deepEqual(tourist.hears(FIRST_WORDS), []);
  assert.equal(tourist.tour.step, "hum");
  return tourist;
}

test("a hum and then a question complete the tour", () => {
  const tourist = listener();
  assert.deepEqual(tourist.takes("seen", { verdicts: [HUMMED] }), []);
  assert.equal(tourist.tour.step, "ask");
  assert.ok(tourist.text.text.includes(HUMMED.reason));
  assert.equal(tourist.text.highlights, "verdict");
  assert.deepEqual(tourist.takes("seen", { verdicts: [ASKED, HUMMED] }), [REMEMBER]);
  assert.equal(tourist.tour.step, "done");
  assert.ok(tourist.text.text.includes(ASKED.reason));
  assert.deepEqual(tourist.buttons, ["leave", "again"]);
});

test("verdicts and answers from before the tour do not count", () => {
  const tourist = new Tourist();
  /** @type {Message} */
  const old = { role: "assistant", heard: "a b c d e f", unheard: "", interrupted: true, live: false };
  const before = { on: true, talking: true, older: 3, chat: [old], verdicts: [ASKED, HUMMED] };
  assert.deepEqual(tourist.takes("start", before), [SAY_STORY]);
  assert.equal(tourist.tour.asked, 4);
  tourist.takes("seen");
  assert.equal(tourist.tour.step, "story");
});

test("the tour asks for the microphone first and continues when it is on", () => {
  const tourist = new Tourist();
  assert.deepEqual(tourist.takes("start"), []);
  assert.equal(tourist.tour.step, "voice");
  assert.deepEqual(tourist.takes("talk"), [{ do: "talk" }]);
  assert.deepEqual(tourist.takes("seen"), []);
  assert.deepEqual(tourist.takes("seen", { on: true, talking: true }), [SAY_STORY]);
});

test("a user who types reads what a hum would do and interrupts with a button", () => {
  const tourist = new Tourist();
  tourist.takes("start");
  assert.deepEqual(tourist.takes("type"), [SAY_STORY]);
  tourist.takes("seen", { on: true });
  tourist.hears(FIRST_WORDS);
  assert.equal(tourist.text.title, "What “uh-huh” would do");
  assert.deepEqual(tourist.buttons, ["next", "talk"]);
  tourist.takes("next");
  assert.deepEqual(tourist.buttons, ["ask", "stop"]);
  assert.deepEqual(tourist.takes("ask"), [{ do: "say", text: "What is two plus two?" }]);
  assert.deepEqual(tourist.takes("stop"), [{ do: "interrupt" }]);
  assert.deepEqual(tourist.hears(FIRST_WORDS + 4, { interrupted: true, live: false }), [REMEMBER]);
  assert.ok(tourist.text.text.startsWith("It stopped at once."));
});

test("a hum that was taken for a question is explained and can be tried again", () => {
  const tourist = listener();
  tourist.hears(FIRST_WORDS + 4, { interrupted: true, live: false });
  tourist.takes("seen", { verdicts: [MISHEARD] });
  assert.equal(tourist.tour.step, "hum");
  assert.ok(tourist.text.text.includes(MISHEARD.reason));
  assert.deepEqual(tourist.buttons, ["again", "next"]);
  assert.deepEqual(tourist.takes("again"), [SAY_STORY]);
  tourist.takes("seen", { verdicts: [MISHEARD] });
  assert.equal(tourist.tour.step, "story");
});

test("a cough instead of a question is explained and does not complete the step", () => {
  const tourist = listener();
  tourist.takes("seen", { verdicts: [HUMMED] });
  assert.deepEqual(tourist.takes("seen", { verdicts: [COUGHED, HUMMED] }), []);
  assert.equal(tourist.tour.step, "ask");
  assert.ok(tourist.text.text.includes(COUGHED.reason));
  assert.deepEqual(tourist.takes("seen", { verdicts: [{ ...ASKED, number: 3 }, COUGHED] }), [REMEMBER]);
});

test("an interruption counts even if the story is not in the history, as with INTERRUPTED_HISTORY=merge", () => {
  const tourist = listener();
  tourist.takes("seen", { verdicts: [HUMMED] });
  assert.deepEqual(tourist.takes("seen", { verdicts: [ASKED], chat: [] }), [REMEMBER]);
});

for (const step of ["story", "hum", "ask"]) {
  test(`a story that ends too early can be told again in the step “${step}”`, () => {
    const tourist = new Tourist();
    tourist.takes("start", { on: true, talking: true });
    tourist.hears(step === "story" ? 3 : FIRST_WORDS);
    if (step === "ask") tourist.takes("seen", { verdicts: [HUMMED] });
    assert.deepEqual(tourist.hears(FIRST_WORDS, { live: false, unheard: "" }), []);
    assert.equal(tourist.tour.step, step);
    assert.ok(tourist.buttons.includes("again"));
    assert.deepEqual(tourist.takes("again", { chat: [] }), [SAY_STORY]);
    tourist.hears(FIRST_WORDS);
    assert.equal(tourist.tour.step, step === "story" ? "hum" : step);
    assert.ok(!tourist.buttons.includes("again"));
  });
}

test("the story is not over while the bot is still thinking", () => {
  const tourist = new Tourist();
  tourist.takes("start", { on: true, talking: true });
  tourist.takes("seen", { phase: "thinking" });
  assert.equal(tourist.tour.over, false);
});

test("a user who hangs up is asked for the microphone again", () => {
  const tourist = listener();
  tourist.takes("seen", { on: false, talking: false });
  assert.deepEqual(tourist.buttons, ["next", "talk"]);
  tourist.takes("next");
  assert.deepEqual(tourist.buttons, ["again"]);
  assert.deepEqual(tourist.takes("again"), []);
  assert.equal(tourist.tour.step, "voice");
});

for (const muted of [false, true]) {
  test(`a user who does nothing for long gets a hint${muted ? ", also that they are muted" : ""}`, () => {
    const tourist = listener();
    assert.equal(tourist.text.hint, "");
    tourist.takes("seen", { muted });
    tourist.waits();
    assert.equal(tourist.text.hint.includes("muted"), muted);
    assert.notEqual(tourist.text.hint, "");
    tourist.takes("seen", { muted: false, verdicts: [HUMMED] });
    assert.equal(tourist.text.hint, "");
    assert.deepEqual(tourist.buttons, []);
    tourist.waits();
    assert.deepEqual(tourist.buttons, ["ask", "stop"]);
  });
}

test("a user with push-to-talk is told to hold the button", () => {
  const tourist = listener();
  tourist.takes("seen", { holds: true });
  assert.equal(tourist.text.hint, "Hold the talk button while you speak.");
});

test("a story that is slow gets no hint while its words are heard, and one when they stop", () => {
  const tourist = new Tourist();
  tourist.takes("start", { on: true, talking: true });
  for (const words of [2, 4]) {
    tourist.now_ms += PAUSE_MS;
    tourist.hears(words);
    assert.equal(tourist.text.hint, "");
  }
  tourist.waits();
  assert.notEqual(tourist.text.hint, "");
});

test("the tour says when the bot has paused", () => {
  const tourist = listener();
  tourist.takes("seen", { phase: "paused" });
  assert.ok(tourist.text.text.includes("It has paused"));
});

for (const answered of [false, true]) {
  test(`the tour can be left ${answered ? "after" : "before"} the hum`, () => {
    const tourist = listener();
    if (answered) tourist.takes("seen", { verdicts: [HUMMED] });
    assert.deepEqual(tourist.takes("leave"), []);
    assert.equal(tourist.tour.step, "off");
    assert.deepEqual(tourist.takes("seen", { verdicts: [ASKED] }), []);
    assert.deepEqual(tourist.takes("ask"), []);
    assert.equal(tourist.tour.step, "off");
  });
}
