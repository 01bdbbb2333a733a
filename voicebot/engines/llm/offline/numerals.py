"""Numbers as words: read from speech, and said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_UP, Context, Decimal

from voicebot.engines.llm.offline.words import split_words

ONES = split_words(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"
    " eighteen nineteen"
)
TENS = split_words("twenty thirty forty fifty sixty seventy eighty ninety")
SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
ORDINALS = split_words(
    "zeroth first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth"
    " fifteenth sixteenth seventeenth eighteenth nineteenth"
)

VALUES: Mapping[str, int] = {
    **{word: value for value, word in enumerate(ONES)},
    **{word: 10 * tens for tens, word in enumerate(TENS, 2)},
    "fourty": 40,
    "dozen": 12,
}
SOUND_ALIKES: Mapping[str, int] = {
    "to": 2, "too": 2, "tree": 3, "free": 3, "for": 4, "fore": 4, "sex": 6, "sick": 6, "ate": 8, "tin": 10, "won": 1,
}  # fmt: skip
"""Words that recognisers write for numbers; to be taken as such only next to arithmetic."""
ORDINAL_VALUES: Mapping[str, int] = {word: value for value, word in enumerate(ORDINALS)}

LARGEST_EXACT = 10**9
"""From here on only the first digits are said: twelve digits are no help to a listener."""
SMALLEST_PLAIN = Decimal("0.0001")


def read_number(words: Sequence[str], at: int) -> tuple[Decimal, int] | None:
    """The number that starts at word `at`, as "two hundred and five" or "3.5", and where it ends."""
    value, end = _read_whole(words, at)
    if end == at:
        return None
    if end < len(words) and words[end] == "point":
        digits = ""
        while end + 1 < len(words) and (digit := _digit(words[end + 1])) is not None:
            digits += str(digit)
            end += 1
        if digits:
            return value + Decimal(f"0.{digits}"), end + 1
    return value, end


def _read_whole(words: Sequence[str], at: int) -> tuple[Decimal, int]:
    total, group, end = Decimal(0), None, at
    while end < len(words):
        word = words[end]
        following = words[end + 1] if end + 1 < len(words) else ""
        if word in ("a", "one") and group is None and following in ("hundred", "dozen", *SCALES):
            group = Decimal(1)
        elif word == "and" and group is not None and group % 100 == 0 and (group or total) and following in VALUES:
            pass
        elif word == "hundred" and group is not None and 0 < group < 100:
            group *= 100
        elif word == "dozen" and group is not None:
            group *= 12
        elif word in SCALES and group is not None:
            total, group = total + group * SCALES[word], Decimal(0)
        elif word[0].isdecimal() or word[0] == ".":
            if group is not None:
                break
            group = Decimal(word)
        elif word in VALUES and _fits(VALUES[word], group):
            group = (group or Decimal(0)) + VALUES[word]
        else:
            break
        end += 1
    return total + (group or Decimal(0)), end


def _fits(value: int, group: Decimal | None) -> bool:
    """Whether a small number can follow in the same number: "twenty | one", "hundred | twelve", not "one | two"."""
    if group is None:
        return True
    if group % 100 == 0:
        return value > 0
    return group % 100 >= 20 and group % 10 == 0 and 0 < value < 10


def _digit(word: str) -> int | None:
    if len(word) == 1 and word.isdecimal():
        return int(word)
    if word in ("o", "oh"):
        return 0
    value = VALUES.get(word, SOUND_ALIKES.get(word, 10))
    return value if value < 10 else None


def cardinal(number: int) -> str:
    """A whole number in words, below a thousand trillion: "minus two thousand three hundred forty-one"."""
    if number < 0:
        return f"minus {cardinal(-number)}"
    if number < 20:
        return ONES[number]
    if number < 100:
        tens, ones = divmod(number, 10)
        return TENS[tens - 2] + (f"-{ONES[ones]}" if ones else "")
    name, size = next(((name, size) for name, size in reversed(SCALES.items()) if number >= size), ("hundred", 100))
    high, low = divmod(number, size)
    return f"{cardinal(high)} {name}" + (f" {cardinal(low)}" if low else "")


def ordinal(number: int) -> str:
    """A small whole number as its place in a row, below a hundred: "twenty-first"."""
    if number < 20:
        return ORDINALS[number]
    tens, ones = divmod(number, 10)
    return f"{TENS[tens - 2]}-{ORDINALS[ones]}" if ones else TENS[tens - 2].replace("y", "ieth")


def year(number: int) -> str:
    """A year as it is said: "twenty twenty-six", "two thousand five"."""
    century, rest = divmod(number, 100)
    if not 1000 <= number <= 9999 or (century % 10 == 0 and rest < 10):
        return cardinal(number)
    if rest == 0:
        return f"{cardinal(century)} hundred"
    return f"{cardinal(century)} {'oh ' if rest < 10 else ''}{cardinal(rest)}"


def spoken(value: Decimal) -> tuple[str, bool]:
    """A number in words short enough to listen to, and whether these are exact."""
    if value < 0:
        words, exact = spoken(-value)
        return f"minus {words}", exact
    if value == value.to_integral_value() and value < LARGEST_EXACT:
        return cardinal(int(value)), True
    if value >= LARGEST_EXACT or value < SMALLEST_PLAIN:
        return _spoken_scientific(value)
    # Three places are plenty; of a small number three digits from the first that is not zero.
    places = 3 if value >= 1 else 2 - value.adjusted()
    rounded = value.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
    return _spoken_decimal(rounded), rounded == value


def _spoken_scientific(value: Decimal) -> tuple[str, bool]:
    rounded = Context(prec=4, rounding=ROUND_HALF_UP).plus(value)
    exact = rounded == value
    for name, size in reversed(SCALES.items()):
        if size <= rounded < 1000 * size:
            return f"{_spoken_decimal(rounded / size)} {name}", exact
    exponent = rounded.adjusted()
    factor = rounded.scaleb(-exponent)
    times = "" if factor == 1 else f"{_spoken_decimal(factor)} times "
    return f"{times}ten to the power of {cardinal(exponent)}", exact


def _spoken_decimal(value: Decimal) -> str:
    whole, _, decimals = f"{value:f}".partition(".")
    words = cardinal(int(whole))
    decimals = decimals.rstrip("0")
    return f"{words} point {' '.join(ONES[int(digit)] for digit in decimals)}" if decimals else words
