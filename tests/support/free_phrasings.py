"""Questions in the words that people use with a voice bot, each with what a right answer contains.

The questions of FIRST and BEYOND_FIRST were written from the list of the offline model's abilities, before their author
had read any of its rules. Those of SECOND to FIFTH were written after the rules had been changed, but before any of the
new questions had been tried. They measure the model and do not define what its rules have to match. A rule that answers
one of them but nothing similar is a defect.

The table shows the first measurement of each set: right answers to questions within the model's abilities, and
questions beyond them that it answered nevertheless. The check was stricter then: only the repeated words themselves
counted as a repetition, and two refusals in one answer did not count as a refusal.

            rules before      rules of that time
    FIRST   57 of 80, 12 of 40
    SECOND  23 of 40,  6 of 20   34 of 40, 0 of 20
    THIRD   21 of 40,  9 of 20   26 of 40, 1 of 20
    FOURTH  27 of 40,  8 of 20   36 of 40, 1 of 20
    FIFTH   26 of 40,  6 of 20   36 of 40, 3 of 20

Some of the questions are in lower case without punctuation, as people type and as some recognisers write. The others
have capitals, full stops and question marks, as Moonshine writes.

At the time of these measurements, the questions of DROPPED were among the questions within the model's abilities.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime

NOW = datetime(2026, 3, 11, 14, 30, tzinfo=UTC)
"""The time at which all questions are asked: a Wednesday with summer time in America but not yet in Europe."""


@dataclass(frozen=True)
class Clock:
    """The answer gives this time of day."""

    hour: int
    minute: int


@dataclass(frozen=True)
class Number:
    """The answer contains this number."""

    value: float


@dataclass(frozen=True)
class Day:
    """The answer names one of these days of the year."""

    options: tuple[date, ...]


@dataclass(frozen=True)
class Words:
    """The answer contains one of these words or phrases."""

    options: tuple[str, ...]


@dataclass(frozen=True)
class Kind:
    """The answer is of this kind: joke, story, repeat, identity, abilities, model, greeting, thanks or goodbye."""

    name: str


@dataclass(frozen=True)
class Phrase:
    """A question that follows those of `before`, and what its answer has to contain."""

    text: str
    want: Clock | Number | Day | Words | Kind
    before: tuple[str, ...] = ()


def _day(*options: tuple[int, int, int]) -> Day:
    return Day(tuple(date(*option) for option in options))


FIRST: tuple[Phrase, ...] = (
    # The local time.
    Phrase("what time is it", Clock(14, 30)),
    Phrase("Do you have the time?", Clock(14, 30)),
    Phrase("could you tell me what time it is now please", Clock(14, 30)),
    Phrase("Hey, um, what's the time?", Clock(14, 30)),
    # The time in other places.
    Phrase("what's the time in tokyo right now", Clock(23, 30)),
    Phrase("What time is it in New York City?", Clock(10, 30)),
    Phrase("tell me the current time in sydney australia", Clock(1, 30)),
    Phrase("what time do they have in los angeles at the moment", Clock(7, 30)),
    Phrase("time in kathmandu", Clock(20, 15)),
    Phrase("if i called my sister in toronto now what time would it be there", Clock(10, 30)),
    Phrase("What's the local time in Sao Paulo?", Clock(11, 30)),
    Phrase("and what about berlin", Clock(15, 30), before=("What time is it in London?",)),
    Phrase("what time is it in india", Clock(20, 0)),
    Phrase("What time is it in Reykjavik?", Clock(14, 30)),
    Phrase("what is the time over in the philippines", Clock(22, 30)),
    Phrase("what time is it in texas", Clock(9, 30)),
    # Dates.
    Phrase("what's today's date", _day((2026, 3, 11))),
    Phrase("What day is it today?", Words(("wednesday",))),
    Phrase("what's the date tomorrow", _day((2026, 3, 12))),
    Phrase("what day of the week was it yesterday", Words(("tuesday",))),
    Phrase("how many days until christmas", Number(289)),
    Phrase("How long is it until New Year's Eve?", Number(295)),
    Phrase("how many days till the first of june", Number(82)),
    Phrase("what day does the fourth of july fall on this year", Words(("saturday",))),
    Phrase("what's the date next friday", _day((2026, 3, 13), (2026, 3, 20))),
    Phrase("What day of the week was July 20th, 1969?", Words(("sunday",))),
    Phrase("i was born on the third of may nineteen eighty five what weekday was that", Words(("friday",))),
    Phrase("what will the date be in three weeks", _day((2026, 4, 1))),
    Phrase("What date was it ten days ago?", _day((2026, 3, 1))),
    Phrase("what year is it", Number(2026)),
    Phrase("which month are we in", Words(("march",))),
    Phrase("when is easter this year", _day((2026, 4, 5))),
    Phrase("what day is it in sydney right now", Words(("thursday",))),
    # Sums.
    Phrase("what's seven times eight", Number(56)),
    Phrase("What is 12 plus 30?", Number(42)),
    Phrase("how much is fifteen percent of eighty", Number(12)),
    Phrase("a hundred divided by eight", Number(12.5)),
    Phrase("what's the square root of 144", Number(12)),
    Phrase("two to the power of ten", Number(1024)),
    Phrase("Can you add 19 and 23 for me?", Number(42)),
    Phrase("if i take seventeen away from fifty what's left", Number(33)),
    Phrase("what's half of ninety", Number(45)),
    Phrase("Multiply 12 by 12.", Number(144)),
    Phrase("three quarters of a hundred and twenty", Number(90)),
    Phrase("what is one thousand two hundred and thirty four minus two hundred and thirty four", Number(1000)),
    Phrase("what's twenty five squared", Number(625)),
    Phrase("ten plus five times two", Number(20)),
    Phrase("What's 3.5 times 4?", Number(14)),
    Phrase("twenty percent off sixty dollars", Number(48)),
    Phrase(
        "What's seven divided by zero?", Words(("can't", "cannot", "undefined", "no answer", "nobody", "not possible"))
    ),
    Phrase("what's minus five plus eight", Number(3)),
    # Jokes and the story.
    Phrase("tell me something funny", Kind("joke")),
    Phrase("Do you know any jokes?", Kind("joke")),
    Phrase("another one", Kind("joke"), before=("tell me a joke",)),
    Phrase("I'd like to hear a story, please.", Kind("story")),
    Phrase("say something long so that i can interrupt you", Kind("story")),
    # Repeating.
    Phrase("say that again please", Kind("repeat"), before=("what is seven times eight",)),
    Phrase("Sorry, what was that?", Kind("repeat"), before=("tell me a joke",)),
    Phrase("i didn't catch that", Kind("repeat"), before=("what's today's date",)),
    # Its identity, its abilities, and how to add a language model.
    Phrase("are you a real person", Kind("identity")),
    Phrase("What's your name?", Kind("identity")),
    Phrase("what can you do", Kind("abilities")),
    Phrase("what kind of things can i ask you", Kind("abilities")),
    Phrase("how do i hook you up to chatgpt", Kind("model")),
    Phrase("Where do I put my API key?", Kind("model")),
    Phrase("what do i have to do to make you smarter", Kind("model")),
    # Greetings, thanks and goodbyes.
    Phrase("good morning", Kind("greeting")),
    Phrase("Thanks a lot, that was helpful.", Kind("thanks")),
    Phrase("okay bye bye", Kind("goodbye")),
)
"""Questions within the offline model's abilities."""

