/** The transcript in a zip: an import needs nothing else, and the sound beside it is a hundred times as long. */

const TRANSCRIPT = "transcript.json";
const MAX_BYTES = 1_048_576;

/** Signatures and lengths of a zip's parts (PKWARE's APPNOTE, 4.3). */
const END = { signature: 0x06054b50, bytes: 22 };
const ENTRY = { signature: 0x02014b50, bytes: 46 };
const LOCAL_BYTES = 30;
const ENCRYPTED = 1;
const STORED = 0;
const DEFLATED = 8;

/** What to send of a file: its transcript alone, or all of it if it is no such zip: the server says what is wrong.
 * @param {File} file @returns {Promise<Blob>} */
export async function transcriptOf(file) {
  try {
    return (await unpacked(file)) ?? file;
  } catch {
    return file;
  }
}

/** @param {File} file @returns {Promise<Blob | null>} */
async function unpacked(file) {
  const end = await read(file, file.size - END.bytes, END.bytes);
  if (end.getUint32(0, true) !== END.signature) return null;
  const directory = await read(file, end.getUint32(16, true), end.getUint32(12, true));
  const found = entries(directory, end.getUint16(10, true)).filter(({ name }) => name.split("/").pop() === TRANSCRIPT);
  const [entry] = found;
  if (found.length !== 1 || entry.encrypted || entry.bytes > MAX_BYTES) return null;
  const local = await read(file, entry.start, LOCAL_BYTES);
  const start = entry.start + LOCAL_BYTES + local.getUint16(26, true) + local.getUint16(28, true);
  const packed = file.slice(start, start + entry.packedBytes);
  if (entry.method === STORED) return packed;
  if (entry.method !== DEFLATED) return null;
  return await new Response(packed.stream().pipeThrough(new DecompressionStream("deflate-raw"))).blob();
}

/** @param {DataView} directory @param {number} count */
function entries(directory, count) {
  const found = [];
  for (let at = 0; found.length < count; ) {
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

/** @param {File} file @param {number} start @param {number} length */
async function read(file, start, length) {
  return new DataView(await file.slice(start, start + length).arrayBuffer());
}
