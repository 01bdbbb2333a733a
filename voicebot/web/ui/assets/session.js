/** The page's side of a conversation: the one place that knows whether it is connected, and with which sound. */

import { BotVoice } from "./bot_voice.js";
import { Choices } from "./choices.js";
import { fetchJson } from "./connection.js";
import { Conversation } from "./conversation.js";
import { Ending } from "./ending.js";
import { Line } from "./line.js";
import { remembered } from "./memory.js";
import { hasMicrophone, openMicrophone } from "./microphone.js";
import {
  LEFT,
  MICROPHONE_GONE,
  SOUND_BLOCKED,
  connectionProblem,
  droppedProblem,
  goneProblem,
  microphoneProblem,
  movedNotice,
  serverProblem,
} from "./problems.js";
import { Server } from "./server.js";
import { UserSound } from "./user_sound.js";

/** @typedef {import("./problems.js").Problem} Problem */

export class Session {
  /** @param {HTMLAudioElement} player plays the bot's voice */
  constructor(player) {
    /** @type {"off" | "connecting" | "on" | "reconnecting"} */
    this.link = "off";
    this.talking = false;
    /** Which try to come back is next. */
    this.tries = 0;
    /** @type {Problem | null} */
    this.problem = null;
    this.choices = new Choices();
    this.conversation = new Conversation();
    this.taking = false;
    /** What came of the last download or import. */
    this.taken = "";
    this.changed = () => {};
    this.levelChanged = (/** @type {number} */ _level) => {};
    this.server = new Server({
      changed: () => this.changed(),
      problem: (problem) => this.warn(problem),
      mended: (problem) => problem === this.problem && this.dismiss(),
    });
    this._voice = new BotVoice(player, () => this.warn(SOUND_BLOCKED));
    this._line = new Line({
      message: (message) => this.receive(message),
      voice: (voice) => this._voice.hear(voice),
      linked: () => this._linked(),
      reconnecting: (number) => this._broken(number),
      ended: (problem) => this._end(problem),
    });
    this._sound = new UserSound({
      level: (level) => this.levelChanged(level),
      replaced: (track) => void this._line.replaceTrack(track),
      moved: (label) => this.warn(movedNotice(label)),
      gone: (error) => this._microphoneGone(error),
      silenced: () => this.changed(),
    });
    this._ending = new Ending((notice) => this.warn(notice));
    this._wantsToTalk = false;
  }

  get view() {
    return this.conversation.view;
  }

  get muted() {
    return this._sound.muted;
  }

  /** The system has muted the microphone. */
  get silenced() {
    return this._sound.silenced;
  }

  /** What the server has to say before anybody connects, and what was said before a reload. */
  async introduce() {
    try {
      const config = await fetchJson("webrtc/config");
      this._line.ice.take(config);
      this.choices.options = config.options;
      this.server.take(config);
    } catch (error) {
      return this.warn(connectionProblem(error));
    }
    const view = await this.conversation.recall();
    if (view && this.link === "off" && this.view === null) this._show(view);
  }

  /** Asks the server again what there is to choose from. If it does not answer, what was known stays. */
  async renewOptions() {
    try {
      const config = await fetchJson("webrtc/config");
      // A list that somebody reads is not drawn anew if nothing of it is new.
      const isNew = JSON.stringify(config.options) !== JSON.stringify(this.choices.options);
      if (isNew) this.choices.options = config.options;
      this.server.take(config);
    } catch {
      // The page says elsewhere that the server is away.
    }
  }

  /** The talk button: talks, or hangs up. */
  async toggleTalk() {
    if (this._mayTalk) await this._talk();
    else this.hangUp();
  }

  /** Asks for the microphone, connects and talks, unless one does already. */
  async talk() {
    if (this._mayTalk) await this._talk();
  }

  get _mayTalk() {
    return !this.talking && (this.link === "off" || this.link === "on");
  }

  /** Says `text` in writing, connecting first if need be; false if it could not be sent. Who writes while the browser
   * still asks for the microphone does not wait for it. @param {string} text */
  async sendText(text) {
    if (!text.trim()) return true;
    if (this.link === "off") await this._listenOnly();
    else if (this._line.state === "off") await this._connectSilently();
    await this._opened;
    return this._line.send({ type: "text", text });
  }

  interrupt() {
    this._line.send({ type: "interrupt" });
  }

  /** A new conversation, over the same connection if there is one; what was kept of the old one is deleted. */
  async clear() {
    if (this._line.send({ type: "clear" })) return;
    try {
      await this.conversation.erase();
      this._set({ taken: "" });
    } catch (error) {
      this.warn(connectionProblem(error));
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
    this.changed();
  }

  /** Once more, as it was before: talking, if the user talked. */
  async reconnect() {
    await (this._wantsToTalk ? this._talk() : this._listenOnly());
  }

  /** Goes on in a new session, with the same conversation. */
  renew() {
    this.dismiss();
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
    if (this._wasOn && remembered() !== null) this.warn(LEFT);
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
    this.dismiss();
    await this._voice.play();
  }

  /** What the page said of this session it takes back: there is nothing to go on with, to unblock or to plug in. */
  hangUp() {
    this._attempt = undefined;
    this._ending.cancel();
    this._line.close();
    this._sound.close();
    this._voice.silence();
    this.conversation.end();
    this._set({ link: "off", talking: false, problem: null });
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
    await this._connectSilently();
  }

  async _connectSilently() {
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
    await (this._line.state === "off" ? this._connect() : this._opened);
    if (attempt !== this._attempt) return;
    this._set({ link: this._line.state, talking: true });
  }

  /** Resolves when the connection is there, has failed, or is no longer wanted. */
  async _connect() {
    this._opened = this._line.open(/** @type {MediaStreamTrack} */ (this._sound.track));
    await this._opened;
  }

  /** What could only be mended by connecting is mended. */
  _linked() {
    this._set({ link: "on", problem: this.problem?.action === "reconnect" ? null : this.problem });
  }

  /** The connection broke, and is being mended: the microphone stays as it is. @param {number} number of the next try */
  _broken(number) {
    this._ending.cancel();
    this._voice.silence();
    this.conversation.end();
    const problem = this.link === "reconnecting" ? this.problem : null;
    this._set({ link: "reconnecting", tries: number, problem });
  }

  /** @param {Record<string, any>} message what FastRTC itself sends besides is of no interest */
  receive(message) {
    switch (message.type) {
      case "connected":
        this.conversation.begin(message);
        this.choices.options = message.options;
        if (this.choices.differ) this.configure();
        this.server.engines = message.engines;
        this._set({ taken: "" });
        this._ending.foresee(message.ends_in_s, message.conversation !== null);
        break;
      case "telemetry":
        if (message.stt_bytes === this.conversation.bytesHeard) break;
        this.conversation.bytesHeard = message.stt_bytes;
        this.changed();
        break;
      case "state":
        this.conversation.take(message);
        this.changed();
        break;
      case "tts.dropped":
        this.warn(droppedProblem(message.text));
        break;
      case "error":
        this.warn(serverProblem(message.message));
        break;
    }
  }

  /** @param {unknown} error */
  _microphoneGone(error) {
    this._set({ talking: false, problem: goneProblem(error) });
  }

  /** @param {Problem} problem */
  _end(problem) {
    this.hangUp();
    this.warn(problem);
  }

  /** Shows a conversation that was brought along, in the place of the one there is. @param {Record<string, any>} view */
  goOnWith(view) {
    this.hangUp();
    this._show(view);
  }

  /** @param {Record<string, any>} view of another conversation */
  _show(view) {
    this.conversation.replace(view);
    this.changed();
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
