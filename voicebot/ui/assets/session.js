/** The page's side of a conversation: the one place that knows whether it is connected, and with which sound. */

import { BotVoice } from "./bot_voice.js";
import { Choices } from "./choices.js";
import { fetchJson } from "./connection.js";
import { ended } from "./last_view.js";
import { Line } from "./line.js";
import { forget, remember, remembered } from "./memory.js";
import { hasMicrophone, openMicrophone } from "./microphone.js";
import {
  LEFT,
  MICROPHONE_GONE,
  SOUND_BLOCKED,
  connectionProblem,
  droppedProblem,
  endingNotice,
  enginesProblem,
  goneProblem,
  microphoneProblem,
  movedNotice,
  serverProblem,
} from "./problems.js";
import { UserSound } from "./user_sound.js";
import { WrongCalls } from "./wrong_calls.js";

/** The end of a session is told so long before; of a short one at half its time. */
const ENDING_S = 60;

/** @typedef {import("./problems.js").Problem} Problem */

export class Session {
  /** @param {HTMLAudioElement} player plays the bot's voice */
  constructor(player) {
    this._voice = new BotVoice(player, () => this._set({ problem: SOUND_BLOCKED }));
    /** @type {"off" | "connecting" | "on" | "reconnecting"} */
    this.link = "off";
    this.talking = false;
    this.muted = false;
    /** The system has muted the microphone. */
    this.silenced = false;
    /** Which try to come back is next. */
    this.tries = 0;
    /** @type {Problem | null} */
    this.problem = null;
    /** @type {Record<string, any> | null} the server's last whole state */
    this.view = null;
    /** @type {Record<string, string>} */
    this.engines = {};
    /** @type {Record<string, import("./engines.js").Health[]>} each stage's engines and how they do */
    this.stages = {};
    this.checking = false;
    this.bytesHeard = 0;
    this.notice = "";
    this.wrongCalls = new WrongCalls();
    this.choices = new Choices();
    /** @type {string | null} the name under which the last session can be taken along */
    this.recording = null;
    this.taking = false;
    /** What came of the last download or import. */
    this.taken = "";
    this.changed = () => {};
    this.levelChanged = (/** @type {number} */ _level) => {};
    this._line = new Line({
      message: (message) => this._receive(message),
      voice: (voice) => this._voice.hear(voice),
      linked: () => this._set({ link: "on" }),
      reconnecting: (number) => this._broken(number),
      ended: (problem) => this._end(problem),
    });
    this._sound = new UserSound({
      level: (level) => this.levelChanged(level),
      replaced: (track) => void this._line.replaceTrack(track),
      moved: (label) => this._set({ problem: movedNotice(label) }),
      gone: (error) => this._microphoneGone(error),
      silenced: () => this._set({ silenced: this._sound.silenced }),
    });
    this._wantsToTalk = false;
    /** The server's name for this session. */
    this._name = "";
    /** @type {string | null} the conversation's name, until something was said in it: only then is it worth going on */
    this._unspoken = null;
  }

  /** Which engines would answer, and what the server has to say before anybody connects. */
  async introduce() {
    try {
      const config = await fetchJson("webrtc/config");
      this._line.ice.take(config);
      this.choices.options = config.options;
      this._set({ engines: config.engines, stages: config.stages, notice: config.notice ?? "" });
      if (config.problem) this._set({ problem: enginesProblem(config.problem) });
      await this._recall();
    } catch (error) {
      this._set({ problem: connectionProblem(error) });
    }
  }

  /** Shows what was said before a reload, unless something is being said already. */
  async _recall() {
    const name = remembered();
    if (name === null) return;
    try {
      const view = await fetchJson(`conversations/${name}`);
      if (this.link === "off" && this.view === null) this._set({ view });
    } catch {
      // It is gone, or out of reach for now: the server says more when one connects.
    }
  }

  /** Has the server look at its engines once more. */
  async check() {
    if (this.checking) return;
    this._set({ checking: true });
    try {
      const { stages, problem } = await fetchJson("preflight", { method: "POST" });
      this._set({ stages, problem: problem ? enginesProblem(problem) : null });
    } catch (error) {
      this._set({ problem: connectionProblem(error) });
    } finally {
      this._set({ checking: false });
    }
  }

  /** The talk button: asks for the microphone, connects and talks; or hangs up. */
  async toggleTalk() {
    if (this.talking || this.link === "connecting" || this.link === "reconnecting") this.hangUp();
    else await this._talk();
  }

  /** Says `text` in writing, connecting first if need be; false if it could not be sent. @param {string} text */
  async sendText(text) {
    if (!text.trim()) return true;
    if (this.link === "off") await this._listenOnly();
    await this._opened;
    return this._line.send({ type: "text", text });
  }

  interrupt() {
    this._line.send({ type: "interrupt" });
  }

  /** A new conversation, over the same connection if there is one; what was kept of the old one is deleted. */
  async clear() {
    if (this._line.send({ type: "clear" })) return;
    const name = remembered();
    try {
      if (name !== null) await fetchJson(`conversations/${name}`, { method: "DELETE" });
      if (this.recording !== null) await fetchJson(`recordings/${this.recording}.zip`, { method: "DELETE" });
      forget();
      this._set({ view: null, recording: null, taken: "" });
    } catch (error) {
      this._set({ problem: connectionProblem(error) });
    }
  }

  /** The verdict of this number was wrong, or was not. @param {number} ruling @param {boolean} disputed */
  dispute(ruling, disputed) {
    this._line.send({ type: "dispute", ruling, disputed });
  }

  /** What was chosen goes to the server, which keeps it for the session; the next one is told when it begins. */
  configure() {
    this._line.send(this.choices.message);
    this.changed();
  }

