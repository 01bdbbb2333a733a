"""Grammar of the end of a turn: does the last word need another one, and is a question or command complete?

`body` is the sentence without its openers ("well, ...") and hesitations.
"""

from __future__ import annotations

from voicebot.languages.schema import EndOfTurnWords

Words = tuple[str, ...]

_SHORT_QUESTION = 6
"""The words of a short question."""


def is_open(body: Words, of: EndOfTurnWords, *, answered: bool) -> bool:
    """Returns True when the last word needs another one. `answered`: a "yes" or "no" stood before these words."""
    last, before = body[-1], body[-2] if len(body) > 1 else ""
    if last in of.dangling or set(body) <= of.question_words | of.particles:
        return True
    if last in of.question_words - of.in_situ and body[0] in of.question_verbs | of.commands:
        return True  # "Can you tell me why" may be complete, but rarely is.
    if last in of.particles:
        return not _may_strand(body, of)
    if last in of.copulas | of.auxiliaries:
        return not answered and _waits_for_complement(body, of)
    if last in of.pronouns:
        return _waits_for_verb(body, of)
    if last in of.transitive_verbs:
        asked = body[0] in of.question_words and before not in of.question_words
        adjunct = body[0] in of.adjuncts and body[1:2] and body[1] not in of.weak_endings
        return not (answered or (asked and not adjunct))
    if last in of.clause_openers - of.in_situ and len(body) > 2:
        return True  # as in "it doesn't work when"
    return body[0] in of.modals and last in of.datives


def _may_strand(body: Words, of: EndOfTurnWords) -> bool:
    """Returns True when the last word, a preposition, may end the sentence, as in "what is it for", "turn it on"."""
    first, last, before = body[0], body[-1], body[-2] if len(body) > 1 else ""
    if (first in of.commands or before in of.things | of.datives) and last in of.separable:
        return len(body) > 2
    if first not in of.stranders or len(body) < of.shortest_question:
        return False
    # In "what is the capital of" the preposition belongs to the noun.
    noun_at = 1 if "'" in first else 2
    defines = "'" in first or body[1] in of.copulas
    return before not in of.question_words and not (
        defines and last not in of.adjectival and body[noun_at] in of.determiners
    )


def _waits_for_complement(body: Words, of: EndOfTurnWords) -> bool:
    """Returns True when the last word, a copula or auxiliary, needs more; not so in "I think he can"."""
    if len(body) < 3:
        return True
    before = body[-2]
    if of.verb_last_clauses and not (of.clause_openers | of.conjunctions).isdisjoint(body[:-2]):
        return False
    if (
        body[0] in of.question_words
        and not _pronoun(before, of)
        and of.shortest_question > 2
        and (len(body) == 3 or body[0] in of.reasons)
    ):
        return True  # as in "how much is", "why the sky is"
    if body[0] in of.question_words and _pronoun(body[1], of) and not _pronoun(before, of):
        return True  # as in "What I'm trying to say is"
    if any(word in of.question_words for word in body[:-2]):
        return before in of.transitive_verbs or (len(body) == 3 and body[0] in of.subordinators)
    return before not in of.pronouns or len(body) < 4


def _pronoun(word: str, of: EndOfTurnWords) -> bool:
    return word.partition("'")[0] in of.pronouns


def _waits_for_verb(body: Words, of: EndOfTurnWords) -> bool:
    """Returns True when the last word, a pronoun, needs a verb; not in "how are you", "can you help me find it"."""
    last, before = body[-1], body[-2] if len(body) > 1 else ""
    if not before:
        return last in of.subjects
    if before in of.auxiliaries and len(body) > 3 and body[-3] in of.pronouns | of.particles:
        return False  # The auxiliary is a main verb in "can you do it", "I want to have that".
    if before in of.subordinators or before in of.auxiliaries | of.modals:
        return True
    verbs = of.copulas | of.auxiliaries | of.question_verbs
    if len(body) > 3 and body[-3] in of.question_words - of.agents and before not in verbs:
        return True  # as in "tell me how long it"
    if before in of.copulas:
        who = len(body) > 3 or body[0] not in of.reasons
        return len(body) == 2 or not (who or last in of.things)
    if body[0] in of.clause_openers and body[1] in of.statements | of.determiners:
        return last in of.subjects  # as in "when i was a child we"
    return last in of.subjects and not (body[0] in of.question_words | of.question_verbs and len(body) > 2)


def is_whole(body: Words, of: EndOfTurnWords, *, closed: bool) -> bool:
    """Returns True for a question or command with all its parts. `closed`: nothing can follow its last words."""
    first, last, size = body[0], body[-1], len(body)
    if closed:
        return first in of.question_words | of.question_verbs
    if (
        last in of.weak_endings
        or (last in of.datives and first not in of.question_words and (of.modals or size == 2))
        or ends_with_open_number(body, of)
    ):
        return False
    if last in of.demonstratives and body[-2:-1] and body[-2] not in of.copulas | of.auxiliaries:
        return False
    if last in of.in_situ and size > 1 and first not in of.commands:
        return True
    asked_at = max((at for at, word in enumerate(body) if at and word in of.question_words), default=0)
    if asked_at and size - asked_at < 3:
        return False
    if size == 1:
        return False
    second = body[1]
    if first in of.question_words:
        verbs = of.copulas | of.auxiliaries | of.question_verbs
        has_verb = "'" in first or size > 4 or not verbs.isdisjoint(body[1:]) or (first in of.agents and size > 2)
        has_verb |= second in of.adjectival  # "what about tomorrow"
        if of.modals and not of.modals.isdisjoint(body[1:3]) and not last.endswith(of.infinitive_suffixes):
            return False
        if of.verb_needed and _ends_with_subject(body, of):
            return False
        if size < of.shortest_question:
            return second in of.question_verbs and not of.verb_needed
        before_verb = of.subjects | (of.objects if of.verb_needed else set())
        if of.verb_needed or of.verb_last_clauses or size <= of.shortest_question:
            before_verb |= of.determiners  # not so in "pourquoi les chats ronronnent"
        embedded = "'" not in first and second in before_verb
        return not embedded and (has_verb or not of.verb_needed)
    if first in of.question_verbs:
        if first in of.modals and not last.endswith(of.infinitive_suffixes):
            return False
        return size > 3 or (size >= of.shortest_question and second not in of.determiners | of.demonstratives)
    if of.inverts and size > 2 and second in of.subjects | of.objects | of.things and not _is_function_word(first, of):
        return True  # as in "regnet es heute"
    if first in of.split_commands and size > 2 and second not in of.datives and last not in of.separable:
        return False
    return first in of.commands and (size > 2 or second not in of.determiners | of.weak_endings)


