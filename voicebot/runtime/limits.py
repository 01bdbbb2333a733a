"""The limits that protect the server against misuse, each with its reason.

Operators can set further limits in `settings.config`, under "Limits"; nobody should need to set the ones here. Names
end in their units. A rate limit is a token bucket: a burst, and the number of tokens that it regains per second.
"""

from __future__ import annotations

# Connections ----------------------------------------------------------------------------------------------------------

FILES = 16_384
"""The soft limit on open files is raised to this value at start, or to the hard limit if that is lower."""

OWN_FILES = 96
"""Open files reserved for the server itself. An idle server has about 20 open. One round of `ACCEPTED_AT_ONCE`, the
`PROBE_CONNECTIONS`, workers, downloads and the database come on top."""

FILES_PER_SESSION = 8
"""Open files reserved for each session of `MAX_SESSIONS`, for media sockets and calls to services. Two to six were
used."""

CONNECTIONS = 1_000
"""Maximum number of open connections, if there are enough files for them. A thousand idle ones took 10 MB."""

ADDRESS_SHARE = 0.5
"""Largest share of all connections that one address may hold. It is below 1, so that one visitor cannot keep the others
out. It still allows hundreds, because an office shares one address and each browser opens up to six. The limit is off
behind trusted proxies, where all visitors have the proxy's address."""

PROBE_CONNECTIONS = 16
"""Connections beyond the limit that may only request `/health`, `/ready` and `/metrics`, which operators need most
while the server is being flooded."""

ACCEPTED_AT_ONCE = 32
"""Connections that are accepted in one go. Each needs an open file before the server can refuse it."""

WAITING_CONNECTIONS = 1_024
"""Length of the listen queue. Connections beyond it are retried by the client's system a second later."""

HEAD_S = 10.0
"""The head of a request must arrive within this time after the connection was made or the last response ended."""

BODY_S = 15.0
BODY_BYTES_PER_S = 4_096
"""A body must arrive within `BODY_S` plus one second for each `BODY_BYTES_PER_S` received. Every network that can carry
a conversation is faster."""

REFUSED_BODY_S = 5.0
"""How long a client that has already been answered may go on sending before the connection is closed."""

UNREAD_S = 60.0
"""Within this time a client must read part of what it was sent. A client's system may wait until 400 kB are free before
it accepts more. A download survives in a program that reads 7 kB/s, and on a network of 2 kB/s."""

STALLED_S = 3.0
"""A client that has read nothing for this time may lose its connection to a new one when all slots are taken."""

CLOSING_S = 30.0
"""How long a closing connection waits for its client to read the rest. Then it is aborted."""

READ_BYTES = 4_096
"""Bytes read from a connection at once (asyncio's default is 256 kB). Parsing a body in chunks of one byte took 0.2 s
for 256 kB, which blocked everybody else, and takes 5 ms for 4 kB."""

SEND_BUFFER_BYTES = 128 * 1024
"""Send buffer of a socket (Linux doubles it). The system reports free space only once a third of the buffer is free.
With the default, which grows to 4 MB, a download over a slow network seemed to stall for longer than `UNREAD_S`."""

CHUNK_LINES = 1_000
CHUNK_LINE_BYTES = 64
"""A chunked body may have `CHUNK_LINES` line ends, and one more for each `CHUNK_LINE_BYTES`. Each chunk has two, and
costs as much to parse with one byte in it as with a thousand."""

BODY_READ_BYTES = 16 * 1024
"""Bytes read at once from a body that is not chunked. Such a body costs nothing to parse."""

LONG_BODIES = 8
SHORT_BYTES = 32 * 1024
"""At most `LONG_BODIES` bodies are read beyond `SHORT_BYTES` at the same time; the others wait. Offers are shorter and
never wait. So hundreds of clients that each send a megabyte can neither fill the memory nor block the event loop."""

