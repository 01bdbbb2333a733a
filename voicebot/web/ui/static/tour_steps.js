/** The steps of the guided tour, as a pure function: what the user presses and sees leads from step to step. */

/** @typedef {import("./types.d.ts").Verdict} Verdict */
/** @typedef {import("./types.d.ts").Message} Message */

/**
 * @typedef {object} Seen the session, as far as it matters here
 * @property {boolean} on whether it is connected
 * @property {boolean} talking with a microphone
 * @property {boolean} muted
 * @property {boolean} holds whether the talk button has to be held
 * @property {string} phase
 * @property {number} older how many messages came before those in `chat`
 * @property {Message[]} chat
 * @property {Verdict[]} verdicts the newest first
 */

/**
 * @typedef {object} Tour
 * @property {"off" | "voice" | "story" | "hum" | "ask" | "done"} step
 * @property {"hum" | "ask"} goal the step that follows once the bot tells its story
 * @property {number} asked how many messages there were when the story was asked for
 * @property {number} words how many words of the story were heard before the next step
 * @property {number} handled the number of the newest verdict that has been dealt with
 * @property {Verdict | null} verdict the one that led to this step
 * @property {Verdict | null} missed one that this step did not hope for
 * @property {boolean} over whether the story has ended too early
 * @property {number} since_ms when something happened last
 * @property {boolean} waiting whether nothing has happened for long enough to give a hint
 */

/** @typedef {"start" | "leave" | "talk" | "type" | "again" | "next" | "ask" | "stop" | "seen"} Input
 *   what the user presses, or "seen" when the session has changed or time has passed */
/** @typedef {{do: "say", text: string} | {do: "talk"} | {do: "interrupt"} | {do: "remember"}} Command */

const HINT_AFTER_MS = 9_000;

/** How many words of the story are heard before the user is asked to say something over it: enough to read the step. */
export const FIRST_WORDS = 14;

const STORY = "Tell me a long story.";
const QUESTION = "What is two plus two?";

/** @type {Readonly<Tour>} */
export const OFF = {
  step: "off",
  goal: "hum",
  asked: 0,
  words: 0,
  handled: 0,
  verdict: null,
  missed: null,
  over: false,
  since_ms: 0,
  waiting: false,
};

/** Returns the tour after an input, and what to do.
 * @param {Tour} tour @param {Input} input @param {Seen} seen @param {number} now_ms @returns {[Tour, Command[]]} */
export function tourStep(tour, input, seen, now_ms) {
  if (input === "leave") return [OFF, []];
  if (input === "start") return begin({ ...OFF, since_ms: now_ms }, seen, now_ms);
  if (tour.step === "off") return [tour, []];
  const [next, commands] = input === "seen" ? afterSeen(tour, seen, now_ms) : afterPress(tour, input, seen, now_ms);
  const waiting = now_ms - next.since_ms >= HINT_AFTER_MS;
  return [next.waiting === waiting ? next : { ...next, waiting }, commands];
}

/** Asks for the microphone first, unless it is on. @param {Tour} tour @param {Seen} seen @param {number} now_ms */
function begin(tour, seen, now_ms) {
  return seen.talking ? askForStory(tour, seen, now_ms) : enter(tour, { step: "voice" }, now_ms);
}

/** @param {Tour} tour @param {Seen} seen @param {number} now_ms @returns {[Tour, Command[]]} */
function askForStory(tour, seen, now_ms) {
  const asked = seen.older + seen.chat.length;
  const [next] = enter(tour, { step: "story", asked, words: 0, handled: newestNumber(seen), verdict: null }, now_ms);
  return [next, [{ do: "say", text: STORY }]];
}

/** @param {Tour} tour @param {Partial<Tour>} changes @param {number} now_ms @returns {[Tour, Command[]]} */
function enter(tour, changes, now_ms) {
  return [{ ...tour, missed: null, over: false, ...changes, since_ms: now_ms }, []];
}

