"""What cutting and reading text aloud must know of a language: abbreviations, first words, words for symbols."""

from __future__ import annotations

from dataclasses import dataclass, replace


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


@dataclass(frozen=True, slots=True)
class Language:
    """What tells whether a full stop ends a sentence: words without it, casefolded unless they are a single letter."""

    titles: frozenset[str] = frozenset()
    """A name follows: never the end."""
    inner: frozenset[str] = frozenset()
    """"e.g.": something must follow: never the end."""
    numbered: frozenset[str] = frozenset()
    """"No. 5": not the end before a number, else an ordinary word ("No.")."""
    abbreviations: frozenset[str] = frozenset()
    """"Co.": the end only before a word of `openers`."""
    dates: frozenset[str] = frozenset()
    """The same, but only capitalised: "Sat. 5 May", "the cat sat."."""
    openers: frozenset[str] = frozenset()
    """Words that are capitalised only because a sentence begins with them."""
    always_capital: frozenset[str] = frozenset()
    """A capital on one of these says nothing about where a sentence begins."""
    time_prepositions: frozenset[str] = frozenset()
    """"At 5 a.m. Mr. Smith left": a time after one of these, with nothing before it, is not yet a sentence."""
    time_zones: frozenset[str] = frozenset()
    """"6 p.m. Eastern": what may follow a time besides "EST"."""
    conjunctions: frozenset[str] = frozenset()
    """Where a sentence that is too long may be cut: before one of these."""
    ordinals: bool = False
    """"3. Oktober": a full stop after a one or two digit number makes it an ordinal."""
    code: str = "The code is on the screen."
    """What is said in place of a block of code."""
    dot: str = "dot"
    at: str = "at"


_LATIN = Language(
    numbered=_words("no nº n° p pp art cap fig vol"),
    abbreviations=_words("al approx ca cf co corp dept ed inc jr ltd sr vs"),
)

_ENGLISH = replace(
    _LATIN,
    titles=_words(
        "adm brig capt cmdr col cpl dr fr gen gov lt maj messrs mlle mme mr mrs ms mt pres prof rev sen sgt supt"
    ),
    inner=_words("e.g i.e eg ie viz"),
    numbered=_words("art ch eq est ext fig figs n° no nos nº p para pp pt sec vol"),
    abbreviations=_words(
        "abbr acct al alt amt apt approx assn assoc ave bldg blvd bros c ca cf cl co corp ct dept dist div ed eds"
        " elev encl esp esq excl ext ft govt hr hrs hwy illus inc incl intl jr kg km lb lbs ln ltd mfg mgr mi"
        " mil min misc mm mph mtg natl oz ph.d phd pkg pkwy pl prev pt qt rd recd rpm rte rt sq sr st ste tel terr"
        " univ v vs yd yr yrs b.a b.sc m.a m.sc d.phil ed.d"
    ),
    dates=_words("jan feb mar apr jun jul aug sep sept oct nov dec mon tue tues wed thu thur thurs fri sat sun"),
    openers=_words(
        "a also although an and another any are as at because both but by can could did do does each either every"
        " few for from had has have he hello hence her here hers hey hi his how however i if in is it its let many"
        " maybe meanwhile might moreover most my neither no nor not nothing now of on ok okay once one or our"
        " perhaps please shall she should since so some sorry still such sure thank thanks that the their then there"
        " therefore these they this those though thus to today tomorrow under unless until was we well were what"
        " when where which while who whose why will with would yes yet you your"
    ),
    always_capital=_words("I"),
    time_prepositions=_words("about after around at before by every from on since till until"),
    time_zones=_words("atlantic british central eastern greenwich mountain pacific"),
    conjunctions=_words("although and as because but if nor or so though unless until when where which while"),
)

_SPANISH = replace(
    _LATIN,
    titles=_words(
        "mt sr sra srta srs sres dr dra dña prof profa ing lic arq gral cnel capt sto sta mons pbro rdo excmo excma"
    ),
    inner=_words("p.ej ej"),
    numbered=_words("no nº n° núm núms pág págs p pp cap caps art arts ext fig figs vol vols tel teléf apdo"),
    abbreviations=_words(
        "a.c aa.vv admón afma afmo aprox atte av avda avd c c.c c.v cía co corp cta d.c cra depto doc dpto ed ee"
        " ee.uu ej entlo esq gob gr h hab inc izda izdo jr km lda ldo ltd ltda máx mín min ob op párr pcia pdte pl"
        " plza prov pto pza r.d rte s.a s.l seg sig sr ss ud uds v vd vds vs a.m p.m"
    ),
    dates=_words("ene feb mar abr may jun jul ago sep sept oct nov dic lun mié jue vie sáb dom"),
    openers=_words(
        "a al algunos antes aquí así aunque cada como con cuando cuál cuándo cuántos cuánto cómo de del desde"
        " después dónde el ella ellas ellos en entonces era es esa ese eso esta este esto estos está están fue ha"
        " hace hay la las le les lo los luego me mi muchos no nos nosotros para pero por porque pues que quién qué"
        " se ser si sin sobre son su sus también tengo tiene todo todos tras tu tú un una uno usted ustedes y ya yo"
        " él"
    ),
    time_prepositions=_words("a desde hasta sobre"),
    conjunctions=_words("aunque como cuando donde e mientras ni o pero porque pues que si sino u y"),
    code="El código está en la pantalla.",
    dot="punto",
    at="arroba",
)

