"""Which languages Deepgram's models know: two-letter codes.

From developers.deepgram.com/docs/models-languages-overview with the changelog's later additions (to August 2026), and
for Flux from /docs/flux/language-prompting.
"""

from __future__ import annotations


def _codes(text: str) -> frozenset[str]:
    return frozenset(text.split())


NOVA_3 = _codes(
    "af ar be bg bn bs ca cs da de el en es et fa fi fr gu he hi hr hu hy id it ja ka kn ko lt lv mk mr ms ne nl no pa "
    "pl pt ro ru sk sl sr sv ta te th tl tr uk ur vi zh"
)
NOVA_2 = _codes("bg ca cs da de el en es et fi fr hi hu id it ja ko lt lv ms nl no pl pt ro ru sk sv th tr uk vi zh")
FLUX_MULTI = _codes("de en es fr hi it ja nl pt ru")
ENGLISH = _codes("en")


def languages_of(model: str) -> frozenset[str]:
    """A model of another name, such as a custom one, may know any."""
    match model.removesuffix("-general"):
        case "nova-3":
            return NOVA_3
        case "nova-2":
            return NOVA_2
        case "flux-general-multi":
            return FLUX_MULTI
    if model.startswith(("flux-", "nova-", "enhanced-", "base-")):
        return ENGLISH
    return NOVA_3 | NOVA_2
