/** Brings the page to life once Gradio has put it there. */

import { drawBudget } from "./budget.js";
import { Chat } from "./chat.js";
import { find, isElsewhere, write } from "./dom.js";
import { drawEngines, drawTelemetry } from "./engines.js";
import { watchLife } from "./lifecycle.js";
import { drawLastVerdict, drawParts, drawRulings, drawTurn, drawWrongCalls } from "./panel.js";
import { shownLevel } from "./microphone.js";
import { Preflight } from "./preflight.js";
import { drawPreflight } from "./preflight_line.js";
import { serverProblem } from "./problems.js";
import { Session } from "./session.js";
import { SettingsDialog } from "./settings.js";
import { drawTake, wireTake } from "./take.js";
import { drawLevel, drawTalk, drawVoice } from "./talk.js";
import { GuidedTour } from "./tour.js";
import { meterVoice } from "./voice.js";

/** What Gradio puts on the page, piece by piece. */
const PIECES = ["header", "talk", "mute", "interrupt", "clear", "text", "problem", "chat", "take", "panel"];

/** Gradio builds the page some time after this script has run. */
function whenBuilt() {
  const observer = new MutationObserver(() => {
    if (!PIECES.every((piece) => document.getElementById(`vb-${piece}`))) return;
    observer.disconnect();
    start();
  });
  observer.observe(document.documentElement, { childList: true, subtree: true });
}

function start() {
  const player = /** @type {HTMLAudioElement} */ (find(document, "#bot-voice"));
  const session = new Session(player);
  const talk = find(document, "#vb-talk");
  const chat = new Chat(find(document, "#vb-chat"));
  const settings = new SettingsDialog(session);
  const tour = new GuidedTour(session, find(document, "#vb-tour"));
  const preflight = new Preflight({
    changed: () => session.changed(),
    level: (dbfs) => drawLevel(talk, shownLevel(dbfs)),
    problem: (problem) => session.warn(problem),
  });
  session.changed = () => {
    if (session.link !== "off") preflight.stop();
    const focused = document.activeElement;
    draw(session, talk, chat, preflight);
    settings.draw();
    tour.changed();
    keepKeyboard(focused, find(talk, "#vb-talk-button"));
  };
  session.levelChanged = (level) => drawLevel(talk, level);
  meterVoice(player, (level) => drawVoice(talk, level));
  wire(session, preflight);
  // The buttons that Gradio makes find the session here.
  Object.assign(window, { voicebot: session });
  session.changed();
  void session.introduce();
  void preflight.watch();
}

/** @param {Session} session @param {HTMLElement} talk @param {Chat} chat @param {Preflight} preflight */
function draw(session, talk, chat, preflight) {
  const view = session.view ?? { chat: [], older: 0, status: {}, rulings: [], turn: [], medians: {}, error: null };
  preflight.judgeEngines(session.server.stages);
  drawTalk(talk, session, preflight.advice);
  drawPreflight(find(talk, ".vb-preflight"), preflight);
  drawProblem(session);
  drawTake(session);
  chat.draw(view.chat, view.older);
  const serving = view.engines ?? {};
  const atWork = Object.entries(serving).map(([stage, { name }]) => [stage, name]);
  const names = { ...session.server.engines, ...Object.fromEntries(atWork), playback: "webrtc" };
  drawParts(find(document, "#vb-parts"), view.status, names);
  drawEngines(find(document, "#vb-engines"), session.server.stages, serving, session.server.checking);
  drawTelemetry(find(document, "#vb-engines"), session.conversation.bytesHeard);
  drawRulings(find(document, "#vb-rulings"), view.rulings, session.link === "on");
  drawWrongCalls(find(document, "#vb-rulings"), session.conversation.wrongCalls.count);
  drawLastVerdict(find(document, ".vb-last-verdict"), view.rulings[0]);
  drawTurn(find(document, "#vb-turn"), view.turn, view.medians);
  drawBudget(find(document, "#vb-turn"), view.budget ?? null, names);
  write(find(document, "#vb-notice"), session.server.notice);
  const live = view.chat.some((/** @type {any} */ message) => message.live);
  allow("#vb-mute", session.talking, session.muted);
  allow("#vb-interrupt", live || view.phase === "thinking" || view.phase === "held");
  allow("#vb-clear", view.chat.length > 0);
}

