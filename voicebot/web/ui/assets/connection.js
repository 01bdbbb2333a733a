/** One WebRTC connection to the bot: sound both ways, and the data channel "text". */

import { Pulse } from "./pulse.js";

const GATHERING_MS = 2_000;
const OPENING_MS = 15_000;
const LOOK_MS = 1_000;

/** The server's address for a path, wherever the page is mounted. @param {string} path */
export function serverUrl(path) {
  const folder = location.pathname.endsWith("/") ? location.pathname : `${location.pathname}/`;
  return new URL(path, location.origin + folder);
}

/** The server answered, and the answer is no: with its own words, the code of its reason and when to try again, if it
 * gave them. A proxy in front of it gives none. */
export class Refused extends Error {
  /** @param {string} message @param {{code?: string, status?: number, retryAfter_s?: number, limit?: number}} [more] */
  constructor(message, { code, status = 200, retryAfter_s = 0, limit } = {}) {
    super(message);
    this.code = code;
    this.status = status;
    this.retryAfter_s = retryAfter_s;
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
  /** @param {Events} events @param {RTCIceServer[]} iceServers @param {string | null} conversation to go on with */
  constructor(events, iceServers, conversation) {
    this._events = events;
    this._conversation = conversation;
    this._closed = false;
    this._greeted = false;
    /** The server has said that the session has begun, or never will. @type {Promise<void>} */
    this._settled = new Promise((resolve) => {
      this._settle = resolve;
    });
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
    if (this._closed) return;
    this._pulse = new Pulse(Date.now());
    this._looking = setInterval(() => this._look(), LOOK_MS);
  }

  /** There is doubt: it has a moment to prove that it lives. */
  check() {
    if (["failed", "closed"].includes(this._peer.iceConnectionState)) this._lose();
    this._pulse?.doubt(Date.now());
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
    this._settle();
    clearInterval(this._looking);
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
      body: JSON.stringify({ sdp, type: "offer", webrtc_id: randomId(), conversation: this._conversation }),
    });
    if (typeof answer.sdp !== "string") throw noAnswer(answer.meta ?? {});
    return { sdp: answer.sdp, type: "answer" };
  }

  /** The server says `connected` once it listens: what is sent before may be lost. */
  async _opened() {
    const patience = setTimeout(() => this._settle(), OPENING_MS);
    await this._settled;
    clearTimeout(patience);
    if (!this._greeted) throw new Unreachable("no media");
  }

  /** @param {string} text */
  _receive(text) {
    if (this._closed) return;
    const message = JSON.parse(text);
    if (message.type === "connected") {
      this._greeted = true;
      this._settle();
    }
    this._events.message(message);
  }

  _watch() {
    if (this._peer.iceConnectionState === "failed") this._lose();
  }

  async _look() {
    const packets = await this._packets();
    if (!this._closed && this._pulse?.stopped(packets, Date.now())) this._lose();
  }

  /** Of the bot's sound, up to now. */
  async _packets() {
    let packets = 0;
    for (const stats of (await this._peer.getStats()).values()) {
      if (stats.type === "inbound-rtp") packets += stats.packetsReceived;
    }
    return packets;
  }

  /** It broke by itself. Who still waits for it to open is told there. */
  _lose() {
    if (this._closed) return;
    this.close();
    if (this._greeted) this._events.lost();
  }
}

/** FastRTC's own refusal. @param {{error?: string, limit?: number}} meta */
function noAnswer({ error = "no answer", limit }) {
  return new Refused(error, { code: error === "concurrency_limit_reached" ? "full" : error, limit });
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
  const body = response.status === 204 ? {} : await response.json().catch(() => null);
  // A page in the server's stead, to log in to the network, say.
  if (response.ok && body === null) throw new Unreachable("no server");
  if (response.ok) return body;
  const { status, headers } = response;
  throw new Refused(body?.error ?? `status ${status}`, {
    code: body?.code,
    status,
    retryAfter_s: Number(headers.get("Retry-After")) || 0,
  });
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
