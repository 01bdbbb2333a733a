"""Which words of a language leave a sentence open, and which close it. Casefolded; accents as written."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass


def plain(text: str) -> str:
    """Casefolded and composed, with one apostrophe, and Hindi's two ways to write a nasal vowel made one."""
    text = unicodedata.normalize("NFC", text.casefold())
    return text.replace("’", "'").replace("ँ", "ं").replace("़", "")


def _words(text: str) -> frozenset[str]:
    return frozenset(plain(text).split())


def _phrases(text: str) -> frozenset[str]:
    return frozenset(phrase.strip() for phrase in plain(text).split(","))


@dataclass(frozen=True, slots=True)
class TurnWords:
    """What is known of a language. Phrases are compared with the text's end."""

    verb_last: bool = False
    """The verb ends the sentence, and question words and subjects tell nothing (Hindi)."""
    split_apostrophes: bool = False
    """"l'eau" is two words."""
    question_words: int = 3
    """The shortest question that is whole: "how are you", "cómo estás"."""

    hesitations: frozenset[str] = frozenset()
    stalls: frozenset[str] = frozenset()
    """Phrases that ask for time."""
    openers: frozenset[str] = frozenset()
    """What may stand before the sentence proper."""
    answers: frozenset[str] = frozenset()
    """Phrases that are a whole turn."""
    polite: frozenset[str] = frozenset()
    """Phrases that close a request."""
    fillers: frozenset[str] = frozenset()
    """Adverbs that leave open what was open before them: "can you maybe"."""
    open_endings: frozenset[str] = frozenset()
    """Phrases after which something must come."""
    closed_endings: frozenset[str] = frozenset()
    """Phrases whose last word would leave others open."""

    dangling: frozenset[str] = frozenset()
    """Never the last word: articles, conjunctions, possessives, most prepositions."""
    particles: frozenset[str] = frozenset()
    """Prepositions that may end a question or a command: "what is it for", "mach das Licht an"."""
    separable: frozenset[str] = frozenset()
    """Particles that end a command: "turn it on"."""
    stranders: frozenset[str] = frozenset()
    """The first words of sentences that a particle may end."""
    adjectival: frozenset[str] = frozenset()
    """Particles that tell of the noun before them: "what's the weather like"."""
    determiners: frozenset[str] = frozenset()
    subordinators: frozenset[str] = frozenset()
    subjects: frozenset[str] = frozenset()
    """Pronouns that wait for their verb."""
    objects: frozenset[str] = frozenset()
    """Pronouns that may as well be objects."""
    things: frozenset[str] = frozenset()
    """Such pronouns for what is not a person."""
    demonstratives: frozenset[str] = frozenset()
    """"This": the last word after a verb, else a noun may follow."""
    datives: frozenset[str] = frozenset()
    """Pronouns that rarely end a request ("kannst du mir")."""
    copulas: frozenset[str] = frozenset()
    auxiliaries: frozenset[str] = frozenset()
    takers: frozenset[str] = frozenset()
    """Verbs that need an object."""
    soft: frozenset[str] = frozenset()
    """Words that rarely end a sentence: what they end is not called complete."""

    asking: frozenset[str] = frozenset()
    """Question words."""
    reasons: frozenset[str] = frozenset()
    """Question words after which "are you" is not the end."""
    agents: frozenset[str] = frozenset()
    """Question words that a verb follows at once: "who wrote Hamlet"."""
    in_situ: frozenset[str] = frozenset()
    """Question words that end a question: "c'est quoi"."""
    verb_needed: bool = False
    """A question word may be followed by a noun: the question is whole only with an auxiliary ("what time is it")."""
    askers: frozenset[str] = frozenset()
    """Verbs that begin a question."""
    modals: frozenset[str] = frozenset()
    """Askers whose question ends in an infinitive, that is in "n" (German)."""
    commands: frozenset[str] = frozenset()

    final_verbs: frozenset[str] = frozenset()
    final_suffixes: tuple[str, ...] = ()

    digits: frozenset[str] = frozenset()
    numbers: frozenset[str] = frozenset()
    """Number words besides the digits."""
    operators: frozenset[str] = frozenset()
    """A number after one of these is the last: "plus", "at"."""
    number_cues: frozenset[str] = frozenset()
    """Words that announce a telephone number."""

    @property
    def pronouns(self) -> frozenset[str]:
        return self.subjects | self.objects | self.things