/** @param {Session} session */
function drawProblem(session) {
  const error = session.view?.error;
  const problem = session.problem ?? (error ? serverProblem(error) : null);
  const root = find(document, "#vb-problem");
  const button = find(root, "button");
  root.classList.toggle("vb-shown", problem !== null);
  root.classList.toggle("vb-calm", problem?.calm ?? false);
  write(find(root, ".vb-what"), problem?.what ?? "");
  write(find(root, ".vb-todo"), problem?.todo ?? "");
  write(button, problem?.button ?? "Dismiss");
  button.hidden = session.problem === null;
}

/** What had the keyboard may just have gone: then the talk button has it, else one would be at the page's beginning.
 * @param {Element | null} focused before @param {HTMLElement} talk */
function keepKeyboard(focused, talk) {
  if (focused && !focused.checkVisibility({ visibilityProperty: true })) talk.focus({ preventScroll: true });
}

/** A button that can't do anything now stays where the keyboard finds it.
 * @param {string} selector @param {boolean} allowed @param {boolean} [pressed] */
function allow(selector, allowed, pressed) {
  const button = find(document, selector);
  button.setAttribute("aria-disabled", String(!allowed));
  if (pressed !== undefined) button.setAttribute("aria-pressed", String(pressed));
}

/** @param {Session} session @param {Preflight} preflight */
function wire(session, preflight) {
  wireTake(session);
  find(document, "#vb-talk-button").addEventListener("click", () => void session.toggleTalk());
  for (const test of /** @type {const} */ (["level", "echo"])) {
    find(document, `[data-item="${test}"]`).addEventListener("click", () => void preflight.press(test));
  }
  find(document, ".vb-hang-up").addEventListener("click", () => session.hangUp());
  find(document, "#vb-problem button").addEventListener("click", () => act(session));
  find(document, "#vb-rulings ol").addEventListener("click", (event) => dispute(session, event));
  find(document, ".vb-check").addEventListener("click", () => void session.server.check());
  find(document, ".vb-save").addEventListener("click", () => session.conversation.wrongCalls.save());
  for (const example of document.querySelectorAll("[data-say]")) {
    example.addEventListener("click", () => session.sendText(example.getAttribute("data-say") ?? ""));
  }
  document.addEventListener("keydown", (event) => keyPressed(session, event));
  navigator.mediaDevices?.addEventListener?.("devicechange", () => void session.devicesChanged());
  watchLife({ doubt: () => session.doubt(), left: () => session.leave(), returned: () => void session.comeBack() });
}

/** @param {Session} session */
function act(session) {
  switch (session.problem?.action) {
    case "reconnect":
      return session.reconnect();
    case "renew":
      return session.renew();
    case "unblock":
      return session.unblock();
    default:
      return session.dismiss();
  }
}

/** The verdict's button says what the server knows: pressing it asks for the contrary.
 * @param {Session} session @param {Event} event */
function dispute(session, event) {
  const button = event.target instanceof Element ? event.target.closest(".vb-wrong") : null;
  const number = button?.closest("[data-ruling]")?.getAttribute("data-ruling");
  if (button && number) session.dispute(Number(number), button.getAttribute("aria-pressed") !== "true");
}

/** @param {Session} session @param {KeyboardEvent} event */
function keyPressed(session, event) {
  const typing = event.target instanceof HTMLInputElement || event.target instanceof HTMLTextAreaElement;
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || isElsewhere(event)) return;
  if (event.key === "Escape") session.interrupt();
  else if (event.key.toLowerCase() === "m" && !typing) session.toggleMute();
}

whenBuilt();
