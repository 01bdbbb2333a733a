/** The dialog in which the user chooses. */

import { STAGE_FIELDS } from "./choices.js";
import { find, make, write } from "./dom.js";

/** @typedef {import("./choices.js").Option} Option */
/** @typedef {import("./session.js").Session} Session */

const SELECTS = ["persona", "language", "voice", ...STAGE_FIELDS];
const RADIOS = ["sensitivity", "interrupted_history"];
const CHOSEN = "Saved. It applies from your next turn.";
const RENEW_MS = 1_500;

export class SettingsDialog {
  /** @param {Session} session */
  constructor(session) {
    this._session = session;
    this._drawn = "";
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this._timer = undefined;
    this._dialog = /** @type {HTMLDialogElement} */ (find(document, "#vb-settings"));
    find(document, "#vb-open-settings").addEventListener("click", () => this._open());
    find(this._dialog, ".vb-close").addEventListener("click", () => this._dialog.close());
    find(this._dialog, ".vb-reset").addEventListener("click", () => this._reset());
    this._dialog.addEventListener("click", (event) => this._isBeside(event) && this._dialog.close());
    this._dialog.addEventListener("change", (event) => this._changed(event));
  }

  /** What there is changes while the server runs, as voices are downloaded. */
  _open() {
    this._dialog.showModal();
    void this._renew();
  }

  /** Asks again while the dialog is open and what there is to tell of the voice changes, as during a download. */
  async _renew() {
    clearTimeout(this._timer);
    const before = this._voiceNote;
    await this._session.renewOptions();
    if (this._dialog.open && this._voiceNote !== before) this._renewLater();
  }

  _renewLater() {
    clearTimeout(this._timer);
    this._timer = setTimeout(() => void this._renew(), RENEW_MS);
  }

  /** What the engine that would speak has to tell, as a sentence. */
  get _voiceNote() {
    const { choices, server } = this._session;
    const name = choices.speaks?.name;
    const { warning } = (server.stages.tts ?? []).find((engine) => engine.name === name) ?? {};
    return warning ? `${warning[0].toUpperCase()}${warning.slice(1)}.` : "";
  }

  /** On the page behind it, not on its own edge. @param {MouseEvent} event */
  _isBeside({ target, clientX, clientY }) {
    const { left, right, top, bottom } = this._dialog.getBoundingClientRect();
    return target === this._dialog && (clientX < left || clientX > right || clientY < top || clientY > bottom);
  }

  /** Only when something is new: a list that is being read must not change under the reader. */
  draw() {
    const { choices, server } = this._session;
    const current = choices.current;
    write(find(this._dialog, "#vb-voice-note"), this._voiceNote);
    const ready = Object.values(server.stages).map((engines) => engines.map(({ name, ready }) => [name, ready]));
    const drawn = JSON.stringify([current, ready]);
    if (drawn === this._drawn && choices.options === this._options) return;
    this._drawn = drawn;
    this._options = choices.options;
    for (const field of SELECTS) this._drawSelect(field, this._annotated(field, current), current[field]);
    for (const field of RADIOS) this._drawRadios(field, choices.offered(field, current), current[field]);
    this._select("persona").disabled ||= !choices.followsPersona;
    find(this._dialog, "#vb-persona-note").hidden = choices.followsPersona;
  }

  /** With a word on engines that don't work just now. @param {string} field @param {Record<string, string>} current */
  _annotated(field, current) {
    const ill = (this._session.server.stages[field] ?? []).filter(({ ready }) => !ready).map(({ name }) => name);
    return this._session.choices
      .offered(field, current)
      .map((option) => (ill.includes(option.value) ? { ...option, label: `${option.label} (not now)` } : option));
  }

  /** @param {string} field @param {Option[]} options @param {string} value */
  _drawSelect(field, options, value) {
    const select = this._select(field);
    select.replaceChildren(...options.map(({ value, label }) => new Option(label, value)));
    select.value = value;
    // An engine and "automatic", which takes it, are no choice.
    select.disabled = options.length < (STAGE_FIELDS.includes(field) ? 3 : 2);
  }

  /** @param {string} field @param {Option[]} options @param {string} value */
  _drawRadios(field, options, value) {
    const group = find(this._dialog, `fieldset[name=${field}]`);
    if (group.querySelectorAll("label").length !== options.length) {
      group.querySelectorAll("label").forEach((label) => label.remove());
      group.append(...options.map((option) => radio(field, option)));
    }
    for (const input of group.querySelectorAll("input")) input.checked = input.value === value;
  }

  /** @param {string} field */
  _select(field) {
    return /** @type {HTMLSelectElement} */ (find(this._dialog, `select[name=${field}]`));
  }

  /** @param {Event} event */
  _changed({ target }) {
    const field = /** @type {HTMLSelectElement | HTMLInputElement} */ (target);
    this._session.choices.choose(field.name, field.value);
    this._session.configure();
    write(find(this._dialog, ".vb-when"), CHOSEN);
    if (field.name === "voice") this._renewLater();
  }

  _reset() {
    this._session.choices.reset();
    this._session.configure();
    write(find(this._dialog, ".vb-when"), CHOSEN);
  }
}

/** @param {string} field @param {Option} option */
function radio(field, { value, label, meaning }) {
  const input = document.createElement("input");
  Object.assign(input, { type: "radio", name: field, value });
  const words = make("span", "vb-choice", [make("strong", ""), make("span", "vb-meaning")]);
  write(words.children[0], label);
  write(words.children[1], meaning ?? "");
  return make("label", "vb-radio", [input, words]);
}
