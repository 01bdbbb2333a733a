"""What strangers may use of the server: every limit that stands against misuse, each with its reason.

Limits that an operator can set are in `settings.config`, under "Limits"; these are the ones that nobody needs to set.
Lengths are in the units of their names; rates allow a burst first and then so much a second.
"""

from __future__ import annotations

# Connections ----------------------------------------------------------------------------------------------------------

FILES = 16_384
"""The soft limit on open files is raised to this at start, or to the hard limit if that is lower."""

OWN_FILES = 96
"""Of the open files, so many are kept for the server itself. It was seen to have 20 open with nobody there; one round
of `ACCEPTED_AT_ONCE`, the `PROBE_CONNECTIONS`, workers, downloads and the database come on top."""

FILES_PER_SESSION = 8
"""Of the open files, so many are kept for each session of `MAX_SESSIONS`: sockets for sound, calls to services.
Two to six were seen."""

CONNECTIONS = 1_000
"""So many connections may be open at once, if there are files for them. A thousand idle ones took 10 MB."""

ADDRESS_SHARE = 0.5
"""One address may have this share of all connections: less than all, so that one visitor can't keep others waiting;
still hundreds, as an office shares an address and each browser opens up to six. Behind a proxy of ours every visitor
comes from the proxy's address: it does not hold there."""

PROBE_CONNECTIONS = 16
"""So many connections beyond the limit are let in for `/health` and `/metrics` only, which operators need most while
the server is being flooded."""

ACCEPTED_AT_ONCE = 32
"""So many connections are taken from the system's queue before one of them is looked at: they all need a file."""

WAITING_CONNECTIONS = 1_024
"""The length of the system's queue of connections that were not yet taken; further ones are tried again by their
clients' systems a second later."""

HEAD_S = 10.0
"""In this time the head of a request must be there, from the moment the connection stands or the last answer ended."""

BODY_S = 15.0
BODY_BYTES_PER_S = 4_096
"""A body must be there in `BODY_S`, and a second more for each `BODY_BYTES_PER_S` that came: what is slower was not
sent over any network that carries sound."""

REFUSED_BODY_S = 5.0
"""A client that has its answer already may go on sending for so long; then the connection is closed."""

UNREAD_S = 60.0
"""In this time a client must have read some of what it was sent. Its system may wait until 400 kB are free before it
lets more come: programs that read 7 kB a second keep a download going, networks of 2 kB a second, too."""

STALLED_S = 3.0
"""A client that has read nothing for so long may lose its connection to a newcomer, if all places are taken."""

CLOSING_S = 30.0
"""A connection that is to be closed waits so long for its client to read what is left; then it is broken off."""

READ_BYTES = 4_096
"""So much is read from a connection at once (asyncio would read 256 kB): parsing a body that came in chunks of a byte
took 0.2 s for 256 kB, in which nobody else was served, and 5 ms for 4 kB."""

SEND_BUFFER_BYTES = 128 * 1024
"""What the system keeps of an answer that was not yet read, of which Linux makes twice as much. It tells that there is
room again only when a third is free, and would let the buffer grow to 4 MB: then a download over a slow network seemed
to stand still for longer than `UNREAD_S`."""

CHUNK_LINES = 1_000
CHUNK_LINE_BYTES = 64
"""A chunked body may have so many line ends, and one more for each `CHUNK_LINE_BYTES`: each chunk has two, and costs
as much to parse with one byte in it as with a thousand."""

BODY_READ_BYTES = 16 * 1024
"""So much is read at once of a body that comes in one piece, which costs nothing to parse."""

LONG_BODIES = 8
SHORT_BYTES = 32 * 1024
"""Of so many bodies at once more than `SHORT_BYTES` are taken in; the others have to wait. Offers are shorter, so that
they never wait, and hundreds of clients that each send a megabyte neither fill the memory nor keep the loop busy."""

MAX_PARTS = 10_000
"""So many objects and lists may be in the JSON of one request: it is parsed on the loop that plays the sound, where a
megabyte of them takes 0.2 s."""

