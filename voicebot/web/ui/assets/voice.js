/** How loud the bot is, as it is heard: the talk control moves with its voice, and stands still when it pauses. */

import { LevelMeter } from "./microphone.js";

/** @param {HTMLMediaElement} player @param {(level: number) => void} show gets 0 (silent) to 1 (full scale) */
export function meterVoice(player, show) {
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
