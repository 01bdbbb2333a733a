"""What the synthetic voices say. A bar marks where a speaker may pause and go on; the end of a sentence ends the turn.

The sentences are spoken as a whole, so that the melody up to a bar is that of the whole sentence.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tests.benchmarks.turns.case import Kind, Part


@dataclass(frozen=True, slots=True)
class Sentence:
    """`text` is as spoken, with punctuation. `bars` are the numbers of words after which there may be a pause."""

    kind: Kind
    part: Part
    text: str
    bars: tuple[int, ...]
    asked: str = ""


CUT_SPEECH = {
    Part.DEVELOPMENT: (
        "I would like to book a table | for four people | at seven on Friday.",
        "Can you remind me to call the dentist | when I get home | this evening?",
        "We went to the market | and bought some apples | for the cake.",
        "I need a hotel in Lisbon | near the old town | for three nights.",
        "Please send the report | to everybody on the team | before the meeting starts.",
        "Tell me how long it takes | to drive from Berlin | to Hamburg.",
        "My sister lives in Boston | but she wants to move | to Chicago.",
        "I think we should wait | until the others are here | and then decide.",
        "What is the best way | to cook rice | without a lid?",
        "Last summer we rented a house | by the sea | with a big garden.",
        "Could you play something quiet | because the baby | is asleep?",
        "The train was late | so I missed the flight | and had to stay overnight.",
        "I am looking for a present | for my brother | who likes chess.",
        "Add milk and eggs | to my shopping list | and remove the butter.",
        "Is there a pharmacy | that is open | on Sundays?",
        "If it rains tomorrow | we can go to the museum | instead.",
        "She asked me | whether I had seen | the new film.",
        "I have been working here | for almost ten years | and I still enjoy it.",
        "Turn off the lights | in the kitchen | and the living room.",
        "The doctor said | that I should walk more | and eat less salt.",
        "How much does it cost | to send a parcel | to Canada?",
        "He bought a red bicycle | from the shop | next to the station.",
        "You can leave the keys | with the neighbour | on the second floor.",
        "I tried to call them | twice | but nobody answered.",
    ),
    Part.HELD_OUT: (
        "Could you find me a flight | to Madrid | on the first of May?",
        "My grandmother grew up | in a small village | near the border.",
        "I want to change my appointment | from Tuesday | to Thursday afternoon.",
        "Set an alarm | for half past six | on weekdays.",
        "They told us | that the shop would close | at eight.",
        "What should I wear | if I go walking | in the mountains in April?",
        "We have two dogs | and a very old cat | who sleeps all day.",
        "Please translate this letter | into Spanish | and read it to me.",
        "The meeting has been moved | to the big room | upstairs.",
        "I finished the first chapter | but I did not understand | the ending.",
        "Where can I buy | a cheap umbrella | around here?",
        "Our neighbours are building | a wooden shed | behind the garage.",
        "Write a message to Peter | saying that I will be late | because of the traffic.",
        "When I was a child | we used to swim | in the river.",
        "Does the museum have a room | where I can leave | my bag?",
        "He works at a hospital | as a nurse | on the night shift.",
    ),
}

HESITATIONS = {
    Part.DEVELOPMENT: (
        "I would like to um | order a pizza with mushrooms.",
        "Can you tell me uh | how far it is to the airport?",
        "My name is uh | Thomas Miller.",
        "We should meet at um | half past nine.",
        "I was thinking about uh | going to the cinema.",
        "The password is um | green elephant.",
        "Please call um | my brother David.",
        "I need uh | two tickets for tonight.",
        "It was on uh | Wednesday I believe.",
        "Play some um | old jazz music.",
        "What do you know about um | the city of Prague?",
        "She said that uh | the money was gone.",
        "I live um | close to the harbour.",
        "Well um | I am not really sure.",
        "There are um | about twenty people here.",
        "He drives a um | small white van.",
        "Is it possible to uh | pay by card?",
        "I have a question uh | about my last bill.",
        "We could take the bus um | or walk.",
        "I wanted to ask um | if you have a room.",
    ),
    Part.HELD_OUT: (
        "I am calling about um | the flat on King Street.",
        "Could you uh | repeat the last part?",
        "My address is um | fourteen Station Road.",
        "Remind me to uh | water the plants.",
        "The colour should be um | a kind of dark blue.",
        "How do I uh | change the language?",
        "They arrived um | late in the evening.",
        "I want a coffee uh | with oat milk.",
        "You need to um | press the left button.",
        "We sold the house uh | three years ago.",
        "It hurts um | when I bend my knee.",
        "So uh | what happens next?",
        "Let us meet um | in front of the library.",
        "Do you have um | anything without nuts?",
        "I think his name was uh | Martin.",
        "Book a taxi um | to the main station.",
    ),
}

QUESTIONS = {
    Part.DEVELOPMENT: (
        "What time is it in Tokyo?",
        "How are you today?",
        "Set a timer for ten minutes.",
        "What is the capital of Norway?",
        "Tell me a joke.",
        "Who wrote Hamlet?",
        "Turn on the lights.",
        "Where is the nearest bank?",
        "Can you hear me?",
        "What is the weather like in Rome?",
        "Stop the music please.",
        "How many people live in China?",
        "Is it going to rain tomorrow?",
        "When does the next train leave?",
        "Read me the news.",
        "What does that mean?",
        "Could you say that again?",
        "Why is the sky blue?",
        "Close the door.",
        "How old is the universe?",
    ),
    Part.HELD_OUT: (
        "What day is it today?",
        "How tall is Mount Everest?",
        "Call my mother.",
        "Who painted the Mona Lisa?",
        "Can you help me?",
        "Where were you born?",
        "Tell me a story about a dragon.",
        "How do you spell necessary?",
        "Are the shops open on Monday?",
        "Turn down the volume.",
        "What is two plus two?",
        "Do you speak French?",
        "When is your birthday?",
        "Which planet is the biggest?",
        "Cancel my alarm.",
        "How does a fridge work?",
    ),
}

ANSWERS: dict[Part, dict[str, tuple[str, ...]]] = {
    Part.DEVELOPMENT: {
        "Shall I read it again?": ("Yes.", "No thanks.", "Yes please.", "Yes | but only the first part."),
        "Would you like tea or coffee?": ("Coffee.", "Tea please.", "I would like | a coffee.", "The first one."),
        "What is your name?": ("Anna Schmidt.", "My name is | Robert.", "It is | Maria Lopez.", "Robert."),
        "How many people will come?": ("Four.", "About twenty.", "Two adults | and three children.", "I think | six."),
        "Which city do you live in?": (
            "Berlin.",
            "I live in | Manchester.",
            "In a village | near Oxford.",
            "San Francisco.",
        ),
        "Did you sleep well?": ("Not really.", "Yes I did.", "No | the neighbours had a party.", "Very well."),
        "When do you want to leave?": ("Tomorrow morning.", "On | Monday.", "At nine.", "As soon as | the rain stops."),
        "Do you want me to call them?": ("No.", "Go ahead.", "Yes | but not before noon.", "Not yet."),
        "Tell me about your weekend.": (
            "It was nice | we went to the lake | and had a picnic.",
            "I stayed at home.",
            "On Saturday | I painted the kitchen.",
        ),
        "What kind of music do you like?": (
            "Jazz.",
            "I like | old songs.",
            "Mostly classical music.",
            "Rock | and sometimes blues.",
        ),
    },
    Part.HELD_OUT: {
        "Should I save the changes?": ("Yeah.", "No don't.", "Sure.", "No | I want to check them first."),
        "Do you prefer the window or the aisle?": ("The window.", "Aisle please.", "I prefer | the window."),
        "What is your surname?": ("Johnson.", "My surname is | Brown.", "It is | O'Connor."),
        "How many nights will you stay?": ("Two.", "Three nights.", "From Monday | to Thursday.", "Probably | five."),
        "Where should I send it?": ("To my office.", "To | my home address.", "Send it to | the hotel.", "London."),
        "Is this the right address?": ("Yes it is.", "Nope.", "Yes | but the postcode is wrong."),
        "What time suits you?": ("Half past three.", "Any time after | four.", "Noon.", "In the morning | around ten."),
        "Why do you want to cancel?": ("I am ill.", "Because | my plans have changed.", "I found | a cheaper one."),
        "What did you do yesterday?": (
            "I worked.",
            "I visited my aunt | and we cooked together.",
            "We | watched a film.",
        ),
    },
}

DIGITS: dict[Part, dict[str, tuple[str, ...]]] = {
    Part.DEVELOPMENT: {
        "What is your phone number?": (
            "five five five | two three six | nine oh one four.",
            "oh seven seven | three one two | eight eight five | six four two.",
        ),
        "Please tell me the code.": ("four seven | nine two.", "eight one three | five five zero."),
        "": ("My number is | three four six | two two nine | eight oh seven one.", "two four six | eight | ten."),
        "What is your card number?": (
            "four five three two | one one eight seven | nine zero zero six | two two five one.",
        ),
        "In which year were you born?": ("nineteen | eighty four.", "two thousand and | three."),
        "What is your postcode?": ("one zero | nine six seven.", "nine four one | one seven."),
    },
    Part.HELD_OUT: {
        "What is your telephone number?": (
            "oh one six one | four nine six | zero three three five.",
            "six one seven | five five five | oh one nine nine.",
        ),
        "Please read me the order number.": (
            "seven seven | two oh | five nine one.",
            "three eight four | one two six.",
        ),
        "": (
            "The code is | nine one | four six.",
            "Dial four four | two oh | seven nine four six.",
        ),
        "What is your account number?": ("one two eight five | seven seven three one.",),
        "What is the date of your birth?": (
            "the third of May | nineteen seventy two.",
            "twelve | eleven | two thousand.",
        ),
    },
}


def sentences() -> Iterator[Sentence]:
    """Yields all sentences of both parts."""
    for kind, parts in ((Kind.CUT_SPEECH, CUT_SPEECH), (Kind.HESITATION, HESITATIONS), (Kind.QUESTION, QUESTIONS)):
        for part, texts in parts.items():
            yield from (_sentence(kind, part, text) for text in texts)
    for kind, asked_by_part in ((Kind.ANSWER, ANSWERS), (Kind.DIGITS, DIGITS)):
        for part, answers in asked_by_part.items():
            for asked, texts in answers.items():
                yield from (_sentence(kind, part, text, asked) for text in texts)


def _sentence(kind: Kind, part: Part, marked: str, asked: str = "") -> Sentence:
    pieces = marked.split("|")
    bars = tuple(len(" ".join(pieces[:count]).split()) for count in range(1, len(pieces)))
    return Sentence(kind, part, " ".join(marked.replace("|", " ").split()), bars, asked)
