"""What a language brings to the saying of figures, signs and abbreviations."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from num2words import num2words

LONGEST = 15
"""Digits; what is longer is said one by one."""


@dataclass(frozen=True, slots=True)
class Noun:
    one: str
    many: str
    gender: str = "m"
    """m, f or n: "ein Euro", "eine Stunde"."""


@dataclass(frozen=True, slots=True)
class Currency:
    main: Noun
    cent: Noun


def as_they_are(words: str, gender: str) -> str:
    return words


def side_by_side(words: str, noun: str) -> str:
    return f"{words} {noun}"


@dataclass(frozen=True, slots=True)
class Language:
    code: str
    """As num2words calls it."""
    decimal: str
    """What is written between 3 and 50: "." or ","."""
    point: str
    """How that is said."""
    minus: str
    plus: str
    percent: str
    to: str
    """In ranges: nine to five."""
    times: str
    equals: str
    about: str
    and_: str
    or_: str
    per: str
    number: str
    """For "#" before a figure."""
    at: str
    dot: str
    slash: str
    dash: str
    underscore: str
    months: tuple[str, ...]
    date: Callable[[int, int, int, str], str]
    """Of day, month, year (0: none) and the word before it."""
    clock: Callable[[int, int], str]
    """Of hour and minute, 24 hours."""
    day_parts: Mapping[str, str]
    """After "2 pm": its keys are am and pm."""
    units: Mapping[str, Noun]
    currencies: Mapping[str, Currency]
    fractions: Mapping[str, str]
    abbreviations: Mapping[str, str]
    code_words: tuple[str, ...]
    """A figure behind them is said digit by digit."""
    ordinal: Callable[[int, str], str]
    """Of a number and what is written behind it: "st", "ème", "ª"."""
    ordinal_ends: str
    """Regular expression of what makes a figure an ordinal."""
    ordinal_after: frozenset[str] = frozenset()
    """Words before it, where a stop behind the figure makes it an ordinal."""
    short_words: frozenset[str] = frozenset()
    """Words of two or three letters that are no acronyms when they are shouted."""
    scales: Mapping[str, str] = field(default_factory=dict)
    """After an amount of money: "million", "k"."""
    month_names: Mapping[str, int] = field(default_factory=dict)
    """Names and short forms of months, where the day is said in a form of its own."""
    month_first: bool = False
    """11/21/2026."""
    cents: str = " "
    """Between "three dollars" and "fifty"."""
    few_cents: str = ""
    """The same before less than ten, followed by the word for cents; empty: as ever."""
    zero_is_one: bool = False
    """Nothing and one and a half are singular (French)."""
    fraction_whole: bool = False
    """"virgule vingt-cinq", not "virgule deux cinq"."""
    thousands_space: bool = False
    hour_letter: bool = False
    """14h30 is a time."""
    pairs: bool = False
    """Telephone numbers are said as numbers of two digits."""
    year_from: int = 0
    """Bare figures from here to 2099 are said as years; 0: years are like numbers."""
    year_to: int = 2099
    and_in_numbers: bool = True
    """"one hundred and five"."""
    bend: Callable[[str, str], str] = as_they_are
    """A number before a noun of that gender."""
    join: Callable[[str, str], str] = side_by_side
    """A number and its noun."""

    def cardinal(self, number: int) -> str:
        words = _number(number, self.code, "cardinal").replace(",", "")
        return words if self.and_in_numbers else words.replace(" and ", " ")

    def digits(self, figures: str) -> str:
        return " ".join(self.cardinal(int(figure)) for figure in figures)

    def counted(self, number: int, noun: Noun) -> str:
        single = number == 1 or (number == 0 and self.zero_is_one)
        words = self.bend(self.cardinal(number), noun.gender)
        return self.join(words, noun.one if single else noun.many)

    def year(self, number: int) -> str:
        if self.year_from and self.year_from <= number <= self.year_to:
            words = _number(number, self.code, "year")
            return words if self.and_in_numbers else words.replace(" and ", " ")
        return self.cardinal(number)


@lru_cache(maxsize=4096)
def _number(number: int, code: str, to: str) -> str:
    words: str = num2words(number, lang=code, to=to)
    return words


def spelled(letters: str) -> str:
    """Letter by letter. Without the hyphens an English voice says "uh bee" for AB."""
    return "-".join(letters)


def ordinal_words(number: int, code: str) -> str:
    return _number(number, code, "ordinal")