ENGLISH = TurnWords(
    fillers=_words("already ever maybe just perhaps really actually also even still probably"),
    verb_needed=True,
    reasons=_words("what why when"),
    agents=_words("who"),
    demonstratives=_words("this that"),
    adjectival=_words("like for about"),
    separable=_words("on in by"),
    things=_words("it there this that them"),
    hesitations=_words("um uh er erm uhm hmm hm mm umm uhh eh ehm"),
    stalls=_phrases(
        "let me think, let me see, let me check, let me look, let's see, hold on, hang on, wait, wait a minute,"
        " wait a second, wait a moment, one second, one sec, one moment, one minute, just a second, just a moment,"
        " just a minute, just a sec, a second, a sec, a moment, give me a second, give me one second,"
        " give me one minute, give me one moment, give me a sec, give me a minute, give me a moment, i'm thinking,"
        " how do i say this, how do i put this, how shall i put it, what's the word, bear with me, for example,"
        " first of all, on the other hand, what was i saying, where was i, you know what, i mean, let me find it,"
        " let me think about it, let me think about that"
    ),
    openers=_words(
        "so and but okay ok well hey hi hello yeah yes no oh ah now please alright right then sorry also actually"
        " anyway listen look because sure yep nope thanks maybe just"
    ),
    answers=_phrases(
        "yes, no, yeah, yep, yup, nope, nah, okay, ok, sure, right, alright, all right, of course, please,"
        " yes please, no thanks, thanks, thank you, thank you very much, thank you so much, no thank you, stop,"
        " stop it, stop talking, be quiet, shut up, quiet, enough, that's enough, that's all, that's it,"
        " that's right, that's fine, that's correct, correct, exactly, absolutely, definitely, not really,"
        " not now, not yet, not at all, maybe, perhaps, hello, hi, hey, hi there, hello there, good morning,"
        " good evening, good afternoon, good night, goodbye, bye, bye bye, see you, see you later,"
        " see you tomorrow, never mind, nevermind, forget it, go ahead, go on, carry on, continue, help, help me,"
        " cancel, cancel that, repeat, repeat that, again, say that again, come again, pardon, sorry, excuse me,"
        " i don't know, i don't think so, i think so, i guess so, i hope so, i see, got it, great, cool, nice,"
        " perfect, wow, really, good, fine, i'm fine, i'm good, it's fine, it's okay, it's ok, it's good,"
        " i'm sure, i'm not sure, i'm here, me too, me neither, sounds good, i agree, i understand, what's up,"
        " what happened, uh huh, mm hmm, mhm, uhhuh, nothing, no one, nobody, today, tomorrow, tonight,"
        " tomorrow morning, tomorrow evening, tomorrow afternoon, next week, next month, right now, next, none,"
        " both, neither, either, why not, who cares, how come, who knows, says who, so what, now what, what else,"
        " what about you, how about you, and you, same here, yes i do, yes i am, yes it is, no i don't,"
        " no i'm not, no it isn't, yes i can, no i can't, yes you can, yes we can, yes i have, i do, i am, i can,"
        " i did, i will, yes i did, yes i will"
    ),
    polite=_phrases(
        "please, thanks, thank you, thank you very much, for me please, if you can, if possible, right now"
    ),
    open_endings=_phrases(
        "i want, i want to, want to, have to, need to, going to, got to, able to, like to, trying to, tried to,"
        " used to, supposed to, ought to, i would like, would like, i'd like, i'd love, i'd prefer, you tell me,"
        " tell me, give me, show me, let me, do you know, do you have, do you think, i think, i guess, i believe,"
        " i hope, i wonder, i was wondering, i know that, i feel like, looks like, sounds like, feels like,"
        " seems like, it's like, something like, more like, number is, name is, thing is, thing is that,"
        " problem is that, problem is, question is, address is, code is, would you, could you, how about,"
        " what about, what if, as if, even if, as well as, such as, kind of, sort of, a lot of, more than,"
        " less than, rather than, instead of, because of, in order, the way, as soon as, so that, think that,"
        " know that, said that, sure that, hope that, say that, mean that, believe that, thought that,"
        " told me that, just that, so much, how much, how many, what kind, which one of, the fact that, you mean,"
        " can you explain how, my favorite, i'm not sure if, i don't know if"
    ),
    closed_endings=_phrases(
        "think so, guess so, hope so, said so, say so, is that so, come in, log in, check in, move in, come on,"
        " go on, carry on, going on, move on, hold it, from now on, later on, so on, what for, where from,"
        " where to, who with, so do i, so am i, don't you, aren't you, isn't it, doesn't it, won't you, can't you,"
        " didn't you, wasn't it, or not, love to, happy to, don't want to, don't have to, where are you going to,"
        " where is he going to, where is she going to, where are they going to, where are we going to, used to it,"
        " as you like, if you like, if you want, you want, whatever you like, is mine, it's his, call her,"
        " ask her, tell her, with her, to her, for her, what's it like, what is it like, what was it like, not my,"
        " what do you think, what did you think, what you think, what you mean, what do you mean"
    ),
    dangling=_words(
        "and or but because cause if unless although whereas while whether than nor the a an my your our its their"
        " every into onto toward towards during among via versus per until till except despite beside besides"
        " gonna wanna gotta i'm you're he's she's we're they're it's that's there's what's who's where's how's"
        " i'll you'll we'll he'll she'll they'll it'll i've you've we've they've i'd you'd he'd she'd we'd they'd"
        " very upon mr mrs ms her his these those since let's quite"
    ),
    particles=_words("to for with of at from about in on by between like after against without under through"),
    stranders=_words("what who whom which where what's who's where's whose"),
    determiners=_words("the a an my your his her our its their any some"),
    subordinators=_words(
        "because if when while that although since unless whether before after until and but or than as so though once"
    ),
    subjects=_words("i he she we they"),
    objects=_words("you"),
    copulas=_words("is are was were am be been being isn't aren't"),
    auxiliaries=_words("do does did can could will would should shall may might must has have had"),
    takers=_words(
        "want need wanted needed prefer get bring put send wants needs called named said says buy use having getting"
    ),
    soft=_words("some any another other these those next best most first last same more new which in big good such"),
    asking=_words(
        "what who whom whose which when where why how what's who's where's how's when's why's what're who're what'd"
    ),
    askers=_words(
        "is are was were am do does did can could will would should shall may might have has had isn't aren't"
        " don't doesn't didn't can't couldn't won't wouldn't shouldn't haven't hasn't"
    ),
    commands=_words(
        "tell give show play turn set open close call book cancel stop remind read write make find search sing"
        " explain describe help say repeat put send add start check translate spell count look order buy change"
        " talk speak continue let's pause skip switch delete remove move pick choose take bring try define compare"
        " list name recommend suggest teach ask calculate convert schedule create draw wake shut lower raise"
        " increase decrease"
    ),
    digits=_words("zero oh one two three four five six seven eight nine double triple"),
    numbers=_words(
        "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty thirty forty fifty"
        " sixty seventy eighty ninety hundred thousand million"
    ),
    operators=_words("plus minus times by at than over until till and of or chapter number page part"),
    number_cues=_words("number phone telephone mobile cell call"),
)

