"""The application's parts, made from its settings and over its engines."""

from __future__ import annotations

from voicebot.application import Application
from voicebot.config import Settings
from voicebot.doors.admission import Admission
from voicebot.doors.turns import DailyTurns
from voicebot.engines.base import Engines
from voicebot.engines.preflight import Preflight
from voicebot.options import Options
from voicebot.recording.recorder import Recordings
from voicebot.session.services import AppServices
from voicebot.store.conversations import Conversations
from voicebot.telemetry import Telemetry
from voicebot.transports.recording_decoder import RecordingDecoder
from voicebot.transports.webrtc_server import WebRtcServer


def application(settings: Settings, engines: Engines) -> Application:
    """Opens nothing; `server.serve` starts it and closes it."""
    conversations = Conversations(settings)
    services = AppServices(
        settings=settings,
        engines=engines,
        preflight=Preflight(engines),
        options=Options(engines, settings.choices),
        admission=Admission(settings),
        turns=DailyTurns(settings.turns_per_day, conversations),
        conversations=conversations,
        recordings=Recordings(settings),
        telemetry=Telemetry(settings),
    )
    metrics = services.telemetry.metrics
    metrics.watch(services)
    services.preflight.tell_failures(metrics)
    return Application(services, WebRtcServer(services), RecordingDecoder(round(settings.ws_max_audio_mb * 1_000_000)))
