/** What the user hears of the bot. */

export class BotVoice {
  /** @param {HTMLAudioElement} player @param {() => void} blocked the browser wants a press before it plays sound */
  constructor(player, blocked) {
    this._player = player;
    this._blocked = blocked;
  }

  /** @param {MediaStream} voice */
  hear(voice) {
    this._player.srcObject = voice;
    void this.play();
  }

  async play() {
    try {
      await this._player.play();
    } catch (error) {
      // An AbortError only says that the voice has gone again.
      if (error instanceof DOMException && error.name === "NotAllowedError") this._blocked();
    }
  }

  silence() {
    this._player.srcObject = null;
  }
}
