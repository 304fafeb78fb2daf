"""All that has digits, said in words: dates, times, telephone numbers, money, units,
codes and plain numbers, from the most particular to the plainest."""

import re
from collections.abc import Callable, Iterator

from .language import LONGEST, Currency, Language, spelled

_NUMBER = r"\d+(?:[.,']\d+)*"
_AMERICAN_NUMBER = r"(?:\+?1[-. ])?\(?\d{3}\)?[-. ] ?\d{3}[-. ]\d{4}|\d{3}-\d{4}"
_ANY_PHONE = (
    r"(?:\+|\b00)(?:[ ()./-]{0,2}\d){8,15}"
    r"|\(?\b0\d{1,4}\)?(?:[ /-]{1,3}\d{2,8}){1,5}"
    r"|\b0\d{6,14}"
    r"|\b\d{2,4}(?: \d{2,4}){2,4}"
)

Step = tuple[re.Pattern[str], Callable[[re.Match[str]], str]]


class Figures:
    """The steps of one language, compiled once."""

    def __init__(self, language: Language) -> None:
        self._language = language
        self._steps = tuple(self._made())

    def said(self, text: str) -> str:
        for pattern, say in self._steps:
            text = pattern.sub(say, text)
        return text

    def _made(self) -> Iterator[Step]:
        language = self._language
        currency = _any_of(language.currencies)
        scale = _any_of(language.scales)
        unit = _any_of(language.units)
        code = "|".join(language.code_words)
        dotted = (
            r"|(\d{1,2})\.(\d{1,2})\.(?!\d)" if language.code == "de" else "|(?!)()()"
        )
        yield _step(
            rf"\b(?i:({code}))\b((?:\s+(?:is|ist|est|es|è|é|number|no\.?))?[\s:#]*)"
            r"(\d{3,})(?![\w]|[.,:/-]\d)",
            self._code,
        )
        yield _step(r"(?<![\w-])(\d{4})-(\d{2})-(\d{2})(?![\d-])T?", self._iso)
        yield _step(
            rf"(?<![\w./-])(?:(\d{{1,2}})([./-])(\d{{1,2}})\2(\d{{4}}|(?<!-)\d\d)"
            rf"(?![\w/-]|[.,]\d){dotted})",
            self._date,
        )
        if language.month_names:
            months = "|".join(sorted(language.month_names, key=len, reverse=True))
            year = r"(?:,? (?:de )?(\d{4})(?!\d))?"
            yield _step(
                rf"(?<![\w.,:/-])(\d{{1,2}})(?:st|nd|rd|th|er|\.)? (?:of )?({months})\b"
                rf"(?:(?<=\w\w\w)\.(?= \w))?{year}",
                self._named_date,
            )
            if language.month_first:
                yield _step(
                    rf"\b({months})\b\.? (\d{{1,2}})(?:st|nd|rd|th)?(?![\w:%]|[.,]\d)"
                    r"(?:,? (\d{4})(?!\d))?",
                    self._month_first,
                )
        yield _step(
            r"(?<![\w:.,-])(\d{1,2}(?:[:.h]\d\d)?(?: ?(?i:[ap]m))?)"
            r" ?[-–] ?(?=\d{1,2}(?:[:h]\d\d| ?(?i:[ap]m)\b))",
            lambda match: f"{match[1]} {language.to} ",
        )
        half = r"(?:\s?(?i:(a\.m\.|am|p\.m\.|pm|a\. m\.|p\. m\.))(?!\w))"
        hour_word = r"(?: ?(?:Uhr|uur|heures|horas|h)\b)"
        yield _step(
            rf"(?<![\w:.,])([01]?\d|2[0-4])(?::([0-5]\d)(?::[0-5]\d)?(?![\d:])"
            rf"(?:{half}|{hour_word})?|\.([0-5]\d)(?:{half}|{hour_word})|{half})",
            self._time,
        )
        if language.hour_letter:
            yield _step(
                r"(?<![\w:.,])([01]?\d|2[0-4]) ?[hH] ?([0-5]\d)?(?!\w)",
                lambda match: language.clock(int(match[1]), int(match[2] or 0)),
            )
        american = rf"|{_AMERICAN_NUMBER}" if language.code == "en" else ""
        yield _step(rf"(?<![\w.,-])(?:{_ANY_PHONE}{american})(?![\w-])", self._phone)
        yield _step(
            r"(?<![\w./,-])(?:(\d+) )?(1/2|1/3|2/3|1/4|3/4|24/7)(?![\w/.,-]\w|\w)",
            self._fraction,
        )
        sign = rf"(?:{currency} ?)?"
        yield _step(
            rf"(?<![\w.,:/-])({sign})({_NUMBER})((?: ?(?:%|{currency}))?)"
            rf" ?[-–] ?({sign})({_NUMBER})(?![\w-]*-|[.,]?\d)",
            self._range,
        )
        yield _step(
            rf"(?<![A-Za-z])(-?)({currency}) ?(-?{_NUMBER})"
            rf"(?: ?({scale})(?!\w))?( ?/ ?(?=\w))?",
            lambda match: self._money(
                match[2],
                match[3].lstrip("-"),
                match[4],
                "-" in match[1] + match[3],
                match[5],
            ),
        )
        yield _step(
            rf"(?<![\w.,])(-?)({_NUMBER})(?: ?({scale})(?!\w))? ?({currency})"
            r"(?![A-Za-z])( ?/ ?(?=\w))?",
            lambda match: self._money(
                match[4], match[2], match[3], bool(match[1]), match[5]
            ),
        )
        yield _step(rf"({_NUMBER}) ?%", self._percent)
        yield _step(
            rf"(?<![\w.,])({_NUMBER}) ?({unit})(?![\w°²³/])\.?(?=.|$)", self._unit
        )
        yield _step(
            rf"(?<![\w.,])(\d{{1,4}})({language.ordinal_ends})(?!\w)", self._ordinal
        )
        yield _step(
            r"(?<![\w.])([vV]?)(\d+(?:\.\d+){2,})(?!\w)",
            lambda match: f"{match[1]} {self._bare(match[2])}",
        )
        yield _step(
            r"(?<!\w)(?=[^\W_]*\d|[^\W_]+-)(?=[\d-]*[^\W\d_])[^\W_]+(?:-[^\W_]+)*(?!\w)",
            self._mixed,
        )
        yield _step(rf"# ?({_NUMBER})", self._hash)
        yield _step(r"(?<=\d) ?[*×x] ?(?=\d)", lambda match: language.times)
        yield _step(r"(?<=\d) ?= ?(?=\d)", lambda match: language.equals)
        yield _step(r"[~≈] ?(?=\d)", lambda match: language.about)
        yield _step(r"(?<=\d) ?\+", lambda match: language.plus)
        yield _step(r"(?<!\w)\+ ?(?=\d)", lambda match: language.plus)
        yield _step(r"(?<![\w)])[-−] ?(?=\d)", lambda match: language.minus)
        yield _step(_NUMBER, lambda match: self._bare(match[0]))

    def _iso(self, match: re.Match[str]) -> str:
        year, month, day = (int(part) for part in match.groups())
        return self._day(match, day, month, year) or self._digits(match[0])

    def _date(self, match: re.Match[str]) -> str:
        if match[5]:
            said = self._day(match, int(match[5]), int(match[6]), 0)
            return said or f"{self._bare(match[5])} {self._bare(match[6])}."
        first, second, year = int(match[1]), int(match[3]), int(match[4])
        month_first = self._language.month_first and match[2] != "."
        day, month = (second, first) if month_first else (first, second)
        if month > 12:
            day, month = month, day
        year += 2000 if year < 100 else 0
        return self._day(match, day, month, year) or self._digits(match[0])

    def _named_date(self, match: re.Match[str]) -> str:
        day, month = int(match[1]), self._language.month_names[match[2]]
        if self._language.month_first and 1 <= day <= 31:
            the = "" if _word_before(match) == "the" else "the "
            said = f"{the}{self._language.ordinal(day, '')} of "
            said += self._language.months[month - 1]
            return f"{said} {self._language.year(int(match[3]))}" if match[3] else said
        return self._day(match, day, month, int(match[3] or 0)) or match[0]

    def _month_first(self, match: re.Match[str]) -> str:
        month = self._language.month_names[match[1]]
        said = self._day(match, int(match[2]), month, int(match[3] or 0))
        return said or match[0]

    def _day(self, match: re.Match[str], day: int, month: int, year: int) -> str:
        """Empty when there is no such day."""
        if not (1 <= day <= 31 and 1 <= month <= 12):
            return ""
        return self._language.date(day, month, year, _word_before(match))

    def _time(self, match: re.Match[str]) -> str:
        hour, minute = int(match[1]), int(match[2] or match[4] or 0)
        half = match[3] or match[5] or match[6] or ""
        if not half:
            return self._language.clock(hour, minute)
        part = half.replace(".", "").replace(" ", "").lower()
        stop = "." if half.endswith(".") and _ends_sentence(match) else ""
        if hour == 0 or hour > 12 or not self._language.day_parts:
            hour = hour % 12 + (12 if part == "pm" else 0) if hour < 13 else hour
            return self._language.clock(hour, minute) + stop
        said = self._language.clock(hour % 12 or 12, minute).removesuffix(" o'clock")
        return f"{said} {self._language.day_parts[part]}{stop}"

    def _phone(self, match: re.Match[str]) -> str:
        groups = re.findall(r"\d+", match[0])
        total = sum(len(group) for group in groups)
        if not 7 <= total <= 15:
            return ", ".join(self._bare(group) for group in groups)
        if self._language.pairs and match[0].startswith("0") and total == 10:
            whole = "".join(groups)
            groups = [whole[at : at + 2] for at in range(0, 10, 2)]
            said = [self._bare(group) for group in groups]
        else:
            said = [self._digits(group) for group in groups]
        plus = f"{self._language.plus} " if match[0].startswith("+") else ""
        return plus + ", ".join(said)

    def _fraction(self, match: re.Match[str]) -> str:
        said = self._language.fractions[match[2]]
        whole = f"{self._bare(match[1])} {self._language.and_} " if match[1] else ""
        return whole + said

    def _range(self, match: re.Match[str]) -> str:
        before, low, after, next_before, high = match.groups()
        signed = before or after or next_before
        leads = low[0] == "0" or high[0] == "0"
        plain = low.isdecimal() and high.isdecimal()
        if not signed and (leads and plain or plain and int(low) >= int(high)):
            joined = f"{self._bare(low)} {self._bare(high)}"
            return joined
        if before and not next_before:
            before, next_before = "", before
        if after and after.strip() in match.string[match.end() : match.end() + 5]:
            after = ""
        return f"{before}{low}{after} {self._language.to} {next_before}{high}"

    def _money(
        self, sign: str, number: str, scale: str | None, minus: bool, per: str | None
    ) -> str:
        currency = self._language.currencies[sign]
        said = self._amount(currency, number, scale)
        if minus:
            said = f"{self._language.minus} {said}"
        return f"{said} {self._language.per}" if per else said

    def _amount(self, currency: Currency, number: str, scale: str | None) -> str:
        language = self._language
        whole, fraction = parse(number, language.decimal)
        if scale:
            said = f"{self._bare(number)} {language.scales[scale]}"
            return language.join(said, currency.main.many)
        if not whole or len(whole) > LONGEST or len(fraction) > 2:
            return f"{self._bare(number)} {currency.main.many}"
        euros, cents = int(whole), int(fraction.ljust(2, "0") or 0)
        if not cents:
            return language.counted(euros, currency.main)
        if not euros:
            return language.counted(cents, currency.cent)
        said = language.counted(euros, currency.main)
        if cents < 10 and language.few_cents:
            return said + language.few_cents + language.counted(cents, currency.cent)
        return said + language.cents + language.cardinal(cents)

    def _percent(self, match: re.Match[str]) -> str:
        return f"{self._quantity(match[1])} {self._language.percent}"

    def _unit(self, match: re.Match[str]) -> str:
        noun = self._language.units[match[2]]
        stop = "." if match[0].endswith(".") and _ends_sentence(match) else ""
        whole, fraction = parse(match[1], self._language.decimal)
        if whole and not fraction and len(whole) <= LONGEST:
            return self._language.counted(int(whole), noun) + stop
        few = self._language.zero_is_one and whole in ("0", "1")
        return f"{self._quantity(match[1])} {noun.one if few else noun.many}{stop}"

    def _ordinal(self, match: re.Match[str]) -> str:
        number = int(match[1])
        if match[2] == ".":
            # German; without an article the stop may end a sentence.
            before = _word_before(match)
            ends = not match.string[match.end() :].strip()
            if ends or before not in self._language.ordinal_after:
                return self._bare(match[1]) + "."
            return self._language.ordinal(number, before)
        return self._language.ordinal(number, match[2]) if number else match[0]

    def _code(self, match: re.Match[str]) -> str:
        return f"{match[1]}{match[2].replace('#', '')} {self._digits(match[3])}"

    def _mixed(self, match: re.Match[str]) -> str:
        if not any(sign.isdecimal() for sign in match[0]):
            return match[0]
        parts = [re.findall(r"[^\W\d_]+|\d+", part) for part in match[0].split("-")]
        alone = all(len(part) == 1 for part in parts)
        figures = sum(sign.isdecimal() for sign in match[0])
        if alone and figures < 3 and len(parts) == 2:
            # 24-hour, Covid-19
            return self._pieces([part[0] for part in parts])
        return ", ".join(self._pieces(part) for part in parts if part)

    def _pieces(self, pieces: list[str]) -> str:
        said = " ".join(map(self._piece, pieces))
        # Not the article.
        return re.sub(r"\bA (?=\w)", "A-", said)

    def _piece(self, piece: str) -> str:
        if piece.isdecimal():
            short = len(piece) < 3 and piece[0] != "0"
            return self._language.cardinal(int(piece)) if short else self._digits(piece)
        vowels = re.search("[AEIOU]", piece)
        if piece.isupper() and (len(piece) < 4 or not vowels):
            return spelled(piece)
        return piece

    def _hash(self, match: re.Match[str]) -> str:
        figures = match[1]
        code = figures.isdecimal() and len(figures) > 3
        said = self._digits(figures) if code else self._bare(figures)
        return f"{self._language.number} {said}"

    def _bare(self, number: str) -> str:
        if number.isdecimal():
            if len(number) >= 7 or (number[0] == "0" and len(number) > 1):
                return self._digits(number)
            value = int(number)
            return self._year(value) if len(number) == 4 else self._cardinal(value)
        return self._quantity(number)

    def _quantity(self, number: str) -> str:
        """Never a year, never digit by digit if it can be said."""
        whole, fraction = parse(number, self._language.decimal)
        if not whole:
            point = f" {self._language.dot} "
            return point.join(self._bare(part) for part in re.findall(r"\d+", number))
        said = self._whole(whole)
        if not fraction:
            return said
        one_number = self._language.fraction_whole and len(fraction) == 2
        spoken_whole = one_number and fraction[0] != "0"
        behind = (
            self._whole(fraction) if spoken_whole else self._language.digits(fraction)
        )
        return f"{said} {self._language.point} {behind}"

    def _whole(self, figures: str) -> str:
        if len(figures) > LONGEST or (figures[0] == "0" and len(figures) > 1):
            return self._digits(figures)
        return self._cardinal(int(figures))

    def _cardinal(self, value: int) -> str:
        return self._language.cardinal(value)

    def _year(self, value: int) -> str:
        return self._language.year(value)

    def _digits(self, figures: str) -> str:
        """Digit by digit, in groups."""
        figures = "".join(sign for sign in figures if sign.isdecimal())
        return ", ".join(self._language.digits(group) for group in groups_of(figures))


