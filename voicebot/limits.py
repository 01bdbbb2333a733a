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
