/** The page's side of a conversation: it connects sound, connection and conversation, and takes the user's actions. */

import { BotAudio, UserAudio, hasMicrophone, openMicrophone } from "./audio.js";
import { Connection } from "./connection.js";
import { DISCONNECTED, canTalk, connectionStep, isDisconnected } from "./connection_state.js";
import { Conversation, rememberedConversation } from "./conversation.js";
import { fetchJson } from "./http.js";
import { Preferences } from "./preferences.js";
import {
  LEFT_PAGE,
  MICROPHONE_UNPLUGGED,
  SOUND_BLOCKED,
  connectionProblem,
  droppedProblem,
  endingNotice,
  microphoneLostProblem,
  microphoneProblem,
  serverProblem,
  switchedNotice,
} from "./problems.js";
import { Server } from "./server.js";

/** @typedef {import("./problems.js").Problem} Problem */
/** @typedef {import("./types.d.ts").View} View */
/** @typedef {import("./types.d.ts").ServerMessage} ServerMessage */

/** The user is told of the session's end this long before it, or at half the time of a short session. */
const ENDING_S = 60;

export class Session {
  /** @param {HTMLAudioElement} player plays the bot's voice */
  constructor(player) {
    this.state = DISCONNECTED;
    /** @type {Problem | null} */
    this.problem = null;
    this.preferences = new Preferences();
    this.conversation = new Conversation();
    /** A download or an import: whether one is running, and what came of the last one. */
    this.transfer = { running: false, status: "" };
    this.changed = () => {};
    this.levelChanged = (/** @type {number} */ _level) => {};
    this.server = new Server({
      changed: () => this.changed(),
      problem: (problem) => this.warn(problem),
      solved: (problem) => problem === this.problem && this.dismiss(),
    });
    this._botAudio = new BotAudio(player, () => this.warn(SOUND_BLOCKED));
    this._connection = new Connection({
      message: (message) => this.receive(message),
      voice: (voice) => this._botAudio.use(voice),
      connected: () => this._connected(),
      lost: (retry) => this._lost(retry),
      ended: (problem) => this._ended(problem),
    });
    this._userAudio = new UserAudio({
      level: (level) => this.levelChanged(level),
      replaced: (track) => void this._connection.replaceTrack(track),
      switched: (label) => this.warn(switchedNotice(label)),
      lost: (error) => this._microphoneLost(error),
      systemMuteChanged: () => this.changed(),
    });
    /** Resolves when the last attempt to connect has come to an end. @type {Promise<void>} */
    this._opened = Promise.resolve();
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this._endingTimer = undefined;
    this._wasConnected = false;
    /** Whether the user holds the talk button. */
    this.pressed = false;
    this._userAudio.gate(this.preferences.pushToTalk);
  }

  get view() {
    return this.conversation.view;
  }

  /** Whether the user talks, rather than only types. */
  get talking() {
    return this.state.microphone === "on";
  }

  /** With push-to-talk there is nothing to mute. */
  get canMute() {
    return this.talking && !this.preferences.pushToTalk;
  }

  get muted() {
    return this._userAudio.muted;
  }

  /** Whether the bot hears the user only while they hold the talk button. */
  get holdsToTalk() {
    return this.preferences.pushToTalk && this.talking && this.state.link === "on";
  }

  get mutedBySystem() {
    return this._userAudio.mutedBySystem;
  }

  /** Asks what the server has to say before anybody connects, and what was said before a reload. */
  async introduce() {
    try {
      const config = await fetchJson("webrtc/config");
      this._connection.configure(config);
      this.preferences.available = config.options;
      this.server.configure(config);
    } catch (error) {
      return this.warn(connectionProblem(error));
    }
    const view = await this.conversation.recall();
    if (view && isDisconnected(this.state) && this.view === null) this._replaceView(view);
  }

  /** Asks the server again which preferences are available. Without an answer, what was known stays. */
  async renewPreferences() {
    try {
      const config = await fetchJson("webrtc/config");
      // A list that somebody reads is not drawn again unless it has changed.
      const isNew = JSON.stringify(config.options) !== JSON.stringify(this.preferences.available);
      if (isNew) this.preferences.available = config.options;
      this.server.configure(config);
    } catch {
      // The page says elsewhere that the server cannot be reached.
    }
  }