BEYOND_FIRST: tuple[str, ...] = (
    "who won the world cup in 2018",
    "What's the weather like today?",
    "book me a table for two tonight",
    "is it raining in paris",
    "translate hello into french",
    "what time does the bank close",
    "how old is the king",
    "what is the square root of my house number",
    "How many people live in Tokyo?",
    "what day was the battle of hastings",
    "What time is the football on tonight?",
    "when was albert einstein born",
    "set a timer for ten minutes",
    "Remind me to call mum tomorrow at nine.",
    "what's the date of the next solar eclipse",
    "how far is it from london to new york",
    "How long is the flight to Sydney?",
    "how much are two tickets to berlin",
    "play some music",
    "turn off the lights",
    "how many calories are in two eggs",
    "Who is the president of France?",
    "what's the capital of australia",
    "what time does the sun set in oslo",
    "when's my birthday",
    "how many days did the first world war last",
    "what's the best time to visit japan",
    "how much is a hundred dollars in euros",
    "What is the time complexity of quicksort?",
    "how many brothers does my dad have",
    "tell me the news",
    "what's the story of romeo and juliet",
    "Who wrote the story of Frankenstein?",
    "what's the plus side of living in canada",
    "how many times has brazil won the world cup",
    "can you divide the class into groups for me",
    "what year did the berlin wall come down",
    "Give me a recipe for pancakes for four people.",
    "what's on at the cinema tomorrow",
    "why is the sky blue",
)
"""Forty questions beyond these abilities, some of them only just. A right answer admits that and does not guess."""

