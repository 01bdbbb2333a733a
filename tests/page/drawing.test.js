import assert from "node:assert/strict";
import { test } from "node:test";

import { firstWords } from "../../voicebot/web/ui/static/chat.js";
import { DISCONNECTED } from "../../voicebot/web/ui/static/connection_state.js";
import { WrongVerdicts, ended } from "../../voicebot/web/ui/static/conversation.js";
import { budgetText, endedByText, engineStatus, toolCount } from "../../voicebot/web/ui/static/panel.js";
import { talkHint, talkState, transportText } from "../../voicebot/web/ui/static/talk.js";

/** @typedef {import("../../voicebot/web/ui/static/types.d.ts").View} View */

/** @param {Partial<View>} changes @returns {View} */
function view(changes = {}) {
  return {
    chat: [],
    older: 0,
    phase: "idle",
    status: {},
    verdicts: [],
    turn: [],
    medians: {},
    error: null,
    ...changes,
  };
}

test("the talk button shows the link first, then the phase, then the microphone", () => {
  const session = {
    ...{ state: { ...DISCONNECTED }, view: view({ phase: "speaking" }), muted: false, mutedBySystem: false },
    ...{ holdsToTalk: false, pressed: false },
  };
  assert.equal(talkState(session), "off");
  /** @type {typeof DISCONNECTED} */
  const on = { ...DISCONNECTED, link: "on" };
  assert.equal(talkState({ ...session, state: { ...DISCONNECTED, microphone: "asking" } }), "connecting");
  assert.equal(talkState({ ...session, state: { ...DISCONNECTED, link: "reconnecting" } }), "reconnecting");
  assert.equal(talkState({ ...session, state: on }), "speaking");
  const idle = { ...session, view: view() };
  assert.equal(talkState({ ...idle, state: on }), "ready");
  assert.equal(talkState({ ...idle, state: { ...on, microphone: "asking" } }), "connecting");
  assert.equal(talkState({ ...idle, state: { ...on, microphone: "on" } }), "listening");
  assert.equal(talkState({ ...idle, state: { ...on, microphone: "on" }, mutedBySystem: true }), "silenced");
  assert.equal(talkState({ ...idle, state: { ...on, microphone: "on" }, mutedBySystem: true, muted: true }), "muted");
});

test("with push-to-talk the page says what to do with the button", () => {
  /** @type {typeof DISCONNECTED} */
  const state = { ...DISCONNECTED, link: "on", microphone: "on" };
  const up = { state, view: view(), muted: false, mutedBySystem: false, holdsToTalk: true, pressed: false };
  const down = { ...up, pressed: true };
  assert.equal(talkState(up), "waiting");
  assert.equal(talkState(down), "hearing");
  assert.equal(talkState({ ...down, mutedBySystem: true }), "silenced");
  assert.equal(talkHint("waiting", up, false), "Hold the button while you speak.");
  assert.equal(talkHint("speaking", up, false), "Hold the button to interrupt.");
  assert.equal(talkHint("hearing", down, false), "Let go when you are done.");
  assert.equal(talkHint("paused", down, true), "Press again when you are done.");
  assert.equal(talkHint("speaking", { ...up, holdsToTalk: false }, false), "Interrupt whenever you like.");
});

test("while a person answers the page says so", () => {
  /** @type {typeof DISCONNECTED} */
  const state = { ...DISCONNECTED, link: "on", microphone: "on" };
  const talk = { state, muted: false, mutedBySystem: false, holdsToTalk: false, pressed: false };
  const handedOver = { ...talk, view: view({ handed_over: true }) };
  assert.equal(talkHint("listening", handedOver, false), "A person answers you. Go ahead.");
  assert.equal(talkHint("speaking", handedOver, false), "Interrupt whenever you like.");
  assert.equal(talkHint("listening", { ...talk, view: view() }, false), "Go ahead, ask something.");
});

test("what ended the turn is said in a sentence", () => {
  assert.equal(endedByText("words: a whole question"), "What ended your turn: words (a whole question).");
  assert.equal(endedByText("silence"), "What ended your turn: silence.");
  assert.equal(endedByText(""), "");
});

