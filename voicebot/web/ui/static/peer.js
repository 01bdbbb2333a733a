/** One WebRTC connection to the bot: sound in both directions, and the data channel "text". */

import { Refused, Unreachable, fetchJson } from "./http.js";

/** @typedef {import("./types.d.ts").ServerMessage} ServerMessage */

const GATHERING_MS = 2_000;
const OPENING_MS = 15_000;
const CHECK_INTERVAL_MS = 500;

/** How long the server may take to say whether the session lives. After that it is asked again. */
const LIVES_MS = 2_000;

/**
 * @typedef {object} PeerEvents
 * @property {(message: ServerMessage) => void} message a message came from the server
 * @property {(voice: MediaStream) => void} voice the stream of the bot's voice has begun
 * @property {(gone: boolean) => void} lost the connection, which had been open, broke down by itself; `gone`: the
 *   server does not know the session any more
 */

export class Peer {
  /** @param {PeerEvents} events @param {RTCIceServer[]} iceServers @param {string | null} conversation to continue */
  constructor(events, iceServers, conversation) {
    this._events = events;
    this._conversation = conversation;
    this._closed = false;
    this._connected = false;
    this._settle = () => {};
    /** Resolves when the session has begun, or never will. @type {Promise<void>} */
    this._settled = new Promise((resolve) => {
      this._settle = resolve;
    });
    /** @type {RTCRtpSender | undefined} */
    this._sender = undefined;
    /** The name of the session, once it has begun. */
    this._session = "";
    /** Whether the server is being asked if the session lives. */
    this._asking = false;
    /** @type {PacketWatch | undefined} */
    this._watch = undefined;
    /** @type {ReturnType<typeof setInterval> | undefined} */
    this._timer = undefined;
    this._peer = new RTCPeerConnection({ iceServers });
    this._channel = this._peer.createDataChannel("text");
    this._channel.addEventListener("message", (event) => this._receive(event.data));
    this._channel.addEventListener("close", () => this._lose());
    this._peer.addEventListener("track", (event) => events.voice(event.streams[0] ?? new MediaStream([event.track])));
    this._peer.addEventListener("iceconnectionstatechange", () => this._iceChanged());
  }

  /** Connects and sends the sound of `track`. Throws Refused or Unreachable. @param {MediaStreamTrack} track */
  async open(track) {
    const streams = [new MediaStream([track])];
    this._sender = this._peer.addTransceiver(track, { direction: "sendrecv", streams }).sender;
    await this._peer.setLocalDescription(await this._peer.createOffer());
    await this._gatherCandidates();
    const answer = await this._offer();
    if (this._closed) return;
    await this._peer.setRemoteDescription(answer);
    await this._waitForGreeting();
    if (this._closed) return;
    this._watch = new PacketWatch(Date.now());
    this._timer = setInterval(() => this._checkPackets(), CHECK_INTERVAL_MS);
  }

  /** The connection may be broken: it is, unless packets come soon. */
  check() {
    if (["failed", "closed"].includes(this._peer.iceConnectionState)) this._lose();
    this._watch?.demandProof(Date.now());
  }

  /** Sends the sound of another track from now on, over the same connection. @param {MediaStreamTrack} track */
  async replaceTrack(track) {
    await this._sender?.replaceTrack(track);
  }

  /** Returns false if the message could not be sent. @param {Record<string, unknown>} message */
  send(message) {
    if (this._channel.readyState !== "open") return false;
    this._channel.send(JSON.stringify(message));
    return true;
  }

  /** Tells the server, so that it need not find out by itself, and ends the connection.
   * @param {{ comesBack?: boolean }} [options] `comesBack`: the page connects again, to hear what is still to be said */
  close({ comesBack = false } = {}) {
    if (this._closed) return;
    this.send({ type: "bye", comes_back: comesBack });
    this._closed = true;
    this._settle();
    clearInterval(this._timer);
    this._channel.close();
    this._peer.close();
  }

  /** All candidates go into the offer, since the server takes no later ones from every browser. */
  async _gatherCandidates() {
    const done = () => this._peer.iceGatheringState === "complete";
    await waitForEvent(this._peer, "icegatheringstatechange", done, GATHERING_MS);
  }

