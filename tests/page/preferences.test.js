import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { Preferences } from "../../voicebot/web/ui/static/preferences.js";

/** @param {string} value */
const option = (value) => ({ value, label: value });

/** @type {import("../../voicebot/web/ui/static/types.d.ts").AvailablePreferences} */
const AVAILABLE = {
  default: {
    persona: "host",
    language: "en",
    sensitivity: "balanced",
    endpointing: "balanced",
    interrupted_history: "heard",
    stt: "",
    llm: "",
    tts: "",
    voice: "",
  },
  persona: [option("host"), option("pirate")],
  language: [option("en"), option("de")],
  sensitivity: [option("balanced"), option("easy")],
  endpointing: [option("balanced"), option("patient")],
  interrupted_history: [option("heard"), option("merge")],
  engines: {
    stt: [{ name: "ears", languages: ["en", "de"], voices: {}, follows_persona: false }],
    llm: [
      { name: "big", languages: ["en", "de"], voices: {}, follows_persona: true },
      { name: "small", languages: ["en"], voices: {}, follows_persona: false },
    ],
    tts: [
      { name: "fine", languages: ["en"], voices: { en: [option("emma")] }, follows_persona: false },
      { name: "plain", languages: ["en", "de"], voices: {}, follows_persona: false },
    ],
  },
};

/** @type {Map<string, string>} */
let storage;

beforeEach(() => {
  storage = new Map();
  Object.assign(globalThis, {
    localStorage: {
      getItem: (/** @type {string} */ key) => storage.get(key) ?? null,
      setItem: (/** @type {string} */ key, /** @type {string} */ value) => storage.set(key, value),
    },
  });
});

function makePreferences() {
  const preferences = new Preferences();
  preferences.available = AVAILABLE;
  return preferences;
}

test("the server's defaults hold until the user sets something, and again after a reset", () => {
  const preferences = makePreferences();
  assert.deepEqual(preferences.current, AVAILABLE.default);
  assert.equal(preferences.differ, false);
  preferences.set("sensitivity", "easy");
  assert.equal(preferences.differ, true);
  assert.deepEqual(preferences.message, { type: "configure", ...AVAILABLE.default, sensitivity: "easy" });
  preferences.reset();
  assert.equal(preferences.differ, false);
});

test("what the user set is found again after a reload", () => {
  makePreferences().set("persona", "pirate");
  makePreferences().set("endpointing", "patient");
  assert.equal(makePreferences().current.persona, "pirate");
  assert.equal(makePreferences().current.endpointing, "patient");
});

test("push-to-talk is kept like the others, and is no part of the message about them", () => {
  const preferences = makePreferences();
  preferences.set("push_to_talk", "on");
  preferences.set("persona", "pirate");
  assert.equal(makePreferences().pushToTalk, true);
  assert.equal("push_to_talk" in preferences.message, false);
  preferences.set("push_to_talk", "");
  assert.equal(makePreferences().pushToTalk, false);
  preferences.set("push_to_talk", "on");
  preferences.reset();
  assert.equal(makePreferences().pushToTalk, false);
});

test("engines and voices that do not know the language are not offered", () => {
  const preferences = makePreferences();
  preferences.set("voice", "emma");
  assert.equal(preferences.current.voice, "emma");
  assert.equal(preferences.speaker?.name, "fine");
  preferences.set("language", "de");
  assert.equal(preferences.current.voice, "");
  assert.equal(preferences.speaker?.name, "plain");
  const labels = preferences.options("tts", preferences.current).map(({ label }) => label);
  assert.deepEqual(labels, ["plain", "plain"]);
});

test("a persona is offered only for a model that can take it on", () => {
  const preferences = makePreferences();
  assert.equal(preferences.followsPersona, true);
  preferences.set("llm", "small");
  assert.equal(preferences.followsPersona, false);
});

test("storage that is blocked or broken is ignored", () => {
  storage.set("voicebot.preferences", "{");
  assert.deepEqual(makePreferences().current, AVAILABLE.default);
  Reflect.deleteProperty(globalThis, "localStorage");
  const preferences = makePreferences();
  preferences.set("persona", "pirate");
  assert.equal(preferences.current.persona, "pirate");
});
