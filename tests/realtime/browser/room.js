/** In place of the microphone: one in a room, into which the page's own loudspeaker sounds `window.room.echo` loud.

`room.refuse` is the name of the DOMException that it fails with, if any; `room.tone(gain)` makes a sound beside it;
 * `room.sent` is the track that the page sends, once it has changed; `room.peer` and `room.channel` are the newest. */
(() => {
  const room = { echo: 0, refuse: "", devices: 1, tracks: [], tone: () => {} };
  const connect = AudioNode.prototype.connect;
  const Context = window.AudioContext;
  let microphone;
  const context = () => {
    if (microphone) return microphone.context;
    const made = new Context();
    microphone = made.createMediaStreamDestination();
    return made;
  };
  // All of the page's contexts are one: so that what it plays can be led into the microphone.
  window.AudioContext = function () {
    return context();
  };
  AudioNode.prototype.connect = function (target, ...more) {
    if (target === this.context.destination && microphone) {
      const echo = this.context.createGain();
      echo.gain.value = room.echo;
      connect.call(this, echo);
      connect.call(echo, microphone);
    }
    return connect.call(this, target, ...more);
  };
  room.tone = async (gain) => {
    const [tone, volume] = [context().createOscillator(), context().createGain()];
    await context().resume();
    volume.gain.value = gain;
    connect.call(tone, volume);
    connect.call(volume, microphone);
    tone.start();
    room.tone.stop = () => tone.stop();
  };
  navigator.mediaDevices.getUserMedia = async () => {
    if (room.refuse) throw new DOMException("on purpose", room.refuse);
    await context().resume();
    const track = microphone.stream.getAudioTracks()[0].clone();
    Object.defineProperty(track, "label", { value: `Microphone ${room.tracks.length + 1}` });
    room.tracks.push(track);
    return new MediaStream([track]);
  };
  navigator.mediaDevices.enumerateDevices = async () =>
    Array.from({ length: room.devices }, () => ({ kind: "audioinput", deviceId: "", label: "" }));
  /** The newest microphone is pulled out. */
  room.unplug = () => {
    const track = room.tracks[room.tracks.length - 1];
    track.stop();
    track.dispatchEvent(new Event("ended"));
  };
  /** A key on the newest microphone, or not any more. */
  room.mute = (muted) => {
    const track = room.tracks[room.tracks.length - 1];
    Object.defineProperty(track, "muted", { value: muted, configurable: true });
    track.dispatchEvent(new Event(muted ? "mute" : "unmute"));
  };
  const replaceTrack = RTCRtpSender.prototype.replaceTrack;
  RTCRtpSender.prototype.replaceTrack = function (track) {
    room.sent = track;
    return replaceTrack.call(this, track);
  };
  const createDataChannel = RTCPeerConnection.prototype.createDataChannel;
  RTCPeerConnection.prototype.createDataChannel = function (...named) {
    room.peer = this;
    room.channel = createDataChannel.apply(this, named);
    return room.channel;
  };
  room.change = () => navigator.mediaDevices.dispatchEvent(new Event("devicechange"));
  window.room = room;
})();
