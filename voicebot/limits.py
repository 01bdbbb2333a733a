"""What strangers may use of the server: every limit that stands against misuse, each with its reason.

Limits that an operator can set are in `config`, under "Limits"; these are the ones that nobody needs to set. Lengths
are in the units of their names; rates allow a burst first and then so much a second.
"""

from __future__ import annotations

# Connections ----------------------------------------------------------------------------------------------------------

# Logging in -----------------------------------------------------------------------------------------------------------

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

PENDING_OFFERS = 32
"""Offers that may be connecting at the same time, or as many as there are places if those are more. Each holds sockets
and some 100 kB of memory."""

PENDING_OFFERS_PER_ADDRESS = 4
"""Offers of one address that may be connecting at the same time, or as many as it may have sessions if those are more.
The next one takes the place of the address's oldest: a user behind the same NAT is never refused for them."""

UNTOLD_S = 10.0
"""A session whose client can't be told anything for this time ends: its data channel is closed, or not read. A network
that is away for this long loses the connection anyway (see `aiortc_tuning`)."""

CLOSING_S = 3.0
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
"""SCTP chunks of a connection, without acknowledgements: messages of up to 1.2 kB, or pieces of longer ones. The burst
is more than `MESSAGES_PER_S` allows, for which these grow if they have to. A client that sends more is sent away."""

# The websocket: messages, live sound, uploaded utterances -------------------------------------------------------------

# Worker processes -----------------------------------------------------------------------------------------------------

# Imports, recordings, the database ------------------------------------------------------------------------------------

# Engines --------------------------------------------------------------------------------------------------------------
