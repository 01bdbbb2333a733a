/** What the bot hears of the user: the microphone, or silence in its stead, whatever happens to the devices. */

import { LevelMeter, openMicrophone, silentTrack } from "./microphone.js";

/**
 * @typedef {object} SoundEvents
 * @property {(level: number) => void} level of the microphone, 0 to 1
 * @property {(track: MediaStreamTrack) => void} replaced this track is to be sent from now on
 * @property {(label: string) => void} moved the microphone went, and another one has its place
 * @property {(error: unknown) => void} gone the microphone went, and why there is no other
 * @property {() => void} silenced the system has muted the microphone, or no longer does
 */

export class UserSound {
  /** @param {SoundEvents} events */
  constructor(events) {
    this._events = events;
    this.muted = false;
    /** @type {MediaStreamTrack | undefined} */
    this.track = undefined;
    /** Sent while the system has muted the microphone. @type {MediaStreamTrack | undefined} */
    this._standIn = undefined;
    this._live = false;
  }

  /** The system, or a key of the microphone's own, has muted it. */
  get silenced() {
    return this._live && this.track?.muted === true;
  }

  /** Sends this microphone from now on. @param {MediaStreamTrack} track */
  useMicrophone(track) {
    this._use(track);
    this._live = true;
    track.enabled = !this.muted;
    this._meter = new LevelMeter(track, this._events.level);
    track.addEventListener("ended", () => void this._ended(track));
    for (const change of ["mute", "unmute"]) {
      track.addEventListener(change, () => this._systemMuted(track));
    }
  }

  /** While a phone call has the microphone, say. Some browsers send nothing of it then. @param {MediaStreamTrack} track */
  _systemMuted(track) {
    if (track !== this.track) return;
    this._standIn?.stop();
    this._standIn = track.muted ? silentTrack() : undefined;
    this._events.replaced(this._standIn ?? track);
    this._events.silenced();
  }

  useSilence() {
    this._use(silentTrack());
    this.muted = false;
  }

  /** @param {boolean} muted */
  mute(muted) {
    this.muted = muted;
    if (this.track) this.track.enabled = !muted;
  }

  close() {
    this._letGo();
    this.muted = false;
  }

  /** @param {MediaStreamTrack} track */
  _use(track) {
    this._letGo();
    this.track = track;
    this._events.replaced(track);
  }

  _letGo() {
    this._meter?.close();
    this.track?.stop();
    this._standIn?.stop();
    this._meter = this.track = this._standIn = undefined;
    this._live = false;
  }

  /** The device has gone: another one takes its place, muted if it was. @param {MediaStreamTrack} track */
  async _ended(track) {
    if (track !== this.track) return;
    try {
      const next = await openMicrophone();
      if (track !== this.track) return next.stop();
      this.useMicrophone(next);
      this._events.moved(next.label);
    } catch (error) {
      if (track !== this.track) return;
      this.useSilence();
      this._events.gone(error);
    }
  }
}
