"""Which languages ElevenLabs' models speak, as two-letter codes."""

from __future__ import annotations

_MULTILINGUAL_V2 = "ar bg cs da de el en es fi fr hi hr id it ja ko ms nl pl pt ro ru sk sv ta tr uk zh"
_V2_5 = f"{_MULTILINGUAL_V2} hu no vi"
_V3 = (
    f"{_V2_5} af as az be bn bs ca cy et fa ga gl gu ha he hy is jv ka kk kn ky lb ln lt lv mk ml mr ne ny pa ps sd "
    "sl so sr sw te th ur"
)
"""Sources: "Models" in ElevenLabs' documentation, and "What models do you offer" in its help centre."""


def languages_of(model: str) -> frozenset[str]:
    """What the model speaks. A model that is not known here is taken to speak all that any does: the service knows."""
    if "v2_5" in model:
        return frozenset(_V2_5.split())
    if model.startswith("eleven_multilingual"):
        return frozenset(_MULTILINGUAL_V2.split())
    if model in ("eleven_flash_v2", "eleven_turbo_v2", "eleven_monolingual_v1"):
        return frozenset({"en"})
    return frozenset(_V3.split())


def takes_language(model: str) -> bool:
    """Whether a request may name the language; other models find it in the text, and older ones refuse the name.

    Source: the API reference on `language_code`, and pipecat-ai/pipecat issue 5395 for v3.
    """
    return "v2_5" in model or model.startswith("eleven_v3")
