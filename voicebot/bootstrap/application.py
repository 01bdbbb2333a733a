"""Creates the parts of the application from its settings and engines."""

from __future__ import annotations

from voicebot.access.admission import Admission
from voicebot.access.turns import DailyTurns
from voicebot.agent.personas import personas
from voicebot.engines.health import EngineHealth
from voicebot.engines.protocols import Engines
from voicebot.observability.telemetry import AppTelemetry
from voicebot.recording.recorder import Recordings
from voicebot.session.available_preferences import AvailablePreferences
from voicebot.session.services import AppServices
from voicebot.settings.config import Settings
from voicebot.storage.conversations import Conversations
from voicebot.transports.webrtc.server import WebRtcServer
from voicebot.transports.websocket.recording_decoder import RecordingDecoder
from voicebot.web.application import Application
from voicebot.workers.place import WorkerPlace


def application(settings: Settings, engines: Engines, place: WorkerPlace | None = None) -> Application:
    """Creates the application, of one process alone or of a worker. `server.serve` starts and closes it."""
    conversations = Conversations(settings)
    services = AppServices(
        settings=settings,
        engines=engines,
        health=EngineHealth(engines),
        available_preferences=AvailablePreferences(engines, settings.preferences, personas(settings.persona_file)),
        admission=Admission(settings),
        turns=DailyTurns(settings.turns_per_day, conversations),
        conversations=conversations,
        recordings=Recordings(settings),
        telemetry=AppTelemetry(settings),
        place=place,
    )
    metrics = services.telemetry.metrics
    metrics.watch(services)
    services.health.count_failures(metrics)
    services.running_calls.count_calls(metrics)
    decoder = RecordingDecoder(round(settings.tuning.ws_max_audio_mb * 1_000_000))
    return Application(services, WebRtcServer(services), decoder)
