"""spoken(): what a model writes -> what a person would say. The order of the steps.

Nothing but letters, spaces and .,;:!?'-… comes out, for a voice stumbles over the rest
or reads it aloud. Of a language that we do not know the figures stay as they are.
"""

import re
import unicodedata
from functools import lru_cache

from .dutch import DUTCH
from .english import BRITISH, ENGLISH
from .figures import Figures
from .french import FRENCH
from .german import GERMAN
from .italian import ITALIAN
from .language import Language, spelled
from .markup import plain
from .portuguese import BRAZILIAN, PORTUGUESE
from .spanish import SPANISH, SPANISH_AMERICAN

LANGUAGES = {
    "en": ENGLISH,
    "de": GERMAN,
    "fr": FRENCH,
    "es": SPANISH,
    "it": ITALIAN,
    "pt": PORTUGUESE,
    "nl": DUTCH,
    "pt-br": BRAZILIAN,
    **{f"en-{region}": BRITISH for region in ("gb", "ie", "au", "nz", "za", "in")},
    **{
        f"es-{region}": SPANISH_AMERICAN
        for region in ("mx", "us", "pr", "do", "gt", "hn", "ni", "pa", "sv", "419")
    },
}


def spoken(text: str, language: str) -> str:
    """`language` is BCP-47."""
    return _speech(language).say(text)


class Speech:
    """The steps for one language."""

    def __init__(self, language: Language | None) -> None:
        self._language = language
        if language:
            self._figures = Figures(language)
            self._short_forms = _any_abbreviation(language)

    def say(self, text: str) -> str:
        if self._is_speech(text):
            return text
        said = self._once(text)
        # A sign that went may have held two halves of a word apart.
        while not self._is_speech(said) and said != (again := self._once(said)):
            said = again
        return said

    def _is_speech(self, text: str) -> bool:
        """Most sentences have nothing to do for us."""
        if not _WORDS.fullmatch(text) or _CAPITALS.search(text):
            return False
        return self._language is None or not self._short_forms.search(text)

    def _once(self, text: str) -> str:
        text = plain(_normal(text))
        language = self._language
        if language is None:
            return _tidy(_addresses(text, None), digits=True)
        text = _addresses(text, language)
        text = self._short_forms.sub(self._expanded, text)
        if _DIGIT.search(text):
            if language.thousands_space:
                text = _SPACED_THOUSANDS.sub(lambda m: m[0].replace(" ", "'"), text)
            text = self._figures.said(text)
        if _SIGN.search(text):
            text = self._signs(text, language)
        if _CAPITALS.search(text):
            text = self._quiet(text)
        return _tidy(text, digits=False)

    def _expanded(self, match: re.Match[str]) -> str:
        assert self._language is not None
        short = match[0]
        rest = match.string[match.end() :]
        full = self._language.abbreviations[short]
        if full == "Saint" and not _CAPITAL.match(rest):
            full = "Street"
        over = not rest.strip() or (short in _CLOSING and _CAPITAL.match(rest))
        return full + "." if short.endswith(".") and over else full

    def _signs(self, text: str, language: Language) -> str:
        text = _FIRM.sub(lambda firm: f"{spelled(firm[1])} & {spelled(firm[2])}", text)
        text = text.replace("&", f" {language.and_} ").replace("%", language.percent)
        text = text.replace("@", f" {language.at} ")
        text = re.sub(r"(?<=\w)/(?=\w)", f" {language.or_} ", text)
        text = re.sub(r"(?<=\S) \+ (?=\S)|(?<=[\w+])\+", f" {language.plus} ", text)
        for sign in set(text) & _CURRENCY_SIGNS & set(language.currencies):
            text = text.replace(sign, f" {language.currencies[sign].main.many} ")
        return re.sub(r"(?<=\w) = (?=\w)", f" {language.equals} ", text)

    def _quiet(self, text: str) -> str:
        words = _CAPITALS.findall(text)
        if len(words) > 2 and text.upper() == text:
            return text.lower()
        return _CAPITALS.sub(self._acronym, text)

    def _acronym(self, match: re.Match[str]) -> str:
        assert self._language is not None
        word, plural = match[1], match[2]
        if word == "OK":
            return "okay"
        if word.lower() in self._language.short_words or len(word) > 5:
            return word.lower() + plural
        if len(word) > 3 and _VOWEL.search(word):
            return word.lower() + plural
        return spelled(word) + ("'s" if plural else "")


def abbreviations(language: str) -> frozenset[str]:
    """Short forms that end in a stop which does not end a sentence."""
    tag = language.replace("_", "-").lower().partition("-")[0]
    return frozenset(LANGUAGES.get(tag, ENGLISH).abbreviations)


