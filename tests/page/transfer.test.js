import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import { deflateRawSync } from "node:zlib";

import { transcriptIn } from "../../voicebot/web/ui/static/transfer.js";

/** A zip of one file. @param {string} name @param {Buffer} content @param {{method?: number, flags?: number}} [how] */
function zip(name, content, { method = 8, flags = 0 } = {}) {
  const packed = method === 8 ? deflateRawSync(content) : content;
  const local = Buffer.alloc(30);
  local.writeUInt16LE(name.length, 26);
  const entry = Buffer.alloc(46);
  entry.writeUInt32LE(0x02014b50, 0);
  entry.writeUInt16LE(flags, 8);
  entry.writeUInt16LE(method, 10);
  entry.writeUInt32LE(packed.length, 20);
  entry.writeUInt32LE(content.length, 24);
  entry.writeUInt16LE(name.length, 28);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(1, 10);
  end.writeUInt32LE(46 + name.length, 12);
  end.writeUInt32LE(30 + name.length + packed.length, 16);
  return new Blob([local, name, packed, entry, name, end].map((part) => new Uint8Array(Buffer.from(part))));
}

const TRANSCRIPT = Buffer.from(JSON.stringify({ messages: ["hello ".repeat(100)] }));

test("only the transcript of a zip is sent, packed or stored", async () => {
  for (const method of [0, 8]) {
    const sent = await transcriptIn(zip("talk/transcript.json", TRANSCRIPT, { method }));
    assert.deepEqual(Buffer.from(await sent.arrayBuffer()), TRANSCRIPT);
  }
});

test("any other file is sent as it is, for the server to judge", async () => {
  const files = [
    new Blob(["no zip"]),
    new Blob([]),
    zip("other.json", TRANSCRIPT),
    zip("transcript.json", TRANSCRIPT, { flags: 1 }),
    zip("transcript.json", TRANSCRIPT, { method: 99 }),
    zip("transcript.json", Buffer.alloc(3_000_001)),
  ];
  for (const file of files) assert.equal(await transcriptIn(file), file);
});