test("the transport says how the page is connected", () => {
  /** @param {Partial<typeof DISCONNECTED>} changes */
  const text = (changes, muted = false) => transportText({ state: { ...DISCONNECTED, ...changes }, muted });
  assert.equal(text({}), "Not connected");
  assert.equal(text({ link: "reconnecting", retry: 1 }), "Connection lost");
  assert.equal(text({ link: "reconnecting", retry: 3 }), "Connection lost, attempt 3");
  assert.equal(text({ link: "on" }), "Connected, no mic");
  assert.equal(text({ link: "on", microphone: "on" }, true), "Connected, muted");
});

test("when the session ends, the words that were not heard are gone", () => {
  const over = ended(
    view({
      phase: "speaking",
      chat: [
        { role: "user", text: "tell me", interim: false },
        { role: "assistant", heard: "Once", unheard: "upon a time", interrupted: false, live: true },
        { role: "user", text: "wha", interim: true },
      ],
    }),
  );
  assert.equal(over.phase, "idle");
  assert.deepEqual(over.chat[1], { role: "assistant", heard: "Once", unheard: "", interrupted: true, live: false });
  assert.equal(over.chat.length, 2);
});

test("wrong verdicts outlive the list, and are taken back by the server's word only", () => {
  const wrong = new WrongVerdicts();
  const verdict = { number: 1, decision: "resume", rule: "", reason: "", text: "", took_ms: 1, disputed: true };
  wrong.update("a", [{ ...verdict, case: "first" }]);
  wrong.update("b", [{ ...verdict, case: "second" }]);
  wrong.update("b", []);
  assert.deepEqual(wrong.lines, ["first", "second"]);
  wrong.update("b", [{ ...verdict, disputed: false }]);
  assert.deepEqual(wrong.lines, ["first"]);
});

test("an MCP server shows how many tools it has, and an engine shows none", () => {
  const server = { name: "notes", ready: true, reason: null, probe_ms: null };
  assert.equal(toolCount({ ...server, tools: 1 }), "1 tool");
  assert.equal(toolCount({ ...server, tools: 12 }), "12 tools");
  assert.equal(toolCount({ ...server, tools: null }), "");
  assert.equal(toolCount(server), "");
  assert.equal(engineStatus({ ...server, tools: 1 }, undefined).text, "ready");
});

test("an engine is in use, ready or unavailable, and says why", () => {
  const health = { name: "groq", ready: true, reason: null, probe_ms: 120 };
  assert.deepEqual(engineStatus(health, undefined), { state: "ready", text: "ready (120 ms)" });
  assert.equal(
    engineStatus({ ...health, reason: "it was slow" }, undefined).text,
    "ready (120 ms), last error: it was slow",
  );
  assert.deepEqual(engineStatus(health, { name: "groq", reasons: [] }), { state: "used", text: "in use" });
  const inUse = { name: "local", reasons: ["groq: it broke"] };
  assert.deepEqual(engineStatus(health, inUse), { state: "down", text: "unavailable: it broke" });
  assert.equal(engineStatus({ ...health, ready: false, reason: "no key" }, undefined).text, "unavailable: no key");
});

test("the budget names the longest step and its engine", () => {
  const budget = { gap_ms: 1_234, limit_ms: 800, most: "first token", stage: "llm", own_ms: 12, own_limit_ms: 40 };
  assert.equal(
    budgetText(budget, { llm: "groq" }),
    "Longest step: first token (groq). The bot itself took 12 ms, goal 40 ms.",
  );
  assert.equal(
    budgetText({ ...budget, stage: null }, {}),
    "Longest step: first token. The bot itself took 12 ms, goal 40 ms.",
  );
});

test("only the next words of a long answer are shown before they are heard", () => {
  assert.equal(firstWords("a short answer"), "a short answer");
  assert.equal(firstWords(Array(30).fill("word").join(" ")).split(" ").length, 25);
});
