/** The page's side of a conversation: the one place that knows whether it is connected, and with which sound. */

import { Connection, fetchJson } from "./connection.js";
import { IceServers } from "./ice.js";
import { forget, remember, remembered } from "./memory.js";
import { LevelMeter, openMicrophone, silentTrack } from "./microphone.js";
import {
  CONNECTION_LOST,
  MICROPHONE_GONE,
  SOUND_BLOCKED,
  closedProblem,
  connectionProblem,
  droppedProblem,
  enginesProblem,
  microphoneProblem,
  serverProblem,
} from "./problems.js";
import { WrongCalls } from "./wrong_calls.js";

/** @typedef {import("./problems.js").Problem} Problem */

export class Session {
  /** @param {HTMLAudioElement} player plays the bot's voice */
  constructor(player) {
    this._player = player;
    /** @type {"off" | "connecting" | "on"} */
    this.link = "off";
    this.talking = false;
    this.muted = false;
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
    this.changed = () => {};
    this.levelChanged = (/** @type {number} */ _level) => {};
    this._ice = new IceServers();
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
      this._ice.take(config);
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
    if (this.talking || this.link === "connecting") this.hangUp();
    else await this._talk();
  }

  /** Says `text` in writing, connecting first if need be; false if it could not be sent. @param {string} text */
  async sendText(text) {
    if (!text.trim()) return true;
    if (this.link === "off") await this._listenOnly();
    await this._opened;
    return this._connection?.send({ type: "text", text }) ?? false;
  }

  interrupt() {
    this._connection?.send({ type: "interrupt" });
  }

  /** A new conversation, over the same connection if there is one; what was kept of the old one is deleted. */
  async clear() {
    if (this._connection?.send({ type: "clear" })) return;
    const name = remembered();
    try {
      if (name !== null) await fetchJson(`conversations/${name}`, { method: "DELETE" });
      forget();
      this._set({ view: null });
    } catch (error) {
      this._set({ problem: connectionProblem(error) });
    }
  }

  /** The verdict of this number was wrong, or was not. @param {number} ruling @param {boolean} disputed */
  dispute(ruling, disputed) {
    this._connection?.send({ type: "dispute", ruling, disputed });
  }

  toggleMute() {
    if (!this._track || !this.talking) return;
    this._track.enabled = this.muted;
    this._set({ muted: !this.muted });
  }

  /** Once more, as it was before: talking, if the user talked. */
  async reconnect() {
    await (this._wantsToTalk ? this._talk() : this._listenOnly());
  }

  dismiss() {
    this._set({ problem: null });
  }

  /** The browser wants a press before it plays sound: this was one. */
  async unblock() {
    this._set({ problem: null });
    await this._play();
  }

  hangUp() {
    this._attempt = undefined;
    this._meter?.close();
    this._connection?.close();
    this._track?.stop();
    this._meter = this._connection = this._track = undefined;
    this._player.srcObject = null;
    this._set({ link: "off", talking: false, muted: false, view: this.view && ended(this.view) });
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
    await this._connect(silentTrack(), this._begin());
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
      this._set({ link: this._connection ? "on" : "off", problem: microphoneProblem(error) });
    }
  }

  /** @param {MediaStreamTrack} track @param {symbol} attempt */
  async _talkWith(track, attempt) {
    if (this._connection) {
      this._useTrack(track);
      await this._connection.replaceTrack(track);
      this._set({ link: "on" });
    } else {
      await this._connect(track, attempt);
    }
    if (attempt !== this._attempt) return;
    track.addEventListener("ended", () => track === this._track && this._microphoneGone());
    this._meter = new LevelMeter(track, this.levelChanged);
    this._set({ talking: true });
  }

  /** Resolves when the connection is there, has failed, or is no longer wanted.
   * @param {MediaStreamTrack} track @param {symbol} attempt */
  async _connect(track, attempt) {
    this._useTrack(track);
    const iceServers = await this._ice.fresh();
    if (attempt !== this._attempt) return;
    this._connection = new Connection(
      {
        message: (message) => this._receive(message),
        voice: (voice) => this._hear(voice),
        lost: () => this._end(CONNECTION_LOST),
      },
      iceServers,
    );
    this._opened = this._connection.open(track).then(
      () => attempt === this._attempt && this._set({ link: "on" }),
      (error) => attempt === this._attempt && this._end(connectionProblem(error)),
    );
    await this._opened;
  }

  /** @param {Record<string, any>} message what FastRTC itself sends besides is of no interest */
  _receive(message) {
    switch (message.type) {
      case "hello":
        this._name = message.session;
        this._unspoken = message.conversation;
        this._set({ engines: message.engines, bytesHeard: 0 });
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
      case "closed":
        this._end(closedProblem(message.reason));
        break;
    }
  }

  /** @param {MediaStream} voice */
  _hear(voice) {
    this._player.srcObject = voice;
    void this._play();
  }

  async _play() {
    try {
      await this._player.play();
    } catch (error) {
      // An AbortError only says that the voice has gone again.
      if (error instanceof DOMException && error.name === "NotAllowedError") this._set({ problem: SOUND_BLOCKED });
    }
  }

  _microphoneGone() {
    const silence = silentTrack();
    this._useTrack(silence);
    void this._connection?.replaceTrack(silence);
    this._set({ talking: false, muted: false, problem: MICROPHONE_GONE });
  }

  /** @param {Problem} problem */
  _end(problem) {
    this.hangUp();
    this._set({ problem });
  }

  /** Sends this track from now on; the one before is let go. @param {MediaStreamTrack} track */
  _useTrack(track) {
    this._meter?.close();
    this._meter = undefined;
    this._track?.stop();
    this._track = track;
  }

  /** @param {Partial<Session>} changes */
  _set(changes) {
    Object.assign(this, changes);
    this.changed();
  }
}

/** The last state of a session that is over: nothing goes on in it any more. @param {Record<string, any>} view */
function ended(view) {
  const chat = view.chat
    .filter((/** @type {any} */ message) => !message.interim)
    .map((/** @type {any} */ message) =>
      message.live ? { ...message, live: false, unheard: "", interrupted: message.unheard !== "" } : message,
    );
  return { ...view, chat, phase: "idle", status: {}, error: null };
}
