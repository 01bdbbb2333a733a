/** The guided tour of interruptions, as a pure function: what the visitor sees of the session leads from step to step. */

/** @typedef {import("./panel.js").Ruling} Ruling */
/** @typedef {import("./chat.js").Message} Message */

/**
 * @typedef {object} Seen what matters here of the session
 * @property {boolean} on whether it is connected
 * @property {boolean} talking with a microphone
 * @property {boolean} muted
 * @property {string} phase
 * @property {number} older how many messages came before those in `chat`
 * @property {Message[]} chat
 * @property {Ruling[]} rulings the newest first
 */

/**
 * @typedef {object} Tour
 * @property {"off" | "voice" | "story" | "hum" | "ask" | "done"} step
 * @property {"hum" | "ask"} goal what comes once the bot tells its story
 * @property {number} asked how many messages there were when the story was asked for
 * @property {number} ruled the newest verdict that has been seen to
 * @property {Ruling | null} verdict the one that led to this step
 * @property {Ruling | null} missed one that fell otherwise than this step hopes for
 * @property {boolean} over whether the story has ended before its time
 * @property {number} since_ms when anything happened last
 * @property {boolean} waiting whether nothing has for long: time for a hint
 */

/** @typedef {"start" | "leave" | "talk" | "type" | "again" | "next" | "ask" | "stop" | "seen"} Input
 *   what the visitor presses, and `seen` when the session has changed or time has passed */
/** @typedef {{do: "say", text: string} | {do: "talk"} | {do: "interrupt"} | {do: "remember"}} Command */

const HINT_AFTER_MS = 9_000;

/** So much of the story is heard before anything is to be said over it. */
const WORDS_FIRST = 5;

const STORY = "Tell me a long story.";
const QUESTION = "What is two plus two?";

/** @type {Tour} */
export const OFF = {
  step: "off",
  goal: "hum",
  asked: 0,
  ruled: 0,
  verdict: null,
  missed: null,
  over: false,
  since_ms: 0,
  waiting: false,
};

/** @param {Tour} tour @param {Input} input @param {Seen} seen @param {number} now_ms @returns {[Tour, Command[]]} */
export function advance(tour, input, seen, now_ms) {
  if (input === "leave") return [OFF, []];
  if (input === "start") return begin({ ...OFF, since_ms: now_ms }, seen, now_ms);
  if (tour.step === "off") return [tour, []];
  const [next, commands] = input === "seen" ? watched(tour, seen, now_ms) : pressed(tour, input, seen, now_ms);
  const waiting = now_ms - next.since_ms >= HINT_AFTER_MS;
  return [next.waiting === waiting ? next : { ...next, waiting }, commands];
}

/** With a voice, if there is one; else that is asked first. @param {Tour} tour @param {Seen} seen @param {number} now_ms */
function begin(tour, seen, now_ms) {
  return seen.talking ? tellStory(tour, seen, now_ms) : enter(tour, { step: "voice" }, now_ms);
}

/** @param {Tour} tour @param {Seen} seen @param {number} now_ms @returns {[Tour, Command[]]} */
function tellStory(tour, seen, now_ms) {
  const asked = seen.older + seen.chat.length;
  const [next] = enter(tour, { step: "story", asked, ruled: newest(seen), verdict: null }, now_ms);
  return [next, [{ do: "say", text: STORY }]];
}

/** @param {Tour} tour @param {Partial<Tour>} changes @param {number} now_ms @returns {[Tour, Command[]]} */
function enter(tour, changes, now_ms) {
  return [{ ...tour, missed: null, over: false, ...changes, since_ms: now_ms }, []];
}