SAY_BYTES = 32 * 1024
"""Maximum size of the body of a request to `/say/…`, which needs no login. The longest text, of 2,000 characters, takes
24 kB if each of them is written as two escapes."""

MAX_PARTS = 10_000
"""Maximum number of objects and lists in the JSON of one request. It is parsed on the event loop that plays the audio,
and a megabyte of them takes 0.2 s."""

LOG_AGAIN_S = 60.0
"""Minimum interval between two identical log lines that strangers can cause."""

# Logging in -----------------------------------------------------------------------------------------------------------

GUESSES = 10
GUESS_S = 10.0
"""Rate limit of wrong passwords from one address, or from one browser that has logged in before: a burst of `GUESSES`,
then one every `GUESS_S`. Further attempts wait for a turn (`TURN_S`)."""

ALL_GUESSES = 200
ALL_GUESSES_S = 1.0
"""Wrong passwords from all unknown clients together: a burst of `ALL_GUESSES`, then one every `ALL_GUESSES_S`. Beyond
that all of them wait for a turn, so that an attacker with many addresses gains nothing."""

TURN_S = 0.2
"""Interval at which one of all waiting passwords is checked. With `ALL_GUESSES_S` that makes half a million guesses a
day; a random password of eight letters withstands them for five hundred years on average. A user whose address also
sends fifty guesses at once waits 10 s."""

WAITING_LOGINS = 400
WAITING_LOGINS_EACH = 200
"""Attempts that may wait for a turn, in total and from one address. Further ones are refused, because each occupies a
connection."""

KNOWN_DAYS = 400
"""How long a browser that has logged in is remembered. Browsers keep no cookie for longer."""

# Messages of a session, over either transport ------------------------------------------------------------------------

TEXTS_AT_ONCE = 20
TEXTS_PER_S = 1.0
"""Rate limit of the texts that a user types in one session. Each is answered, which may cost money. All texts that are
not answered yet form one message, which is rebuilt for each new one."""

MAX_MESSAGE_CHARS = 20_000
"""Everything that a user says before any of the answer is heard forms one message. At this length a new one begins."""

# WebRTC: offers, data channel, audio ----------------------------------------------------------------------------------

OFFER_BYTES = 20_000
"""Maximum size of the body of an offer. Browsers send 3 to 7 kB. Longer bodies are refused before they are parsed."""

OFFER_LINES = 400
OFFER_LINE_CHARS = 1_000
"""Maximum number of SDP lines in an offer, and their length. Chrome sends about 100 lines of up to 200 characters."""

OFFER_REPETITIONS = 64
"""Maximum number of attributes of the same kind in an offer. aiortc compares some of them pairwise."""

OFFER_MEDIA = 4
"""Maximum number of media sections in an offer. The page sends two: audio and the data channel."""

OFFER_CANDIDATES = 50
"""Maximum number of ICE candidates in an offer. A browser with many network interfaces sends about 20. Each costs up to
seven packets."""

OFFER_HOSTS = 16
"""Maximum number of different hosts among the candidates; candidates with further hosts are ignored. A client has a few
interfaces. An offer that names many hosts would make this server scan a network."""

OFFER_MDNS_NAMES = 6
"""Maximum number of `.local` names that are resolved, each by multicast. Browsers that hide their addresses send one
for each interface."""

LEAST_MESSAGE_BYTES = 16_384
"""The least `max-message-size` of a client that is accepted. Browsers offer 64 kB and more. The state of a session can
always be shortened to this size."""

CONNECTING_S = 10.0
"""An offer is dropped if its connection and data channel are not open after this time. A connection over a relay takes
up to 5 s."""

CONNECTION_PACE_S = 0.005
"""Pause between two connections that are set up or closed. Each takes 3 to 5 ms on the event loop, and other tasks need
to run in between."""

PENDING_OFFERS = 32
"""Maximum number of offers that are connecting at the same time, or the number of sessions allowed if that is higher.
Each offer holds sockets and about 100 kB of memory."""

