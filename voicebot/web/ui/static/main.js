/** Brings the page to life once Gradio has put our HTML into it. */

import { measureVoice, meterLevel } from "./audio.js";
import { ConfirmationCard } from "./calls.js";
import { Chat } from "./chat.js";
import { isDisconnected } from "./connection_state.js";
import { find, isForSomethingElse, showWhole, write } from "./dom.js";
import {
  drawBudget,
  drawEngines,
  drawLastVerdict,
  drawParts,
  drawTelemetry,
  drawTurn,
  drawVerdicts,
  drawWrongVerdicts,
} from "./panel.js";
import { Preflight, drawPreflight, preflightHint } from "./preflight.js";
import { serverProblem } from "./problems.js";
import { TalkButton } from "./push_to_talk.js";
import { Session } from "./session.js";
import { SettingsDialog } from "./settings.js";
import { drawLevel, drawTalk, drawVoice } from "./talk.js";
import { GuidedTour } from "./tour.js";
import { drawTransfer, wireTransfer } from "./transfer.js";

/** @type {import("./types.d.ts").View} */
const NOTHING_YET = { chat: [], older: 0, phase: "idle", status: {}, verdicts: [], turn: [], medians: {}, error: null };

const TICK_MS = 1_000;

/** If a tick is this late, the machine or the page was asleep. */
const OVERSLEPT_MS = 5_000;

function start() {
  const player = /** @type {HTMLAudioElement} */ (find(document, "#bot-voice"));
  const session = new Session(player);
  const talk = find(document, "#vb-talk");
  const chat = new Chat(find(document, "#vb-chat"));
  const confirmation = new ConfirmationCard(find(document, ".vb-confirmation"), (text) => void session.sendText(text));
  const settings = new SettingsDialog(session);
  const talkButton = new TalkButton(session, find(talk, "#vb-talk-button"), () => void session.toggleTalk());
  const tour = new GuidedTour(session, find(document, "#vb-tour"));
  const preflight = new Preflight({
    changed: () => session.changed(),
    level: (dbfs) => drawLevel(talk, meterLevel(dbfs)),
    problem: (problem) => session.warn(problem),
  });
  session.changed = () => {
    if (!isDisconnected(session.state)) preflight.stop();
    const focused = document.activeElement;
    talkButton.sessionChanged();
    draw(session, talk, chat, preflight);
    confirmation.draw(session.view?.confirmation ?? null);
    drawTalk(talk, session, preflightHint(preflight), talkButton.isKept);
    settings.draw();
    tour.sessionChanged();
    keepFocus(focused, find(talk, "#vb-talk-button"));
  };
  session.levelChanged = (level) => drawLevel(talk, level);
  measureVoice(player, (level) => drawVoice(talk, level));
  wire(session, preflight);
  session.changed();
  void session.introduce();
  void preflight.watch();
  return session;
}

/** @param {Session} session @param {HTMLElement} talk @param {Chat} chat @param {Preflight} preflight */
function draw(session, talk, chat, preflight) {
  const { conversation, server, state } = session;
  const view = session.view ?? NOTHING_YET;
  preflight.updateEngines(server.stages);
  drawPreflight(find(talk, ".vb-preflight"), preflight);
  drawProblem(session);
  drawTransfer(session);
  chat.draw(view.chat, view.older);
  const inUse = view.engines ?? {};
  const namesInUse = Object.entries(inUse).map(([stage, { name }]) => [stage, name]);
  const names = { ...server.engines, ...Object.fromEntries(namesInUse), playback: "webrtc" };
  drawParts(find(document, "#vb-parts"), view.status, names);
  drawEngines(find(document, "#vb-engines"), server.stages, inUse, server.checking);
  drawTelemetry(find(document, "#vb-engines"), conversation.bytesReceived);
  drawVerdicts(find(document, "#vb-verdicts"), view.verdicts, state.link === "on");
  drawWrongVerdicts(find(document, "#vb-verdicts"), conversation.wrongVerdicts.count);
  drawLastVerdict(find(document, ".vb-last-verdict"), view.verdicts.at(0));
  drawTurn(find(document, "#vb-turn"), view.turn, view.medians, view.ended_by ?? "");
  drawBudget(find(document, "#vb-turn"), view.budget ?? null, names);
  write(find(document, "#vb-notice"), server.notice);
  const live = view.chat.some((message) => message.live);
  enable("#vb-mute", session.canMute);
  find(document, "#vb-mute").setAttribute("aria-pressed", String(session.muted));
  enable("#vb-interrupt", live || view.phase === "thinking" || view.phase === "held");
  enable("#vb-clear", view.chat.length > 0);
}

