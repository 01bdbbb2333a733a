/** The user's preferences, kept in the browser for later sessions. */

/** @typedef {import("./types.d.ts").PreferenceOption} PreferenceOption */
/** @typedef {import("./types.d.ts").EngineOption} EngineOption */
/** @typedef {import("./types.d.ts").AvailablePreferences} AvailablePreferences */

const STORAGE_KEY = "voicebot.preferences";

export const STAGE_FIELDS = ["stt", "llm", "tts"];
export const RADIO_FIELDS = ["endpointing", "sensitivity", "interrupted_history"];

export class Preferences {
  constructor() {
    /** @type {AvailablePreferences | null} */
    this.available = null;
    this._wanted = storedPreferences();
  }

  /** Each field's value: what the user wants if it is available, else the server's default.
   * @returns {Record<string, string>} */
  get current() {
    const current = { ...this.available?.default };
    // The engines depend on the language, and the voice on both.
    for (const field of ["persona", "language", ...RADIO_FIELDS, ...STAGE_FIELDS, "voice"]) {
      const isAvailable = this.options(field, current).some(({ value }) => value === this._wanted[field]);
      if (isAvailable) current[field] = this._wanted[field];
    }
    return current;
  }

  /** Returns the options of a field, which depend on the other fields.
   * @param {string} field @param {Record<string, string>} current @returns {PreferenceOption[]} */
  options(field, current) {
    if (!this.available) return [];
    if (STAGE_FIELDS.includes(field)) {
      const engines = this._engines(field, current).map(({ name }) => ({ value: name, label: name }));
      const first = engines[0]?.label ?? "none";
      return [{ value: "", label: engines.length > 1 ? `Automatic (${first})` : first }, ...engines];
    }
    if (field === "voice") {
      const voices = this._firstEngine("tts", current)?.voices[current.language] ?? [];
      return [{ value: "", label: "Default" }, ...voices];
    }
    const { persona, language, sensitivity, endpointing, interrupted_history } = this.available;
    const options = { persona, language, sensitivity, endpointing, interrupted_history };
    return new Map(Object.entries(options)).get(field) ?? [];
  }

  /** The engine that speaks first. */
  get speaker() {
    return this._firstEngine("tts", this.current);
  }

  /** Whether the model that answers first can take on a persona. */
  get followsPersona() {
    return this._firstEngine("llm", this.current)?.follows_persona ?? false;
  }

  /** @param {string} field @param {string} value */
  set(field, value) {
    this._wanted = { ...this.current, push_to_talk: this._wanted.push_to_talk ?? "", [field]: value };
    this._store();
  }

  /** Whether the bot hears the user only while they hold the talk button. */
  get pushToTalk() {
    return this._wanted.push_to_talk === "on";
  }

  reset() {
    this._wanted = {};
    this._store();
  }

  /** Whether anything differs from the server's defaults. */
  get differ() {
    return Object.entries(this.current).some(([field, value]) => this.available?.default[field] !== value);
  }

  get message() {
    return { type: "configure", ...this.current };
  }

  /** Returns the engines of a stage that know the language. @param {string} stage
   * @param {Record<string, string>} current @returns {EngineOption[]} */
  _engines(stage, current) {
    const engines = this.available?.engines[stage] ?? [];
    return engines.filter(({ languages }) => languages.includes(current.language));
  }

  /** Returns the engine of a stage that is tried first.
   * @param {string} stage @param {Record<string, string>} current */
  _firstEngine(stage, current) {
    const engines = this._engines(stage, current);
    return engines.find(({ name }) => name === current[stage]) ?? engines.at(0);
  }

  _store() {
    try {
      localStorage.setItem(STORAGE_KEY, JSON.stringify(this._wanted));
    } catch {
      // The browser blocks its storage: the preferences last as long as the page.
    }
  }
}

/** @returns {Record<string, string>} */
function storedPreferences() {
  try {
    const stored = JSON.parse(localStorage.getItem(STORAGE_KEY) ?? "{}");
    return typeof stored === "object" && stored !== null ? stored : {};
  } catch {
    return {};
  }
}
