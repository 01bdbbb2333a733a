"""Creates the parts of the application from its settings and engines."""

from __future__ import annotations

from voicebot.access.admission import Admission
from voicebot.access.turns import DailyTurns
from voicebot.agent.personas import personas
from voicebot.engines.health import EngineHealth
from voicebot.engines.protocols import Engines
from voicebot.observability.telemetry import AppTelemetry
from voicebot.recording.recorder import Recordings
from voicebot.runtime.clock import SteadyClock
from voicebot.session.available_preferences import AvailablePreferences
from voicebot.session.invitations import Invitations
from voicebot.session.services import AppServices
from voicebot.settings.config import Settings
from voicebot.storage.conversations import Conversations
from voicebot.transports.webrtc.server import WebRtcServer
from voicebot.transports.websocket.recording_decoder import RecordingDecoder
from voicebot.web.application import Application
from voicebot.workers.place import WorkerPlace
from voicebot.workers.siblings import Siblings


def application(settings: Settings, engines: Engines, place: WorkerPlace | None = None) -> Application:
    """Creates the application, of one process alone or of a worker. `server.serve` starts and closes it."""
    clock = SteadyClock() if place is None else place.clock
    conversations = Conversations(settings, clock, place)
    siblings = Siblings(place)
    processes = 1 if place is None else place.count
    services = AppServices(
        settings=settings,
        engines=engines,
        health=EngineHealth(engines),
        available_preferences=AvailablePreferences(engines, settings.preferences, personas(settings.persona_file)),
        admission=Admission(settings, shared=conversations.leases, processes=processes),
        turns=DailyTurns(settings.turns_per_day, conversations, clock),
        conversations=conversations,
        recordings=Recordings(
            settings, max_ended=settings.max_sessions if place is None else place.share_of(settings.max_sessions)
        ),
        telemetry=AppTelemetry(settings, None if place is None else place.metrics_folder),
        place=place,
        siblings=siblings,
        invitations=Invitations(siblings),
    )
    metrics = services.telemetry.metrics
    metrics.watch(services)
    services.health.count_failures(metrics)
    services.running_calls.count_calls(metrics)
    decoder = RecordingDecoder(round(settings.tuning.ws_max_audio_mb * 1_000_000))
    return Application(services, WebRtcServer(services), decoder)