def is_subordinate(body: Words, of: EndOfTurnWords) -> str | None:
    """Returns the word that begins a clause whose verb, or whose main clause, is still to come."""
    first, size = body[0], len(body)
    openers = of.clause_openers | of.conjunctions
    if of.verb_last:
        if size > 2 and body[-2] in openers and not _ends_with_verb(body, of):
            return body[-2]
        return first if first in of.clause_openers and of.main_clauses.isdisjoint(body[1:]) else None
    if size > 3 and body[-3] in openers and body[-2] in of.determiners:
        return body[-3]  # "... because the neighbours"
    if first not in of.clause_openers or size < 3 or body[1] in of.question_verbs - of.subjects - of.objects:
        return None
    subject = of.statements | of.determiners | of.dangling | of.pronouns
    if of.subjects and first in of.question_words and body[1] not in subject:
        return None  # as in "when does it begin"; a language without a list of subjects leaves them out
    rest = body[3:]
    whole = not of.main_clauses.isdisjoint(rest) or any(_begins_statement(word, of) for word in rest)
    return None if whole else first


def _begins_statement(word: str, of: EndOfTurnWords) -> bool:
    return word in of.statements or (not of.split_apostrophes and "'" in word and _pronoun(word, of))


def is_weak(body: Words, of: EndOfTurnWords) -> bool:
    """Returns True when the last word rarely ends a sentence, as in "i bought a new"; not so in "that's new"."""
    if body[-1] not in of.weak_endings or not of.negations.isdisjoint(body):
        return False
    return len(body) == 1 or (body[-2] not in of.copulas and not body[-2].endswith("'s"))


def is_subject_and_verb(body: Words, of: EndOfTurnWords) -> bool:
    """Returns True for a subject with one more word: "i met", "she loves"."""
    return len(body) == 2 and body[0] in of.subjects | of.things


def could_be_statement(body: Words, of: EndOfTurnWords) -> bool:
    """Returns True for a subject with a verb and something after it, as in "i live in berlin"."""
    if _begins_statement(body[0], of):
        return len(body) >= of.shortest_question
    verbs = of.copulas | of.auxiliaries
    return body[0] in of.determiners and not verbs.isdisjoint(body[1:-1])


def _ends_with_subject(body: Words, of: EndOfTurnWords) -> bool:
    """Returns True for a question whose main verb is still to come, as in "why do cats", "how long does the film"."""
    helper = next((at for at in (1, 2) if body[at : at + 1] and body[at] in of.auxiliaries), None)
    if helper is None:
        return False
    subject = body[helper + 1 :]
    return len(subject) == 1 + bool(subject and subject[0] in of.determiners)


def _is_function_word(word: str, of: EndOfTurnWords) -> bool:
    return word in of.pronouns | of.subordinators | of.dangling | of.particles | of.statements | of.weak_endings


def is_short_yes_no(body: Words, of: EndOfTurnWords) -> bool:
    """Returns True for a whole question such as "are you a student", to which a speaker easily adds where or when."""
    asks = body[0] in of.question_verbs | of.modals | of.auxiliaries | of.copulas and body[0] not in of.question_words
    return asks and len(body) <= _SHORT_QUESTION and of.particles.isdisjoint(body[1:])


def ends_with_open_number(body: Words, of: EndOfTurnWords) -> bool:
    """Returns True when a number may continue or count something, as in "set a timer for five"."""
    number = body[-1] in of.digits | of.numbers or body[-1].isdecimal()
    return number and not (len(body) > 1 and body[-2] in of.operators)


def verb_last_open(body: Words, of: EndOfTurnWords) -> bool:
    """Returns True when something must follow, in a language whose verb ends the sentence (Hindi)."""
    last = body[-1]
    if last in of.particles and len(body) == 2:
        return False
    if last in of.dangling or set(body) <= of.question_words:
        return True
    if body[0] in of.question_words:
        return len(body) > 2 and not _ends_with_verb(body, of)
    return body[0] in of.subjects and body[-1] not in of.question_words and not _ends_with_verb(body, of)


def verb_last_whole(body: Words, of: EndOfTurnWords) -> bool:
    """Returns True when the sentence is complete, in a language whose verb ends it."""
    if len(body) > 2 and body[-1] in of.question_words:
        body = body[:-1]  # as in "aa gaya kya"
    return len(body) > 1 and _ends_with_verb(body, of)


def _ends_with_verb(body: Words, of: EndOfTurnWords) -> bool:
    return body[-1] in of.final_verbs or body[-1].endswith(of.final_suffixes)