_FRENCH = replace(
    _LATIN,
    titles=_words("M mm mme mmes mlle mlles dr drs pr me mgr st ste prof gén col cap lt"),
    inner=_words("p.ex ex"),
    numbered=_words("no nos nº n° p pp art chap fig vol tél t"),
    abbreviations=_words(
        "apr av bd boul c.a c.c cf cie co corp dép ed éd env hab inc inf int jr ltd max min oct janv févr avr juil"
        " sept nov déc ouv pl qqch qqn réf s.a suiv sup tél vs"
    ),
    openers=_words(
        "alors après au aussi aux avant avec c ce ceci cela celle celui ces cet cette chaque comme comment d dans"
        " de depuis des donc du elle elles en est et il ils j je l la le les leur leurs mais ma merci mes moi mon n"
        " ne nos notre nous on or ou où par pas pendant plus plusieurs pour pourquoi puis qu quand que quel quelle"
        " quels qui quoi sa s ses si son sur ta tes toi ton tous tout toute très tu un une vos votre vous y à ça"
    ),
    time_prepositions=_words("à avant après depuis vers"),
    conjunctions=_words("car comme donc et lorsque mais ni or ou où parce puis puisque quand que qui si"),
    code="Le code est à l'écran.",
    dot="point",
    at="arobase",
)

_GERMAN = replace(
    _LATIN,
    titles=_words("dr prof hr hrn fr frl dipl ing mag med phil st hl gen hptm lt oberst"),
    inner=_words("z z.b d.h u o i u.a o.ä s.o s.u bspw bzw d i.d.r sog vgl z.t z.zt"),
    numbered=_words("nr nrn S abs abschn art bd bde kap abb aufl ziff tel §"),
    abbreviations=_words(
        "abt abk allg ev kath anm ca co evtl ff ggf inkl inh jh jhd jr k.o lt ltd max mind min mio mrd n.chr v.chr"
        " od orig österr pfd pkt rd sen sr std stk str tägl u.s.w ung verh vs zzgl"
    ),
    dates=_words("jan feb mär apr jun jul aug sep sept okt nov dez mo di mi do fr sa so"),
    openers=_words(
        "aber alle als am an auch auf aus bei bitte da dabei dafür damit danach dann das dass dazu dem den denn der"
        " des deshalb die dies diese dieser dieses doch dort du durch ein eine einen einer eines er es für gibt"
        " haben hat heute hier ich ihr ihre im in ist ja jede jeder jedes jetzt kann kein keine man mein meine mit"
        " nach nein nicht noch nun nur ob oder seit sein seine sie sind so sonst trotzdem um und uns unser unter"
        " viele vielleicht vom von vor wann warum was weil welche wenn wer wie wir wird wo zu zum zur zwar über"
    ),
    conjunctions=_words(
        "aber als bevor da damit dass denn nachdem ob obwohl oder sondern sowie und während weil wenn wie wo"
    ),
    ordinals=True,
    code="Der Code steht auf dem Bildschirm.",
    dot="Punkt",
    at="ät",
)

_HINDI = Language(
    titles=_words("डॉ प्रो श्री"),
    conjunctions=_words("और एवं कि किंतु क्योंकि जब जबकि जो तथा तो पर परंतु मगर या लेकिन"),
    code="कोड स्क्रीन पर है।",
    dot="डॉट",
    at="ऐट",
)

_LANGUAGES = {"en": _ENGLISH, "es": _SPANISH, "fr": _FRENCH, "de": _GERMAN, "hi": _HINDI}


def language_of(code: str) -> Language:
    """What is known of a language by its code ("en", "de-AT"); of one not listed only what most languages share."""
    return _LANGUAGES.get(code.replace("_", "-").partition("-")[0].casefold(), _LATIN)
