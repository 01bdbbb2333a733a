/** Sound in the browser: what is sent to the bot, what is heard of it, and how loud both are. */

const LEVEL_INTERVAL_MS = 50;
const QUIETEST_DBFS = -60;

/** @type {AudioContext | undefined} */
let context;

/** Returns the page's one audio context. Browsers let it run only after the user has pressed something. */
export function audioContext() {
  context ??= new AudioContext();
  // Safari has one more state, "interrupted", for example during a phone call.
  if (context.state !== "running") context.resume().catch(() => {});
  return context;
}

/** Asks for the microphone. Throws the browser's own DOMException, or a TypeError where there is no such thing. */
export async function openMicrophone() {
  const stream = await navigator.mediaDevices.getUserMedia({
    audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true, channelCount: 1 },
  });
  return stream.getAudioTracks()[0];
}

/** Returns whether there is a microphone, as far as the browser tells. */
export async function hasMicrophone() {
  const devices = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
  return devices.some(({ kind }) => kind === "audioinput");
}

/** @type {MediaStreamTrack | undefined} */
let silence;

/** Returns a track of silence for users who type: the server hangs up on users of whom no sound comes. */
function silentTrack() {
  silence ??= endlessSilence();
  return silence.clone();
}

/** Plays silence into a track: without a source, a track sends no packets. */
function endlessSilence() {
  const source = new ConstantSourceNode(audioContext(), { offset: 0 });
  const track = audioContext().createMediaStreamDestination();
  source.connect(track);
  source.start();
  return track.stream.getAudioTracks()[0];
}

/** Returns the level of samples in dBFS. @param {Float32Array} samples */
export function levelOf(samples) {
  const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length;
  return 10 * Math.log10(power + 1e-12);
}

/** Returns a level for the meter, from 0 (silent) to 1 (full scale). @param {number} dbfs */
export function meterLevel(dbfs) {
  return Math.min(1, Math.max(0, 1 - dbfs / QUIETEST_DBFS));
}

/** Measures a track twenty times a second. */
class LevelMeter {
  /** @param {MediaStreamTrack} track @param {(level: number) => void} show gets 0 (silent) to 1 (full scale) */
  constructor(track, show) {
    this._show = show;
    this._source = audioContext().createMediaStreamSource(new MediaStream([track]));
    this._analyser = audioContext().createAnalyser();
    this._analyser.fftSize = 1024;
    this._samples = new Float32Array(this._analyser.fftSize);
    this._source.connect(this._analyser);
    this._timer = setInterval(() => this._measure(), LEVEL_INTERVAL_MS);
  }

  close() {
    clearInterval(this._timer);
    this._source.disconnect();
    this._show(0);
  }

  _measure() {
    this._analyser.getFloatTimeDomainData(this._samples);
    this._show(meterLevel(levelOf(this._samples)));
  }
}

/**
 * @typedef {object} UserAudioEvents
 * @property {(level: number) => void} level of the microphone, 0 to 1
 * @property {(track: MediaStreamTrack) => void} replaced this track is to be sent from now on
 * @property {(label: string) => void} switched the microphone was unplugged, and another one is used
 * @property {(error: unknown) => void} lost the microphone was unplugged, and why there is no other
 * @property {() => void} systemMuteChanged
 */

/** What the bot hears of the user: the microphone, or silence in its place, whatever happens to the devices. */
export class UserAudio {
  /** @param {UserAudioEvents} events */
  constructor(events) {
    this._events = events;
    this.muted = false;
    /** @type {MediaStreamTrack | undefined} */
    this.track = undefined;
    /** Sent while the system has muted the microphone. @type {MediaStreamTrack | undefined} */
    this._standIn = undefined;
    /** @type {LevelMeter | undefined} */
    this._meter = undefined;
    this._isMicrophone = false;
    this._isGated = false;
  }

  /** Whether the system, or a key of the microphone's own, has muted it. */
  get mutedBySystem() {
    return this._isMicrophone && this.track?.muted === true;
  }

  /** Sends this microphone from now on. @param {MediaStreamTrack} track */
  useMicrophone(track) {
    this._use(track);
    this._isMicrophone = true;
    this._enable();
    this._meter = new LevelMeter(track, this._events.level);
    track.addEventListener("ended", () => void this._unplugged(track));
    for (const change of ["mute", "unmute"]) {
      track.addEventListener(change, () => this._systemMuteChanged(track));
    }
  }

  useSilence() {
    this._use(silentTrack());
    this.muted = false;
  }

  /** @param {boolean} muted */
  mute(muted) {
    this.muted = muted;
    this._enable();
  }

  /** @param {boolean} gated whether silence is sent because of push-to-talk */
  gate(gated) {
    this._isGated = gated;
    this._enable();
  }

  /** A disabled microphone sends silence. */
  _enable() {
    if (this.track && this._isMicrophone) this.track.enabled = !this.muted && !this._isGated;
  }

  close() {
    this._release();
    this.muted = false;
  }

  /** Some browsers send nothing of a muted microphone, for example during a phone call, so silence is sent instead.
   * @param {MediaStreamTrack} track */
  _systemMuteChanged(track) {
    if (track !== this.track) return;
    this._standIn?.stop();
    this._standIn = track.muted ? silentTrack() : undefined;
    this._events.replaced(this._standIn ?? track);
    this._events.systemMuteChanged();
  }

  /** @param {MediaStreamTrack} track */
  _use(track) {
    this._release();
    this.track = track;
    this._events.replaced(track);
  }

  _release() {
    this._meter?.close();
    this.track?.stop();
    this._standIn?.stop();
    this._meter = this.track = this._standIn = undefined;
    this._isMicrophone = false;
  }

  /** Replaces a microphone that was unplugged by another one, muted if that was. @param {MediaStreamTrack} track */
  async _unplugged(track) {
    if (track !== this.track) return;
    try {
      const next = await openMicrophone();
      if (track !== this.track) return next.stop();
      this.useMicrophone(next);
      this._events.switched(next.label);
    } catch (error) {
      if (track !== this.track) return;
      this.useSilence();
      this._events.lost(error);
    }
  }
}

/** What the user hears of the bot. */
export class BotAudio {
  /** @param {HTMLAudioElement} player @param {() => void} blocked the browser plays sound only after a press */
  constructor(player, blocked) {
    this._player = player;
    this._blocked = blocked;
  }

  /** @param {MediaStream} voice */
  use(voice) {
    this._player.srcObject = voice;
    void this.play();
  }

  async play() {
    try {
      await this._player.play();
    } catch (error) {
      // An AbortError only says that the voice is gone again.
      if (error instanceof DOMException && error.name === "NotAllowedError") this._blocked();
    }
  }

  stop() {
    this._player.srcObject = null;
  }
}

/** Measures how loud the bot is as it is heard. @param {HTMLMediaElement} player
 * @param {(level: number) => void} show gets 0 (silent) to 1 (full scale) */
export function measureVoice(player, show) {
  /** @type {LevelMeter | undefined} */
  let meter;
  const close = () => {
    meter?.close();
    meter = undefined;
  };
  player.addEventListener("playing", () => {
    close();
    const voice = player.srcObject;
    if (voice instanceof MediaStream) meter = new LevelMeter(voice.getAudioTracks()[0], show);
  });
  player.addEventListener("emptied", close);
}