SECOND: tuple[Phrase, ...] = (
    # The time.
    Phrase("Excuse me, could you give me the time, please?", Clock(14, 30)),
    Phrase("any idea what time it is", Clock(14, 30)),
    Phrase("What's the time over in San Francisco at the moment?", Clock(7, 30)),
    Phrase("i'm meeting someone in dubai what's their local time", Clock(18, 30)),
    Phrase("Hong Kong time, please.", Clock(22, 30)),
    # Dates.
    Phrase("Can you tell me what the date is?", _day((2026, 3, 11))),
    Phrase("which day of the week are we on", Words(("wednesday",))),
    Phrase("what was the date last sunday", _day((2026, 3, 8))),
    Phrase("On what day does Christmas fall this year?", Words(("friday",))),
    Phrase("how many weeks are there until halloween", Number(33)),
    Phrase("What day is it going to be a week from tomorrow?", Words(("thursday",))),
    Phrase("what weekday was the first of january two thousand", Words(("saturday",))),
    Phrase("is the twenty fifth of april a weekend day", Words(("saturday",))),
    Phrase("When's the next Easter Sunday?", _day((2026, 4, 5))),
    Phrase("how far away is the fourteenth of july", Number(125)),
    # Sums.
    Phrase("Hey, what do you get if you multiply nine by seven?", Number(63)),
    Phrase("forty two minus seventeen equals", Number(25)),
    Phrase("what is a quarter of two hundred", Number(50)),
    Phrase("I need 8 percent of 250.", Number(20)),
    Phrase("work out eleven squared for me", Number(121)),
    Phrase("how much is six hundred divided by twenty five", Number(24)),
    Phrase("what's the sum of four, five and six", Number(15)),
    Phrase("two and a half times four", Number(10)),
    Phrase("Could you subtract 99 from 1000?", Number(901)),
    # Other topics.
    Phrase("I could use a good laugh, got any jokes?", Kind("joke")),
    Phrase("hit me with another joke", Kind("joke"), before=("tell me a joke",)),
    Phrase("could you tell me a nice long story", Kind("story")),
    Phrase("Pardon? I didn't hear you.", Kind("repeat"), before=("what time is it",)),
    Phrase("what did you just say", Kind("repeat"), before=("what is seven times eight",)),
    Phrase("so am i talking to a human or a robot", Kind("identity")),
    Phrase("What sort of stuff are you able to do?", Kind("abilities")),
    Phrase("how can i get you to use a proper language model", Kind("model")),
    Phrase("Alright, I have to go now, see you tomorrow.", Kind("goodbye")),
)
"""Further questions within its abilities, to measure rules that were written with the first set in mind."""

