/** Draws the calls of tools with effects: a quiet line for each, and the question that the user has to answer first. */

import { find, make, makeButton, write } from "./dom.js";

/** @typedef {import("./types.d.ts").Message} Message */
/** @typedef {import("./types.d.ts").Confirmation} Confirmation */

/** What a call's line says of its status. @type {Record<string, string>} */
const STATUSES = {
  running: "working…",
  done: "done",
  failed: "failed",
  unknown: "not known if it was done",
  "not confirmed": "not confirmed",
};

/** @param {Message} message */
function statusText({ status = "" }) {
  return STATUSES[status] ?? status;
}

/** Returns what screen readers say of a call. @param {Message} message */
export function spokenCall(message) {
  return `Tool ${message.tool}: ${statusText(message).replace("…", "")}.`;
}

/** Returns the arguments as lines to read. @param {string} json an object, which may be cut */
export function argumentLines(json) {
  try {
    const values = Object.entries(JSON.parse(json));
    return values.map(([name, value]) => `${name}: ${typeof value === "string" ? value : JSON.stringify(value)}`);
  } catch {
    return json ? [json] : [];
  }
}

/** Returns the hidden part of a message's element that shows a call. */
export function makeCall() {
  const sign = make("span", "vb-call-sign");
  sign.setAttribute("aria-hidden", "true");
  const tool = make("span", "vb-call-tool");
  const line = make("span", "", [tool, make("span", "vb-call-status")]);
  tool.after(" ");
  const summary = make("summary", "", [sign, line]);
  const label = (/** @type {string} */ text) => {
    const term = make("dt", "");
    term.textContent = text;
    return term;
  };
  const values = make("dl", "", [
    ...[label("Given"), make("dd", "vb-call-arguments")],
    ...[label("Result"), make("dd", "vb-call-result")],
  ]);
  const details = make("details", "vb-call", [summary, values]);
  details.hidden = true;
  return details;
}

/** @param {Element} item a message's element @param {Message} message @param {Set<string>} open calls with details shown */
export function drawCall(item, message, open) {
  const details = /** @type {HTMLDetailsElement} */ (find(item, ".vb-call"));
  const { id = "", status = "", result = "" } = message;
  item.className = "vb-message vb-tool";
  details.hidden = false;
  details.dataset.status = status;
  if (details.dataset.id !== id) {
    details.dataset.id = id;
    details.open = open.has(id);
    details.ontoggle = () => void (details.open ? open.add(id) : open.delete(id));
  }
  write(find(details, ".vb-call-tool"), message.tool ?? "");
  write(find(details, ".vb-call-status"), statusText(message));
  write(find(details, ".vb-call-arguments"), argumentLines(message.arguments ?? "").join("\n") || "nothing");
  write(find(details, ".vb-call-result"), result || "none yet");
}

/** The question whether a tool may be called, with a button for each answer. */
export class ConfirmationCard {
  /** @param {HTMLElement} root @param {(text: string) => void} answer sends the answer as if it had been typed */
  constructor(root, answer) {
    this._root = root;
    /** The call about which an answer was sent, so that none is sent twice. */
    this._answered = "";
    for (const name of ["yes", "no"]) {
      const button = makeButton(`vb-${name}`);
      button.addEventListener("click", () => {
        this._answered = root.dataset.call ?? "";
        root.hidden = true;
        answer(button.dataset.text ?? "");
      });
      find(root, ".vb-answers").append(button);
    }
  }

  /** @param {Confirmation | null} confirmation */
  draw(confirmation) {
    this._root.hidden = confirmation === null || confirmation.id === this._answered;
    if (confirmation === null) {
      this._answered = "";
      return;
    }
    this._root.dataset.call = confirmation.id;
    write(find(this._root, ".vb-question"), confirmation.question);
    for (const [name, text] of /** @type {const} */ ([
      ["yes", confirmation.yes],
      ["no", confirmation.no],
    ])) {
      const button = find(this._root, `.vb-${name}`);
      button.dataset.text = text;
      write(button, text.replace(/[.。।]$/u, ""));
    }
  }
}
