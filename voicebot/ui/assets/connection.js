/** One WebRTC connection to the bot: sound both ways, and the data channel "text". */

import { remembered } from "./memory.js";

const GATHERING_MS = 2_000;
const OPENING_MS = 15_000;
const DISCONNECTED_MS = 5_000;

/** The server's address for a path, wherever the page is mounted. @param {string} path */
export function serverUrl(path) {
  const folder = location.pathname.endsWith("/") ? location.pathname : `${location.pathname}/`;
  return new URL(path, location.origin + folder);
}

/** The server answered, and the answer is no. `code` is its machine-readable reason. */
export class Refused extends Error {
  /** @param {string} code @param {number} [limit] */
  constructor(code, limit) {
    super(code);
    this.code = code;
    this.limit = limit;
  }
}

/** Neither a yes nor a no came in time. */
export class Unreachable extends Error {}

/**
 * @typedef {object} Events
 * @property {(message: Record<string, any>) => void} message a JSON object came from the server
 * @property {(voice: MediaStream) => void} voice the bot's voice is there
 * @property {() => void} lost the connection broke down by itself
 */

export class Connection {
  /** @param {Events} events @param {RTCIceServer[]} iceServers */
  constructor(events, iceServers) {
    this._events = events;
    this._closed = false;
    this._greeted = false;
    this._peer = new RTCPeerConnection({ iceServers });
    this._channel = this._peer.createDataChannel("text");
    this._channel.addEventListener("message", (event) => this._receive(event.data));
    this._channel.addEventListener("close", () => this._lose());
    this._peer.addEventListener("track", (event) => events.voice(event.streams[0] ?? new MediaStream([event.track])));
    this._peer.addEventListener("iceconnectionstatechange", () => this._watch());
  }

  /** Connects, sending the sound of `track`. Throws Refused or Unreachable. @param {MediaStreamTrack} track */
  async open(track) {
    const streams = [new MediaStream([track])];
    this._sender = this._peer.addTransceiver(track, { direction: "sendrecv", streams }).sender;
    await this._peer.setLocalDescription(await this._peer.createOffer());
    await this._gathered();
    const answer = await this._offer();
    if (this._closed) return;
    await this._peer.setRemoteDescription(answer);
    await this._opened();
  }

  /** Sends the sound of another track from now on, over the same connection. @param {MediaStreamTrack} track */
  async replaceTrack(track) {
    await this._sender?.replaceTrack(track);
  }

  /** False if the message could not leave. @param {Record<string, any>} message */
  send(message) {
    if (this._channel.readyState !== "open") return false;
    this._channel.send(JSON.stringify(message));
    return true;
  }

  /** Ends it, telling the server first, so that it need not find out by itself. */
  close() {
    if (this._closed) return;
    this.send({ type: "bye" });
    this._closed = true;
    clearTimeout(this._patience);
    this._channel.close();
    this._peer.close();
  }

  /** All addresses in the offer at once: the server takes no later ones from every browser. */
  async _gathered() {
    if (this._peer.iceGatheringState === "complete") return;
    await until(this._peer, "icegatheringstatechange", () => this._peer.iceGatheringState === "complete", GATHERING_MS);
  }

  /** @returns {Promise<RTCSessionDescriptionInit>} */
  async _offer() {
    const { sdp } = /** @type {RTCSessionDescription} */ (this._peer.localDescription);
    const answer = await fetchJson("webrtc/offer", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ sdp, type: "offer", webrtc_id: randomId(), conversation: remembered() }),
    });
    if (typeof answer.sdp !== "string") throw new Refused(answer.meta?.error ?? "no answer", answer.meta?.limit);
    return { sdp: answer.sdp, type: "answer" };
  }

  /** The server says hello once it listens: what is sent before might fall on deaf ears. */
  async _opened() {
    const settled = () => this._closed || this._greeted;
    if (!(await until(this._channel, "message", settled, OPENING_MS))) throw new Unreachable("no media");
  }

  /** @param {string} text */
  _receive(text) {
    if (this._closed) return;
    const message = JSON.parse(text);
    this._greeted ||= message.type === "hello";
    this._events.message(message);
  }

  _watch() {
    const state = this._peer.iceConnectionState;
    clearTimeout(this._patience);
    if (state === "failed") this._lose();
    if (state === "disconnected") this._patience = setTimeout(() => this._lose(), DISCONNECTED_MS);
  }

  _lose() {
    if (this._closed) return;
    this.close();
    this._events.lost();
  }
}

/** JSON from the server. Throws Refused with the server's own words, or Unreachable.
 * @param {string} path @param {RequestInit} [options] @param {number} [patience_ms] @returns {Promise<any>} */
export async function fetchJson(path, options, patience_ms = OPENING_MS) {
  let response;
  try {
    response = await fetch(serverUrl(path), { ...options, signal: AbortSignal.timeout(patience_ms) });
  } catch {
    throw new Unreachable("no server");
  }
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new Refused(body.error ?? `status ${response.status}`);
  return body;
}

/** Waits for an event after which `done` holds; whether it came in time.
 * @param {EventTarget} target @param {string} event @param {() => boolean} done @param {number} patience_ms */
function until(target, event, done, patience_ms) {
  return new Promise((resolve) => {
    const finish = () => {
      clearTimeout(timer);
      target.removeEventListener(event, check);
      resolve(done());
    };
    const check = () => done() && finish();
    const timer = setTimeout(finish, patience_ms);
    target.addEventListener(event, check);
    check();
  });
}

/** `crypto.randomUUID` exists on https and localhost only. */
function randomId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
