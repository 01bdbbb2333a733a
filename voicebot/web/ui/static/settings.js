/** The settings dialog, in which the user sets preferences. */

import { find, make, write } from "./dom.js";
import { RADIO_FIELDS, STAGE_FIELDS } from "./preferences.js";

/** @typedef {import("./types.d.ts").PreferenceOption} PreferenceOption */
/** @typedef {import("./session.js").Session} Session */

const SELECTS = ["persona", "language", "voice", ...STAGE_FIELDS];
const SAVED = "Saved. Changes apply from your next turn.";
const SAVED_NOW = "Saved. This applies at once.";
const RENEW_MS = 1_500;

export class SettingsDialog {
  /** @param {Session} session */
  constructor(session) {
    this._session = session;
    this._drawn = "";
    /** @type {Session["preferences"]["available"]} */
    this._drawnAvailable = null;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this._timer = undefined;
    this._dialog = /** @type {HTMLDialogElement} */ (find(document, "#vb-settings"));
    find(document, "#vb-open-settings").addEventListener("click", () => this._open());
    find(this._dialog, ".vb-close").addEventListener("click", () => this._dialog.close());
    find(this._dialog, ".vb-reset").addEventListener("click", () => this._reset());
    this._dialog.addEventListener("click", (event) => this._isOutside(event) && this._dialog.close());
    this._dialog.addEventListener("change", (event) => this._changed(event));
  }

  /** What is available changes while the server runs, as voices are downloaded. */
  _open() {
    this._dialog.showModal();
    void this._renew();
  }

  /** Asks again while the dialog is open and the voice's note changes, as it does during a download. */
  async _renew() {
    clearTimeout(this._timer);
    const before = this._voiceNote;
    await this._session.renewPreferences();
    if (this._dialog.open && this._voiceNote !== before) this._renewLater();
  }

  _renewLater() {
    clearTimeout(this._timer);
    this._timer = setTimeout(() => void this._renew(), RENEW_MS);
  }

  /** The warning of the engine that speaks, as a sentence. */
  get _voiceNote() {
    const { preferences, server } = this._session;
    const name = preferences.speaker?.name;
    const warning = (server.stages.tts ?? []).find((engine) => engine.name === name)?.warning;
    return warning ? `${warning[0].toUpperCase()}${warning.slice(1)}.` : "";
  }

  /** Returns whether the page behind the dialog was clicked, not the dialog's own edge. @param {MouseEvent} event */
  _isOutside({ target, clientX, clientY }) {
    const { left, right, top, bottom } = this._dialog.getBoundingClientRect();
    return target === this._dialog && (clientX < left || clientX > right || clientY < top || clientY > bottom);
  }

  /** Draws only what has changed: a list must not change while somebody reads it. */
  draw() {
    const { preferences, server } = this._session;
    const current = preferences.current;
    write(find(this._dialog, "#vb-voice-note"), this._voiceNote);
    const ready = Object.values(server.stages).map((engines) => engines.map(({ name, ready }) => [name, ready]));
    const drawn = JSON.stringify([current, preferences.pushToTalk, ready]);
    if (drawn === this._drawn && preferences.available === this._drawnAvailable) return;
    this._drawn = drawn;
    this._drawnAvailable = preferences.available;
    for (const field of SELECTS) this._drawSelect(field, this._annotatedOptions(field, current), current[field]);
    for (const field of RADIO_FIELDS) this._drawRadios(field, preferences.options(field, current), current[field]);
    this._pushToTalk.checked = preferences.pushToTalk;
    this._select("persona").disabled ||= !preferences.followsPersona;
    find(this._dialog, "#vb-persona-note").hidden = preferences.followsPersona;
  }

  /** Marks engines that do not work now. @param {string} field @param {Record<string, string>} current */
  _annotatedOptions(field, current) {
    const engines = this._session.server.stages[field] ?? [];
    const down = engines.filter(({ ready }) => !ready).map(({ name }) => name);
    return this._session.preferences
      .options(field, current)
      .map((option) => (down.includes(option.value) ? { ...option, label: `${option.label} (unavailable)` } : option));
  }

  /** @param {string} field @param {PreferenceOption[]} options @param {string} value */
  _drawSelect(field, options, value) {
    const select = this._select(field);
    select.replaceChildren(...options.map(({ value, label }) => new Option(label, value)));
    select.value = value;
    // One engine, and "automatic", which takes it, leave nothing to choose.
    select.disabled = options.length < (STAGE_FIELDS.includes(field) ? 3 : 2);
  }

  /** @param {string} field @param {PreferenceOption[]} options @param {string} value */
  _drawRadios(field, options, value) {
    const group = find(this._dialog, `fieldset[name=${field}]`);
    if (group.querySelectorAll("label").length !== options.length) {
      group.querySelectorAll("label").forEach((label) => label.remove());
      group.append(...options.map((option) => makeRadio(field, option)));
    }
    for (const input of group.querySelectorAll("input")) input.checked = input.value === value;
  }

  get _pushToTalk() {
    return /** @type {HTMLInputElement} */ (find(this._dialog, "input[name=push_to_talk]"));
  }

  /** @param {string} field */
  _select(field) {
    return /** @type {HTMLSelectElement} */ (find(this._dialog, `select[name=${field}]`));
  }

  /** @param {Event} event */
  _changed({ target }) {
    const field = /** @type {HTMLSelectElement | HTMLInputElement} */ (target);
    const isSwitch = field === this._pushToTalk;
    this._session.preferences.set(field.name, isSwitch && !this._pushToTalk.checked ? "" : field.value);
    this._save(isSwitch ? SAVED_NOW : SAVED);
    if (field.name === "voice") this._renewLater();
  }

  _reset() {
    this._session.preferences.reset();
    this._save(SAVED);
  }

  /** @param {string} saved what is said of it */
  _save(saved) {
    this._session.sendPreferences();
    write(find(this._dialog, ".vb-saved"), saved);
  }
}

/** @param {string} field @param {PreferenceOption} option */
function makeRadio(field, { value, label, meaning }) {
  const input = document.createElement("input");
  Object.assign(input, { type: "radio", name: field, value });
  const text = make("span", "", [make("strong", ""), make("span", "vb-meaning")]);
  write(text.children[0], label);
  write(text.children[1], meaning ?? "");
  return make("label", "vb-choice", [input, text]);
}
