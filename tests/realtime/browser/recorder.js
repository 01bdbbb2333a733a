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
  const talk = document.getElementById("vb-talk");
  let blocks = [];
  let states = [];
  const length = () => blocks.reduce((sum, block) => sum + block.length, 0);
  node.port.onmessage = (event) => blocks.push(event.data);
  const stateChanged = ([{ oldValue }]) => {
    const { state } = talk.dataset;
    if (state !== oldValue) states.push({ state, sample: length() });
  };
  new MutationObserver(stateChanged).observe(talk, { attributeFilter: ["data-state"], attributeOldValue: true });
  context.createMediaStreamSource(document.getElementById("bot-voice").srcObject).connect(node);
  window.recorder = {
    /** 16-bit PCM at 48 kHz in base64, and at which of its samples the page began to show another state. */
    take() {
      const pcm = Int16Array.from(blocks.flatMap((block) => Array.from(block, (x) => Math.round(x * 32767))));
      const taken = { pcm: base64(new Uint8Array(pcm.buffer)), states };
      blocks = [];
      states = [];
      return taken;
    },
  };
  /** @param {Uint8Array} bytes */
  function base64(bytes) {
    let text = "";
    for (let at = 0; at < bytes.length; at += 32768) text += String.fromCharCode(...bytes.subarray(at, at + 32768));
    return btoa(text);
  }
};