PENDING_OFFERS_PER_ADDRESS = 4
"""The same for one address, or its number of sessions if that is higher. A further offer replaces the oldest one of the
address, so that a user is never refused because of others behind the same NAT."""

UNTOLD_S = 10.0
"""A session ends when its client has been unreachable for this time: its data channel is closed, or is not read. A
network outage of this length breaks the connection anyway (see `aiortc_tuning`)."""

PEER_CLOSING_S = 3.0
"""How long one connection, or one part of the server, may take to close before the rest goes on without it."""

SOUND_BURST_S = 5.0
SOUND_SPEED = 1.05
"""Audio of a connection that is decoded: a burst of `SOUND_BURST_S`, then `SOUND_SPEED` seconds per second. A bad
network delivers some seconds late and all at once, and a client's clock may run slightly fast."""

CONCEALED_S = 0.2
"""Maximum length of a gap that packet loss concealment fills. Beyond it, concealment produces only silence."""

SOUND_PACKETS_PER_S, SOUND_PACKETS_BURST = 250, 1_250
"""Rate limit of the audio packets of a connection. Clients send 17 to 100 per second; the burst lasts 5 s."""

CONTROL_PACKETS_PER_S, CONTROL_PACKETS_BURST, CONTROL_PACKET_BYTES = 20, 100, 512
"""Rate limit of the RTCP packets of a connection, and their maximum size. Clients send 1 to 5 per second of about 100
bytes."""

DATA_PACKETS_PER_S, DATA_PACKETS_BURST = 400, 1_000
"""Rate limit of the DTLS packets of a connection. Most of them acknowledge our data: up to 300 per second while a long
conversation is shown. The client retransmits what is dropped here."""

CHECK_PACKETS_PER_S, CHECK_PACKETS_BURST = 20, 60
"""Rate limit of the STUN packets from a connection's own remote address, which usually sends two consent checks a
second."""

STRANGE_PACKETS_PER_S, STRANGE_PACKETS_BURST = 100, 200
"""Rate limit of the packets from all other addresses. A browser checks one pair of candidates every 50 ms until one
works."""

EARLY_PACKETS = 64
"""Maximum number of packets that are queued until a connection is ready for them."""

REMOTE_ADDRESSES = 100
"""Maximum number of remote addresses that may check a connection. Each of them is sent up to seven packets."""

SOUND_SOURCES = 4
"""Maximum number of audio sources (SSRCs) of a connection. A client has one, and at most another one after it has
changed its microphone."""

MESSAGE_BYTES = 65_536
"""The `max-message-size` that we announce for the data channel. Clients send less than 10 kB."""

UNFINISHED_BYTES, UNFINISHED_FRAGMENTS = 131_072, 512
"""Maximum size and number of the fragments of incomplete messages: two of the longest messages, one fragment per
packet."""

DATA_STREAMS = 16
"""Maximum number of SCTP streams of a connection. Each data channel is one, and the page opens one."""

DATA_CHUNKS_PER_S, DATA_CHUNKS_BURST = 200, 1_000
"""Rate limit of the SCTP chunks of a client, without acknowledgements. A chunk holds up to 1.2 kB of a message. Both
figures grow with `Tuning.messages_per_s`, so that all allowed messages pass. A client that sends more is
disconnected."""

# The websocket: messages, live audio, uploaded utterances -------------------------------------------------------------

WS_TEXT_BYTES = 64_000
"""A longer text message can only be a recording. It goes to a worker process unparsed, because parsing its JSON would
block the event loop for milliseconds. Binary frames have the same limit, which is two seconds of audio at 16 kHz;
clients send 20 ms."""

WS_MESSAGE_PARTS = 1_000
"""Maximum number of JSON values in a message longer than `WS_TEXT_BYTES`. The parser allocates hundreds of bytes for
each."""