  toggleMute() {
    if (!this.talking) return;
    this._sound.mute(!this.muted);
    this._set({ muted: this._sound.muted });
  }

  /** Once more, as it was before: talking, if the user talked. */
  async reconnect() {
    await (this._wantsToTalk ? this._talk() : this._listenOnly());
  }

  /** Goes on in a new session, with the same conversation. */
  renew() {
    this._set({ problem: null });
    this._line.renew();
  }

  /** What was connected may no longer be, or may be again. */
  doubt() {
    this._line.check();
  }

  /** The page is left: for ever, or until the browser shows it again as it was. */
  leave() {
    this._wasOn = this.link !== "off";
    this.hangUp();
  }

  async comeBack() {
    if (this._wasOn && remembered() !== null) this._set({ problem: LEFT });
    await this.introduce();
  }

  /** A device came or went. */
  async devicesChanged() {
    if (this.link === "on" && this.problem === MICROPHONE_GONE && (await hasMicrophone())) await this._talk();
  }

  /** @param {Problem} problem */
  warn(problem) {
    this._set({ problem });
  }

  dismiss() {
    this._set({ problem: null });
  }

  /** The browser wants a press before it plays sound: this was one. */
  async unblock() {
    this._set({ problem: null });
    await this._voice.play();
  }

  hangUp() {
    this._attempt = undefined;
    clearTimeout(this._ending);
    this._line.close();
    this._sound.close();
    this._voice.silence();
    this._set({ link: "off", talking: false, muted: false, silenced: false, view: this.view && ended(this.view) });
  }

  /** A mark for this try: what an older one still brings is dropped. */
  _begin() {
    this._attempt = Symbol("attempt");
    this._set({ link: "connecting", problem: null });
    return this._attempt;
  }

  /** Connects without a microphone. */
  async _listenOnly() {
    this._wantsToTalk = false;
    this._begin();
    this._sound.useSilence();
    await this._connect();
  }

  async _talk() {
    this._wantsToTalk = true;
    const attempt = this._begin();
    try {
      const track = await openMicrophone();
      if (attempt === this._attempt) await this._talkWith(track, attempt);
      else track.stop();
    } catch (error) {
      if (attempt !== this._attempt) return;
      this._set({ link: this._line.state, problem: microphoneProblem(error) });
    }
  }

  /** @param {MediaStreamTrack} track @param {symbol} attempt */
  async _talkWith(track, attempt) {
    this._sound.useMicrophone(track);
    if (this._line.state === "on") this._set({ link: "on" });
    else await this._connect();
    if (attempt !== this._attempt) return;
    this._set({ talking: true, silenced: this._sound.silenced });
  }

  /** Resolves when the connection is there, has failed, or is no longer wanted. */
  async _connect() {
    this._opened = this._line.open(/** @type {MediaStreamTrack} */ (this._sound.track));
    await this._opened;
  }

  /** The connection broke, and is being mended: the microphone stays as it is. @param {number} number of the next try */
  _broken(number) {
    clearTimeout(this._ending);
    this._voice.silence();
    const view = this.link === "on" && this.view ? ended(this.view) : this.view;
    this._set({ link: "reconnecting", tries: number, problem: null, view });
  }

  /** @param {Record<string, any>} message what FastRTC itself sends besides is of no interest */
  _receive(message) {
    switch (message.type) {
      case "hello":
        this._name = message.session;
        this._unspoken = message.conversation;
        // An import to a server that keeps nothing: this session has taken it over, and another would begin anew.
        if (message.conversation === null) forget();
        this.choices.options = message.options;
        if (this.choices.differ) this.configure();
        this._set({ engines: message.engines, bytesHeard: 0, recording: message.recording, taken: "" });
        this._foresee(message.ends_in_s, message.conversation !== null);
        break;
      case "telemetry":
        if (message.stt_bytes !== this.bytesHeard) this._set({ bytesHeard: message.stt_bytes });
        break;
      case "state":
        this.wrongCalls.collect(this._name, message.rulings);
        if (this._unspoken && message.chat.length) {
          remember(this._unspoken);
          this._unspoken = null;
        }
        this._set({ view: message });
        break;
      case "dropped":
        this._set({ problem: droppedProblem(message.text) });
        break;
      case "error":
        this._set({ problem: serverProblem(message.message) });
        break;
    }
  }

  /** Tells of the session's end before it comes.
   * @param {number | null | undefined} ends_in_s @param {boolean} kept whether the conversation is */
  _foresee(ends_in_s, kept) {
    clearTimeout(this._ending);
    if (typeof ends_in_s !== "number") return;
    const told_s = Math.min(ENDING_S, ends_in_s / 2);
    const tell = () => this._set({ problem: endingNotice(told_s, kept) });
    this._ending = setTimeout(tell, (ends_in_s - told_s) * 1000);
  }

  /** @param {unknown} error */
  _microphoneGone(error) {
    this._set({ talking: false, muted: false, silenced: false, problem: goneProblem(error) });
  }

  /** @param {Problem} problem */
  _end(problem) {
    this.hangUp();
    this._set({ problem });
  }

  /** Shows a conversation that was brought along, in the place of the one there is. @param {Record<string, any>} view */
  goOnWith(view) {
    this.hangUp();
    this._set({ view, recording: null });
  }

  /** @param {Partial<Pick<Session, "taking" | "taken" | "problem">>} news of a download or an import */
  tell(news) {
    this._set(news);
  }

  /** @param {Partial<Session>} changes */
  _set(changes) {
    Object.assign(this, changes);
    this.changed();
  }
}
