/** Two short measurements before the user talks: can the bot hear the user, and do the speakers cause an echo? */

import { audioContext, levelOf, openMicrophone } from "./audio.js";

/** Speech up to a metre away comes at -40 to -15 dBFS with the browser's gain control. A room's noise without speech
 * seldom reaches this. */
const QUIET_DBFS = -45;

/** Speech is this much louder than what is heard between words. Noise is not. */
const SPEECH_DB = 10;

/** Below this, nothing at all comes from the device: digital silence, apart from dither. */
const NOTHING_DBFS = -85;

/** Samples above this are clipped. */
const CLIPPED = 0.99;

/** How many samples of speech, or of clipping, make a verdict: a single click does not. */
const ENOUGH = 5;
const ENOUGH_CLIPPED = 3;

/**
 * @typedef {object} LevelSample a short piece of the microphone's sound
 * @property {number} dbfs its level
 * @property {number} peak 0 to 1
 */

/** @param {LevelSample[]} samples @returns {"clipping" | "good" | "quiet" | "nothing"} */
export function levelVerdict(samples) {
  if (samples.filter(({ peak }) => peak >= CLIPPED).length >= ENOUGH_CLIPPED) return "clipping";
  const levels = samples.map(({ dbfs }) => dbfs).sort((a, b) => a - b);
  if (!levels.length || levels[levels.length - 1] < NOTHING_DBFS) return "nothing";
  const floor = levels[Math.floor(levels.length / 10)];
  const speech = levels.filter((dbfs) => dbfs > QUIET_DBFS && dbfs > floor + SPEECH_DB);
  return speech.length >= ENOUGH ? "good" : "quiet";
}

/** An echo has to be this much louder than the noise to be told from it. */
const ABOVE_NOISE_DB = 6;

/** An echo this much softer than what was played is always recognised as the bot's own voice. A louder one may drown
 * the user's voice. */
const HARMLESS_DB = 50;
const LOUD_DB = 30;

/** Returns how strong the echo is. All levels are in dB on one scale.
 * @param {{played: number, returned: number, noise: number}} levels @returns {"none" | "some" | "strong"} */
export function echoVerdict({ played, returned, noise }) {
  if (returned < noise + ABOVE_NOISE_DB || returned < played - HARMLESS_DB) return "none";
  return returned < played - LOUD_DB ? "some" : "strong";
}

const SAMPLE_MS = 50;
const LEVEL_SAMPLES = 100;

/** Before the chime, for the room's noise; and after it, for speakers that are late. */
const BEFORE_MS = 400;
const AFTER_MS = 400;

/** A broken chord. The first note gives echo cancellation time to learn, and is not measured. */
const NOTES_HZ = [440, 554, 659, 880, 1109];
const NOTE_S = 0.2;
const VOLUME = 0.12;

/** Digital silence has no finite level. */
const SILENT_DB = -140;

/** Listens for up to five seconds. Returns null if it was aborted.
 * @param {AbortSignal} signal @param {(dbfs: number) => void} show */
export function checkLevel(signal, show) {
  return withMicrophone(signal, async (source) => {
    const analyser = makeAnalyser(source, 2048);
    const sound = new Float32Array(analyser.fftSize);
    /** @type {LevelSample[]} */
    const samples = [];
    while (samples.length < LEVEL_SAMPLES && !signal.aborted) {
      await sleep(SAMPLE_MS);
      analyser.getFloatTimeDomainData(sound);
      const dbfs = levelOf(sound);
      samples.push({ dbfs, peak: sound.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0) });
      show(dbfs);
      if (["good", "clipping"].includes(levelVerdict(samples))) break;
    }
    return signal.aborted ? null : levelVerdict(samples);
  });
}

/** Plays a soft chime and measures how much of it comes back. Returns null if it was aborted.
 * @param {AbortSignal} signal */
export function checkEcho(signal) {
  return withMicrophone(signal, async (source) => {
    const chime = new Chime();
    const [back, out] = [new NoteMeter(source), new NoteMeter(chime.output)];
    const noise = await back.measure(BEFORE_MS, signal);
    chime.play();
    const sounding_ms = NOTES_HZ.length * NOTE_S * 1000 + AFTER_MS;
    const [played, returned] = await Promise.all([out.measure(sounding_ms, signal), back.measure(sounding_ms, signal)]);
    chime.output.disconnect();
    if (signal.aborted) return null;
    return echoVerdict({ played: mean(played), returned: mean(returned), noise: mean(noise) });
  });
}

/** Opens the microphone for `measure` and closes it again. Throws what `openMicrophone` throws.
 * @template T @param {AbortSignal} signal @param {(source: MediaStreamAudioSourceNode) => Promise<T>} measure */
async function withMicrophone(signal, measure) {
  const track = await openMicrophone();
  const source = audioContext().createMediaStreamSource(new MediaStream([track]));
  try {
    return signal.aborted ? null : await measure(source);
  } finally {
    source.disconnect();
    track.stop();
  }
}

class Chime {
  constructor() {
    this.output = audioContext().createGain();
    this.output.connect(audioContext().destination);
  }

  play() {
    const context = audioContext();
    NOTES_HZ.forEach((pitch_hz, index) => {
      const begin_s = context.currentTime + index * NOTE_S;
      const [tone, loudness] = [context.createOscillator(), context.createGain()];
      tone.frequency.value = pitch_hz;
      loudness.gain.setValueAtTime(0, begin_s);
      loudness.gain.linearRampToValueAtTime(VOLUME, begin_s + NOTE_S / 4);
      loudness.gain.linearRampToValueAtTime(0, begin_s + NOTE_S);
      tone.connect(loudness).connect(this.output);
      tone.start(begin_s);
      tone.stop(begin_s + NOTE_S);
    });
  }
}

/** Measures how loud the chime's notes are in a sound. */
class NoteMeter {
  /** @param {AudioNode} source */
  constructor(source) {
    this._analyser = makeAnalyser(source, 4096);
    this._bins = new Float32Array(this._analyser.frequencyBinCount);
  }

  /** Returns each note's loudest moment, in dB. @param {number} duration_ms @param {AbortSignal} signal */
  async measure(duration_ms, signal) {
    const notes = NOTES_HZ.slice(1);
    const loudest = notes.map(() => -Infinity);
    const bin_hz = this._analyser.context.sampleRate / this._analyser.fftSize;
    for (let passed_ms = 0; passed_ms < duration_ms && !signal.aborted; passed_ms += SAMPLE_MS) {
      await sleep(SAMPLE_MS);
      this._analyser.getFloatFrequencyData(this._bins);
      notes.forEach((pitch_hz, index) => {
        const bin = Math.round(pitch_hz / bin_hz);
        loudest[index] = Math.max(loudest[index], ...this._bins.subarray(bin - 1, bin + 2));
      });
    }
    return loudest.map((db) => Math.max(db, SILENT_DB));
  }
}

/** @param {AudioNode} source @param {number} size */
function makeAnalyser(source, size) {
  const analyser = audioContext().createAnalyser();
  analyser.fftSize = size;
  analyser.smoothingTimeConstant = 0;
  source.connect(analyser);
  return analyser;
}

/** @param {number[]} values */
function mean(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** @param {number} duration_ms */
function sleep(duration_ms) {
  return new Promise((resolve) => setTimeout(resolve, duration_ms));
}
