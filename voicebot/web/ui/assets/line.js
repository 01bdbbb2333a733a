/** The line to the bot: one connection after the other, as long as one talks. What breaks by itself is mended. */

import { Connection, fetchJson } from "./connection.js";
import { IceServers } from "./ice.js";
import { remembered } from "./memory.js";
import { brokenProblem, closedProblem, connectionProblem, passes } from "./problems.js";
import { Reconnection } from "./reconnection.js";

/** @typedef {import("./problems.js").Problem} Problem */

/**
 * @typedef {object} LineEvents
 * @property {(message: Record<string, any>) => void} message
 * @property {(voice: MediaStream) => void} voice
 * @property {() => void} linked the connection is there
 * @property {(number: number) => void} reconnecting it broke, and the try of this number to mend it comes next
 * @property {(problem: Problem) => void} ended it has ended, and is not mended
 */

export class Line {
  /** @param {LineEvents} events */
  constructor(events) {
    this._events = events;
    this.ice = new IceServers();
    /** @type {string | null} the conversation that this line is in */
    this._conversation = null;
    this._since_ms = 0;
    /** @type {"off" | "connecting" | "on" | "reconnecting"} */
    this.state = "off";
    this._reconnection = new Reconnection({
      connect: () => this._reconnect(),
      trying: (number) => events.reconnecting(number),
      failed: (error) => this._end(brokenProblem(error)),
    });
  }

  /** Connects, sending the sound of `track`; tells when it is linked, or has ended. @param {MediaStreamTrack} track */
  async open(track) {
    this.close();
    this.state = "connecting";
    this._track = track;
    const attempt = (this._attempt = Symbol("attempt"));
    try {
      await this._connect();
    } catch (error) {
      if (attempt === this._attempt) this._end(connectionProblem(error));
    }
  }

  /** Deliberately: nothing is mended. */
  close() {
    this.state = "off";
    this._attempt = this._track = undefined;
    this._conversation = null;
    this._reconnection.cancel();
    this._drop();
  }

  /** Goes on in a new session, with the same conversation. */
  renew() {
    this._break();
    this._reconnection.hurry();
  }

  /** There may be a network again, or it may have gone: looks at once. */
  check() {
    if (this._connection) this._connection.check();
    else this._reconnection.hurry();
  }

  /** False if the message could not leave. @param {Record<string, any>} message */
  send(message) {
    return this._connection?.send(message) ?? false;
  }

  /** Sends the sound of another track from now on. @param {MediaStreamTrack} track */
  async replaceTrack(track) {
    if (this._track) this._track = track;
    await this._connection?.replaceTrack(track);
  }

  /** The TURN server's credentials may have expired, and the server may be another one. */
  async _reconnect() {
    const attempt = this._attempt;
    const config = await fetchJson("webrtc/config");
    if (attempt !== this._attempt) return;
    this.ice.take(config);
    await this._connect();
  }

  async _connect() {
    const attempt = this._attempt;
    const iceServers = await this.ice.fresh();
    if (attempt !== this._attempt) return;
    const connection = new Connection(
      {
        message: (message) => this._receive(message),
        voice: (voice) => this._events.voice(voice),
        lost: () => this._break(),
      },
      iceServers,
      this._conversation ?? remembered(),
    );
    this._connection = connection;
    const track = /** @type {MediaStreamTrack} */ (this._track);
    try {
      await connection.open(track);
    } catch (error) {
      connection.close();
      if (this._connection === connection) this._connection = undefined;
      throw error;
    }
    if (attempt !== this._attempt || this._connection !== connection) return connection.close();
    if (this._track && this._track !== track) await connection.replaceTrack(this._track);
    this._since_ms = Date.now();
    this.state = "on";
    this._events.linked();
  }

  /** @param {Record<string, any>} message */
  _receive(message) {
    if (message.type === "connected") this._conversation = message.conversation;
    if (message.type !== "closed") this._events.message(message);
    else if (passes(message.code)) this._break();
    else this._end(closedProblem(message.code, message.reason, this._conversation !== null));
  }

  _break() {
    this._drop();
    this.state = "reconnecting";
    this._reconnection.begin(Date.now() - this._since_ms);
  }

  /** @param {Problem} problem */
  _end(problem) {
    this.close();
    this._events.ended(problem);
  }

  _drop() {
    this._connection?.close();
    this._connection = undefined;
  }
}