/** @param {Tour} tour @param {Input} input @param {Seen} seen @param {number} now_ms @returns {[Tour, Command[]]} */
function pressed(tour, input, seen, now_ms) {
  const touched = { ...tour, since_ms: now_ms };
  switch (input) {
    case "talk":
      return [touched, [{ do: "talk" }]];
    case "type":
      return tellStory(tour, seen, now_ms);
    case "again":
      return seen.on ? tellStory(tour, seen, now_ms) : enter(tour, { step: "voice" }, now_ms);
    case "next":
      return enter(tour, { step: "ask", goal: "ask", over: tour.over, ruled: newest(seen), verdict: null }, now_ms);
    case "ask":
      return [touched, [{ do: "say", text: QUESTION }]];
    case "stop":
      return [touched, [{ do: "interrupt" }]];
    default:
      return [tour, []];
  }
}

/** @param {Tour} tour @param {Seen} seen @param {number} now_ms @returns {[Tour, Command[]]} */
function watched(tour, seen, now_ms) {
  switch (tour.step) {
    case "voice":
      return seen.on && seen.talking ? tellStory(tour, seen, now_ms) : [tour, []];
    case "story":
      return begun(tour, seen, now_ms);
    case "hum":
      return hummed(tour, seen, now_ms);
    case "ask":
      return questioned(tour, seen, now_ms);
    default:
      return [tour, []];
  }
}

/** @param {Tour} tour @param {Seen} seen @param {number} now_ms @returns {[Tour, Command[]]} */
function begun(tour, seen, now_ms) {
  const story = told(tour, seen);
  if (!story) return [tour, []];
  const words = story.heard?.trim().split(/\s+/) ?? [];
  if (story.live && !story.interrupted && words.length >= WORDS_FIRST) {
    return enter(tour, { step: tour.goal, ruled: newest(seen) }, now_ms);
  }
  return endedEarly(tour, seen, now_ms);
}

/** @param {Tour} tour @param {Seen} seen @param {number} now_ms @returns {[Tour, Command[]]} */
function hummed(tour, seen, now_ms) {
  const verdict = fresh(tour, seen);
  if (verdict?.decision === "resume") {
    return enter(tour, { step: "ask", goal: "ask", ruled: verdict.number, verdict }, now_ms);
  }
  if (verdict) return enter(tour, { missed: verdict, ruled: verdict.number, over: true }, now_ms);
  return endedEarly(tour, seen, now_ms);
}

/** Who presses Interrupt, or types, has interrupted too: then there is no verdict.
 * @param {Tour} tour @param {Seen} seen @param {number} now_ms @returns {[Tour, Command[]]} */
function questioned(tour, seen, now_ms) {
  const verdict = fresh(tour, seen);
  const gaveWay = verdict?.decision === "regenerate" ? verdict : null;
  if (!tour.over && (gaveWay || told(tour, seen)?.interrupted)) {
    const [next] = enter(tour, { step: "done", ruled: newest(seen), verdict: gaveWay }, now_ms);
    return [next, [{ do: "remember" }]];
  }
  if (verdict) return enter(tour, { missed: verdict, verdict: null, ruled: verdict.number, over: tour.over }, now_ms);
  return endedEarly(tour, seen, now_ms);
}

/** The story is at its end, was cut short too early, or is gone with the connection.
 * @param {Tour} tour @param {Seen} seen @param {number} now_ms @returns {[Tour, Command[]]} */
function endedEarly(tour, seen, now_ms) {
  const over = tour.over || !seen.on || !told(tour, seen)?.live;
  return over === tour.over ? [tour, []] : enter(tour, { over, missed: tour.missed }, now_ms);
}

/** The bot's story, as far as it is shown. @param {Tour} tour @param {Seen} seen @returns {Message | undefined} */
function told(tour, seen) {
  return seen.chat.find((message, place) => message.role === "assistant" && seen.older + place >= tour.asked);
}

/** @param {Seen} seen */
function newest(seen) {
  return seen.rulings[0]?.number ?? 0;
}

/** A verdict that has fallen since. @param {Tour} tour @param {Seen} seen @returns {Ruling | null} */
function fresh(tour, seen) {
  return newest(seen) > tour.ruled ? seen.rulings[0] : null;
}
