/** Downloads the session as a zip, and imports a conversation again. */

import { rememberConversation } from "./conversation.js";
import { find, write } from "./dom.js";
import { Refused, Unreachable, fetchJson, serverUrl } from "./http.js";
import { makeProblem } from "./problems.js";

/** How long an import may take: the server waits for a free worker and for the file, and then reads it. */
const IMPORT_TIMEOUT_MS = 240_000;

/** @typedef {import("./session.js").Session} Session */

/** @param {Session} session */
export function wireTransfer(session) {
  const root = find(document, "#vb-transfer");
  const file = /** @type {HTMLInputElement} */ (find(root, "input"));
  find(root, ".vb-download").addEventListener("click", () => download(session));
  find(root, ".vb-import").addEventListener("click", () => session.transfer.running || file.click());
  file.addEventListener("change", () => {
    const chosen = file.files?.[0];
    if (chosen) void importFile(session, chosen);
    file.value = "";
  });
}

/** @param {Session} session */
export function drawTransfer(session) {
  const root = find(document, "#vb-transfer");
  const { running, status } = session.transfer;
  const ready = canDownload(session);
  write(find(root, ".vb-transfer-status"), status || (ready ? "Save this conversation." : "Nothing to download yet."));
  find(root, ".vb-download").setAttribute("aria-disabled", String(!ready || running));
  find(root, ".vb-import").setAttribute("aria-disabled", String(running));
}

/** Returns whether something was said in this session. An import is in the user's own file already.
 * @param {Session} session */
function canDownload(session) {
  return session.conversation.recording !== null && (session.view?.chat.length ?? 0) > 0;
}

/** Has the browser fetch the file. It is checked first, because a refusal would be saved as a file.
 * @param {Session} session */
async function download(session) {
  if (!canDownload(session) || session.transfer.running) return;
  const address = serverUrl(`recordings/${session.conversation.recording}.zip`);
  await run(session, "Preparing the download…", "The download failed.", async () => {
    await checkDownload(address);
    const link = document.createElement("a");
    link.href = address.href;
    link.download = "";
    link.click();
    return "The download has started.";
  });
}

/** Throws Refused or Unreachable. @param {URL} address */
async function checkDownload(address) {
  let response;
  try {
    response = await fetch(address, { method: "HEAD" });
  } catch {
    throw new Unreachable("no server");
  }
  if (response.status === 404) throw new Refused("Recordings are deleted a few minutes after the session.");
  if (!response.ok) throw new Refused("Please wait a moment, then try again.");
}

/** @param {Session} session @param {File} file */
async function importFile(session, file) {
  await run(session, "Importing…", "The import failed.", async () => {
    const body = await transcriptIn(file);
    const { conversation, ...view } = await fetchJson("conversations", { method: "POST", body }, IMPORT_TIMEOUT_MS);
    session.continueWith(view);
    rememberConversation(conversation);
    return "Imported. You can continue.";
  });
}

/** Shows what is being done, and what came of it.
 * @param {Session} session @param {string} doing @param {string} failed @param {() => Promise<string>} work */
async function run(session, doing, failed, work) {
  session.setTransfer(true, doing);
  try {
    session.setTransfer(false, await work());
  } catch (error) {
    const why = error instanceof Refused ? error.message : "The bot cannot be reached. Try again in a moment.";
    session.setTransfer(false, "", makeProblem(failed, why));
  }
}

// The transcript in a zip: an import needs nothing else, and the sound beside it is a hundred times as large.

const TRANSCRIPT = "transcript.json";
const MAX_BYTES = 1_048_576;

/** Signatures and lengths of a zip's parts (PKWARE's APPNOTE, 4.3). */
const END = { signature: 0x06054b50, bytes: 22 };
const ENTRY = { signature: 0x02014b50, bytes: 46 };
const LOCAL_BYTES = 30;
const ENCRYPTED = 1;
const STORED = 0;
const DEFLATED = 8;

/** Returns the transcript in a zip. Any other file is returned whole: the server says what is wrong with it.
 * @param {Blob} file @returns {Promise<Blob>} */
export async function transcriptIn(file) {
  try {
    return (await unpackTranscript(file)) ?? file;
  } catch {
    return file;
  }
}

/** @param {Blob} file @returns {Promise<Blob | null>} */
async function unpackTranscript(file) {
  const end = await read(file, file.size - END.bytes, END.bytes);
  if (end.getUint32(0, true) !== END.signature) return null;
  const directory = await read(file, end.getUint32(16, true), end.getUint32(12, true));
  const found = entriesOf(directory, end.getUint16(10, true)).filter(
    ({ name }) => name.split("/").pop() === TRANSCRIPT,
  );
  const [entry] = found;
  if (found.length !== 1 || entry.encrypted || entry.bytes > MAX_BYTES) return null;
  const local = await read(file, entry.start, LOCAL_BYTES);
  const start = entry.start + LOCAL_BYTES + local.getUint16(26, true) + local.getUint16(28, true);
  const packed = file.slice(start, start + entry.packedBytes);
  if (entry.method === STORED) return packed;
  if (entry.method !== DEFLATED) return null;
  return await new Response(packed.stream().pipeThrough(new DecompressionStream("deflate-raw"))).blob();
}

/** @param {DataView<ArrayBuffer>} directory @param {number} count */
function entriesOf(directory, count) {
  const found = [];
  for (let at = 0; found.length < count;) {
    if (directory.getUint32(at, true) !== ENTRY.signature) return [];
    const nameBytes = directory.getUint16(at + 28, true);
    found.push({
      name: new TextDecoder().decode(new Uint8Array(directory.buffer, at + ENTRY.bytes, nameBytes)),
      encrypted: (directory.getUint16(at + 8, true) & ENCRYPTED) !== 0,
      method: directory.getUint16(at + 10, true),
      packedBytes: directory.getUint32(at + 20, true),
      bytes: directory.getUint32(at + 24, true),
      start: directory.getUint32(at + 42, true),
    });
    at += ENTRY.bytes + nameBytes + directory.getUint16(at + 30, true) + directory.getUint16(at + 32, true);
  }
  return found;
}

/** @param {Blob} file @param {number} start @param {number} length */
async function read(file, start, length) {
  return new DataView(await file.slice(start, start + length).arrayBuffer());
}