BEYOND_SECOND: tuple[str, ...] = (
    "what time does the train to manchester leave",
    "Is the museum open on Sunday?",
    "how many grams are there in a pound",
    "What's the population of Berlin divided by two?",
    "who invented the clock",
    "when did the titanic sink",
    "how long should i boil an egg",
    "what's the difference between a crocodile and an alligator",
    "Send a message to Anna that I'll be late.",
    "which day is best for planting tomatoes",
    "what happened on the fourteenth of july 1789",
    "how many days can you live without water",
    "is tokyo bigger than new york",
    "What date did the war end?",
    "what is the time signature of a waltz",
    "How many minutes does a football game have?",
    "write me a poem about the sea",
    "how do you spell mississippi",
    "what's twice the height of the eiffel tower",
    "When is my next dentist appointment?",
)
"""Twenty further questions beyond its abilities."""

THIRD: tuple[Phrase, ...] = (
    # The time.
    Phrase("Sorry to bother you, what time have we got?", Clock(14, 30)),
    Phrase("time check please", Clock(14, 30)),
    Phrase("What time would it be in Seoul?", Clock(23, 30)),
    Phrase("my flight lands in singapore what time is it there now", Clock(22, 30)),
    Phrase("give me the time for cairo egypt", Clock(16, 30)),
    Phrase("what time do people have in new delhi right now", Clock(20, 0)),
    # Dates.
    Phrase("Remind me what today's date is.", _day((2026, 3, 11))),
    Phrase("so what's the day after tomorrow", Words(("friday",))),
    Phrase("tell me the date two weeks from now", _day((2026, 3, 25))),
    Phrase("what day of the week will new year's day be next year", Words(("friday",))),
    Phrase("How many days are left until the summer solstice on June 21st?", Number(102)),
    Phrase("what's the date on monday", _day((2026, 3, 16))),
    Phrase("Was September 11th, 2001 a Tuesday?", Words(("tuesday",))),
    # Sums.
    Phrase("seventeen and twenty five makes what", Number(42)),
    Phrase("Eight times nine, quickly!", Number(72)),
    Phrase("what would sixty four divided by sixteen be", Number(4)),
    Phrase("a tip of eighteen percent on fifty dollars", Number(9)),
    Phrase("take a third of sixty", Number(20)),
    Phrase("Calculate 1250 minus 375 plus 10.", Number(885)),
    Phrase("how much is one point five times one point five", Number(2.25)),
    Phrase("double four hundred and twenty", Number(840)),
    Phrase("what's ten to the third power", Number(1000)),
    # Other topics.
    Phrase("come on, tell us a joke", Kind("joke")),
    Phrase("Do you know a fairy tale?", Kind("story")),
    Phrase("Hang on, can you say that one more time?", Kind("repeat"), before=("what is seven times eight",)),
    Phrase("huh what did you say", Kind("repeat"), before=("tell me a joke",)),
    Phrase("Who exactly am I speaking with?", Kind("identity")),
    Phrase("are you some kind of computer", Kind("identity")),
    Phrase("give me some examples of what you can do", Kind("abilities")),
    Phrase("Is there a way to connect you to OpenAI?", Kind("model")),
    Phrase("hey good evening", Kind("greeting")),
)
"""Further questions, to measure the rules after the second round."""

BEYOND_THIRD: tuple[str, ...] = (
    "what time is breakfast served",
    "how many days is my passport still valid",
    "When do the clocks go back?",
    "what's the date of the super bowl",
    "how many years ago did caesar die",
    "what day do they collect the rubbish",
    "Is it a public holiday in Spain tomorrow?",
    "how much is my rent times twelve",
    "What's the speed of light divided by two?",
    "does time exist",
    "how far is the moon",
    "who said time is money",
    "what's the joke in the last scene of the office",
    "can you repeat after me",
    "how many hours of daylight are there in norway in june",
    "Add milk and eggs to my shopping list.",
    "What percentage of people are left handed?",
    "what did i tell you yesterday",
    "recommend a good restaurant in lisbon",
    "Which model of car is the fastest?",
)
"""Twenty further questions beyond its abilities."""