@lru_cache(maxsize=256)
def _speech(language: str) -> Speech:
    tag = language.replace("_", "-").lower()
    return _of(tag if tag in LANGUAGES else tag.partition("-")[0])


@lru_cache(maxsize=32)
def _of(tag: str) -> Speech:
    return Speech(LANGUAGES.get(tag))


_WORDS = re.compile(
    r"(?:[A-Za-zÀ-ÖØ-öø-ÿŒœ]+(?:['-][A-Za-zÀ-ÖØ-öø-ÿŒœ]+)*[.,;:!?…]?(?: (?!$)|$))*"
)
_FIRM = re.compile(r"\b([A-Z]{1,3})&([A-Z]{1,3})\b")
_DIGIT = re.compile(r"\d")
_SIGN = re.compile(r"[&@%/+=€$£¥₹]")
_CURRENCY_SIGNS = set("€$£¥₹")
_CAPITAL = re.compile(r"\s+[A-ZÀ-ÖØ-Þ]")
_CAPITALS = re.compile(r"(?<![^\W\d_])([A-ZÀ-ÖØ-Þ]{2,})(s?)(?![^\W\d_])")
_VOWEL = re.compile("[AEIOUÀ-ÅÈ-ÏÒ-ÖÙ-Ü]")
_SPACED_THOUSANDS = re.compile(r"(?<!\d)(?<!\d )[1-9]\d{0,2}(?: \d{3})+(?!\d| \d)")
_CLOSING = {"etc.", "usw.", "ecc.", "enz.", "a.m.", "p.m.", "a. m.", "p. m."}

_PROTECTED = frozenset("ºª°²³…–—’‘")
_WRITTEN = str.maketrans(
    {
        "’": "'", "‘": "'", "ʼ": "'", "´": "'", "“": '"', "”": '"', "„": '"',
        "«": '"', "»": '"', "−": "-", "‐": "-", "‑": "-", "。": ". ", "、": ", ",
        "؟": "?", "،": ",", "؛": ";", "।": ".", "½": " 1/2", "¼": " 1/4",
        "¾": " 3/4", "→": ", ", "⇒": ", ", "·": " ", "•": "\n- ", "\t": " ",
        "\u00ad": "", "\u200b": "", "\ufeff": "",
    }
)  # fmt: skip
_NARROW_THOUSANDS = re.compile(r"(?<=\d)[\u00a0\u202f\u2009](?=\d{3}(?!\d))")


def _normal(text: str) -> str:
    """One way of writing each character."""
    if text.isascii():
        return text
    text = _NARROW_THOUSANDS.sub("'", text).translate(_WRITTEN)
    return unicodedata.normalize("NFC", "".join(map(_one_way, text)))


@lru_cache(maxsize=4096)
def _one_way(sign: str) -> str:
    if sign in _PROTECTED:
        return sign
    figure = unicodedata.decimal(sign, None)
    return unicodedata.normalize("NFKC", sign) if figure is None else str(figure)


_EMAIL = re.compile(r"(?:mailto:)?([\w.+-]+)@([\w-]+(?:\.[\w-]+)+)")
_ENDINGS = (
    "com|org|net|info|biz|io|ai|app|dev|eu|edu|gov|de|at|ch|fr|be|nl|lu|es|pt|it|uk|"
    "ie|us|ca|mx|br|ar|au|nz|in|jp|cn|pl|cz|se|no|dk|fi|tel|shop|online|cloud|help"
)
_URL = re.compile(
    r"(?:https?://|ftp://|www\.)([^\s<>()\[\]{}\"'|]+)"
    rf"|(?<![\w.@-])((?:[a-zà-ÿ0-9-]+\.)+(?:{_ENDINGS}))(?![\w-]|\.\w)"
    r"((?:/[^\s<>()\[\]{}\"'|]*)?)"
)
_PIECE = re.compile(r"[^\W\d_]+|\d+|[./_+-]")


def _addresses(text: str, language: Language | None) -> str:
    if "@" in text:
        text = _EMAIL.sub(lambda match: _email(match, language), text)
    if "." in text:
        text = _URL.sub(lambda match: _url(match, language), text)
    return text


def _email(match: re.Match[str], language: Language | None) -> str:
    name, host = match[1], match[2]
    at = language.at if language else "at"
    return f" {_address(name, language)} {at} {_host(host, language)} "


