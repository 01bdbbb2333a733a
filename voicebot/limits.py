"""What strangers may use of the server: every limit that stands against misuse, each with its reason.

Limits that an operator can set are in `config`, under "Limits"; these are the ones that nobody needs to set. Lengths
are in the units of their names; rates allow a burst first and then so much a second.
"""

from __future__ import annotations

# Connections ----------------------------------------------------------------------------------------------------------

# Logging in -----------------------------------------------------------------------------------------------------------

# WebRTC: offers, data channel, sound ----------------------------------------------------------------------------------

# The websocket: messages, live sound, uploaded utterances -------------------------------------------------------------

WS_TEXT_BYTES = 64_000
"""A longer message can only be a recording: it goes to a worker process unread, as its JSON would take milliseconds on
the event loop. Binary frames may be as long: two seconds of sound at 16 kHz, where clients send 20 ms."""

WS_MESSAGE_PARTS = 1_000
"""Values in a message that is longer than that: a parser makes hundreds of bytes of memory of each."""

WS_BYTES_PER_AUDIO_BYTE = 1.6
WS_LEAST_BYTES = 1_000_000
"""The largest message of a connection, by WS_MAX_AUDIO_MB: base64 takes 1.33 bytes for one, and what is a little too
large should get an error in words. The websocket library ends the connection of a client that sends more."""

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

# Engines --------------------------------------------------------------------------------------------------------------