FOURTH: tuple[Phrase, ...] = (
    # The time.
    Phrase("Tell me what time it is.", Clock(14, 30)),
    Phrase("do you know the time in bangkok", Clock(21, 30)),
    Phrase("What's the time in Buenos Aires, Argentina, please?", Clock(11, 30)),
    Phrase("what time is it for someone in perth", Clock(22, 30)),
    Phrase("how about in madrid", Clock(15, 30), before=("what time is it in lisbon",)),
    Phrase("i need the time in toronto", Clock(10, 30)),
    # Dates.
    Phrase("What's the date today, please?", _day((2026, 3, 11))),
    Phrase("is it tuesday or wednesday today", Words(("wednesday",))),
    Phrase("what's the date this coming saturday", _day((2026, 3, 14))),
    Phrase("How many days until New Year?", Number(296)),
    Phrase("how many days is it till the tenth of april", Number(30)),
    Phrase("what day of the week is the first of may", Words(("friday",))),
    Phrase("What day was Christmas last year?", Words(("thursday",))),
    Phrase("in forty days what date will it be", _day((2026, 4, 20))),
    Phrase("what date was a hundred days ago", _day((2025, 12, 1))),
    Phrase("tell me the year please", Number(2026)),
    # Sums.
    Phrase("What is nine plus ten?", Number(19)),
    Phrase("can you tell me what thirteen times thirteen is", Number(169)),
    Phrase("how much does fifty seven plus sixty eight make", Number(125)),
    Phrase("three hundred divided by twelve please", Number(25)),
    Phrase("what is thirty percent of nine hundred", Number(270)),
    Phrase("Do the math: 48 minus 19.", Number(29)),
    Phrase("i want to know the square root of two hundred and twenty five", Number(15)),
    Phrase("two plus three plus four plus five", Number(14)),
    Phrase("what's two to the fifth", Number(32)),
    Phrase("if you multiply six by seven what do you get", Number(42)),
    # Other topics.
    Phrase("I'd love to hear a joke.", Kind("joke")),
    Phrase("say something to make me laugh", Kind("joke")),
    Phrase("tell me one of your stories", Kind("story")),
    Phrase("can you repeat that a bit louder please", Kind("repeat"), before=("what's today's date",)),
    Phrase("What? Say that again.", Kind("repeat"), before=("what is two plus two",)),
    Phrase("hi who is this", Kind("identity")),
    Phrase("are you a human being or a computer program", Kind("identity")),
    Phrase("so what all can you do", Kind("abilities")),
    Phrase("how do i get you to answer everything", Kind("model")),
    Phrase("thank you very much goodbye", Kind("goodbye")),
)
"""Further questions, to measure the rules after the third round."""

BEYOND_FOURTH: tuple[str, ...] = (
    "what time do banks open in london",
    "When does daylight saving time start?",
    "how many days are there until payday",
    "what day is garbage collection",
    "how long does it take to fly to tokyo",
    "what should i do on new year's eve",
    "Is it cold in Moscow?",
    "who is the tallest person in the world",
    "how many weeks is a pregnancy",
    "what's three plus my favourite number",
    "How much is a cup of coffee in Paris?",
    "how many miles is five kilometers",
    "define photosynthesis",
    "call my wife",
    "what's your opinion about the election",
    "Put a meeting in my calendar for Friday at two.",
    "what's the name of the first man on the moon",
    "how do I repeat a song on my phone",
    "who told the best joke ever",
    "what year did elvis die",
)
"""Twenty further questions beyond its abilities."""