  /** @returns {Promise<RTCSessionDescriptionInit>} */
  async _offer() {
    const { sdp } = /** @type {RTCSessionDescription} */ (this._peer.localDescription);
    const answer = await fetchJson("webrtc/offer", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ sdp, type: "offer", webrtc_id: randomId(), conversation: this._conversation }),
    });
    if (typeof answer.sdp !== "string") throw fastRtcRefusal(answer.meta ?? {});
    return { sdp: answer.sdp, type: "answer" };
  }

  /** The server says `connected` once it listens. What is sent before that may be lost. */
  async _waitForGreeting() {
    const timer = setTimeout(() => this._settle(), OPENING_MS);
    await this._settled;
    clearTimeout(timer);
    if (!this._connected) throw new Unreachable("no media");
  }

  /** @param {string} text */
  _receive(text) {
    if (this._closed) return;
    const message = JSON.parse(text);
    if (message.type === "connected") {
      this._connected = true;
      this._session = message.session_id;
      this._settle();
    }
    this._events.message(message);
  }

  _iceChanged() {
    if (this._peer.iceConnectionState === "failed") this._lose();
  }

  async _checkPackets() {
    const packets = await this._packetsReceived();
    if (this._closed || !this._watch) return;
    const now_ms = Date.now();
    if (this._watch.hasStopped(packets, now_ms)) this._lose();
    else if (this._watch.isQuiet(now_ms)) await this._askWhetherItLives();
  }

  /** Asks the server whether it still knows the session. Without an answer, the packets decide. */
  async _askWhetherItLives() {
    if (this._asking) return;
    this._asking = true;
    try {
      await fetchJson(`webrtc/sessions/${this._session}`, {}, LIVES_MS);
    } catch (error) {
      if (error instanceof Refused && error.status === 404) this._lose(true);
    } finally {
      this._asking = false;
    }
  }

  async _packetsReceived() {
    let packets = 0;
    for (const stats of (await this._peer.getStats()).values()) {
      if (stats.type === "inbound-rtp") packets += stats.packetsReceived;
    }
    return packets;
  }

  /** The connection broke by itself. If it was still opening, `open` throws instead.
   * @param {boolean} gone whether the server does not know the session any more */
  _lose(gone = false) {
    if (this._closed) return;
    this.close({ comesBack: true });
    if (this._connected) this._events.lost(gone);
  }
}

/** The connection is dead after this long without a packet: the server sends one every 20 ms, also of silence. */
const SILENCE_MS = 4_000;

/** After this long without a packet, the server is asked whether the session lives: at the second check, also if that
 * comes a little early. */
const QUIET_MS = 900;

/** After a sleep, or when the connection may be broken, a packet has to come within this time. */
const PROOF_MS = 1_500;

/** The page was asleep if two checks are this far apart: browsers slow hidden pages down, and lids are closed. */
const ASLEEP_MS = 5_000;

/** Tells from packet counts whether the bot's sound still arrives. */
export class PacketWatch {
  /** @param {number} now_ms */
  constructor(now_ms) {
    this._packets = -1;
    this._checked_ms = now_ms;
    this._changed_ms = now_ms;
    this._deadline_ms = now_ms + SILENCE_MS;
  }

  /** Returns whether packets have stopped. @param {number} packets received up to now @param {number} now_ms */
  hasStopped(packets, now_ms) {
    if (packets !== this._packets) {
      this._changed_ms = now_ms;
      this._deadline_ms = now_ms + SILENCE_MS;
    } else if (now_ms - this._checked_ms > ASLEEP_MS) this.demandProof(now_ms);
    this._packets = packets;
    this._checked_ms = now_ms;
    return now_ms > this._deadline_ms;
  }

  /** Returns whether no packet has come for a while. @param {number} now_ms of the last check */
  isQuiet(now_ms) {
    return now_ms - this._changed_ms >= QUIET_MS;
  }

  /** Packets have to come soon from now on. @param {number} now_ms */
  demandProof(now_ms) {
    this._deadline_ms = now_ms + PROOF_MS;
  }
}

/** Returns FastRTC's own refusal. @param {{error?: string, limit?: number}} meta */
function fastRtcRefusal({ error = "no answer", limit }) {
  return new Refused(error, { code: error === "concurrency_limit_reached" ? "full" : error, limit });
}

/** Waits until `done` holds, which only changes at the event, but no longer than the timeout.
 * @param {EventTarget} target @param {string} event @param {() => boolean} done @param {number} timeout_ms
 * @returns {Promise<void>} */
function waitForEvent(target, event, done, timeout_ms) {
  return new Promise((resolve) => {
    const timer = setTimeout(finish, timeout_ms);
    function finish() {
      clearTimeout(timer);
      target.removeEventListener(event, check);
      resolve();
    }
    function check() {
      if (done()) finish();
    }
    target.addEventListener(event, check);
    check();
  });
}

/** Returns a random name. `crypto.randomUUID` exists on https and localhost only. */
function randomId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