SPANISH = TurnWords(
    fillers=_words("quizás quizá solo también todavía"),
    question_words=2,
    hesitations=_words("eh em mmm mm hm eeh ehm um uh"),
    stalls=_phrases(
        "déjame pensar, déjame ver, déjeme pensar, a ver, espera, espere, espera un momento, espera un segundo,"
        " un segundo, un momento, un momentito, un minuto, dame un segundo, dame un momento, vamos a ver, o sea,"
        " cómo se dice, cómo te digo, es decir, estoy pensando"
    ),
    openers=_words("me te y pues bueno hola oye oiga entonces sí no vale ok okay ah oh mira perdón así pero ahora"),
    answers=_phrases(
        "sí, si, no, vale, ok, okay, claro, claro que sí, por supuesto, de acuerdo, bueno, bien, muy bien,"
        " gracias, muchas gracias, no gracias, sí gracias, por favor, sí por favor, para, basta, cállate,"
        " silencio, detente, ya está, nada, nada más, eso es todo, eso es, así es, es verdad, exacto, correcto,"
        " hola, buenos días, buenas tardes, buenas noches, buenas, adiós, hasta luego, hasta mañana, hasta pronto,"
        " chao, tal vez, quizás, quizá, no sé, no lo sé, creo que sí, creo que no, ya, ya veo, entiendo, continúa,"
        " sigue, adelante, otra vez, repite, ayuda, ayúdame, cancela, perdón, mañana, hoy, mañana por la mañana,"
        " ahora, ahora no, todavía no, qué tal, y tú, y usted, yo, yo también, yo tampoco, a mí también,"
        " por qué no, perfecto, genial, me da igual, sí lo es"
    ),
    polite=_phrases("por favor, gracias, si puedes, si es posible"),
    open_endings=_phrases(
        "me llamo, mi nombre es, mi número es, número es, problema es, me gustaría, voy a, vas a, tengo que,"
        " hay que, creo que, pienso que, parece que, puedes decirme, podrías decirme, puede decirme, sabes si,"
        " no sé si, tal vez si, me puedes, me podrías, me puede, te gusta, me gusta, me gustan,"
        " estaba pensando en, antes de, después de, cerca de, en vez de, a lo mejor, acerca de, para que, ya que,"
        " así que, lo que, el que, la que, yo creo, a mí me, vivo en, soy de, me interesa, qué tipo de, cuál es,"
        " qué es, quién es, dónde está, cómo es, cuánto es, quiénes son, cuáles son, dónde están, cómo se,"
        " qué hora, yo quiero, yo quisiera, yo necesito, y luego, y después"
    ),
    closed_endings=_phrases(
        "te quiero, qué quieres, qué necesitas, qué tienes, cómo me llamo, qué puedo, si quieres, como quieras,"
        " no puedo, no quiero, sí quiero, no tengo, sí puedo, sí tengo, para qué es, qué más necesito"
    ),
    dangling=_words(
        "y e o u pero porque aunque que cuando si como el los las un una unos unas mi tu su mis tus sus nuestro"
        " nuestra nuestros nuestras de del a al en con por para sin sobre entre desde hasta hacia según ni"
        " mientras pues muy tan la lo me te se le les nos este esta cada cuyo donde quien"
    ),
    subordinators=_words("porque que y pero si cuando o aunque pues"),
    objects=_words("yo tú él ella usted nosotros ellos ellas ustedes"),
    copulas=_words("es son está están era eran fue soy estoy estaba sea"),
    auxiliaries=_words("ha han he había voy va van podría podrías"),
    takers=_words(
        "dime dame cuéntame sabes quiero quieres quiere necesito necesitas tengo puedo puedes puede quisiera"
        " decirme darme querría decir hacer"
    ),
    soft=_words("otro otra otros otras algún alguna algunos unos más gran primer mejor mismo misma"),
    asking=_words(
        "qué quién quiénes cuál cuáles cómo cuándo dónde adónde cuánto cuánta cuántos cuántas que quien cual como"
        " cuando donde cuanto"
    ),
    askers=_words(
        "haces dices opinas piensas pasa pasó llamas llama estas puedes puede podrías podría quieres quiere tienes"
        " tiene sabes sabe eres estás hay hablas conoces vas has tienen pueden vives trabajas prefieres crees"
        " necesitas"
    ),
    commands=_words(
        "cuéntame dime dame pon ponme abre cierra enciende apaga llama busca muéstrame enséñame explícame ayúdame"
        " toca repite lee escribe haz traduce recuérdame canta habla sube baja reserva cancela pide compra manda"
        " envía describe explica calcula cambia borra añade agrega cuenta di elige despiértame llámame léeme"
        " búscame hazme deja"
    ),
    digits=_words("cero uno dos tres cuatro cinco seis siete ocho nueve"),
    numbers=_words(
        "diez once doce trece catorce quince veinte treinta cuarenta cincuenta sesenta setenta ochenta noventa cien mil"
    ),
    operators=_words("más menos por entre las y a número página"),
    number_cues=_words("número teléfono móvil celular"),
)