FIFTH: tuple[Phrase, ...] = (
    # The time.
    Phrase("Hello, what time is it, please?", Clock(14, 30)),
    Phrase("give me the time", Clock(14, 30)),
    Phrase("What time is it right now in Melbourne?", Clock(1, 30)),
    Phrase("could you check what time it is in barcelona", Clock(15, 30)),
    Phrase("what's the time in the united kingdom", Clock(14, 30)),
    Phrase("my brother is in denver what time is it for him", Clock(8, 30)),
    # Dates.
    Phrase("and what day is today", Words(("wednesday",))),
    Phrase("What's the day and the date?", _day((2026, 3, 11))),
    Phrase("what's going to be the date next thursday", _day((2026, 3, 12), (2026, 3, 19))),
    Phrase("how long until the fourth of july", Number(115)),
    Phrase("What weekday is Christmas Eve this year?", Words(("thursday",))),
    Phrase("what day was the second of february nineteen ninety", Words(("friday",))),
    Phrase("count the days until halloween for me", Number(234)),
    Phrase("what date is six weeks from today", _day((2026, 4, 22))),
    # Sums.
    Phrase("What's 18 times 3?", Number(54)),
    Phrase("how much is a third of three hundred", Number(100)),
    Phrase("one hundred and one minus two", Number(99)),
    Phrase("tell me five times six", Number(30)),
    Phrase("What is 45% of 200?", Number(90)),
    Phrase("eighty one divided by nine is what", Number(9)),
    Phrase("can you square fifteen", Number(225)),
    Phrase("what is ten thousand minus one", Number(9999)),
    Phrase("sum up twelve and thirteen and fourteen", Number(39)),
    Phrase("Four plus four times two?", Number(12)),
    # Other topics.
    Phrase("joke please", Kind("joke")),
    Phrase("Can you tell a good joke?", Kind("joke")),
    Phrase("tell me a tale", Kind("story")),
    Phrase("I missed that, what did you say?", Kind("repeat"), before=("what is seven times eight",)),
    Phrase("one more time please", Kind("repeat"), before=("what time is it",)),
    Phrase("who are you exactly", Kind("identity")),
    Phrase("Is this an AI?", Kind("identity")),
    Phrase("what do you do", Kind("abilities")),
    Phrase("how can i connect a better brain", Kind("model")),
    Phrase("Hi there, good afternoon!", Kind("greeting")),
)
"""Further questions, for the last measurement."""

BEYOND_FIFTH: tuple[str, ...] = (
    "what time does the sun rise tomorrow",
    "When do the shops close today?",
    "how many days of holiday do i have left",
    "what day is the royal wedding",
    "who lives in buckingham palace",
    "how many times a day should i brush my teeth",
    "what's ten percent of the population of india",
    "Is it going to rain on Friday?",
    "what is the meaning of life",
    "how old is the universe",
    "Order me a pizza for seven o'clock.",
    "which city is further north rome or madrid",
    "how do you say good morning in italian",
    "what's the first rule of fight club",
    "how many seconds did usain bolt run",
    "tell me who won the oscar for best story",
    "when is my flight to chicago",
    "did the stock market go up today",
    "what does one plus one equal in boolean algebra land",
    "is two a crowd",
)
"""Twenty further questions beyond its abilities."""

DROPPED: tuple[str, ...] = (
    "what time will it be in two hours",
    "What time was it 45 minutes ago?",
    "quarter past three plus forty minutes",
    "when it's 9 am in london what time is it in singapore",
    "is it already tomorrow in auckland",
    "Is 2028 a leap year?",
    "how many days are there in february this year",
    "how many days are left this year",
    "If it's noon in Chicago, what time is it in Berlin?",
    "what will the time be three hours from now",
    "how long is it till midnight",
    "is it still morning in hawaii",
    "how many days have passed since new year's day",
    "it's six pm in rome what's the time in boston",
    "what'll the time be in ninety minutes",
    "How many hours until six in the evening?",
    "how long ago was christmas",
    "which month comes after may",
    "is this year a leap year",
    "How many days does April have?",
    "What is the cube root of 27?",
    "is it night time in tokyo",
    "What time will it be in Paris in an hour and a half?",
    "when it's eight in the evening in london what time is it in new york",
    "what time will it be in ninety minutes from now",
    "if it's ten in the morning here what time is it in sydney",
    "How much time is left until midnight?",
    "which year was it twenty five years ago",
    "how many days does may have",
    "How many hours is Tokyo ahead of London?",
    "what's the time difference between new york and paris",
    "how many hours are we behind moscow",
    "Is Vancouver ahead of or behind New York, and by how many hours?",
    "how many hours ahead is tokyo",
    "How far ahead of New York is London?",
    "add five to that",
    "and half of that",
)
"""Questions that were once in the lists above: about times other than now, time differences, the length of months,
earlier results and the like. Earlier rules answered them. Today's rules are half as long and refuse them."""