LOG_AGAIN_S = 60.0
"""A line that strangers can cause is logged no more often than this."""

# Logging in -----------------------------------------------------------------------------------------------------------

GUESSES = 10
GUESS_S = 10.0
"""An address may send so many wrong passwords in a row, and one more each so many seconds; so may a browser that has
logged in before. Further ones have to wait for a turn."""

ALL_GUESSES = 200
ALL_GUESSES_S = 1.0
"""All unknown clients together may send so many wrong passwords in a row, and one more each so many seconds, before all
of them have to wait for a turn: whoever has many addresses may not guess faster for that."""

TURN_S = 0.2
"""One password is judged each so many seconds, of all that have to wait: five a second, together with `ALL_GUESSES_S`
half a million a day. A password of eight random letters holds out for five hundred years on average; somebody who logs
in at an address from which fifty guesses come at once waits for ten seconds."""

WAITING_LOGINS = 400
WAITING_LOGINS_EACH = 200
"""So many attempts may wait for a turn, all together and from one address: each has a connection, and others need some.
The rest are refused."""

KNOWN_DAYS = 400
"""So long a browser that has logged in is remembered: the longest that browsers keep a cookie."""

# What a session is told, over either transport -----------------------------------------------------------------------

TEXTS_AT_ONCE = 20
TEXTS_PER_S = 1.0
"""Texts that a user types in one session: so many at once, and then so many a second. Each of them is answered, which
may cost money, and all that are not answered yet are one message, which is put together again each time."""

MAX_MESSAGE_CHARS = 20_000
"""What a user says before anything of an answer is heard is one message, up to this length; then another one begins."""

# WebRTC: offers, data channel, sound ----------------------------------------------------------------------------------

OFFER_BYTES = 20_000
"""The whole body of an offer. Browsers send 3 to 7 kB; what is longer is refused before it is parsed."""

OFFER_LINES = 400
OFFER_LINE_CHARS = 1_000
"""Lines of an offer's SDP and the length of each. Chrome sends about 100 lines, the longest of about 200 characters."""

OFFER_REPETITIONS = 64
"""How often one kind of attribute may stand in an offer: aiortc compares some of them each with each."""

OFFER_MEDIA = 4
"""Media sections of an offer. The page sends two: its sound and its data channel."""

OFFER_CANDIDATES = 50
"""Addresses in an offer. A browser with many network interfaces sends about 20. Each costs up to seven packets."""

OFFER_HOSTS = 16
"""Different hosts among them that are tried; addresses of further hosts are left out. A client has a few interfaces:
whoever names more hosts wants to have a network scanned."""

OFFER_MDNS_NAMES = 6
"""Names ending in `.local` that are looked up, each with a multicast. Browsers that hide their addresses send one for
each interface."""

LEAST_MESSAGE_BYTES = 16_384
"""A client must take messages of this size (`max-message-size`). Browsers take 64 kB and more; a state of the session
that is shortened to fit always fits into this."""

CONNECTING_S = 10.0
"""An offer whose connection and data channel are not open after this time is dropped. A connection over a relay takes
up to 5 s."""

CONNECTION_PACE_S = 0.005
"""Between two connections that are made or closed, so that others get their turn: each takes 3 to 5 ms of computing."""

PENDING_OFFERS = 32
"""Offers that may be connecting at the same time, or as many as there are places if those are more. Each holds sockets
and some 100 kB of memory."""

PENDING_OFFERS_PER_ADDRESS = 4
"""Offers of one address that may be connecting at the same time, or as many as it may have sessions if those are more.
The next one takes the place of the address's oldest: a user behind the same NAT is never refused for them."""

UNTOLD_S = 10.0
"""A session whose client can't be told anything for this time ends: its data channel is closed, or not read. A network
that is away for this long loses the connection anyway (see `aiortc_tuning`)."""

PEER_CLOSING_S = 3.0
"""How long one connection, or one part of the server, may take to close before the rest goes on without it."""

SOUND_BURST_S = 5.0
SOUND_SPEED = 1.05
"""How much sound of a connection is decoded: this many seconds at once and then this many a second. A bad network
delivers some seconds late and all at once; a client's clock may be a little fast."""