GERMAN = TurnWords(
    fillers=_words("schon vielleicht mal kurz eben noch gerade auch nur"),
    reasons=_words("was warum"),
    agents=_words("wer"),
    separable=_words("an auf aus ab mit vor zu nach um ein hin her los"),
    things=_words("es das"),
    datives=_words("mir dir uns ihm ihnen mich dich euch sich"),
    hesitations=_words("äh ähm öh öhm hm hmm mm ehm eh äm um uh tja"),
    stalls=_phrases(
        "lass mich überlegen, lass mich nachdenken, lass mal sehen, lass mich mal überlegen, moment, einen moment,"
        " moment mal, warte, warte mal, warten sie, eine sekunde, sekunde, augenblick, einen augenblick,"
        " mal sehen, mal überlegen, wie sagt man, wie soll ich sagen, ich überlege, ich überlege gerade,"
        " moment bitte, einen moment bitte, ich meine, gib mir eine sekunde, kleinen moment"
    ),
    openers=_words(
        "und also ja nein okay ok hallo hey hi gut na ach oh bitte aber dann entschuldigung nun jetzt naja sag"
        " sorry doch denn mal eigentlich"
    ),
    answers=_phrases(
        "ja, nein, doch, ja bitte, gerne, gern, nicht nötig, passt schon, nein danke, danke, danke schön,"
        " dankeschön, vielen dank, bitte, okay, ok, gut, sehr gut, na gut, alles klar, klar, na klar, natürlich,"
        " genau, richtig, stimmt, stopp, stop, halt, hör auf, sei still, ruhe, still, genug, das reicht,"
        " das ist alles, das war's, hallo, guten morgen, guten tag, guten abend, gute nacht, tschüss,"
        " auf wiedersehen, bis bald, bis morgen, bis später, vielleicht, weiß nicht, ich weiß nicht, keine ahnung,"
        " weiter, mach weiter, red weiter, noch mal, nochmal, noch einmal, wiederhole das, hilfe, hilf mir,"
        " abbrechen, vergiss es, egal, morgen, heute, morgen früh, heute abend, jetzt, jetzt nicht, noch nicht,"
        " nichts, ich auch, ich auch nicht, ach so, aha, verstehe, ich verstehe, perfekt, super, toll, prima,"
        " und du, und sie, und ihnen, und dir, wie bitte, warum nicht, na und, ich glaube schon, ich denke schon,"
        " glaube ich, mir geht's gut, auf jeden fall, auf keinen fall, ja klar, ja genau"
    ),
    polite=_phrases("bitte, danke, bitte schön, wenn möglich, wenn es geht"),
    open_endings=_phrases(
        "ich möchte, ich will, ich kann, ich hätte gern, ich hätte gerne, ich brauche, ich habe, ich bin,"
        " ich würde gern, ich würde gerne, ich würde, es ist, das ist, es gibt, name ist, nummer ist, problem ist,"
        " frage ist, ich heiße, ich glaube, ich denke, ich finde, erzähl mir, sag mir, gib mir, zeig mir,"
        " erzähle mir, sage mir, zeige mir, erklär mir, weißt du, wissen sie, hast du, haben sie, gibt es,"
        " kannst du mir, können sie mir, könntest du mir, könnten sie mir, könntest du, kannst du, mir sagen,"
        " mir bitte sagen, können sie mir sagen, sodass, so dass, mehr als, anstatt, ein bisschen, so wie,"
        " wie viel, wie viele, was für, was für ein, ich wollte, ich wollte fragen, ich suche, ich wohne in,"
        " ich komme aus, wer ist, was ist, wie ist, wo ist, wann ist, was sind, wo sind, wer sind, ich frage mich,"
        " es geht um, ich weiß nicht ob, wegen dem"
    ),
    closed_endings=_phrases(
        "wie spät ist es, wer ist das, was ist das, komm her, es ist so, das glaube ich, denke ich, ich bin's,"
        " das bin ich, ich bin da, wenn du willst, wie du willst, was ist es, wer bin ich, kommst du mit,"
        " kommen sie mit, ich komme mit, machst du mit, was gibt es, wie du meinst"
    ),
    dangling=_words(
        "und oder aber weil dass daß ob wenn denn sondern obwohl damit als bevor nachdem während der die den dem"
        " des ein eine einen einem einer eines mein meine meinen meinem meiner dein deine deinen deinem deiner"
        " seine seinen seinem unser unsere unseren euer eure kein keine keinen von für bei ohne zwischen wegen"
        " seit bis gegen durch im am zum zur vom beim ins ans sehr ganz diese dieser dieses diesen jeden jede"
        " jedes sowie weder entweder falls in ihren ihrem ihre seiner welche welcher welches"
    ),
    particles=_words("an auf aus ab mit vor zu nach um ein über unter hin her los"),
    stranders=_words(
        "was wann wie wo wer warum kommst gehst machst fängst fährst hörst rufst kommt geht fängt macht mach mache"
        " schalte schalt ruf zieh fang hör pass dreh steh nimm schließ zünd schau räum leg setz kommen"
    ),
    determiners=_words("der die das ein eine einen mein dein"),
    subordinators=_words("und weil dass ob wenn aber oder denn obwohl bevor nachdem also dann"),
    subjects=_words("ich du er wir man"),
    objects=_words("sie ihr"),
    copulas=_words("ist sind bin bist war waren wird werden wurde"),
    auxiliaries=_words(
        "habe hat haben hatte kann können könnte will wollen möchte möchten soll sollte muss müssen darf würde"
        " würden mag"
    ),
    takers=_words("brauche brauchst heiße heißt suche meinte wollte hätte"),
    soft=_words("andere anderen nächste nächsten noch mehr neue neuen etwas"),
    asking=_words(
        "was wer wen wem wie wo wann warum wieso weshalb wohin woher welche welcher welches wieviel womit wofür"
    ),
    askers=_words(
        "kannst können könntest könnten könnt hast haben habt ist sind bist bin war willst wollen möchtest möchten"
        " magst mögen darf soll sollen musst muss weißt wissen gibt geht kommst kommt machst gehst sprichst"
        " sprechen fährst hörst wohnst kennst kennen wird würdest würden brauchst brauchen siehst arbeitest hat"
        " wart"
    ),
    modals=_words("kannst können könntest könnten könnt darf soll sollen würdest würden"),
    commands=_words(
        "erzähl erzähle sag sage gib zeig zeige spiel spiele mach mache schalte schalt öffne schließ schließe ruf"
        " rufe buche such suche finde lies schreib schreibe erklär erkläre hilf stell stelle stopp wiederhole"
        " übersetze erinnere weck wecke starte bestell bestelle kauf kaufe sing singe lösche ändere nenn nenne"
        " beschreib beschreibe berechne dreh nimm hol bring"
    ),
    digits=_words("null eins zwei zwo drei vier fünf sechs sieben acht neun"),
    numbers=_words("zehn elf zwölf zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig hundert tausend"),
    operators=_words("plus minus mal durch auf um als nummer seite kapitel und"),
    number_cues=_words("nummer telefonnummer handynummer handy telefon"),
)

