/** Records what the page's audio element is given to play; `window.recorder.take()` gives it, and forgets it. */
async () => {
  const worklet = `registerProcessor("recorder", class extends AudioWorkletProcessor {
    process([[samples]]) {
      if (samples) this.port.postMessage(samples.slice());
      return true;
    }
  });`;
  const context = new AudioContext({ sampleRate: 48000 });
  await context.resume();
  await context.audioWorklet.addModule(URL.createObjectURL(new Blob([worklet], { type: "text/javascript" })));
  const node = new AudioWorkletNode(context, "recorder");
  let blocks = [];
  node.port.onmessage = (event) => blocks.push(event.data);
  context.createMediaStreamSource(document.getElementById("bot-voice").srcObject).connect(node);
  window.recorder = {
    /** 16-bit PCM at 48 kHz, in base64. */
    take() {
      const pcm = Int16Array.from(blocks.flatMap((block) => Array.from(block, (x) => Math.round(x * 32767))));
      blocks = [];
      const bytes = new Uint8Array(pcm.buffer);
      let text = "";
      for (let at = 0; at < bytes.length; at += 32768) text += String.fromCharCode(...bytes.subarray(at, at + 32768));
      return btoa(text);
    },
  };
};
