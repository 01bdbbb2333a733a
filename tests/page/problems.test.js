import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";

import { Refused, Unreachable } from "../../voicebot/web/ui/static/http.js";
import {
  MICROPHONE_UNPLUGGED,
  canReconnectAfter,
  closedProblem,
  connectionProblem,
  endingNotice,
  enginesProblem,
  lostProblem,
  microphoneLostProblem,
  microphoneProblem,
  serverProblem,
} from "../../voicebot/web/ui/static/problems.js";

const SERVER_WORDS = "(the server's words)";

beforeEach(() => Object.assign(globalThis, { window: { isSecureContext: true } }));
afterEach(() => Reflect.deleteProperty(globalThis, "window"));

test("each refusal has its own problem, and the server's words where they say more", () => {
  /** @type {[{code?: string, problemCode?: string, status?: number, limit?: number}, string, string][]} */
  const cases = [
    [{ status: 401 }, "Your name or password was not accepted.", "Reload the page to log in."],
    [{ code: "full", limit: 3 }, "The bot is busy.", "All 3 places are taken. Try again in a minute."],
    [{ code: "full" }, "The bot is busy.", "All places are taken. Try again in a minute."],
    [{ code: "address" }, "You are already talking to the bot.", SERVER_WORDS],
    [{ code: "day" }, "That's all for today.", SERVER_WORDS],
    [{ code: "rate" }, "You are connecting too often.", "Wait a moment, then try again."],
    [{ code: "engines" }, SERVER_WORDS, "The list of engines says more. Check again in a moment."],
    [
      { code: "engines", problemCode: "credentials" },
      SERVER_WORDS,
      "The bot's operator has to fix the key or the account. The list of engines says more.",
    ],
    [{ status: 502 }, "The bot refused the connection.", SERVER_WORDS],
  ];
  for (const [refusal, text, advice] of cases) {
    const problem = connectionProblem(new Refused(SERVER_WORDS, refusal));
    assert.deepEqual([problem.text, problem.advice], [text, advice]);
  }
});

test("a server that cannot be reached and sound that cannot get through are different problems", () => {
  assert.equal(connectionProblem(new Unreachable("no server")).text, "The bot cannot be reached.");
  assert.equal(connectionProblem(new Unreachable("no media")).text, "The sound cannot get through.");
  assert.equal(lostProblem(new Unreachable("no server")).text, "The connection was lost.");
  assert.equal(lostProblem(new Refused("", { code: "full" })).text, "The bot is busy.");
});

test("the advice about a server's error depends on its code, never on its words", () => {
  const message = "groq: the key was not accepted in time (HTTP 503)";
  const advice = ["credentials", "unavailable", "engine", "internal", "new"].map(
    (code) => serverProblem({ code, message }).advice,
  );
  assert.deepEqual(advice, [
    "The bot's operator has to fix the key or the account.",
    "Say it again in a moment.",
    "You can simply carry on.",
    "You can simply carry on.",
    "You can simply carry on.",
  ]);
  assert.match(enginesProblem(message, "credentials").advice, /operator/);
  assert.match(enginesProblem(message, "unavailable").advice, /Check again/);
});

test("a server's error is a sentence of its own", () => {
  const texts = ["groq: it broke", "It broke."].map((message) => serverProblem({ code: "engine", message }).text);
  assert.deepEqual(texts, ["groq: it broke.", "It broke."]);
});

test("a session that ended says why, and whether it can be continued", () => {
  /** @type {[string | undefined, string, string | null][]} */
  const endings = [
    ["elsewhere", "This conversation continues in another tab.", "reconnect"],
    ["time", SERVER_WORDS, "reconnect"],
    ["day", "That's all for today.", null],
    ["full", "The bot is busy.", "reconnect"],
    ["idle", "The bot hung up because nobody spoke.", "reconnect"],
    ["flood", "The bot ended the conversation.", "reconnect"],
    [undefined, "The bot ended the conversation.", "reconnect"],
  ];
  for (const [code, text, action] of endings) {
    const problem = closedProblem(code, SERVER_WORDS, true);
    assert.deepEqual([problem.text, problem.action], [text, action]);
  }
  assert.match(closedProblem("time", "", true).advice, /continue the conversation/);
  assert.match(closedProblem("time", "", false).advice, /start a new session/);
});

test("the page reconnects by itself only after endings that pass", () => {
  const passing = ["shutdown", "moving", "fault", "media"];
  const codes = [...passing, "idle", "time", "day", "elsewhere", "flood", "slow", "bye", undefined];
  assert.deepEqual(codes.filter(canReconnectAfter), passing);
});

test("the end of the session is announced in minutes or seconds", () => {
  assert.equal(endingNotice(120, true).text, "This session ends in 2 minutes.");
  assert.equal(endingNotice(60, true).text, "This session ends in 60 seconds.");
  assert.notEqual(endingNotice(60, true).button, endingNotice(60, false).button);
});

test("each failure of the microphone has its own problem", () => {
  /** @param {string} name */
  const text = (name) => microphoneProblem(new DOMException("", name)).text;
  assert.equal(text("NotAllowedError"), "The microphone is blocked.");
  assert.equal(text("NotFoundError"), "No microphone was found.");
  assert.equal(text("NotReadableError"), "Another program is using the microphone.");
  assert.equal(microphoneProblem(new TypeError()).text, "The microphone does not work here.");
  assert.equal(microphoneLostProblem(new DOMException("", "NotFoundError")), MICROPHONE_UNPLUGGED);
  Object.assign(globalThis, { window: { isSecureContext: false } });
  assert.equal(text("NotAllowedError"), "The microphone needs a secure page.");
});
