/** The verdicts that the user called wrong, each as a line for the bot's test set. They outlive the list on the page. */

const FILE_NAME = "voice-bot-cases.jsonl";

export class WrongCalls {
  constructor() {
    /** @type {Map<string, string>} */
    this._lines = new Map();
  }

  get count() {
    return this._lines.size;
  }

  /** Takes over what the server says of the verdicts that it still shows; of the others, what it said last stays.
   * @param {string} session verdicts are numbered anew in each @param {import("./panel.js").Ruling[]} rulings */
  collect(session, rulings) {
    for (const { number, case: line } of rulings) {
      if (line === undefined) this._lines.delete(`${session}/${number}`);
      else this._lines.set(`${session}/${number}`, line);
    }
  }

  /** Gives them to the user as a file. */
  save() {
    const lines = Array.from(this._lines.values(), (line) => `${line}\n`);
    const address = URL.createObjectURL(new Blob(lines, { type: "application/jsonl" }));
    const link = document.createElement("a");
    link.href = address;
    link.download = FILE_NAME;
    link.click();
    // The browser has taken the file over by the next task.
    setTimeout(() => URL.revokeObjectURL(address));
  }
}