  /** The talk button: talks, or hangs up. */
  async toggleTalk() {
    if (canTalk(this.state)) await this._talk();
    else this.hangUp();
  }

  /** Asks for the microphone, connects and talks, unless the user talks already. */
  async talk() {
    if (canTalk(this.state)) await this._talk();
  }

  /** Sends typed text, after connecting if necessary. Returns false if it could not be sent. It does not wait for the
   * browser to ask for the microphone. @param {string} text */
  async sendText(text) {
    if (!text.trim()) return true;
    if (isDisconnected(this.state)) await this._connectForTyping();
    else if (this.state.link === "off") await this._connectWithSilence();
    await this._opened;
    return this._connection.send({ type: "text", text });
  }

  interrupt() {
    this._connection.send({ type: "interrupt" });
  }

  /** Starts a new conversation, over the same connection if there is one, and deletes what was kept of the old one. */
  async startNewConversation() {
    if (this._connection.send({ type: "clear" })) return;
    try {
      await this.conversation.erase();
      this.transfer.status = "";
      this.changed();
    } catch (error) {
      this.warn(connectionProblem(error));
    }
  }

  /** Tells the server that a verdict was wrong, or was not. @param {number} verdict @param {boolean} disputed */
  dispute(verdict, disputed) {
    this._connection.send({ type: "dispute", verdict, disputed });
  }

  /** Tells the server the user's preferences, for this session. The next one is told when it begins. */
  sendPreferences() {
    this._applyPushToTalk();
    this._connection.send(this.preferences.message);
    this.changed();
  }

  /** On its own, so that it holds even if another preference is no longer available. */
  _applyPushToTalk() {
    const { pushToTalk } = this.preferences;
    if (pushToTalk) this._userAudio.mute(false);
    else this.setPressed(false);
    this._userAudio.gate(pushToTalk && !this.pressed);
    this._connection.send({ type: "configure", push_to_talk: pushToTalk });
  }

  /** The user presses the talk button, while it is one to hold, or lets go of it. @param {boolean} pressed */
  setPressed(pressed) {
    if (pressed === this.pressed || (pressed && !this.holdsToTalk)) return;
    this.pressed = pressed;
    this._userAudio.gate(this.preferences.pushToTalk && !pressed);
    this._connection.send({ type: "talk", pressed });
    this.changed();
  }

  toggleMute() {
    if (!this.canMute) return;
    this._userAudio.mute(!this.muted);
    this.changed();
  }

  /** Connects again, with the microphone if the user talked before. */
  async reconnect() {
    await (this.state.wantsToTalk ? this._talk() : this._connectForTyping());
  }

  /** Continues the conversation in a new session. */
  renew() {
    this.dismiss();
    this._connection.renew();
  }

  /** The connection may have broken, or may work again. */
  checkConnection() {
    this._connection.check();
  }

  /** The user leaves the page: for ever, or until the browser shows it again as it was. */
  leave() {
    this._wasConnected = !isDisconnected(this.state);
    this.hangUp();
  }

  async comeBack() {
    if (this._wasConnected && rememberedConversation() !== null) this.warn(LEFT_PAGE);
    await this.introduce();
  }

  /** A device was plugged in or unplugged. */
  async devicesChanged() {
    const missing = this.state.link === "on" && this.problem === MICROPHONE_UNPLUGGED;
    if (missing && (await hasMicrophone())) await this._talk();
  }

  /** @param {Problem} problem */
  warn(problem) {
    this.problem = problem;
    this.changed();
  }

  dismiss() {
    this.problem = null;
    this.changed();
  }

  /** Plays the sound that the browser has blocked until the user presses something. */
  async unblock() {
    this.dismiss();
    await this._botAudio.play();
  }

  /** Ends the session. Problems that were about it are solved with it. */
  hangUp() {
    clearTimeout(this._endingTimer);
    this.setPressed(false);
    this._connection.close();
    this._userAudio.close();
    this._botAudio.stop();
    this.conversation.end();
    this.problem = null;
    this._step({ type: "ended" });
  }