FRENCH = TurnWords(
    fillers=_words("déjà peut juste vraiment aussi encore"),
    reasons=_words("pourquoi"),
    in_situ=_words("quoi où comment combien quand qui"),
    split_apostrophes=True,
    hesitations=_words("euh heu hum hm hmm mm ben bah um uh"),
    stalls=_phrases(
        "laisse moi réfléchir, laissez moi réfléchir, laisse moi voir, laissez moi voir, attends, attendez,"
        " attends une seconde, attendez une seconde, une seconde, un instant, un moment, une minute,"
        " deux secondes, deux minutes, voyons, voyons voir, comment dire, comment on dit, je réfléchis,"
        " c' est à dire, je veux dire, attends un peu"
    ),
    openers=_words(
        "et alors bon oui non bonjour salut ok okay donc mais ah oh eh tiens dis dites s'il pardon excusez allô"
        " d'accord"
    ),
    answers=_phrases(
        "oui, non, si, ouais, d' accord, ok, okay, bien sûr, merci, merci beaucoup, non merci, oui merci,"
        " s' il vous plaît, s' il te plaît, oui s' il vous plaît, stop, arrête, arrêtez, tais toi, taisez vous,"
        " silence, ça suffit, assez, c' est tout, c' est ça, c' est bon, c' est bien, ça va, ça va bien,"
        " exactement, exact, voilà, parfait, super, génial, très bien, bien, bonjour, bonsoir, salut, bonne nuit,"
        " au revoir, à bientôt, à demain, à plus tard, peut être, je ne sais pas, je sais pas, aucune idée,"
        " continue, continuez, vas y, allez y, encore, répète, répétez, au secours, aide moi, aidez moi, annule,"
        " laisse tomber, tant pis, demain, aujourd' hui, demain matin, ce soir, maintenant, pas maintenant,"
        " pas encore, rien, personne, moi aussi, moi non plus, et toi, et vous, pardon, pourquoi pas, je crois,"
        " je pense, je comprends, j' ai compris, pas du tout, je crois que oui, je pense que oui, c' est vrai,"
        " tout à fait, qui sait, bonjour à tous"
    ),
    polite=_phrases("s' il vous plaît, s' il te plaît, merci, si possible, si tu peux, si vous pouvez"),
    open_endings=_phrases(
        "je voudrais, je veux, je peux, j' aimerais, j' ai besoin, je dois, je suis, j' ai, je m' appelle,"
        " mon nom est, numéro est, problème est, il y a, c' est, est ce que, qu' est ce que, est ce que tu,"
        " est ce que vous, est ce que je, est ce qu' il, parce que, pour que, afin de, en train de, avant de,"
        " au lieu de, à cause de, à propos de, dis moi, dites moi, donne moi, donnez moi, montre moi, montrez moi,"
        " raconte moi, racontez moi, explique moi, expliquez moi, tu peux, vous pouvez, peux tu, pouvez vous,"
        " pourriez vous, pourrais tu, tu sais, vous savez, sais tu, savez vous, je pense que, je crois que,"
        " je me demande, il faut, il faut que, tu as, vous avez, avez vous, as tu, est ce que tu peux,"
        " est ce que vous pouvez, pouvez vous me, peux tu me, pouvez vous me dire, peux tu me dire,"
        " tu peux me dire, j' habite, je viens de, qui est, quel est, quelle est, où est, quels sont, où sont,"
        " quelles sont, combien de, un peu de, beaucoup de, j' ai envie de, je suis en, est ce, je cherche un,"
        " quelle heure"
    ),
    closed_endings=_phrases(
        "qu' est ce que c' est, qu' est ce qu' il y a, qui est ce, comment ça va, ça va, si tu veux,"
        " si vous voulez, comme tu veux, que je suis, où je suis, qui je suis, quelle heure il est, je viens avec,"
        " qu' est ce que tu as, qu' est ce que je peux, que veux tu"
    ),
    dangling=_words(
        "et ou mais car si comme lorsque lorsqu' puisque puisqu' que qu' le la les un une des du de d' l' j' s' n'"
        " m' t' c' mon ma mes ton ta tes son sa ses notre nos votre vos leur leurs ce cet cette ces à au aux en"
        " dans sur sous avec pour sans par chez vers entre depuis pendant contre je me te se ne très trop dont"
        " chaque jusqu' parce ni"
    ),
    subordinators=_words("et mais que qu' si quand parce ou car comme"),
    subjects=_words("il ils"),
    objects=_words("elle elles nous vous tu on"),
    copulas=_words("est sont suis es êtes était étaient sommes"),
    auxiliaries=_words(
        "ai as a avez avons ont veux veut voulez voudrais peux peut pouvez dois doit devez aimerais faut"
    ),
    takers=_words("cherche appelle prends voulais dire vais"),
    soft=_words("autre autres quelques nouveau nouvelle prochain prochaine même plus bon bonne moi toi lui"),
    asking=_words("qui quoi quel quelle quels quelles comment où quand pourquoi combien que qu' lequel laquelle"),
    askers=_words(
        "est peux pouvez pourriez pourrais as avez es êtes veux voulez sais savez connais connaissez parles parlez"
        " a va vas allez tu vous y aimes aimez"
    ),
    commands=_words(
        "dis dites donne donnez montre montrez raconte racontez explique expliquez joue jouez mets mettez ouvre"
        " ouvrez ferme fermez allume allumez éteins éteignez appelle appelez cherche cherchez trouve trouvez lis"
        " lisez écris écrivez réserve réservez annule annulez répète répétez traduis traduisez chante chantez aide"
        " aidez rappelle rappelez réveille réveillez lance lancez change changez arrête arrêtez fais faites parle"
        " parlez calcule achète commande envoie"
    ),
    digits=_words("zéro deux trois quatre cinq six sept huit neuf"),
    numbers=_words("dix onze douze treize quatorze quinze seize vingt trente quarante cinquante soixante cent mille"),
    operators=_words("plus moins fois par à et numéro page chapitre"),
    number_cues=_words("numéro téléphone portable"),
)

