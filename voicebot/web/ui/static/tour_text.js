/** What the guided tour says at each step, which buttons it has, and what it points at. */

/** @typedef {import("./tour_steps.js").Tour} Tour */
/** @typedef {import("./tour_steps.js").Seen} Seen */
/** @typedef {import("./tour_steps.js").Input} Input */

/**
 * @typedef {object} TourText
 * @property {string} part which of the three parts it is
 * @property {string} title
 * @property {string} text
 * @property {string} hint
 * @property {[Input, string][]} buttons the likeliest first
 * @property {"talk" | "verdict" | null} highlights
 */

/** @type {[Input, string]} */
const AGAIN = ["again", "Tell the story again"];
/** @type {[Input, string]} */
const USE_MICROPHONE = ["talk", "Use my microphone"];
/** @type {[Input, string][]} */
const BY_HAND = [
  ["ask", "Ask “What is two plus two?”"],
  ["stop", "Just interrupt"],
];

/** @param {Tour} tour @param {Seen} seen @returns {TourText} */
export function tourText(tour, seen) {
  switch (tour.step) {
    case "story":
      return storyText(tour);
    case "hum":
      return seen.talking ? humText(tour, seen) : silentHumText(tour);
    case "ask":
      return askText(tour, seen);
    case "done":
      return doneText(tour);
    default:
      return voiceText(tour);
  }
}

/** @param {Partial<TourText>} some @returns {TourText} */
function makeText(some) {
  return { part: "", title: "", text: "", hint: "", buttons: [], highlights: null, ...some };
}

/** @param {Tour} tour */
function voiceText(tour) {
  return makeText({
    part: "One minute",
    title: "Talk over it, and see what it does",
    text: "The bot will tell you a story. You say “uh-huh” to it, then you interrupt. This works best with your voice.",
    hint: tour.waiting ? "Asked for the microphone? Allow it, or continue without." : "",
    buttons: [USE_MICROPHONE, ["type", "Continue without"]],
    highlights: "talk",
  });
}

/** @param {Tour} tour */
function storyText({ over, waiting }) {
  const silent = waiting ? "No sound? Look at the talk button, then start the story again." : "";
  return makeText({
    part: "1 of 3",
    title: "Listen to the story",
    text:
      "The dark words have been spoken, the pale ones are still to come. " +
      "If you interrupt, the bot remembers only the dark ones.",
    hint: over ? "The story was cut short." : silent,
    buttons: over || waiting ? [AGAIN] : [],
  });
}

/** Returns what a user whom the bot cannot hear has to do. @param {Seen} seen */
function unheardHint({ muted, holds }) {
  if (muted) return "You are muted: press Mute to be heard.";
  return holds ? "Hold the talk button while you speak." : "";
}

/** @param {Tour} tour @param {Seen} seen */
function humText({ missed, over, waiting }, seen) {
  const title = "Say “uh-huh” out loud";
  if (missed) {
    return makeText({
      part: "2 of 3",
      title,
      text: `This time it stopped: ${missed.reason}. It happens. Press “Wrong” beside the verdict to mark it.`,
      buttons: [AGAIN, ["next", "Next"]],
      highlights: "verdict",
    });
  }
  const late = waiting ? "Just “uh-huh” or “mm-hmm”, while it speaks." : "";
  return makeText({
    part: "2 of 3",
    title,
    text:
      seen.phase === "paused"
        ? "It has paused and is working out what you meant."
        : "Say it during the story, as you would to a friend. The bot pauses at the first sound, then decides.",
    hint: over ? "The story is over." : unheardHint(seen) || late,
    buttons: over ? [AGAIN, ["next", "Next"]] : [],
    highlights: "talk",
  });
}

/** @param {Tour} tour */
function silentHumText({ over }) {
  return makeText({
    part: "2 of 3",
    title: "What “uh-huh” would do",
    text: "A spoken “uh-huh” pauses the story, which then continues exactly where it stopped. Typed words always interrupt.",
    hint: over ? "The story is over." : "",
    buttons: [["next", "Next"], USE_MICROPHONE],
    highlights: "talk",
  });
}

/** @param {Tour} tour @param {Seen} seen */
function askText({ verdict, missed, over, waiting }, seen) {
  const { talking } = seen;
  const praise = verdict ? `Well done. It paused, then continued where it stopped: ${verdict.reason}.` : "";
  const again = missed ? `It continued: ${missed.reason}. Ask a whole question.` : "";
  const late = waiting && talking ? "Or press a button." : "";
  return makeText({
    part: "3 of 3",
    title: talking ? "Now ask over it: “What is two plus two?”" : "Now interrupt it",
    text: again || praise || "Do it in the middle of the story, as you would with a friend who goes on and on.",
    hint: over ? "The story is over." : unheardHint(seen) || late,
    buttons: over ? [AGAIN] : talking && !waiting ? [] : BY_HAND,
    highlights: verdict || missed ? "verdict" : "talk",
  });
}

/** @param {Tour} tour */
function doneText({ verdict }) {
  const why = verdict ? `It stopped: ${verdict.reason}.` : "It stopped at once.";
  return makeText({
    part: "Done",
    title: "That is how to talk with it",
    text: `${why} It has forgotten what you did not hear. Next, try a cough, a “stop”, or your own question.`,
    buttons: [
      ["leave", "Done"],
      ["again", "Once more"],
    ],
    highlights: verdict ? "verdict" : null,
  });
}
