// Talks to the bot over /ws. Each argument is a text or a WAV file; a later one interrupts the answer, if that is long.
//
// node examples/websocket_client.mjs ws://127.0.0.1:7860/ws "Tell me a long story." "What time is it in Tokyo?"

import { createWriteStream, readFileSync } from "node:fs";

const [url, ...unsaid] = process.argv.slice(2);
const socket = new WebSocket(url);
const heard = createWriteStream("heard.mp3");
const clips = []; // The first one has been playing since `began`.
let began, playing, phase;

const send = (message) => socket.send(JSON.stringify(message));

function say(line) {
  if (!line.endsWith(".wav")) return send({ type: "text", text: line });
  send({ type: "speech_start" });
  send({ type: "speech_end", audio: readFileSync(line, "base64") });
}

function play() {
  began = Date.now();
  playing = setTimeout(() => {
    const clip = clips.shift();
    send({ type: "clip_played", sequence: clip.sequence });
    heard.write(clip.audio, "base64");
    console.log("bot:", clip.text);
    if (clips.length) play();
    // In the middle of a long answer.
    if (unsaid.length && clip.text && clips.length > 1) say(unsaid.shift());
  }, clips[0].duration_ms);
}

socket.onmessage = ({ data }) => {
  const { event, ...message } = JSON.parse(data);
  if (event === "play_audio" && clips.push(message) === 1) {
    send({ type: "client_playback_started" });
    play();
  }
  if (event === "stop_playback" && clips.length) {
    clearTimeout(playing);
    send({ type: "clip_played", sequence: clips[0].sequence, played_ms: Date.now() - began });
    clips.length = 0;
  }
  const before = phase;
  phase = message.phase ?? phase;
  // When the bot has fallen silent, it is the user's turn.
  if (before !== phase && phase === "idle") unsaid.length ? say(unsaid.shift()) : send({ type: "bye" });
  if (/^(asr.final|verdict|error|closed)$/.test(event)) console.log(event, message);
};

socket.onerror = () => console.error(`the connection to ${url} failed`);