CONCEALED_S = 0.2
"""At most this much of a gap in the sound is filled: later on loss concealment only makes silence."""

SOUND_PACKETS_PER_S, SOUND_PACKETS_BURST = 250, 1_250
"""Sound packets of a connection. Clients send 17 to 100 a second; the burst is 5 s."""

CONTROL_PACKETS_PER_S, CONTROL_PACKETS_BURST, CONTROL_PACKET_BYTES = 20, 100, 512
"""RTCP packets of a connection: clients send 1 to 5 a second of about 100 bytes."""

DATA_PACKETS_PER_S, DATA_PACKETS_BURST = 400, 1_000
"""DTLS packets of a connection, most of which acknowledge what we send (up to 300 a second while a long conversation
is shown). What is dropped here the client sends again."""

CHECK_PACKETS_PER_S, CHECK_PACKETS_BURST = 20, 60
"""STUN packets from the address a connection goes to: about two a second ask whether the other side is still there."""

STRANGE_PACKETS_PER_S, STRANGE_PACKETS_BURST = 100, 200
"""Packets from all other addresses: a browser checks each pair of addresses, one every 50 ms, until one works."""

EARLY_PACKETS = 64
"""Packets that may wait until a connection is ready for them."""

REMOTE_ADDRESSES = 100
"""Addresses that a connection may be checked from. Each of them is sent up to seven packets."""

SOUND_SOURCES = 4
"""Sound sources (SSRCs) of a connection. Clients have one, and another after a change of microphone at most."""

MESSAGE_BYTES = 65_536
"""The longest message that we say we take over a data channel. What clients send is below 10 kB."""

UNFINISHED_BYTES, UNFINISHED_FRAGMENTS = 131_072, 512
"""Fragments of messages that are not complete yet: two of the longest messages, in fragments of a packet each."""

DATA_STREAMS = 16
"""SCTP streams of a connection, of which each data channel is one. The page opens one channel."""

DATA_CHUNKS_PER_S, DATA_CHUNKS_BURST = 200, 1_000
"""How many SCTP chunks a client may send, acknowledgements aside: messages of up to 1.2 kB, or pieces of longer ones.
Both grow with `Tuning.messages_per_s`, so that no allowed message exceeds them. A client that sends more is closed."""

# The websocket: messages, live sound, uploaded utterances -------------------------------------------------------------

WS_TEXT_BYTES = 64_000
"""A longer message can only be a recording: it goes to a worker process unread, as its JSON would take milliseconds on
the event loop. Binary frames may be as long: two seconds of sound at 16 kHz, where clients send 20 ms."""

WS_MESSAGE_PARTS = 1_000
"""Values in a message that is longer than that: a parser makes hundreds of bytes of memory of each."""

WS_BYTES_PER_AUDIO_BYTE = 1.6
WS_LEAST_BYTES = 1_000_000
"""The largest message of a connection, relative to `Tuning.ws_max_audio_mb`: base64 takes 1.33 bytes for one, and a
message that is only a little too large should get an error in words. A larger one closes the connection."""

WS_SLICE_BYTES = 2_048
"""So much of what has come is parsed at a time: at most 341 frames of a few bytes, which take 4 ms."""

WS_UNITS_PER_S = 1_000
WS_BURST_UNITS = 5_000
WS_BYTES_PER_UNIT = 16_000
"""A frame of a connection, of any kind, is a unit, and so are 16 kB: either takes some 12 µs. An AudioWorklet sends 375
frames a second at most; the burst is 13 s of those, after a stall of the network. What comes faster waits in the
sender's own network buffers."""

WS_WAITING_BYTES = 1_000_000
"""What a session may have waiting, read but not dealt with: 31 s of sound at 16 kHz. With more it reads no further."""

WS_AHEAD_S = 60.0
"""A session that has kept its backlog full for so long sends sound faster than anybody speaks, and is ended."""

