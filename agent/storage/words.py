"""The words by which passages are found: no case, no accents, and pairs of characters
where a script does not part its words (Chinese, Japanese, Korean, Thai ...).

Passages and queries both come through here, so every database searches alike. What
comes out is letters and digits only: a query can hold no operators.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

_LONGEST_QUERY = 2000
"""Characters; what comes after is not looked at."""
_LONGEST_WORD = 64
"""Characters; PostgreSQL takes no word of 2 kB."""
_MOST_TERMS = 32
_SHORTEST_STEM = 4

_UNPARTED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17d3"  # Thai, Lao, Burmese, Khmer
    "\u3005\u3041-\u30fa\u30fc-\u30ff"  # kana
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Han
    "\uac00-\ud7a3"  # Hangul, which glues particles to its words
)
# Indic vowel signs belong to the word, though Python does not count them as letters.
_RUNS = re.compile(
    rf"([{_UNPARTED}]+)|((?:(?![{_UNPARTED}])[^\W_]|[\u0900-\u0963\u0966-\u0dff])+)"
)
_UNPARTED_RUN = re.compile(rf"[{_UNPARTED}]+")
_ACCENTS = re.compile(
    "[\u0300-\u036f"
    "\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4-\u05c7"  # Hebrew points
    "\u0640\u064b-\u065f\u0670]"  # Arabic ones
)
_HIRAGANA = re.compile("[\u3041-\u309f]+")


@dataclass(frozen=True, slots=True)
class Term:
    word: str
    begins: bool = False
    """Any word that begins so will do."""


def words(text: str) -> Iterator[str]:
    """The searchable form of a passage, in its order."""
    for unparted, word in _runs(text):
        if word:
            yield word
        else:
            # The last character stands alone, so that each character begins a word.
            for place in range(len(unparted)):
                yield unparted[place : place + 2]


def terms(query: str) -> tuple[Term, ...]:
    """What to look for: any of them will do, none is there twice."""
    found: list[Term] = []
    idle: list[Term] = []
    """Words that every passage has; wanted only if there are no others."""
    for unparted, word in _runs(query[:_LONGEST_QUERY]):
        if word in _IDLE:
            idle.append(Term(word))
        elif word:
            found.append(Term(word))
            if (stem := _stem(word)) is not None:
                found.append(Term(stem, begins=True))
        elif len(unparted) == 1:
            found.append(Term(unparted, begins=True))
        else:
            for place in range(len(unparted) - 1):
                pair = unparted[place : place + 2]
                (idle if _HIRAGANA.fullmatch(pair) else found).append(Term(pair))
    return tuple(dict.fromkeys(found or idle))[:_MOST_TERMS]


def size(text: str) -> int:
    """In words, where two characters of an unparted script are taken for one, and a
    word without end for one every 33."""
    characters = sum(len(run) for run in _UNPARTED_RUN.findall(text))
    parted = _UNPARTED_RUN.sub(" ", text).split()
    return sum(1 + len(word) // 33 for word in parted) + (characters + 1) // 2


def _runs(text: str) -> Iterator[tuple[str, str]]:
    apart = unicodedata.normalize("NFKD", text.casefold())
    for run in _RUNS.finditer(unicodedata.normalize("NFC", _ACCENTS.sub("", apart))):
        yield run[1] or "", (run[2] or "")[:_LONGEST_WORD]


def _stem(word: str) -> str | None:
    """Opening -> open, refunds -> refun, Öffnungszeiten -> offnungszei: crude, and
    right often enough in languages that change the ends of their words. The whole
    word is looked for as well, and being rarer it weighs more."""
    stem = word[: max(_SHORTEST_STEM, len(word) - 3)]
    return stem if word.isalpha() and len(word) > _SHORTEST_STEM else None


# Callers ask in sentences, and these say nothing about what the answer is about.
_IDLE = frozenset(
    # English
    "a about am an and any are as at be been but by can could did do does for from "
    "get give had has have hello hi how i if in is it its just like me my need of on "
    "or our please s so some tell thank thanks that the their them there they this to "
    "us want was we were what when where which who whom whose why will with would yes "
    "you your "
    # German
    "aber als am an auch auf aus bei bin bis bitte da danke dann das dass dem den "
    "denn der des die doch du ein eine einem einen einer eines er es fur gibt habe "
    "haben hallo hat ich ihr ihre im in ist ja kann konnen man mein meine mich mir "
    "mit nach oder sich sie sind um und uns von vom was wann warum wenn wer wie wieso "
    "wir wird wo zu zum zur "
    # French
    "au aux avec bonjour c ce ces cette comment d dans de des du elle en est et il "
    "ils j je l la le les leur ma mais mes mon n ne nous on ou par pas pour pourquoi "
    "qu quand que quel quelle quelles quels qui s sa se ses son sont sur un une vos "
    "votre vous y "
    # Spanish
    "al como con cual cuando de del donde el ella en es esta estan este hay hola la "
    "las lo los me mi mis no o para pero por porque que quien se si son su sus un una "
    "y yo "
    # Italian
    "ai al alla che chi ci come con da dal dei del della di dove e gli ho i il io la "
    "le lo ma mi nel nella non per perche quale quali quando sono su un una vi "
    # Dutch
    "aan de dat die dit een en er hebben heeft het hoe ik in is je kan met mijn naar "
    "niet om op te u uw van voor waar wanneer wat wie zijn ".split()
)