WS_BYTES_PER_AUDIO_BYTE = 1.6
WS_LEAST_BYTES = 1_000_000
"""The maximum message size, relative to `Tuning.ws_max_audio_mb`, and its lower bound. Base64 takes 1.33 bytes for each
byte; the rest leaves room for messages that are slightly too large and are answered with an error. A larger message
closes the connection."""

WS_SLICE_BYTES = 2_048
"""Received bytes that are parsed in one go: at most 341 frames of a few bytes, which take 4 ms."""

WS_UNITS_PER_S = 1_000
WS_BURST_UNITS = 5_000
WS_BYTES_PER_UNIT = 16_000
"""Rate limit of a connection's frames. Each frame of any kind costs one unit, and so do each 16 kB; either takes about
12 µs. An AudioWorklet sends at most 375 frames per second; the burst covers 13 s of those after a network stall. Faster
data waits in the sender's own network buffers."""

WS_WAITING_BYTES = 1_000_000
"""Maximum backlog of a session, in bytes that were read but not processed: 31 s of audio at 16 kHz. Beyond it nothing
more is read."""

WS_AHEAD_S = 60.0
"""A session whose backlog has been full for this time sends audio faster than real time, and is ended."""

LIVE_BURST_S = 10.0
LIVE_PACE = 4.0
"""Live audio is processed up to `LIVE_BURST_S` ahead of the session's age. After a network stall this much is processed
at once, and what is still late is processed at `LIVE_PACE` times real time. One second of audio takes about 3 ms of
computing. Audio further ahead waits."""

LIVE_PIECE_S = 0.1
"""After each piece of this length, other sessions get the event loop. A piece takes less than 1 ms of computing."""

LIVE_FRAME_S = 0.0025
"""The shortest duration that a binary frame is counted as, because each frame has a cost of its own. The shortest
frames that browsers send are 128 samples at 48 kHz, 2.67 ms."""

UPLOAD_S = 60.0
"""Maximum duration of one uploaded recording. The server's own segmentation ends an utterance after 30 s."""

UPLOAD_BURST_S = 60.0
"""How much more audio than its age in seconds a session may upload: recorded while it was disconnected, or read from a
file. Further uploads wait."""

UPLOAD_COST_S = 20.0
"""Seconds of uploaded audio that one second of processor time for decoding is counted as, so that no session gets more
than 5 % of a core. A legitimate recording takes 3 ms per second of audio, which counts as 0.06 s."""

UPLOAD_RATES_HZ = range(8_000, 192_001)
UPLOAD_CHANNELS = 8
"""Sampling rates and number of channels that an uploaded recording may have. FFmpeg's resampler for a rate such as 120
MHz takes hundreds of megabytes and seconds."""

WS_UNSENT = 2_000
"""Maximum number of messages that wait for a client which does not read. Beyond it the client is disconnected."""

# Worker processes -----------------------------------------------------------------------------------------------------

DECODERS = 2
"""Number of processes that decode recordings for all sessions. While a malicious recording keeps one busy, the other
one is free."""

DECODER_MEMORY_BYTES = 192_000_000
"""Memory that a decoder may allocate after it has loaded. The largest recording, 11 MB, takes 60 MB while its JSON and
base64 are decoded."""

DECODER_CPU_S = 1.0
DECODER_CPU_S_PER_MB = 2.0
"""Processor time for one recording: a base, and more for each megabyte of its base64. The slowest legitimate one that
was measured, 59 s of Opus in frames of 2.5 ms, takes 0.5 s and is allowed 2.6 s."""

DECODER_START_S = 0.2
"""Processor time for starting a decoder. It is charged to the session whose recording made the previous one end."""

DECODER_WALL_S = 15.0
"""Wall-clock time for one recording. The process has low priority and may have to wait for a core."""

DECODER_WAIT_S = 60.0
"""How long a recording may wait for a decoder. The queue is first in, first out, and each session has one recording in
it."""

DECODER_IDLE_S = 30.0
"""The decoders are stopped when the last session that uploaded recordings has been over for this time. Each takes 14 MB
besides shared libraries, and starts in 0.2 s."""