LIVE_BURST_S = 10.0
LIVE_PACE = 4.0
"""Live sound: as many seconds as have gone by since the session began, and a burst more. After a stall of the network
so much is heard at once, and what is late beyond that at four times its pace: a second of sound takes some 3 ms of
computing. What is ahead of the clock waits."""

LIVE_PIECE_S = 0.1
"""Other sessions get their turn after each such piece of live sound: less than 1 ms of computing."""

LIVE_FRAME_S = 0.0025
"""A binary frame counts as this much sound at least, as handling it costs something. 128 samples at 48 kHz, the
shortest that browsers make, are 2.67 ms."""

UPLOAD_S = 60.0
"""Sound in one uploaded recording. Utterances that the server cuts by itself end after 30 s."""

UPLOAD_BURST_S = 60.0
"""Uploaded sound beyond the time that has gone by since the session began: what was spoken while there was no
connection, or is sent from a file. More than that waits until its time has come."""

UPLOAD_COST_S = 20.0
"""A second of processor time for decoding counts as so much uploaded sound: nobody gets more than 5 % of a core. An
honest recording takes 3 ms a second of sound, which counts as 0.06 s."""

UPLOAD_RATES_HZ = range(8_000, 192_001)
UPLOAD_CHANNELS = 8
"""Of a recording: FFmpeg's filter for a rate such as 120 MHz takes hundreds of megabytes and seconds."""

WS_UNSENT = 2_000
"""Messages that wait for a client which does not read: then it is given up."""

# Worker processes -----------------------------------------------------------------------------------------------------

DECODERS = 2
"""Processes that decode recordings, for all sessions: while one works on something malicious, there is the other."""

DECODER_MEMORY_BYTES = 192_000_000
"""Beside what such a process has once it is loaded. The largest recording, 11 MB, takes 60 MB as it passes through
JSON and base64."""

DECODER_CPU_S = 1.0
DECODER_CPU_S_PER_MB = 2.0
"""Processor time for one recording, by its size in base64. The worst honest one that was measured, 59 s of Opus in
frames of 2.5 ms, takes 0.5 s of the 2.6 s that it may."""

DECODER_START_S = 0.2
"""Processor time for starting such a process, on the account of whose recording has ended the one before."""

DECODER_WALL_S = 15.0
"""Time for one recording, whatever it does: the process has low priority and may have to wait for a core."""

DECODER_WAIT_S = 60.0
"""How long a recording may wait for its turn: one from each session, in the order in which they came."""

DECODER_IDLE_S = 30.0
"""The processes end so long after the last session that uploaded recordings. Each takes 14 MB beside the libraries that
they share with others, and starts in 0.2 s."""

# Imports, recordings, the database ------------------------------------------------------------------------------------

MAX_TRANSCRIPT_BYTES = 1_048_576
"""Length of an imported `transcript.json`: 6 hours of talk have 0.5 MB. A parser holds Python's global lock until it is
through, some 10 ms, and no session hears or plays meanwhile."""

MAX_IMPORT_MESSAGES = 4_000
"""Messages of an imported conversation: 3 hours of short turns have 2,600, 6 hours of usual ones 2,000."""

MAX_IMPORT_MESSAGE_CHARS = 100_000
"""Length of one imported message: far more than anybody says or hears in a turn."""

MAX_IMPORT_TEXT_BYTES = 400_000
"""Text of an imported conversation, in UTF-8. 6 hours of English have 273 kB; with 2.5 bytes for each character, as in
Hindi, 3 hours have 340 kB."""

MAX_IMPORT_PACKED_BYTES = 200_000
"""The same text, compressed as it is stored: 6 hours of English have 98 kB. Only random text comes near this."""

IMPORTS_AT_ONCE, IMPORTS_PER_S = 10, 0.1
"""Imports from one address: a burst, then one every 10 s. Each one costs up to 20 ms of computing."""

RECORDINGS_AT_ONCE, RECORDINGS_PER_S = 10, 0.1
"""Recordings that one address may download: a burst, then one every 10 s. Packing 30 minutes of sound takes seconds of
computing."""

