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
