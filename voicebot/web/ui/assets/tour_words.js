/** What the guided tour says at each step, what one may press there, and what it points at. */

/** @typedef {import("./tour_steps.js").Tour} Tour */
/** @typedef {import("./tour_steps.js").Seen} Seen */
/** @typedef {import("./tour_steps.js").Input} Input */

/**
 * @typedef {object} Told
 * @property {string} part which of the three parts it is
 * @property {string} title
 * @property {string} text
 * @property {string} hint
 * @property {[Input, string][]} choices what may be pressed, the likeliest first
 * @property {"talk" | "verdict" | null} points
 */

/** @type {[Input, string]} */
const AGAIN = ["again", "Tell it again"];
/** @type {[Input, string]} */
const USE_MICROPHONE = ["talk", "Use my microphone"];
/** @type {[Input, string][]} */
const BY_HAND = [
  ["ask", "Ask “What is two plus two?”"],
  ["stop", "Just interrupt"],
];

/** @param {Tour} tour @param {Seen} seen @returns {Told} */
export function tourWords(tour, seen) {
  switch (tour.step) {
    case "story":
      return storyWords(tour);
    case "hum":
      return seen.talking ? humWords(tour, seen) : silentHumWords(tour);
    case "ask":
      return askWords(tour, seen);
    case "done":
      return doneWords(tour);
    default:
      return voiceWords(tour);
  }
}

/** @param {Partial<Told>} some @returns {Told} */
function tourStep(some) {
  return { part: "", title: "", text: "", hint: "", choices: [], points: null, ...some };
}

/** @param {Tour} tour */
function voiceWords(tour) {
  return tourStep({
    part: "One minute",
    title: "Talk over it, and see what it does",
    text: "It will tell you a story. You hum along, then you interrupt. Humming needs your voice.",
    hint: tour.waiting ? "Asked for the microphone? Allow it, or go on without." : "",
    choices: [USE_MICROPHONE, ["type", "Go on without"]],
    points: "talk",
  });
}

/** @param {Tour} tour */
function storyWords({ over, waiting }) {
  const silent = waiting ? "Nothing to hear? Look at the talk button, then have it told again." : "";
  return tourStep({
    part: "1 of 3",
    title: "It tells you a story",
    text: "Dark words you have heard, pale ones are still to come. It remembers only the dark ones.",
    hint: over ? "That was cut short." : silent,
    choices: over || waiting ? [AGAIN] : [],
  });
}

/** @param {Tour} tour @param {Seen} seen */
function humWords({ missed, over, waiting }, { muted, phase }) {
  const title = "Say “uh-huh”, aloud";
  if (missed) {
    return tourStep({
      part: "2 of 3",
      title,
      text: `This time it gave way: ${missed.reason}. It happens. “Wrong call” beside the verdict makes it a test case.`,
      choices: [AGAIN, ["next", "Go on"]],
      points: "verdict",
    });
  }
  const late = waiting ? "Just “uh-huh” or “mm-hmm”, while it speaks." : "";
  return tourStep({
    part: "2 of 3",
    title,
    text:
      phase === "paused"
        ? "It has paused, at once, and makes out what you meant."
        : "Over the story, as you would to a friend. It pauses at the first sound, then decides.",
    hint: over ? "The story is over." : muted ? "You are muted: press Mute to be heard." : late,
    choices: over ? [AGAIN, ["next", "Go on"]] : [],
    points: "talk",
  });
}

/** @param {Tour} tour */
function silentHumWords({ over }) {
  return tourStep({
    part: "2 of 3",
    title: "What “uh-huh” would do",
    text: "Said aloud, it pauses the story, which then goes on at the very sound where it stopped. Typed words always interrupt.",
    hint: over ? "The story is over." : "",
    choices: [["next", "Go on"], USE_MICROPHONE],
    points: "talk",
  });
}

/** @param {Tour} tour @param {Seen} seen */
function askWords({ verdict, missed, over, waiting }, { talking, muted }) {
  const praise = verdict ? `Well done. It paused, then went on where it stopped: ${verdict.reason}.` : "";
  const again = missed ? `It went on: ${missed.reason}. Ask a whole question.` : "";
  const late = waiting && talking ? "Or press a button." : "";
  return tourStep({
    part: "3 of 3",
    title: talking ? "Now ask over it: “What is two plus two?”" : "Now interrupt it",
    text: again || praise || "In the middle of the story, as you would a friend who goes on and on.",
    hint: over ? "The story is over." : muted ? "You are muted: press Mute to be heard." : late,
    choices: over ? [AGAIN] : talking && !waiting ? [] : BY_HAND,
    points: verdict || missed ? "verdict" : "talk",
  });
}

/** @param {Tour} tour */
function doneWords({ verdict }) {
  const why = verdict ? `It stopped: ${verdict.reason}.` : "It stopped at once.";
  return tourStep({
    part: "Done",
    title: "That is how to talk with it",
    text: `${why} What you had not heard it has forgotten. Next: cough, say “stop”, or ask your own.`,
    choices: [
      ["leave", "Done"],
      ["again", "Once more"],
    ],
    points: verdict ? "verdict" : null,
  });
}
