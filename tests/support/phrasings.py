"""Questions that people ask the offline engine, typed and transcribed, and its answers at `tests.support.talk.MOMENT`.

An answer that begins with an ellipsis shows only its end.
"""

from __future__ import annotations

from voicebot.engines.llm.offline.topics import topics


def reply(topic: str) -> str:
    """Returns the fixed reply to a topic."""
    return topics()[topic].reply


TOKYO = "It's ten thirty in the morning in Tokyo, on Thursday."
NEW_YORK = "It's eight thirty in the evening in New York, on Wednesday."
HERE = "It's one thirty in the morning by this computer's clock."
TODAY = "Today is Thursday, the nineteenth of November."
TOMORROW = "Tomorrow is Friday, the twentieth of November."
CHRISTMAS = "It's thirty-six days until Christmas, which is on Friday, the twenty-fifth of December."

CLOCK = {
    # typed
    "What time is it in Tokyo?": TOKYO,
    "what's the time in tokyo": TOKYO,
    "Tell me the time in Tokyo, please.": TOKYO,
    "Do you know what time it is in Tokyo?": TOKYO,
    "In Tokyo, what time is it?": TOKYO,
    "time tokyo": TOKYO,
    "tokyo?": TOKYO,
    "And in Tokyo?": TOKYO,
    "what about tokyo": TOKYO,
    "what time is it right now in new york": NEW_YORK,
    "What time is it in the US?": f"The United States has several time zones. {NEW_YORK}",
    "time in australia": "Australia has several time zones. It's twelve thirty in the afternoon in Sydney, "
    "on Thursday.",
    "what time is it in the netherlands": "It's two thirty in the morning in the Netherlands, on Thursday.",
    "what time is it in Zürich": "It's two thirty in the morning in Zurich, on Thursday.",
    "what time is it in mumbai": "It's seven o'clock in the morning in Mumbai, on Thursday.",
    "what time is it in narnia": "I don't know a place called Narnia. Try a big city near it.",
    "What time is it?": HERE,
    "whats the time": HERE,
    "time please": HERE,
    "have you got the time": HERE,
    "what day is it": TODAY,
    "what day is it today": TODAY,
    "What's the date today?": TODAY,
    "what is today": TODAY,
    "tell me the date": TODAY,
    "what day of the week is it": TODAY,
    "what day is it in san francisco": "It's Wednesday, the eighteenth of November, in San Francisco.",
    "what day is tomorrow": TOMORROW,
    "what is tomorrow's date": TOMORROW,
    "what day was yesterday": "Yesterday was Wednesday, the eighteenth of November.",
    "what is the day after tomorrow": "That is Saturday, the twenty-first of November.",
    "what year is it": "It's the year twenty twenty-six.",
    "which month is it": "It's November.",
    "what is the date and time": f"{TODAY} {HERE}",
    "how many days until christmas": CHRISTMAS,
    "How long is it till Christmas?": CHRISTMAS,
    "when is christmas": "Christmas is on Friday, the twenty-fifth of December.",
    "is it friday today": TODAY,
    "what is the date next friday": "That is Friday, the twentieth of November.",
    "how many days until friday": "It's one day until Friday, the twentieth of November.",
    "days until thursday": "It's seven days until Thursday, the twenty-sixth of November.",
    "what days and today": TODAY,
}

SUMS = {
    "12*7": "Twelve times seven is eighty-four.",
    "What's 15% of 80?": "Fifteen percent of eighty is twelve.",
    "3 + 4": "Three plus four is seven.",
    "what is 1,000 / 8": "One thousand divided by eight is one hundred twenty-five.",
    "(3 + 4) * 2": "That is fourteen.",
    "2^10": "Two to the power of ten is one thousand twenty-four.",
    "√16": "The square root of sixteen is four.",
    "what is 17 % 5": "Seventeen modulo five is two.",
    "what is one divided by three": "One divided by three is about zero point three three three.",
    "what is ten over four": "Ten divided by four is two point five.",
    "123456789 * 987654321": "… is a number with eighteen digits.",
    "what is two minus five": "Two minus five is minus three.",
    "five divided by zero": "I can't work out five divided by zero. Division by zero has no result.",
    "nine to the power of nine hundred million": "… The result is too large.",
    "square root of minus four": "… This has no real number as its result.",
    "what is seventeen times three": "Seventeen times three is fifty-one.",
    "how much is twenty five minus eight": "Twenty-five minus eight is seventeen.",
    "two hundred and five minus eighty": "Two hundred five minus eighty is one hundred twenty-five.",
    "three point one four times two": "Three point one four times two is six point two eight.",
    "what is the square root of sixteen plus nine": "The square root of sixteen plus nine is thirteen.",
    "five squared": "Five squared is twenty-five.",
    "two to the tenth power": "Two to the power of ten is one thousand twenty-four.",
    "add five and six": "Five plus six is eleven.",
    "subtract three from ten": "Ten minus three is seven.",
    "what is half of eleven": "Half of eleven is five point five.",
    "one million times three million": "One million times three million is three trillion.",
    "one is seventeen times three": "Seventeen times three is fifty-one.",
    "What is ten times free?": "Ten times three is thirty.",
    "what is six times a": reply("question"),
}