def _url(match: re.Match[str], language: Language | None) -> str:
    address = match[1] or match[2] + match[3]
    whole = address.rstrip(".,;:!?…*")
    stop = address[len(whole) :].strip("*")
    host, _, path = whole.removeprefix("www.").partition("/")
    path = re.split(r"[?#]", path)[0].strip("/")
    host = host.split("?")[0].split("#")[0].partition(":")[0]
    said = _host(host, language)
    slash = language.slash if language else ""
    for segment in path.split("/"):
        if not re.fullmatch(r"[^\W\d][\w.-]{0,24}|\d{1,4}", segment):
            break
        said += f" {slash} {_address(segment, language)}"
    return f" {said}{stop} "


def _host(host: str, language: Language | None) -> str:
    if language is None:
        return host
    name, dot, ending = host.rpartition(".")
    if len(ending) == 2 and ending.isalpha():
        ending = spelled(ending.upper())
    else:
        ending = _address(ending, language)
    if not dot:
        return ending
    return f"{_address(name, language)} {language.dot} {ending}"


def _address(text: str, language: Language | None) -> str:
    if language is None:
        return text
    signs = {
        ".": language.dot,
        "/": language.slash,
        "-": language.dash,
        "_": language.underscore,
        "+": language.plus,
    }
    said = []
    for piece in _PIECE.findall(text):
        if piece.isdecimal():
            said.append(language.digits(piece))
        else:
            said.append(signs.get(piece, piece))
    return " ".join(said)


def _any_abbreviation(language: Language) -> re.Pattern[str]:
    ways = []
    for short in sorted(language.abbreviations, key=len, reverse=True):
        way = re.escape(short)
        if language.abbreviations[short] == language.number:
            way += r"(?=\s?\d)"
        elif len(short) < 3 and short.endswith("."):
            way += r"(?=\s[A-ZÀ-Þ])"
        elif short[-1].isalpha():
            way += r"(?!\w)"
        ways.append(way)
        # "Hauptstr."
    street = "|(?<=[a-zß])str\\." if "str." in language.abbreviations else ""
    return re.compile(rf"(?:(?<![\w.])(?:{'|'.join(ways)}){street})(?!\w)")


_DASH = re.compile(r"\s*[–—―]\s*|\s+-{1,3}\s+|(?<=\w)--+(?=\w)")
_BRACKET = re.compile(r"\s*[()\[\]{}|]\s*")
_DOTTED = re.compile(r"\.{3,}")
_RUN = re.compile(r"[.,;:!?…](?:\s*[.,;:!?…])+")
# Dutch "'s middags" keeps its apostrophe.
_LOOSE = re.compile(r"(?<![^\s.,;:!?'…-])(?:(?!'[snt]\b)['-])+|['-]+(?![^\s.,;:!?'…-])")
_GLUED = re.compile(r"(?<=[.,;:!?…])(?=[^\s\d.,;:!?'…-])")
_ORDER = "?!….:;,"
_FIGURE_SIGNS = frozenset("%€$£¥₹°/+")
_OURS = re.compile(r"[^A-Za-zÀ-ÖØ-öø-ÿ .,;:!?'…-]")


def _tidy(text: str, *, digits: bool) -> str:
    """Only what a voice can say, and one sign at a time."""
    text = _DASH.sub(", ", text)
    text = _BRACKET.sub(", ", text)
    text = _OURS.sub(lambda match: _kept(match, digits), text)
    text = _DOTTED.sub("…", text)
    text = " ".join(text.split())
    text = re.sub(r" (?=[.,;:!?…])", "", text)
    text = _RUN.sub(lambda run: _strongest(run[0]), text)
    text = _LOOSE.sub(" ", text)
    if not digits:
        text = _GLUED.sub(" ", text)
    text = " ".join(text.split())
    text = re.sub(r" (?=[.,;:!?…])", "", text)
    text = _RUN.sub(lambda run: _strongest(run[0]), text)
    return text.lstrip(" .,;:!?-…")


def _strongest(run: str) -> str:
    return min(run.replace(" ", ""), key=_ORDER.index)


def _kept(match: re.Match[str], digits: bool) -> str:
    sign = match[0]
    if _letter(sign):
        return sign
    if unicodedata.category(sign)[0] == "M":
        # An accent or vowel sign belongs to a letter.
        before = match.string[max(0, match.start() - 1) : match.start()]
        return sign if before and unicodedata.category(before)[0] in "LM" else " "
    if digits and sign.isdecimal():
        return sign
    if digits and sign in _FIGURE_SIGNS:
        beside = match.string[max(0, match.start() - 1) : match.end() + 1]
        return sign if any(map(str.isdecimal, beside)) else " "
    return " "


@lru_cache(maxsize=4096)
def _letter(sign: str) -> bool:
    return sign not in "ºª" and unicodedata.category(sign)[0] == "L"