  async _connectForTyping() {
    this.problem = null;
    this._step({ type: "typing requested" });
    await this._connectWithSilence();
  }

  async _connectWithSilence() {
    this._userAudio.useSilence();
    await this._connect();
  }

  async _talk() {
    this.problem = null;
    this._step({ type: "microphone requested" });
    const { attempt } = this.state;
    try {
      const track = await openMicrophone();
      if (attempt === this.state.attempt) await this._talkWith(track);
      else track.stop();
    } catch (error) {
      if (attempt !== this.state.attempt) return;
      this.problem = microphoneProblem(error);
      this._step({ type: "microphone closed" });
    }
  }

  /** @param {MediaStreamTrack} track */
  async _talkWith(track) {
    this._userAudio.useMicrophone(track);
    this._step({ type: "microphone opened" });
    await (this.state.link === "off" ? this._connect() : this._opened);
  }

  /** Resolves when the connection is open, has failed, or is no longer wanted. */
  async _connect() {
    this._step({ type: "connecting" });
    this._opened = this._connection.open(/** @type {MediaStreamTrack} */ (this._userAudio.track));
    await this._opened;
  }

  /** Problems that a connection solves are solved. */
  _connected() {
    if (this.problem?.action === "reconnect") this.problem = null;
    this._step({ type: "connected" });
  }

  /** The connection broke. The microphone stays open while it is repaired. @param {number} retry */
  _lost(retry) {
    clearTimeout(this._endingTimer);
    this.setPressed(false);
    this._botAudio.stop();
    this.conversation.end();
    if (this.state.link !== "reconnecting") this.problem = null;
    this._step({ type: "lost", retry });
  }

  /** @param {Problem} problem */
  _ended(problem) {
    this.hangUp();
    this.warn(problem);
  }

  /** @param {unknown} error */
  _microphoneLost(error) {
    this.setPressed(false);
    this.problem = microphoneLostProblem(error);
    this._step({ type: "microphone closed" });
  }

  /** FastRTC's own messages are ignored. @param {ServerMessage} message */
  receive(message) {
    switch (message.type) {
      case "connected":
        this.conversation.begin(message);
        this.preferences.available = message.options;
        if (this.preferences.differ || this.preferences.pushToTalk) this.sendPreferences();
        this.server.engines = message.engines;
        this.transfer.status = "";
        this._announceEnd(message.ends_in_s, message.conversation !== null);
        this.changed();
        break;
      case "telemetry":
        if (message.stt_bytes === this.conversation.bytesReceived) break;
        this.conversation.bytesReceived = message.stt_bytes;
        this.changed();
        break;
      case "state":
        this.conversation.update(message);
        this.changed();
        break;
      case "tts.dropped":
        this.warn(droppedProblem(message.text));
        break;
      case "error":
        this.warn(serverProblem(message));
        break;
    }
  }

  /** @param {number} ends_in_s @param {boolean} kept whether the conversation is kept */
  _announceEnd(ends_in_s, kept) {
    clearTimeout(this._endingTimer);
    const left_s = Math.min(ENDING_S, ends_in_s / 2);
    this._endingTimer = setTimeout(() => this.warn(endingNotice(left_s, kept)), (ends_in_s - left_s) * 1000);
  }

  /** Continues with a conversation that was imported. @param {View} view */
  continueWith(view) {
    this.hangUp();
    this._replaceView(view);
  }

  /** @param {View} view of another conversation */
  _replaceView(view) {
    this.conversation.replace(view);
    this.changed();
  }

  /** @param {boolean} running whether a download or an import is running @param {string} status
   * @param {Problem | null} [problem] why it failed */
  setTransfer(running, status, problem = null) {
    this.transfer = { running, status };
    this.problem = problem;
    this.changed();
  }

  /** @param {import("./connection_state.js").ConnectionEvent} event */
  _step(event) {
    this.state = connectionStep(this.state, event);
    this.changed();
  }
}
