/** The connection to the bot, over one WebRTC peer after another: if one breaks by itself, another takes its place. */

import { rememberedConversation } from "./conversation.js";
import { fetchJson } from "./http.js";
import { Peer } from "./peer.js";
import { canReconnectAfter, closedProblem, connectionProblem, lostProblem } from "./problems.js";
import { Reconnection } from "./reconnection.js";

/** @typedef {import("./problems.js").Problem} Problem */
/** @typedef {import("./types.d.ts").ServerMessage} ServerMessage */
/** @typedef {import("./types.d.ts").IceConfig} IceConfig */

/**
 * @typedef {object} ConnectionEvents
 * @property {(message: ServerMessage) => void} message
 * @property {(voice: MediaStream) => void} voice
 * @property {() => void} connected
 * @property {(retry: number) => void} lost it broke, and the retry of this number comes next
 * @property {(problem: Problem) => void} ended it has ended, and there are no retries
 */

export class Connection {
  /** @param {ConnectionEvents} events */
  constructor(events) {
    this._events = events;
    this._iceServers = new IceServers();
    /** The conversation of this connection. @type {string | null} */
    this._conversation = null;
    this._connected_ms = 0;
    /** @type {Peer | undefined} */
    this._peer = undefined;
    /** What is sent. @type {MediaStreamTrack | undefined} */
    this._track = undefined;
    /** Whether the next retry uses the ICE servers that are known, so that it takes less time. */
    this._hurries = false;
    /** Changes with each `open` and `close`. @type {symbol | undefined} */
    this._attempt = undefined;
    this._reconnection = new Reconnection({
      connect: () => this._reconnect(),
      waiting: (retry) => events.lost(retry),
      failed: (error) => this._end(lostProblem(error)),
    });
  }

  /** Takes over what the server says of its ICE servers. @param {IceConfig} config */
  configure(config) {
    this._iceServers.update(config);
  }

  /** Connects and sends the sound of `track`. Resolves after `connected`, `ended`, or another `open` or `close`.
   * @param {MediaStreamTrack} track */
  async open(track) {
    this.close();
    this._track = track;
    const attempt = (this._attempt = Symbol("attempt"));
    try {
      await this._connect();
    } catch (error) {
      if (attempt === this._attempt) this._end(connectionProblem(error));
    }
  }

  /** Ends the connection because the user wants it: there are no retries. */
  close() {
    this._attempt = this._track = undefined;
    this._conversation = null;
    this._reconnection.cancel();
    this._drop({ comesBack: false });
  }

  /** Continues the conversation in a new session. */
  renew() {
    this._lose({ atOnce: true });
    this._reconnection.retryNow();
  }

  /** The network may have come or gone: looks at once. */
  check() {
    if (this._peer) this._peer.check();
    else this._reconnection.retryNow();
  }

  /** Returns false if the message could not be sent. @param {Record<string, unknown>} message */
  send(message) {
    return this._peer?.send(message) ?? false;
  }

  /** Sends the sound of another track from now on. @param {MediaStreamTrack} track */
  async replaceTrack(track) {
    if (this._track) this._track = track;
    await this._peer?.replaceTrack(track);
  }

  /** Asks for the ICE servers again, unless it hurries: credentials may have expired, and another server may answer. */
  async _reconnect() {
    const attempt = this._attempt;
    if (!this._hurries) {
      const config = await fetchJson("webrtc/config");
      if (attempt !== this._attempt) return;
      this._iceServers.update(config);
    }
    this._hurries = false;
    await this._connect();
  }

  async _connect() {
    const attempt = this._attempt;
    const iceServers = await this._iceServers.current();
    if (attempt !== this._attempt) return;
    const peer = new Peer(
      {
        message: (message) => this._receive(message),
        voice: (voice) => this._events.voice(voice),
        lost: (gone) => this._lose({ atOnce: gone }),
      },
      iceServers,
      this._conversation ?? rememberedConversation(),
    );
    this._peer = peer;
    const track = /** @type {MediaStreamTrack} */ (this._track);
    try {
      await peer.open(track);
    } catch (error) {
      peer.close({ comesBack: true });
      if (this._peer === peer) this._peer = undefined;
      throw error;
    }
    if (attempt !== this._attempt || this._peer !== peer) return peer.close();
    if (this._track && this._track !== track) await peer.replaceTrack(this._track);
    this._connected_ms = Date.now();
    this._events.connected();
  }

  /** @param {ServerMessage} message */
  _receive(message) {
    if (message.type === "connected") this._conversation = message.conversation;
    if (message.type !== "closed") this._events.message(message);
    else if (canReconnectAfter(message.code)) this._lose({ atOnce: message.code === "moving" });
    else this._end(closedProblem(message.code, message.reason, this._conversation !== null));
  }

  /** @param {{ atOnce: boolean }} options `atOnce`: another session can begin without a pause */
  _lose({ atOnce }) {
    this._drop({ comesBack: true });
    this._hurries = atOnce;
    this._reconnection.start(Date.now() - this._connected_ms, atOnce);
  }

  /** @param {Problem} problem */
  _end(problem) {
    this.close();
    this._events.ended(problem);
  }

  /** @param {{ comesBack: boolean }} options whether the page connects again */
  _drop(options) {
    this._peer?.close(options);
    this._peer = undefined;
  }
}

/** The ICE servers. Their credentials expire, so a page that has been open for long asks for them again. */
class IceServers {
  constructor() {
    /** @type {RTCIceServer[]} */
    this._servers = [];
    /** They have expired until they are known. */
    this._expires_ms = 0;
  }

  /** @param {IceConfig} config */
  update({ iceServers, iceValidS }) {
    this._servers = iceServers;
    this._expires_ms = iceValidS === null ? Infinity : Date.now() + iceValidS * 1_000;
  }

  /** Returns valid ones, or the old ones if the server cannot be asked. @returns {Promise<RTCIceServer[]>} */
  async current() {
    if (Date.now() > this._expires_ms) {
      try {
        this.update(await fetchJson("webrtc/config"));
      } catch {
        // The offer will show whether the server can be reached.
      }
    }
    return this._servers;
  }
}