TALK = {
    "Hello": "… What can I do for you?",
    "hi there": "… What can I do for you?",
    "Good morning!": "Good morning! What can I do for you?",
    "Hello, how are you?": "Hello! I'm doing fine, thank you.",
    "how's it going": "I'm doing fine, thank you. What can I do for you?",
    "What's up?": "I'm doing fine, thank you. What can I do for you?",
    "bye": reply("goodbye"),
    "good night": reply("goodbye"),
    "Thank you very much.": reply("thanks"),
    "thanks, bye": f"{reply('thanks')} {reply('goodbye')}",
    "No.": reply("no"),
    "no thank you": reply("no"),
    "Yes.": reply("yes"),
    "stop": "Okay.",
    "be quiet please": "Okay.",
    "hold on": "Okay.",
    "sorry": reply("sorry"),
    "my name is anna": "Nice to meet you, Anna.",
    "I'm so bored": reply("sadness"),
    "you're great": reply("praise"),
    "that was not funny": reply("blame"),
    "Can you hear me?": reply("hearing"),
    "testing one two three": reply("hearing"),
    "Who are you?": reply("identity"),
    "Are you a student?": reply("identity"),
    "what's your name": reply("identity"),
    "What can you do?": reply("capabilities"),
    "Can you help me with something?": reply("capabilities"),
    "help": reply("capabilities"),
    "How do I interrupt you?": reply("interrupting"),
    "how do i connect you to chatgpt": reply("model"),
    "Where do I put my API key?": reply("model"),
    "are you recording me": reply("privacy"),
    "do you speak German": reply("languages"),
    "speak slower please": reply("voice"),
    "What's the weather like in Berlin?": reply("lookup"),
    "will it rain tomorrow": reply("lookup"),
    "what is the news today": reply("lookup"),
    "google something for me": reply("lookup"),
    "set a timer for five minutes": reply("actions"),
    "I'd like to check my order status please.": reply("actions"),
    "play some music": reply("actions"),
    "book me a flight to paris": reply("actions"),
    "Who is the president of France?": reply("question"),
    "what's the capital of france": reply("question"),
    "tell me about tokyo": reply("question"),
    "why is the sky blue": reply("question"),
    "So did you drive here this morning?": reply("question"),
    "can you make me a sandwich": reply("question"),
    "repeat that": reply("repeat"),
    "go on": reply("continue"),
    "I want to kill myself": reply("distress"),
    "he was not an ill disposed young man": reply("unknown"),
    "five of clubs": reply("unknown"),
    "call me on 555-1234": reply("unknown"),
    "have a nice day": reply("unknown"),
    "😀": reply("unknown"),
    "...": reply("unknown"),
}

BOTH = {
    "what time is it in tokyo and what is two plus two": f"{TOKYO} Two plus two is four.",
    "what is two plus two and what time is it in tokyo": f"Two plus two is four. {TOKYO}",
    "what is two plus two and five times three": "Two plus two is four. Five times three is fifteen.",
    "what time is it in tokyo and in new york": f"{TOKYO} {NEW_YORK}",
    "how are you doing what are you doing": "I'm doing fine, thank you. What can I do for you?",
    "hello what time is it": f"Hello! {HERE}",
    "thank you what can you do": f"{reply('thanks')} {reply('capabilities')}",
    "can you help me what is three plus four": "Three plus four is seven.",
    "what's the weather and what day is it": f"{reply('lookup')} {TODAY}",
}
