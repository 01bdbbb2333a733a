import assert from "node:assert/strict";
import { test } from "node:test";

import { ENGINES, MICROPHONE, Preflight, enginesItem, preflightHint } from "../../voicebot/web/ui/static/preflight.js";
import { echoVerdict, levelVerdict } from "../../voicebot/web/ui/static/sound_check.js";

/** @param {...[number, number]} samples dBFS and peak */
function level(...samples) {
  return levelVerdict(samples.map(([dbfs, peak]) => ({ dbfs, peak })));
}

/** @param {number} count @param {[number, number]} sample */
function times(count, sample) {
  return Array(count).fill(sample);
}

test("the level is good only if speech stands out from the noise", () => {
  assert.equal(level(...times(20, [-60, 0.01]), ...times(6, [-30, 0.2])), "good");
  assert.equal(level(...times(20, [-60, 0.01]), ...times(4, [-30, 0.2])), "quiet");
  assert.equal(level(...times(26, [-40, 0.1])), "quiet", "a fan is not speech");
  assert.equal(level(...times(50, [-60, 0.01]), [-25, 0.4]), "quiet", "a click is not speech");
  assert.equal(level(...times(20, [-60, 0.01]), ...times(6, [-48, 0.02])), "quiet");
});

test("clipped and missing sound are told apart from quiet speech", () => {
  assert.equal(level(...times(20, [-60, 0.01]), ...times(3, [-3, 1])), "clipping");
  assert.notEqual(level(...times(20, [-60, 0.01]), ...times(2, [-3, 1])), "clipping");
  assert.equal(level(...times(26, [-100, 0])), "nothing");
  assert.equal(level(), "nothing");
});

test("an echo counts by how far it is above the noise and below what was played", () => {
  const echo = (/** @type {number} */ returned, noise = -100) => echoVerdict({ played: -25, returned, noise });
  const verdicts = [-76, -74, -56, -54, -20].map((returned) => echo(returned));
  assert.deepEqual(verdicts, ["none", "some", "some", "strong", "strong"]);
  assert.equal(echo(-50, -52), "none", "it is lost in the noise");
});

test("the engines are summed up in one word", () => {
  /** @param {Record<string, boolean[]>} stages whether each engine is ready */
  const word = (stages) =>
    enginesItem(
      Object.fromEntries(
        Object.entries(stages).map(([stage, ready]) => [
          stage,
          ready.map((each) => ({ name: "x", ready: each, reason: null, probe_ms: null })),
        ]),
      ),
    ).word;
  assert.equal(word({}), "…");
  assert.equal(word({ stt: [true], llm: [true, false], tts: [true] }), "ready");
  assert.equal(word({ stt: [true], llm: [false, true], tts: [true] }), "limited");
  assert.equal(word({ stt: [true], llm: [true], tts: [true], end_of_turn: [true] }), "ready");
  assert.equal(word({ stt: [true], llm: [true], tts: [true], end_of_turn: [false] }), "limited", "it is optional");
  assert.equal(word({ stt: [true], llm: [true], tts: [true], mcp: [true, true] }), "ready");
  assert.equal(word({ stt: [true], llm: [true], tts: [true], mcp: [true, false] }), "limited", "own tools");
  assert.equal(word({ stt: [true], llm: [true], tts: [true], mcp: [false] }), "limited", "no need");
  assert.equal(word({ stt: [false], llm: [true], tts: [true] }), "typing only");
  assert.equal(word({ stt: [false], llm: [false], tts: [true] }), "down");
});

test("a page without https says so", () => {
  assert.match(MICROPHONE.insecure.advice, /https/);
});

test("before the user talks, the hint names the obstacle, or what to do", () => {
  const { items } = new Preflight({ changed() {}, level() {}, problem() {} });
  /** @param {typeof items.microphone} microphone @param {typeof items.engines} engines @param {string} [advice] */
  const hint = (microphone, engines, advice = "") =>
    preflightHint({ items: { ...items, microphone, engines }, advice });
  assert.equal(hint(MICROPHONE.prompt, ENGINES.unknown), "Allow the microphone, then speak.");
  assert.equal(hint(MICROPHONE.granted, ENGINES.limited), "Press and speak.");
  assert.equal(hint(MICROPHONE.missing, ENGINES.ready), "No microphone: you can type.");
  assert.equal(hint(MICROPHONE.denied, ENGINES.ready), "Blocked: allow it, or type.");
  assert.equal(hint(MICROPHONE.granted, ENGINES.typing), "It cannot hear you: you can type.");
  const { advice } = MICROPHONE.missing;
  assert.equal(hint(MICROPHONE.missing, ENGINES.down, advice), "The bot can't answer now.");
  assert.equal(hint(MICROPHONE.granted, ENGINES.down, "There is no echo."), "There is no echo.");
});
