/** What the user has chosen for the sessions to come, kept in the browser: a reload and a reconnect find it there. */

/** @typedef {{value: string, label: string, meaning?: string}} Option */
/** @typedef {{name: string, languages: string[], voices: Record<string, Option[]>, follows_persona: boolean}} Engine */
/**
 * @typedef {object} Options what the server has
 * @property {Record<string, string>} default
 * @property {Option[]} persona
 * @property {Option[]} language
 * @property {Option[]} sensitivity
 * @property {Option[]} interrupted_history
 * @property {Record<string, Engine[]>} engines
 */

const CHOICES_KEY = "voicebot.choices";

export const STAGE_FIELDS = ["stt", "llm", "tts"];

export class Choices {
  constructor() {
    /** @type {Options | null} */
    this.options = null;
    this._wanted = storedChoices();
  }

  /** Each field's value: as chosen, if that can still be had, else the server's. @returns {Record<string, string>} */
  get current() {
    const wanted = { ...this._wanted };
    const current = { ...this.options?.default };
    // The engines depend on the language, and the voice on both.
    for (const field of ["persona", "language", "sensitivity", "interrupted_history", ...STAGE_FIELDS, "voice"]) {
      const had = this.offered(field, current).some(({ value }) => value === wanted[field]);
      if (had) current[field] = wanted[field];
    }
    return current;
  }

  /** What there is for a field, as the others are chosen.
   * @param {string} field @param {Record<string, string>} current @returns {Option[]} */
  offered(field, current) {
    if (!this.options) return [];
    const able = (/** @type {string} */ stage) =>
      (this.options?.engines[stage] ?? []).filter(({ languages }) => languages.includes(current.language));
    if (STAGE_FIELDS.includes(field)) {
      const engines = able(field).map(({ name }) => ({ value: name, label: name }));
      const first = engines[0]?.label ?? "none";
      return [{ value: "", label: engines.length > 1 ? `automatic (${first})` : first }, ...engines];
    }
    if (field === "voice") {
      return [{ value: "", label: "the usual one" }, ...(this._speaks(current)?.voices[current.language] ?? [])];
    }
    return /** @type {any} */ (this.options)[field] ?? [];
  }

  /** The engine that would speak first. */
  get speaks() {
    return this._speaks(this.current);
  }

  /** @param {Record<string, string>} current */
  _speaks({ language, tts }) {
    const able = (this.options?.engines.tts ?? []).filter(({ languages }) => languages.includes(language));
    return able.find(({ name }) => name === tts) ?? able[0];
  }

  /** Whether the model that would answer first heeds who it is told to be. */
  get followsPersona() {
    const { language, llm } = this.current;
    const able = (this.options?.engines.llm ?? []).filter(({ languages }) => languages.includes(language));
    return (able.find(({ name }) => name === llm) ?? able[0])?.follows_persona ?? false;
  }

  /** @param {string} field @param {string} value */
  choose(field, value) {
    this._wanted = { ...this.current, [field]: value };
    this._store();
  }

  reset() {
    this._wanted = {};
    this._store();
  }

  /** Is anything other than the server has it? */
  get differ() {
    return Object.entries(this.current).some(([field, value]) => this.options?.default[field] !== value);
  }

  get message() {
    return { type: "configure", ...this.current };
  }

  _store() {
    try {
      localStorage.setItem(CHOICES_KEY, JSON.stringify(this._wanted));
    } catch {
      // Then they last as long as the page.
    }
  }
}

/** @returns {Record<string, string>} */
function storedChoices() {
  try {
    const stored = JSON.parse(localStorage.getItem(CHOICES_KEY) ?? "{}");
    return typeof stored === "object" && stored !== null ? stored : {};
  } catch {
    return {};
  }
}
