/** What goes to the bot: the microphone, or silence in its stead; and how loud it is. */

const LEVEL_INTERVAL_MS = 50;
const QUIETEST_DBFS = -60;

/** @type {AudioContext | undefined} */
let context;

/** The page's one audio clock. Browsers let it run only after the user has pressed something. */
export function audioContext() {
  context ??= new AudioContext();
  // Safari has a state more, "interrupted": by a telephone call, say.
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

/** Whether there is any, as far as the browser tells. */
export async function hasMicrophone() {
  const devices = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
  return devices.some(({ kind }) => kind === "audioinput");
}

/** @type {MediaStreamTrack | undefined} */
let silence;

/** Sound without sound, for those who type: the server takes a user of whom nothing comes for lost. */
export function silentTrack() {
  silence ??= endlessSilence();
  return silence.clone();
}

/** Played: a track into which nothing plays gives no packets. */
function endlessSilence() {
  const source = new ConstantSourceNode(audioContext(), { offset: 0 });
  const track = audioContext().createMediaStreamDestination();
  source.connect(track);
  source.start();
  return track.stream.getAudioTracks()[0];
}

/** Measures a track some twenty times a second. */
export class LevelMeter {
  /** @param {MediaStreamTrack} track @param {(level: number) => void} show gets 0 (silent) to 1 (full scale) */
  constructor(track, show) {
    this._show = show;
    this._source = audioContext().createMediaStreamSource(new MediaStream([track]));
    this._analyser = audioContext().createAnalyser();
    this._analyser.fftSize = 1024;
    this._samples = new Float32Array(this._analyser.fftSize);
    this._source.connect(this._analyser);
    this._timer = setInterval(() => show(this._level()), LEVEL_INTERVAL_MS);
  }

  close() {
    clearInterval(this._timer);
    this._source.disconnect();
    this._show(0);
  }

  _level() {
    this._analyser.getFloatTimeDomainData(this._samples);
    const power = this._samples.reduce((sum, sample) => sum + sample * sample, 0) / this._samples.length;
    return shownLevel(10 * Math.log10(power + 1e-12));
  }
}

/** 0 (silent) to 1 (full scale). @param {number} dbfs */
export function shownLevel(dbfs) {
  return Math.min(1, Math.max(0, 1 - dbfs / QUIETEST_DBFS));
}
