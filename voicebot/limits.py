"""What strangers may use of the server: every limit that stands against misuse, each with its reason.

Limits that an operator can set are in `config`, under "Limits"; these are the ones that nobody needs to set. Lengths
are in the units of their names; rates allow a burst first and then so much a second.
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
sent over any network that carries sound. Streamed bodies have limits of their own."""

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

# WebRTC: offers, data channel, sound ----------------------------------------------------------------------------------

# The websocket: messages, live sound, uploaded utterances -------------------------------------------------------------

# Worker processes -----------------------------------------------------------------------------------------------------

# Imports, recordings, the database ------------------------------------------------------------------------------------

# Engines --------------------------------------------------------------------------------------------------------------

PROBE_WELL_S = 60.0
PROBE_ILL_S = 5.0
"""Anybody may ask for a probe of the engines, which costs a call to a paid service and counts for its rate limits. An
engine that is well is probed no more often than each `PROBE_WELL_S`; one that is not after `PROBE_ILL_S`, so that who
mends a key or a network sees it at once, and then after twice as long each time, up to `PROBE_WELL_S`."""

PREFLIGHTS = 10
PREFLIGHT_S = 6.0
"""An address may ask so many times in a row for a probe, and once more each so many seconds."""