/** @param {Session} session */
function drawProblem(session) {
  const error = session.view?.error;
  const problem = session.problem ?? (error ? serverProblem(error) : null);
  const root = find(document, "#vb-problem");
  const button = find(root, "button");
  const isNew = problem !== null && problem.text !== find(root, ".vb-problem-text").textContent;
  root.classList.toggle("vb-shown", problem !== null);
  root.classList.toggle("vb-calm", problem?.calm ?? false);
  write(find(root, ".vb-problem-text"), problem?.text ?? "");
  write(find(root, ".vb-advice"), problem?.advice ?? "");
  write(button, problem?.button ?? "Dismiss");
  button.hidden = session.problem === null;
  if (isNew) showWhole(root);
}

/** Moves the keyboard's focus to the talk button if what had it has gone, so that it does not return to the page's
 * beginning. @param {Element | null} focused before @param {HTMLElement} talkButton */
function keepFocus(focused, talkButton) {
  if (focused && !focused.checkVisibility({ visibilityProperty: true })) talkButton.focus({ preventScroll: true });
}

/** A button that can do nothing now is marked, and stays where the keyboard finds it.
 * @param {string} selector @param {boolean} enabled */
function enable(selector, enabled) {
  find(document, selector).setAttribute("aria-disabled", String(!enabled));
}

/** @param {Session} session @param {Preflight} preflight */
function wire(session, preflight) {
  wireTransfer(session);
  onClick("#vb-mute", () => session.toggleMute());
  onClick("#vb-interrupt", () => session.interrupt());
  onClick("#vb-clear", () => void session.startNewConversation());
  onClick(".vb-hang-up", () => session.hangUp());
  onClick("#vb-problem button", () => void act(session));
  onClick("#vb-verdicts ol", (event) => dispute(session, event));
  onClick(".vb-check", () => void session.server.check());
  onClick(".vb-save", () => session.conversation.wrongVerdicts.save());
  for (const test of /** @type {const} */ (["level", "echo"])) {
    onClick(`[data-item="${test}"]`, () => void preflight.press(test));
  }
  for (const example of document.querySelectorAll("[data-say]")) {
    example.addEventListener("click", () => session.sendText(example.getAttribute("data-say") ?? ""));
  }
  find(document, "#vb-typing").addEventListener("submit", (event) => void send(session, event));
  document.addEventListener("keydown", (event) => keyPressed(session, event));
  navigator.mediaDevices?.addEventListener?.("devicechange", () => void session.devicesChanged());
  watchPage(session);
}

/** @param {string} selector @param {(event: Event) => void} act */
function onClick(selector, act) {
  find(document, selector).addEventListener("click", act);
}

/** Sends what is in the text box. Text that could not be sent stays in it.
 * @param {Session} session @param {Event} event */
async function send(session, event) {
  event.preventDefault();
  const box = /** @type {HTMLInputElement} */ (find(document, "#vb-text"));
  const text = box.value;
  box.value = "";
  if (!(await session.sendText(text)) && !box.value) box.value = text;
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

/** A verdict's button shows what the server knows. Pressing it asks for the opposite.
 * @param {Session} session @param {Event} event */
function dispute(session, event) {
  const button = event.target instanceof Element ? event.target.closest(".vb-wrong") : null;
  const number = button?.closest("[data-verdict]")?.getAttribute("data-verdict");
  if (button && number) session.dispute(Number(number), button.getAttribute("aria-pressed") !== "true");
}

/** @param {Session} session @param {KeyboardEvent} event */
function keyPressed(session, event) {
  const typing = event.target instanceof HTMLInputElement || event.target instanceof HTMLTextAreaElement;
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || isForSomethingElse(event)) return;
  if (event.key === "Escape") session.interrupt();
  else if (event.key.toLowerCase() === "m" && !typing) session.toggleMute();
}

/** Reacts to sleep, a network that comes and goes, and to users who leave the page and come back.
 * @param {Session} session */
function watchPage(session) {
  const check = () => session.checkConnection();
  let ticked_ms = Date.now();
  setInterval(() => {
    const now_ms = Date.now();
    if (now_ms - ticked_ms > TICK_MS + OVERSLEPT_MS) check();
    ticked_ms = now_ms;
  }, TICK_MS);
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && check());
  document.addEventListener("resume", check);
  for (const change of ["online", "offline"]) addEventListener(change, check);
  addEventListener("pagehide", () => session.leave());
  addEventListener("pageshow", (event) => event.persisted && void session.comeBack());
}

/** The page's session, once there is one: Gradio mounts our HTML some time before or after this script runs. Everything
 * above must be defined by then. @type {Promise<Session>} */
export const session = new Promise((resolve) => {
  const isMounted = () => document.getElementById("vb-settings") !== null;
  if (isMounted()) return resolve(start());
  const observer = new MutationObserver(() => {
    if (!isMounted()) return;
    observer.disconnect();
    resolve(start());
  });
  observer.observe(document.documentElement, { childList: true, subtree: true });
});