/** @param {Tour} tour @param {Input} input @param {Seen} seen @param {number} now_ms @returns {[Tour, Command[]]} */
function afterPress(tour, input, seen, now_ms) {
  const touched = { ...tour, since_ms: now_ms };
  switch (input) {
    case "talk":
      return [touched, [{ do: "talk" }]];
    case "type":
      return askForStory(tour, seen, now_ms);
    case "again":
      return seen.on ? askForStory(tour, seen, now_ms) : enter(tour, { step: "voice" }, now_ms);
    case "next":
      return enter(
        tour,
        { step: "ask", goal: "ask", over: tour.over, handled: newestNumber(seen), verdict: null },
        now_ms,
      );
    case "ask":
      return [touched, [{ do: "say", text: QUESTION }]];
    case "stop":
      return [touched, [{ do: "interrupt" }]];
    default:
      return [tour, []];
  }
}

/** @param {Tour} tour @param {Seen} seen @param {number} now_ms @returns {[Tour, Command[]]} */
function afterSeen(tour, seen, now_ms) {
  switch (tour.step) {
    case "voice":
      return seen.on && seen.talking ? askForStory(tour, seen, now_ms) : [tour, []];
    case "story":
      return duringStory(tour, seen, now_ms);
    case "hum":
      return duringHum(tour, seen, now_ms);
    case "ask":
      return duringQuestion(tour, seen, now_ms);
    default:
      return [tour, []];
  }
}

/** @param {Tour} tour @param {Seen} seen @param {number} now_ms @returns {[Tour, Command[]]} */
function duringStory(tour, seen, now_ms) {
  const story = storyIn(tour, seen);
  if (!story) return [tour, []];
  const words = story.heard?.match(/\S+/g)?.length ?? 0;
  if (story.live && !story.interrupted && words >= FIRST_WORDS) {
    return enter(tour, { step: tour.goal, handled: newestNumber(seen) }, now_ms);
  }
  return noteEnd(words === tour.words ? tour : { ...tour, words, since_ms: now_ms }, seen, now_ms);
}

/** @param {Tour} tour @param {Seen} seen @param {number} now_ms @returns {[Tour, Command[]]} */
function duringHum(tour, seen, now_ms) {
  const verdict = newVerdict(tour, seen);
  if (verdict?.decision === "resume") {
    return enter(tour, { step: "ask", goal: "ask", handled: verdict.number, verdict }, now_ms);
  }
  if (verdict) return enter(tour, { missed: verdict, handled: verdict.number, over: true }, now_ms);
  return noteEnd(tour, seen, now_ms);
}

/** Typing, or pressing Interrupt, interrupts too. Then there is no verdict.
 * @param {Tour} tour @param {Seen} seen @param {number} now_ms @returns {[Tour, Command[]]} */
function duringQuestion(tour, seen, now_ms) {
  const verdict = newVerdict(tour, seen);
  const stopped = verdict?.decision === "regenerate" ? verdict : null;
  if (!tour.over && (stopped || storyIn(tour, seen)?.interrupted)) {
    const [next] = enter(tour, { step: "done", handled: newestNumber(seen), verdict: stopped }, now_ms);
    return [next, [{ do: "remember" }]];
  }
  if (verdict) {
    return enter(tour, { missed: verdict, verdict: null, handled: verdict.number, over: tour.over }, now_ms);
  }
  return noteEnd(tour, seen, now_ms);
}

/** Notes when the story is finished, was interrupted too early, or is gone with the connection.
 * @param {Tour} tour @param {Seen} seen @param {number} now_ms @returns {[Tour, Command[]]} */
function noteEnd(tour, seen, now_ms) {
  const over = tour.over || !seen.on || !storyIn(tour, seen)?.live;
  return over === tour.over ? [tour, []] : enter(tour, { over, missed: tour.missed }, now_ms);
}

/** Returns the bot's story, once it is shown. @param {Tour} tour @param {Seen} seen @returns {Message | undefined} */
function storyIn(tour, seen) {
  return seen.chat.find((message, place) => message.role === "assistant" && seen.older + place >= tour.asked);
}

/** Returns the number of the newest verdict. @param {Seen} seen */
function newestNumber(seen) {
  return seen.verdicts.at(0)?.number ?? 0;
}

/** Returns a verdict that has not been dealt with. @param {Tour} tour @param {Seen} seen @returns {Verdict | null} */
function newVerdict(tour, seen) {
  return newestNumber(seen) > tour.handled ? seen.verdicts[0] : null;
}