# Imports, recordings, the database ------------------------------------------------------------------------------------

MAX_TRANSCRIPT_BYTES = 1_048_576
"""Maximum size of an imported `transcript.json`; 6 hours of talk have 0.5 MB. The JSON parser holds Python's global
lock for about 10 ms, and no session hears or plays meanwhile."""

MAX_IMPORT_MESSAGES = 4_000
"""Maximum number of messages in an import. 3 hours of short turns have 2,600; 6 hours of usual ones have 2,000."""

MAX_IMPORT_MESSAGE_CHARS = 100_000
"""Maximum length of one imported message, far above what anybody says or hears in a turn."""

MAX_IMPORT_TEXT_BYTES = 400_000
"""Maximum size of the text of an import in UTF-8. 6 hours of English have 273 kB. In Hindi, with 2.5 bytes per
character, 3 hours have 340 kB."""

MAX_IMPORT_PACKED_BYTES = 200_000
"""Maximum size of the same text compressed, as it is stored. 6 hours of English have 98 kB. Only random text comes near
the limit."""

IMPORTS_AT_ONCE, IMPORTS_PER_S = 10, 0.1
"""Rate limit of the imports from one address: a burst, then one every 10 s. Each takes up to 20 ms of computing."""

RECORDINGS_AT_ONCE, RECORDINGS_PER_S = 10, 0.1
"""Rate limit of the recordings that one address downloads: a burst, then one every 10 s. Packing 30 minutes of sound
takes seconds of computing."""

IMPORTED_BYTES_AT_ONCE, IMPORTED_BYTES_PER_S = 1_000_000, 300
"""Rate limit of the bytes that one address imports: a burst of 12 to 22 conversations of 30 minutes, then 1 MB an hour.
The bytes are those of the database once a session continues the import: text, and `STORED_MESSAGE_BYTES` per
message."""

STORED_MESSAGE_BYTES = 130
"""Estimated space that a stored message takes besides its text: keys, index, bookkeeping. SQLite was measured to take
103 bytes for a message of one character."""

UNUSED_BYTES_PER_ADDRESS = 250_000
"""Maximum size of the compressed imports of one address that no session has continued yet. Beyond it the address's
oldest ones are deleted."""

UNUSED_BYTES = 700_000
"""The same for all addresses together. Beyond it the address that has most loses its oldest import, so that nobody
loses one because of somebody else's larger share."""

UNUSED_ENTRY_BYTES = 512
"""Bytes added to the compressed size of such an import for its keys, and for the file page that it shares."""

HELD_S = 3_600.0
"""How long an import is kept in memory on a server that stores no conversations."""

MAX_CONVERSATION_BYTES = 2_000_000
"""Maximum size of a stored conversation, with `STORED_MESSAGE_BYTES` per message: 12 to 22 hours of talk. Of a longer
one, only the newest messages up to half this size are kept. The limit bounds what a session that sends texts all the
time can store."""

STORED_BYTES_PER_S = 500_000
"""Maximum write rate of one session. A message that grows is rewritten as a whole, so a session that sends texts all
the time would otherwise write megabytes per second. A usual message uses less than a millisecond of this budget."""

STORED_CALL_BYTES = 200
"""Estimated space that a stored tool call takes besides its texts."""

MAX_STORED_CALLS_BYTES = 500_000
"""Maximum size of the stored tool calls of one conversation, with `STORED_CALL_BYTES` per call. Of more, the newest are
kept."""

MAX_DATABASE_BYTES = 1_000_000_000
"""Maximum size of the whole database: about 7,000 hours of talk. Beyond it, unused imports are deleted first, then the
least recently used conversations."""

DOWNLOADS_AT_ONCE = 8
"""Maximum number of recordings that are being downloaded. Each download keeps the sound of its session on disk, even if
the recording is deleted meanwhile. When all slots are taken, the slowest download ends (`web.download_slots`)."""

