/** Two short measurements before one talks: is the user heard, and does the loudspeaker come back? */

import { judgeEcho, judgeLevel } from "./judgement.js";
import { audioContext, openMicrophone } from "./microphone.js";

const PIECE_MS = 50;
const LEVEL_PIECES = 100;

/** Before the sound, for the room's noise; and after it, for a loudspeaker that is late. */
const BEFORE_MS = 400;
const AFTER_MS = 400;

/** A chord, broken: each note so long. The first gives echo cancellation time to learn, and is not judged. */
const NOTES_HZ = [440, 554, 659, 880, 1109];
const NOTE_S = 0.2;
const VOLUME = 0.12;

/** Opens the microphone and lets `measure` have it, as long as it is wanted. Throws what `openMicrophone` throws.
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

/** Listens for up to five seconds; null if it was aborted.
 * @param {AbortSignal} signal @param {(dbfs: number) => void} show */
export function checkLevel(signal, show) {
  return withMicrophone(signal, async (source) => {
    const analyser = analyserOf(source, 2048);
    const samples = new Float32Array(analyser.fftSize);
    /** @type {import("./judgement.js").Look[]} */
    const looks = [];
    while (looks.length < LEVEL_PIECES && !signal.aborted) {
      await pause(PIECE_MS);
      analyser.getFloatTimeDomainData(samples);
      const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length;
      const peak = samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
      looks.push({ dbfs: 10 * Math.log10(power + 1e-12), peak });
      show(looks[looks.length - 1].dbfs);
      if (["heard", "clipping"].includes(judgeLevel(looks))) break;
    }
    return signal.aborted ? null : judgeLevel(looks);
  });
}

/** Plays a soft sound and listens how much of it comes back; null if it was aborted. @param {AbortSignal} signal */
export function checkEcho(signal) {
  return withMicrophone(signal, async (source) => {
    const chime = new Chime();
    const [back, out] = [new Spectrum(source), new Spectrum(chime.output)];
    const noise = await back.loudest(BEFORE_MS, signal);
    chime.play();
    const sounding_ms = NOTES_HZ.length * NOTE_S * 1000 + AFTER_MS;
    const [played, returned] = await Promise.all([out.loudest(sounding_ms, signal), back.loudest(sounding_ms, signal)]);
    chime.output.disconnect();
    if (signal.aborted) return null;
    return judgeEcho({ played: mean(played), returned: mean(returned), noise: mean(noise) });
  });
}

/** The soft sound. */
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

/** How loud the judged notes are in a sound. */
class Spectrum {
  /** @param {AudioNode} source */
  constructor(source) {
    this._analyser = analyserOf(source, 4096);
    this._bins = new Float32Array(this._analyser.frequencyBinCount);
  }

  /** Each note's loudest moment, in dB. @param {number} duration_ms @param {AbortSignal} signal */
  async loudest(duration_ms, signal) {
    const notes = NOTES_HZ.slice(1);
    const loudest = notes.map(() => -Infinity);
    const bin_hz = this._analyser.context.sampleRate / this._analyser.fftSize;
    for (let passed_ms = 0; passed_ms < duration_ms && !signal.aborted; passed_ms += PIECE_MS) {
      await pause(PIECE_MS);
      this._analyser.getFloatFrequencyData(this._bins);
      notes.forEach((pitch_hz, index) => {
        const bin = Math.round(pitch_hz / bin_hz);
        loudest[index] = Math.max(loudest[index], ...this._bins.subarray(bin - 1, bin + 2));
      });
    }
    return loudest.map((db) => Math.max(db, SILENT_DB));
  }
}

/** Digital silence has no finite level. */
const SILENT_DB = -140;

/** @param {AudioNode} source @param {number} size */
function analyserOf(source, size) {
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
function pause(duration_ms) {
  return new Promise((resolve) => setTimeout(resolve, duration_ms));
}