IMPORTED_BYTES_AT_ONCE, IMPORTED_BYTES_PER_S = 1_000_000, 300
"""What one address may import, as it is stored once a session goes on with it (text, and `STORED_MESSAGE_BYTES` for
each message): a burst of 12 to 22 talks of 30 minutes, then 1 MB an hour."""

STORED_MESSAGE_BYTES = 130
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
"""Text stored of one conversation, with `STORED_MESSAGE_BYTES` for each message: 12 to 22 hours of talk. Of a longer
one the newest half of this is kept. It bounds what somebody can store who sends texts all the time."""

STORED_BYTES_PER_S = 500_000
"""How fast one session may write. A message that grows is written whole each time: without this, texts sent all the
time would have the database write megabytes a second. A usual message takes less than a millisecond of this."""

MAX_DATABASE_BYTES = 1_000_000_000
"""The whole database: about 7,000 hours of talk. Above it unused imports are deleted first, then the conversations that
were used longest ago."""

DOWNLOADS_AT_ONCE = 8
"""Recordings that are being downloaded. Each keeps the sound of its session on disk, even if that is deleted meanwhile.
If all slots are taken, the slowest download gives way (`web.download_slots`)."""

DOWNLOADS_PER_ADDRESS = 2
"""Downloads of one address at once. People behind one address share them, and a slow download gives way."""

DOWNLOAD_GRACE_S = 5.0
"""How long a download keeps its slot for certain."""

SLOT_WAIT_S = 30.0
"""How long a new download waits for a slot, if others are always faster to take those that become free."""

MIN_DOWNLOAD_BYTES_PER_S = 8_000
"""A download that is slower than this, on average, ends. The slowest mobile networks give 64 kbit/s."""

MAX_DOWNLOAD_S = 3_600.0
"""Time for a download: 30 minutes of sound take 25 minutes at 1 Mbit/s."""

# Engines --------------------------------------------------------------------------------------------------------------

UTTERANCES_AT_ONCE = 2
"""How many utterances of one session are transcribed at the same time: the one that is being spoken, and the one before
it, whose words may still be owed. All recognisers are shared, and whoever sends more at once would take them from the
others."""

UPLOADS_AHEAD = 8
"""How many of a session's recordings may wait for that before no more of its messages are read. The client notices that
its connection is slow; nothing is lost."""

MAX_WAITING_UTTERANCES = 64
"""How many utterances of one session may wait, whichever way their sound came; the user is asked to say again what
comes after that. An utterance lasts half a second at least, so the recogniser is then half a minute behind."""

PROBE_WELL_S = 60.0
PROBE_ILL_S = 5.0
"""Anybody may ask for a probe of the engines, which costs a call to a paid service and counts for its rate limits. An
engine that is well is probed no more often than each `PROBE_WELL_S`; one that is not after `PROBE_ILL_S`, so that who
mends a key or a network sees it at once, and then after twice as long each time, up to `PROBE_WELL_S`."""

PREFLIGHTS = 10
PREFLIGHT_S = 6.0
"""An address may ask so many times in a row for a probe, and once more each so many seconds."""

OFFLINE_WORDS = 60
OFFLINE_CHARS = 1_000
"""The offline model reads only the end of a message, up to these limits, because it applies its rules on the event
loop, where they may take a few milliseconds. A spoken question has about 20 words."""

OFFLINE_MESSAGES = 120
OFFLINE_MESSAGE_CHARS = 4_000
OFFLINE_QUESTIONS_BACK = 5
"""The offline model looks for told jokes and stories in this many of the last messages and in this much of each. It
looks for the question that "go on" refers to in this many of the user's last messages. It has 27 jokes and stories, the
longest of 2,300 characters. An imported history can have 4,000 messages; reading all of them took up to 5 s."""

IDLE_DETECTORS = 1
"""Speech detectors that are kept for sessions to come, so that a client that connects again and again needs no new one:
to load one takes some 100 ms of computing. Each takes 10 MB."""

DOWNLOAD_AGAIN_S = 60.0
"""A file that could not be downloaded is not asked for again before this time has passed: visitors begin downloads by
choosing a voice, and must not make this server ask another one over and over."""
