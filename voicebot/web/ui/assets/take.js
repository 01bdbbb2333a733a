/** Take it with you: the session as a zip, and a conversation that is brought back. */

import { Refused, Unreachable, fetchJson, serverUrl } from "./connection.js";
import { find, write } from "./dom.js";
import { remember } from "./memory.js";
import { problem } from "./problems.js";
import { transcriptOf } from "./transcript_file.js";

/** How long an import may take: the server waits for a place and for the file, and then it is read. */
const UPLOAD_MS = 240_000;

/** @typedef {import("./session.js").Session} Session */

const NOTHING = "Nothing to take yet.";
const READY = "Take this talk with you.";

/** @param {Session} session */
export function wireTake(session) {
  const root = find(document, "#vb-take");
  const file = /** @type {HTMLInputElement} */ (find(root, "input"));
  find(root, ".vb-download").addEventListener("click", () => download(session));
  find(root, ".vb-import").addEventListener("click", () => session.taking || file.click());
  file.addEventListener("change", () => {
    const chosen = file.files?.[0];
    if (chosen) void bringBack(session, chosen);
    file.value = "";
  });
}

/** @param {Session} session */
export function drawTake(session) {
  const root = find(document, "#vb-take");
  const something = canDownload(session);
  write(find(root, ".vb-take-said"), session.taken || (something ? READY : NOTHING));
  find(root, ".vb-download").setAttribute("aria-disabled", String(!something || session.taking));
  find(root, ".vb-import").setAttribute("aria-disabled", String(session.taking));
}

/** Words that this session has seen; those of an import are in its own file already. @param {Session} session */
function canDownload(session) {
  return session.conversation.recording !== null && (session.view?.chat.length ?? 0) > 0;
}

/** The browser itself fetches the file, however large; it is asked for first, as a refusal would come as a file.
 * @param {Session} session */
async function download(session) {
  if (!canDownload(session) || session.taking) return;
  const address = serverUrl(`recordings/${session.conversation.recording}.zip`);
  await working(session, "Packing…", "The download didn't work.", async () => {
    await isThere(address);
    const link = document.createElement("a");
    link.href = address.href;
    link.download = "";
    link.click();
    return "On its way to your downloads.";
  });
}

/** @param {URL} address */
async function isThere(address) {
  let response;
  try {
    response = await fetch(address, { method: "HEAD" });
  } catch {
    throw new Unreachable("no server");
  }
  if (response.status === 404) throw new Refused("It is kept for a few minutes after the session only, and is gone now.");
  if (!response.ok) throw new Refused("Please wait a little, and try again.");
}

/** @param {Session} session @param {File} file */
async function bringBack(session, file) {
  await working(session, "Importing…", "The import didn't work.", async () => {
    const body = await transcriptOf(file);
    const { conversation, ...view } = await fetchJson("conversations", { method: "POST", body }, UPLOAD_MS);
    session.goOnWith(view);
    remember(conversation);
    return "Imported: just go on.";
  });
}

/** Says what is being done, and what came of it.
 * @param {Session} session @param {string} doing @param {string} failed @param {() => Promise<string>} work */
async function working(session, doing, failed, work) {
  session.tell({ taking: true, taken: doing, problem: null });
  try {
    session.tell({ taking: false, taken: await work() });
  } catch (error) {
    const why = error instanceof Refused ? error.message : "The bot cannot be reached. Try again in a moment.";
    session.tell({ taking: false, taken: "", problem: problem(failed, why) });
  }
}