HINDI = TurnWords(
    fillers=_words("शायद भी shayad bhi zara ज़रा"),
    verb_last=True,
    hesitations=_words("um uh hmm hm अं उम्म हम्म अम्म उम्म्म ummm umm अह mm"),
    stalls=_phrases(
        "एक मिनट, एक सेकंड, एक सेकेंड, रुको, रुकिए, ज़रा रुको, ज़रा रुकिए, सोचने दो, मुझे सोचने दो,"
        " मुझे सोचने दीजिए, सोचने दीजिए, देखते हैं, मतलब, ek minute, ek minat, ek second, ek sekand, ruko, rukiye,"
        " zara ruko, zara rukiye, sochne do, mujhe sochne do, sochne dijiye, mujhe sochne dijiye, matlab, yaani,"
        " यानी, ek min, dekhte hain"
    ),
    openers=_words(
        "और तो अच्छा हाँ नहीं जी हेलो नमस्ते अरे ठीक ओके अब सुनो सुनिए प्लीज़ aur to toh accha achha haan nahi"
        " nahin ji hello namaste are arre theek ok okay ab suno suniye please lekin लेकिन"
    ),
    answers=_phrases(
        "हाँ, जी, जी हाँ, हाँ जी, नहीं, जी नहीं, ठीक है, अच्छा, ओके, धन्यवाद, शुक्रिया, बहुत धन्यवाद,"
        " बहुत बहुत धन्यवाद, नमस्ते, नमस्कार, हेलो, अलविदा, फिर मिलेंगे, बस, चुप, चुप रहो, बंद करो, बिल्कुल, सही,"
        " सही है, पता नहीं, मुझे नहीं पता, मालूम नहीं, शायद, कल, आज, कल सुबह, अभी, अभी नहीं, कुछ नहीं, फिर से,"
        " आगे बोलो, जारी रखो, क्यों नहीं, और आप, और तुम, मैं भी, मदद, रद्द करो, haan, han, ha, ji, ji haan,"
        " haan ji, nahi, nahin, ji nahi, theek hai, thik hai, accha, achha, ok, okay, dhanyavaad, dhanyavad,"
        " shukriya, bahut dhanyavaad, namaste, namaskar, hello, alvida, phir milenge, bas, chup, chup raho,"
        " band karo, bilkul, sahi, sahi hai, pata nahi, pata nahin, mujhe nahi pata, malum nahi, shayad, kal, aaj,"
        " kal subah, abhi, abhi nahi, kuch nahi, kuchh nahi, phir se, fir se, kyon nahi, kyun nahi, aur aap,"
        " main bhi, madad, thank you, thanks, stop, yes, no"
    ),
    polite=_phrases("प्लीज़, प्लीज, कृपया, धन्यवाद, please, kripya, dhanyavaad, shukriya"),
    open_endings=_phrases(
        "मेरा नाम, मेरा नंबर, मेरी समस्या, मेरा सवाल, मेरा फोन नंबर, मेरा नंबर है, मेरा फोन नंबर है, समस्या है,"
        " बात यह है, मुझे लगता है, मैं चाहता हूँ, मैं चाहती हूँ, मैं हूँ, के बारे में, के लिए, की तरह, के साथ,"
        " की वजह से, के पास, में से, क्या आप, आपका नाम, mera naam, mera number, mera sawal, meri samasya,"
        " mera phone number, mera number hai, mera phone number hai, baat yeh hai, mujhe lagta hai,"
        " main chahta hoon, main chahta hun, main chahti hoon, main hoon, ke baare mein, ke bare mein, ke liye,"
        " ki tarah, ke saath, ki wajah se, ke paas, kya aap, aapka naam, aisa hai"
    ),
    closed_endings=_phrases(
        "कैसे हैं आप, कौन हो तुम, kaise hain aap, kaun ho tum, कैसे हो तुम, kaise ho tum, समय क्या है, यह क्या है,"
        " नाम क्या है, yeh kya hai, ye kya hai, naam kya hai, samay kya hai, यह कौन है, वह कौन है, yeh kaun hai,"
        " किसके लिए, kiske liye, kis liye"
    ),
    dangling=_words(
        "और या लेकिन मगर क्योंकि कि अगर जब ताकि परंतु पर में से को का की के ने तक मेरा मेरी मेरे तुम्हारा तुम्हारी"
        " आपका आपकी आपके हमारा हमारी उसका उसकी इसका अपना अपनी अपने एक मैं हम वह वो यह ये आप तुम मुझे तुम्हें आपको"
        " हमें उसे मुझको जो बहुत इस उस aur ya lekin magar kyonki kyunki ki agar jab taaki par mein me se ko ka ke"
        " ne tak mera meri mere tumhara tumhari aapka aapki aapke hamara hamari uska uski iska apna apni apne ek"
        " main hum ham wo woh vo yeh ye aap tum mujhe tumhe tumhein aapko hame hamein use jo bahut is us"
    ),
    particles=_words("में पर से तक को का की mein me par se tak ko ka ki"),
    asking=_words(
        "क्या कौन कहाँ कब क्यों कैसे कैसा कैसी कितना कितने कितनी किस kya kaun kahan kahaan kab kyon kyun kaise"
        " kaisa kaisi kitna kitne kitni kis"
    ),
    final_verbs=_words(
        "है हैं हूँ हो था थी थे चाहिए बताओ सुनाओ करो दो लो जाओ आओ बोलो खोलो चलाओ बजाओ सुनो देखो लाओ लगाओ रखो बताइए"
        " बताइये सुनाइए कीजिए दीजिए दीजिये लीजिए बोलिए चलाइए खोलिए गया गई गए हुआ हुई किया दिया hai hain hoon hun"
        " hu ho tha thi chahiye batao sunao karo do lo jao aao bolo kholo chalao bajao suno dekho lao lagao rakho"
        " bataiye bataiyega sunaiye kijiye kariye dijiye lijiye boliye chalaiye kholiye gaya gayi gaye hua hui"
        " kiya diya"
    ),
    final_suffixes=(
        "ऊंगा",
        "ऊंगी",
        "ूंगा",
        "ूंगी",
        "ेगा",
        "ेगी",
        "ेंगे",
        "ोगे",
        "एगा",
        "एगी",
        "एंगे",
        "ओगे",
        "unga",
        "ungi",
        "oonga",
        "oongi",
        "ega",
        "egi",
        "enge",
        "oge",
        "इए",
        "iye",
    ),
    digits=_words(
        "शून्य एक दो तीन चार पाँच छह सात आठ नौ shunya ek do teen char paanch panch chhah chhe saat aath nau zero"
    ),
    numbers=_words("दस ग्यारह बारह बीस तीस चालीस पचास सौ हज़ार das gyarah barah bees tees chalis pachas sau hazaar"),
    number_cues=_words("नंबर फोन मोबाइल number phone mobile"),
)

_LANGUAGES = {"en": ENGLISH, "es": SPANISH, "de": GERMAN, "fr": FRENCH, "hi": HINDI}


def turn_words_of(code: str) -> TurnWords:
    """What is known of a language by its code ("en", "de-AT"); nothing of one not listed."""
    return _LANGUAGES.get(code.replace("_", "-").partition("-")[0].casefold(), TurnWords())