def groups_of(figures: str) -> list[str]:
    """Threes, and a four instead of a lonely one at the end."""
    if len(figures) <= 4:
        return [figures]
    groups = [figures[at : at + 3] for at in range(0, len(figures), 3)]
    if len(groups[-1]) == 1:
        last = groups.pop()
        groups[-1] += last
    return groups


def parse(number: str, decimal: str) -> tuple[str, str]:
    """Digits before and behind the decimal sign; ("", "") for 1.2.3 and the like."""
    number = number.replace("'", "")
    dots, commas = number.count("."), number.count(",")
    if not dots and not commas:
        return number, ""
    if dots and commas:
        mark = max(".", ",", key=number.rfind)
        if number.count(mark) > 1:
            return "", ""
        whole, _, fraction = number.rpartition(mark)
        return whole.replace(".", "").replace(",", ""), fraction
    mark = "." if dots else ","
    first, *others = number.split(mark)
    thousands = 0 < len(first) < 4 and all(len(other) == 3 for other in others)
    if thousands and first != "0" and (len(others) > 1 or mark != decimal):
        return first + "".join(others), ""
    return (first, others[0]) if len(others) == 1 else ("", "")


def _step(pattern: str, say: Callable[[re.Match[str]], str]) -> Step:
    return re.compile(pattern), lambda match: f" {say(match)} "


def _any_of(words: object) -> str:
    keys = sorted(words, key=len, reverse=True)  # type: ignore[call-overload]
    return "(?:" + "|".join(re.escape(str(key)) for key in keys) + ")"


def _word_before(match: re.Match[str]) -> str:
    start = match.start()
    found = re.search(r"(\w+)\W*$", match.string[max(0, start - 24) : start])
    return found[1].lower() if found else ""


def _ends_sentence(match: re.Match[str]) -> bool:
    rest = match.string[match.end() :].lstrip()
    return not rest or rest[0].isupper()
