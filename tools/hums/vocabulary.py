"""Hums in many spellings, and short words and phrases that must not be taken for them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    WORDS = "words"
    UH_HUH = "uh-huh"
    MM_HMM = "mm-hmm"
    HMM = "hmm"


@dataclass(frozen=True, slots=True)
class HumSpelling:
    """How a hum is spelt for one synthesiser."""

    kind: Kind
    spelling: str


def _spellings(kind: Kind, listed: str) -> tuple[HumSpelling, ...]:
    return tuple(HumSpelling(kind, spelling.strip()) for spelling in listed.split(","))


ESPEAK_HUMS = (
    *_spellings(
        Kind.UH_HUH,
        "[[Vh'V]], [['Vh@]], [[@h'V]], [[VhV]], [[3:h'3:]], [[V:h'V:]], [[@h'@]], [[V~h'V~]], [['VhV:]], uh-huh",
    ),
    *_spellings(
        Kind.MM_HMM,
        "[[mmhmm]], [[mmh'm-]], [[m-h'm-]], [[m-hm-]], [[mmhmmm]], [[m-h@m]], [[mmh'@m]], [[mmmhm-]], [['m-hm-]],"
        "[[@mh'm-]], [[m-mhmm]], [[Vmh'Vm]], [[@mh'Vm]], [['VmhVm]]",
    ),
    *_spellings(Kind.HMM, "[[hmmm]], [[hm-]], [[m-]], [[mmm]], [[mmmm]], [[hm-m]], [[m-m]], [[hmm-]], hmm"),
)
"""Most are phonemes in [[brackets]], as espeak-ng reads the text "mhm" letter by letter."""

HIBARI_HUMS = (
    *_spellings(Kind.UH_HUH, "əhˈʌ, ˈʌhˌʌ, ʌhˈʌ, ˈʌhʌ, əhˈə, ʌ hˈʌ, ˈʌ hˈʌ"),
    *_spellings(Kind.MM_HMM, "mhmm, mhˈm, mˈhmm, mmhˈmm, ˈmmhmm, m hmm, mhm, ʌmhˈʌm, əmhˈʌm"),
    *_spellings(Kind.HMM, "hmm, hˈmm, mm, m, hm, hmmm, mmm"),
)

NATURAL_HUMS = (
    *_spellings(
        Kind.UH_HUH,
        "ˈʌhˌʌ, əhˈʌ, ʌhˈʌ, ˌʌhˈʌ, ˈʌ hˈʌ, ʌhʌ, ɐhˈɐ, ˈʌhʌː, ˌʌːhˈʌː, ɜhˈɜ, ʌ̃hˈʌ̃, ˈʌ̃hˌʌ̃, əhˈə, ˈəhˌə, ˌʌhˈʌm",
    ),
    *_spellings(
        Kind.MM_HMM,
        "mhˈm, mmhˈmm, ˈmːhˌm, mˈhmː, mˌhˈm, m hmm, ˈmhˌm, mhm, mːhˈmː, ˈmmhmm, əmhˈəm, ʌmhˈʌm, nhˈn, ˈm hˈm, mˈmhm",
    ),
    *_spellings(Kind.HMM, "hmː, hmm, hˈmː, mm, mː, ˈm, hˈm, hˌmmː, mmm, ˈmː, mːː, hmːː, m, ŋː"),
)
"""Phonemes that both Kokoro and Piper know."""

FLITE_HUMS = (
    *_spellings(Kind.UH_HUH, "ah hh ah, ax hh ah, ah ah hh ah ah, ax hh ah ah, er hh er"),
    *_spellings(Kind.MM_HMM, "m hh m, m m hh m m, m hh m m, m hh ax m, m m hh m, ah m hh ah m"),
    *_spellings(Kind.HMM, "hh m, m, m m, hh m m, m m m"),
)

OWN_HUMS = (
    *_spellings(
        Kind.UH_HUH,
        "ah:0.13 h:0.07 ah:0.22, an:0.13 hn:0.07 an:0.22, @:0.1 h:0.07 ah:0.25, @n:0.12 hn:0.06 @n:0.25,"
        "ah:0.18 h:0.09 ah:0.16, an:0.11 hn:0.05 an:0.15, er:0.13 h:0.07 er:0.22, an:0.1 hn:0.08 an:0.14 m:0.12,"
        "@n:0.1 hn:0.09 an:0.32",
    ),
    *_spellings(
        Kind.MM_HMM,
        "m:0.17 hm:0.07 m:0.28, m:0.13 hm:0.09 m:0.2, m:0.22 hm:0.05 m:0.2, m:0.1 hm:0.06 m:0.35,"
        "m:0.16 hm:0.1 @n:0.06 m:0.22, m:0.12 h:0.06 m:0.25, m:0.25 hm:0.12 m:0.3, n:0.15 hm:0.07 n:0.25,"
        "ng:0.15 hm:0.07 ng:0.26, ah:0.08 m:0.09 h:0.06 ah:0.1 m:0.16",
    ),
    *_spellings(
        Kind.HMM,
        "m:0.45, m:0.3, m:0.65, hm:0.08 m:0.45, hm:0.12 m:0.35, h:0.06 m:0.5, m:0.22, hm:0.08 m:0.8, ng:0.4,"
        "h:0.05 @n:0.05 m:0.4",
    ),
)

WORDS = """
no, no no, nope, nah, not now, yes, yeah, yeah yeah, yep, yup, ya, stop, stop it, please stop, what, what now, wait,
wait a minute, help, help me, amen, and then, home, hum it, I'm, I am, am I, mom, mum, mama, mommy, um no, um wait, uh
no, oh, oh no, oh really, uh-oh, hm no, hey, hi, hello, okay, ok then, right, alright, sure, cool, wow, whoa, got it,
I see, go on, go ahead, really, enough, shut up, quiet, be quiet, pause, cancel, never mind, louder, slower, repeat,
repeat that, again, next, back, sorry, thanks, thank you, please, bye, goodbye, good, great, nice, fine, true,
exactly, maybe, me, me too, my, mine, more, one more, man, men, moon, mean, main, many, money, name, my name, now,
none, none now, nine, nine nine, ham, him, harm, whom, who, who am I, who is it, how, how many, how much, why, why
not, when, when now, where, where am I, which one, human, hummer, hammer, humble, aim, arm, on, in, in there, on and
on, and, an hour, any, anyone, Emma, Anna, Hannah, Ava, Amy, Emily, Mia, Noah, Omar, Owen, Ian, Liam, Maya, Mary,
Miriam, Adam, Aaron, Naomi, Norman, Monday, May, June, one, two, three, four, five, six, seven, eight, ten, eleven,
twelve, a million, am, a.m., p.m., come on, come here, hang on, hold on, hold it, one moment, moment, in a moment, no
more, no man, no one, no way, not me, not him, I mean, I know, I don't know, let me, mind, mind you, warm, worm, warn,
mm no, mm stop, mm wait, uh stop, hmm what, thumb, some, come, from, room, rum, run, gun, done, song, long, wrong,
young, hung, hong kong, hunger, angry, hand, hunt, hint, aunt, ant, end, amend, a man, a hand, ahead, ahoy, behind,
perhaps, inhale, unhappy, anthem, mayhem, omen, women, woman, lemon, lemonade, animal, email, amount, among, Amman,
Oman, Ahmed, Mohammed, Bahama, Omaha, alarm, alone, awesome, always, away, aware, away now, hear me, hear him, hurry,
hurry up, off, turn it off, on now, move, move on, mute, unmute, new, knew, nun, noon, known, number one, louder now,
listen, look, left, light, like that, later, lamb, limb, limo, volume, time, the time, time out, tell me, tell him,
call mom, call him, call me, play, play on, read on, skip, start, start now, open, menu, map, music, milk, mail, meal,
humor, humid
"""


# "um", "uh", "ah", "huh" and "hum" are not among them: the bot goes on whether they are taken for hums or not.


def words() -> list[str]:
    return list(dict.fromkeys(word.strip() for word in WORDS.replace("\n", " ").split(",")))


OWN_WORDS = """
n o uh; n o uh:0.2; n @ uh; n o uh . n o uh; n o p; n ae; n a t n a uh; j e s; j ae @; j e @; j e p; j ah p; j ae; j
ae @ . j ae @; s t a p; s t a p ih t; w a t; w e ih t; h e l p; h e l p m i; e ih m e n; a m e n; ae n dh e n; h o uh
m; a ih m; a ih ae m; m a m; m ah m; m a m a; ah m n o uh; ah:0.2 n o uh; o uh; o uh n o uh; ah . o uh; h e ih; h a
ih; h @ l o uh; o uh k e ih; r a ih t; sh er; k u l; w a uh; w o uh; g a t ih t; a ih s i; g o uh a n; r i l i; ih n
ah f; p o z; k ae n s l; b ae k; b a ih; g uh d; f a ih n; m i; m a ih; m a ih n; m o r; m ae n; m e n; m u n; m i n;
m e ih n; m e n i; m ah n i; n e ih m; m a ih n e ih m; n a uh; n ah n; n a ih n; h ae m; h ih m; h a r m; h u m; h u;
h a uh; h a uh m e n i; w a ih; w e n; w e r; w ah n; h j u m @ n; h ae m er; e ih m; a r m; a n; ih n; ae n d; e n i;
e m @; ae n @; h ae n @; a v @; e ih m i; m i @; n o uh @; m a ih @; l i @ m; ae d @ m; m e r i; m ah n d e ih; m e
ih; t u; f a ih v; t e n; ih l e v n; k ah m a n; h ae ng a n; h o uh l d a n; m o uh m @ n t; n o uh m o r; n o uh w
e ih; a ih m i n; a ih n o uh; w o r m; r u m; r ah n; d ah n; s a ng; l a ng; j ah ng; h ah ng; h ae n d; h ih n t;
ae n t; e n d; @ h e d; @ h o ih; @ m a uh n t; @ m ah ng; @ l a r m; @ l o uh n; a l w e ih z; @ w e ih; h i r m i; h
er i; m u v; m u v a n; n u; n u n; l ae m; l ih m; t a ih m; t e l m i; k a l m a m; m e n j u; m ih l k; m e ih l; m
i l; h j u m er; o uh m e n; w ih m ih n; l e m @ n
"""


def own_words() -> list[str]:
    return [word.strip() for word in OWN_WORDS.replace("\n", " ").split(";")]
