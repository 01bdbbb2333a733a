/** In place of the microphone: a track that says what `window.microphone.say()` is given, and else is silent. */
(() => {
  if (!navigator.mediaDevices) return; // Firefox runs this on about:blank too, which has no microphones.
  let context, track;
  navigator.mediaDevices.getUserMedia = async () => {
    context ??= new AudioContext({ sampleRate: 48000 });
    await context.resume();
    track = context.createMediaStreamDestination();
    const silence = context.createConstantSource(); // with nothing to play it would send no packets at all
    silence.offset.value = 0;
    silence.connect(track);
    silence.start();
    return track.stream;
  };
  window.microphone = {
    /** Speaks now; resolves when all was said. @param {string} pcm 16-bit at 48 kHz, in base64 */
    say(pcm) {
      const samples = new Int16Array(Uint8Array.from(atob(pcm), (char) => char.charCodeAt(0)).buffer);
      const buffer = context.createBuffer(1, samples.length, 48000);
      buffer.getChannelData(0).set(Float32Array.from(samples, (sample) => sample / 32768));
      const source = context.createBufferSource();
      source.buffer = buffer;
      source.connect(track);
      source.start();
      return new Promise((resolve) => (source.onended = () => resolve()));
    },
  };
})();
