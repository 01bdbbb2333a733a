"""What a client asks to be changed for its session, checked against what there is."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from voicebot.core.choices import Choices, InterruptedHistory, Sensitivity
from voicebot.options import Options


class Configuration(BaseModel):
    """What is left out stays as it is; an empty engine or voice is the server's to choose."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    persona: str = Field(default="", max_length=100, description="Who the bot is")
    language: str = Field(default="", max_length=10, description="Two letters")
    voice: str = Field(default="", max_length=100, description="One of the voices of the engine that speaks")
    sensitivity: Sensitivity = Field(default=Sensitivity.BALANCED, description="How easily it is interrupted")
    interrupted_history: InterruptedHistory = Field(
        default=InterruptedHistory.HEARD, description="What it remembers of a reply that was cut short"
    )
    stt: str = Field(default="", max_length=100, description="The engine that is to hear first")
    llm: str = Field(default="", max_length=100, description="The one that is to think first")
    tts: str = Field(default="", max_length=100, description="The one that is to speak first")

    def chosen(self, options: Options, before: Choices) -> Choices:
        """The choices with those made here. Raises ChoiceError for what there is not."""
        return options.chosen({name: getattr(self, name) for name in self.model_fields_set - {"type"}}, before)