DOWNLOADS_PER_ADDRESS = 2
"""Maximum number of concurrent downloads of one address. Users behind the same address share them, and the slowest
download ends to make room."""

DOWNLOAD_GRACE_S = 5.0
"""How long a download is safe from losing its slot."""

SLOT_WAIT_S = 30.0
"""How long a new download waits for a slot when other ones keep taking those that become free."""

MIN_DOWNLOAD_BYTES_PER_S = 8_000
"""Minimum average rate of a download. Slower ones end. The slowest mobile networks carry 64 kbit/s."""

MAX_DOWNLOAD_S = 3_600.0
"""Maximum duration of a download. 30 minutes of sound take 25 minutes at 1 Mbit/s."""

# Engines --------------------------------------------------------------------------------------------------------------

UTTERANCES_AT_ONCE = 2
"""Utterances of one session that are transcribed concurrently: the one being spoken, and the one before it, whose
transcript may still be pending. All sessions share the recognisers."""

UPLOADS_AHEAD = 8
"""Recordings of one session that may wait for transcription before the session reads no further message. The client
sees a slow connection, and nothing is lost."""

MAX_WAITING_UTTERANCES = 64
"""Utterances of one session that may wait for transcription, over either transport. Further ones are dropped, and the
user is asked to repeat them. Each lasts at least half a second, so the recogniser is then half a minute behind."""

PROBE_WELL_S = 60.0
PROBE_ILL_S = 5.0
"""Minimum intervals between two probes of an engine. Anybody may ask for a probe, which may call a paid service and
count against its rate limit. A working engine is probed at most every `PROBE_WELL_S`. A failing engine is probed again
after `PROBE_ILL_S`, so that a repaired key or network is noticed at once, and then after intervals that double up to
`PROBE_WELL_S`."""

PREFLIGHTS = 10
PREFLIGHT_S = 6.0
"""Probes that one address may ask for: a burst of `PREFLIGHTS`, then one every `PREFLIGHT_S`."""

SESSION_CHECKS, SESSION_CHECKS_PER_S = 20, 2.0
"""Rate limit of the question whether a session goes on, for each address: a page whose sound stops asks twice a second
for some seconds."""

OFFLINE_WORDS = 60
OFFLINE_CHARS = 1_000
"""How much of the end of a message the offline model reads. It matches its rules on the event loop, which they may
block for a few milliseconds. A spoken question has about 20 words."""

OFFLINE_MESSAGES = 120
OFFLINE_MESSAGE_CHARS = 4_000
OFFLINE_QUESTIONS_BACK = 5
"""How many of the last messages, and how much of each, the offline model searches for the jokes and stories that it has
already told, and how many of the user's last messages it searches for the question that "go on" refers to. It has 27
jokes and stories of up to 2,300 characters. An imported history can have 4,000 messages; reading all of them took up to
5 s."""

IDLE_DETECTORS = 1
"""Voice activity detectors that are kept loaded for future sessions, so that a client that reconnects again and again
does not cause a load each time, which takes about 100 ms of computing. Each takes 10 MB."""

DOWNLOAD_AGAIN_S = 60.0
"""Minimum interval between two attempts to download the same file. Visitors start downloads when they choose a voice,
and must not make this server send repeated requests to another one."""


# Tools ----------------------------------------------------------------------------------------------------------------

TOOL_THREADS = 32
"""Maximum number of threads for tools that are synchronous functions. A call beyond it waits, and its time limit runs.
A thread that is stuck keeps its place until the process ends."""

GRAPH_THREADS = 64
"""Maximum number of threads for functions of operators' graphs, and for factories, that are synchronous. One beyond it
waits, and the time limit of its reply runs. A thread that is stuck keeps its place until the process ends."""

RUNNING_CALLS_PER_CONVERSATION = 8
"""Maximum number of calls of tools with effects that one conversation may have under way. A user who interrupts again
and again could otherwise start any number."""
