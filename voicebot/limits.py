"""What strangers may use of the server: every limit that stands against misuse, each with its reason.

Limits that an operator can set are in `config`, under "Limits"; these are the ones that nobody needs to set. Lengths
are in the units of their names; rates allow a burst first and then so much a second.
"""

from __future__ import annotations

# Connections ----------------------------------------------------------------------------------------------------------

# Logging in -----------------------------------------------------------------------------------------------------------

# WebRTC: offers, data channel, sound ----------------------------------------------------------------------------------

# The websocket: messages, live sound, uploaded utterances -------------------------------------------------------------

# Worker processes -----------------------------------------------------------------------------------------------------

# Imports, recordings, the database ------------------------------------------------------------------------------------

MAX_TRANSCRIPT_BYTES = 3_000_000
"""Length of an imported `transcript.json`. Measured on our own exports, at 150 words a minute: 0.22 MB for 30 minutes,
1.3 MB for 3 hours and 2.6 MB for 6 hours; nearly all of it is the words with their times."""

MAX_TRANSCRIPT_PARTS = 50_000
"""Objects and lists in it: 6 hours of talk have 37,000. A parser holds Python's global lock until it is through, and no
session hears or plays meanwhile."""

MAX_TRANSCRIPT_COMMAS = 200_000
"""Commas in it, for the same reason: a list of a million numbers is one part, but takes the parser 35 ms. 6 hours have
less than half of this."""

MAX_IMPORT_MESSAGES = 4_000
"""Messages of an imported conversation: 3 hours of short turns have 2,600, 6 hours of usual ones 2,000."""

MAX_IMPORT_MESSAGE_CHARS = 100_000
"""Length of one imported message: far more than anybody says or hears in a turn."""

MAX_IMPORT_TEXT_BYTES = 400_000
"""Text of an imported conversation, in UTF-8. 6 hours of English have 273 kB; with 2.5 bytes for each character, as in
Hindi, 3 hours have 340 kB."""

MAX_IMPORT_PACKED_BYTES = 200_000
"""The same text, compressed as it is stored: 6 hours of English have 98 kB. Only random text comes near this."""

MAX_ARCHIVE_ENTRIES, MAX_ARCHIVE_DIRECTORY_BYTES = 64, 16_384
"""Files in an imported zip, and the length of its directory: Python reads the directory whole, and would make millions
of objects of it."""

IMPORTS_AT_ONCE, IMPORTS_PER_S = 10, 0.1
"""Imports from one address: a burst, then one every 10 s. Each one costs up to 20 ms of computing."""

RECORDINGS_AT_ONCE, RECORDINGS_PER_S = 10, 0.1
"""Recordings that one address may download: a burst, then one every 10 s. Packing 30 minutes of sound takes seconds of
computing."""

IMPORTED_BYTES_AT_ONCE, IMPORTED_BYTES_PER_S = 1_000_000, 300
"""What one address may import, as it is stored once a session goes on with it (text, and `MESSAGE_BYTES` for each
message): a burst of 12 to 22 talks of 30 minutes, then 1 MB an hour."""

MESSAGE_BYTES = 130
"""What a stored message takes beside its text: keys, index, bookkeeping. Measured in SQLite: 103 bytes, its text of
one character included."""

UNUSED_BYTES_PER_ADDRESS = 250_000
"""Compressed imports that no session has gone on with yet, for each address. If there are more, the oldest ones of this
address are deleted."""

UNUSED_BYTES = 700_000
"""The same for all addresses together. If there are more, the address that has most loses its oldest one, so that
nobody loses an import because of somebody who has more."""

UNUSED_ENTRY_BYTES = 512
"""What such an import counts beside its compressed text: its keys, and the page of the file that it shares."""

HELD_S = 3_600.0
"""How long an import is held in memory on a server that keeps no conversations."""

MAX_CONVERSATION_BYTES = 2_000_000
"""Text stored of one conversation, with `MESSAGE_BYTES` for each message: 12 to 22 hours of talk. Of a longer one the
newest half of this is kept. It bounds what somebody can store who sends texts all the time."""

STORED_BYTES_PER_S = 500_000
"""How fast one session may write. A message that grows is written whole each time: without this, texts sent all the
time would have the database write megabytes a second. A usual message takes less than a millisecond of this."""

MAX_DATABASE_BYTES = 1_000_000_000
"""The whole database: about 7,000 hours of talk. Above it unused imports are deleted first, then the conversations that
were used longest ago."""

UPLOADS_AT_ONCE, DOWNLOADS_AT_ONCE = 8, 8
"""Imports on their way in, and recordings on their way out: each may have a file as long as a recording, and together
they must not fill the disk. If all places are taken, the slowest transfer gives way (`transports.places`)."""

TRANSFERS_PER_ADDRESS = 2
"""Places that one address has among these: people behind one address share them, and a slow transfer gives way."""

TRANSFER_GRACE_S = 5.0
"""How long a transfer has its place for certain. The page sends the transcript alone: 30 minutes of talk take 2 s at
1 Mbit/s."""

PLACE_WAIT_S = 30.0
"""How long a new transfer waits for a place: recordings that are being packed do not give way, and packing one of 30
minutes takes some seconds."""

MIN_TRANSFER_BYTES_PER_S = 8_000
"""A transfer that is slower than this, on average, ends. 64 kbit/s is what the slowest mobile networks give."""

MAX_UPLOAD_S = 180.0
"""Time for an upload: a transcript of 3 hours takes 160 s at the least speed."""

MAX_DOWNLOAD_S = 3_600.0
"""Time for a download: 30 minutes of sound take 25 minutes at 1 Mbit/s."""

RECORDING_WORDS_BYTES = 16 * 1024 * 1024
"""What a recording may have beside its sound when it is uploaded."""

SPOOLED_BYTES = 1_000_000
"""What of an upload is held in memory; a longer one goes to a file without a name."""

# Engines --------------------------------------------------------------------------------------------------------------
