/** Draws the conversation: what was said, how much of it was heard, where it was interrupted, and what tools did. */

import { drawCall, makeCall, spokenCall } from "./calls.js";
import { find, make, resize, write } from "./dom.js";

/** @typedef {import("./types.d.ts").Message} Message */

const NEAR_END_PX = 60;

/** How many words are shown that are still to be heard. With more, the current word would leave the screen. */
const MAX_UNHEARD_WORDS = 24;

export class Chat {
  /** @param {HTMLElement} root */
  constructor(root) {
    this._root = root;
    this._scroll = find(root, ".vb-scroll");
    this._list = find(root, ".vb-messages");
    this._announcer = find(root, ":scope > .vb-visually-hidden");
    this._announced = 0;
    /** The last status of each call that screen readers were told. @type {Map<string, string>} */
    this._announcedCalls = new Map();
    /** The calls whose details the user has opened. @type {Set<string>} */
    this._openCalls = new Set();
    this._following = true;
    this._scroll.addEventListener("scroll", () => (this._following = this._isAtEnd()));
    new ResizeObserver(() => this._follow()).observe(this._scroll);
  }

  /** @param {Message[]} messages the latest ones @param {number} older how many came before them */
  draw(messages, older) {
    this._root.classList.toggle("vb-empty", messages.length === 0);
    resize(this._list, messages.length, makeMessage);
    messages.forEach((message, index) => this._drawMessage(this._list.children[index], message));
    this._follow();
    this._announce(messages, older);
  }

  /** @param {Element} item @param {Message} message */
  _drawMessage(item, message) {
    if (message.role !== "tool") drawWords(item, message);
    else drawCall(item, message, this._openCalls);
  }

  _isAtEnd() {
    return this._scroll.scrollHeight - this._scroll.scrollTop - this._scroll.clientHeight < NEAR_END_PX;
  }

  /** Keeps the newest words in sight, unless the user has scrolled back. */
  _follow() {
    if (this._following) this._scroll.scrollTop = this._list.children.length ? this._scroll.scrollHeight : 0;
  }

  /** Has screen readers announce each message once, when it is final. @param {Message[]} messages
   * @param {number} older */
  _announce(messages, older) {
    this._announced = Math.min(this._announced, older + messages.length);
    const fresh = messages.slice(Math.max(0, this._announced - older));
    const pending = fresh.findIndex((message) => !isFinal(message));
    const finished = (pending < 0 ? fresh : fresh.slice(0, pending)).map(spokenText);
    this._announced = Math.max(this._announced, older) + finished.length;
    const news = [...finished.filter((text) => text), ...this._newsOfCalls(messages)];
    if (news.length) write(this._announcer, news.join(" "));
  }

  /** Returns what screen readers say of calls that have begun or ended. A call may end long after what follows it.
   * @param {Message[]} messages */
  _newsOfCalls(messages) {
    const calls = messages.filter(({ role }) => role === "tool");
    const news = calls.filter(({ id = "", status }) => this._announcedCalls.get(id) !== status);
    this._announcedCalls = new Map(calls.map(({ id = "", status = "" }) => [id, status]));
    return news.map(spokenCall);
  }
}

/** @param {Message} message */
function isFinal(message) {
  if (message.role === "tool") return true;
  return message.role === "user" ? !message.interim : !message.live;
}

/** @param {Message} message */
function spokenText({ role, text, heard, interrupted }) {
  if (role === "tool") return "";
  return role === "user" ? `You: ${text}` : `Bot: ${heard}${interrupted ? " (interrupted)" : ""}`;
}

function makeMessage() {
  const who = make("span", "vb-who");
  const words = make("p", "vb-words", [make("span", "vb-heard"), make("span", "vb-unheard"), make("span", "vb-cut")]);
  return make("li", "vb-message", [who, words, makeCall()]);
}

/** @param {Element} item @param {Message} message */
function drawWords(item, message) {
  find(item, ".vb-call").hidden = true;
  const isUser = message.role === "user";
  const { heard = "", unheard = "", interrupted = false } = message;
  item.className = `vb-message vb-${message.role}`;
  item.classList.toggle("vb-interim", Boolean(message.interim));
  write(find(item, ".vb-who"), isUser ? "You" : "Bot");
  write(find(item, ".vb-heard"), isUser ? message.text || "…" : heard);
  const next = firstWords(unheard);
  write(find(item, ".vb-unheard"), heard && next ? ` ${next}` : next);
  write(find(item, ".vb-cut"), interrupted ? "interrupted" : "");
}

/** @param {string} unheard */
export function firstWords(unheard) {
  const words = unheard.split(" ");
  return words.length > MAX_UNHEARD_WORDS ? `${words.slice(0, MAX_UNHEARD_WORDS).join(" ")} …` : unheard;
}
