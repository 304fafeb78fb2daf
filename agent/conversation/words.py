"""The words by which turns are taken: who only nods, who has not finished, who leaves.

Data for a handful of languages, English for the others, and a few questions to them.
Texts are as a recogniser writes them: "Mm-hmm.", "Okay, yeah.", "My number is". Pure.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from .spoken.figures import groups_of

MOST_WORDS = 4
"""A longer utterance is more than a nod."""


class Dictation(StrEnum):
    """What a caller is asked to say bit by bit."""

    PHONE = "phone"
    NUMBER = "number"
    EMAIL = "email"
    POSTCODE = "postcode"
    ADDRESS = "address"
    SPELLING = "spelling"
    DATE = "date"
    NAME = "name"


@dataclass(frozen=True, slots=True)
class Words:
    backchannels: frozenset[str]
    """Words and phrases of a listener."""
    goodbyes: tuple[str, ...]
    after_goodbye: frozenset[str]
    """What may follow it: "Bye now, thanks"."""
    conjunctions: tuple[str, ...]
    """Before which a long sentence can be cut."""
    never_last: frozenset[str]
    """Who stops here has not finished, whatever sign the recogniser puts."""
    seldom_last: frozenset[str]
    """The same where no sign follows."""
    announces: re.Pattern[str]
    """"My number is": something must follow."""
    asks: re.Pattern[str]
    """That a sentence asks the caller to say something."""
    wanted: Mapping[Dictation, re.Pattern[str]]
    """What it asks for; the first that fits."""


_LONG_NUMBER = re.compile(
    r"\b(?:phone|telephone|mobile|cell|account|card|customer|my) number is$"
    r"|nummer (?:ist|lautet|is)$|\bn[uúù]m[eé]ro(?: de \w+)? (?:est|est le|es|è|é)$"
)
_TRAILING_FIGURES = re.compile(r"[\d ]+$")
_CONDITIONS = frozenset("if unless wenn falls si se als indien".split())
"""A sentence that begins so has a second half, behind a comma."""


def is_backchannel(text: str, language: str) -> bool:
    """The whole of it only says "I am listening"."""
    tokens = _tokens(text)
    if not 0 < len(tokens) <= MOST_WORDS or "?" in text:
        return False
    known = _words_of(language).backchannels
    while tokens:
        for length in (3, 2, 1):
            if _nods(" ".join(tokens[:length]), known):
                tokens = tokens[length:]
                break
        else:
            return False
    return True


def is_goodbye(text: str, language: str) -> bool:
    """The caller takes his leave."""
    tokens, words = _tokens(text), _words_of(language)
    if not tokens or len(tokens) > 12 or text.rstrip().endswith("?"):
        return False
    said = f" {' '.join(tokens)} "
    for goodbye in words.goodbyes:
        before, found, after = said.rpartition(f" {goodbye} ")
        if found and set(after.split()) <= words.after_goodbye:
            return not re.search(
                r"\b(?:say|said|sagen|dire|decir|dizer|zeggen)$", before
            )
    return False


def sounds_unfinished(text: str, language: str) -> bool:
    """The caller has stopped, and more is to come."""
    stripped = text.strip()
    tokens, words = _tokens(stripped), _words_of(language)
    if not tokens or stripped.endswith("?"):
        return False
    if stripped.endswith((",", "...", "…", "-", "–", "—", ":", "、", "，")):
        return True
    if all(map(_hesitates, tokens)) or _hesitates(tokens[-1]):
        return True
    if tokens[-1] in words.never_last or words.announces.search(" ".join(tokens)):
        return True
    head = _TRAILING_FIGURES.sub("", " ".join(_tokens(group_digits(stripped))))
    if _LONG_NUMBER.search(head) and 0 < _figures(stripped) < 7:
        return True  # "My number is 555": nobody's is
    if tokens[0] in _CONDITIONS and "," not in stripped and len(tokens) > 2:
        return True  # "If it is not too late": and then?
    return not stripped.endswith((".", "!")) and tokens[-1] in words.seldom_last


def may_go_on(text: str, language: str) -> bool:
    """It ends with a word that seldom ends a sentence, whatever sign follows."""
    tokens, words = _tokens(text), _words_of(language)
    return bool(tokens) and tokens[-1] in words.never_last | words.seldom_last


def conjunctions(language: str) -> tuple[str, ...]:
    return _words_of(language).conjunctions


def _figures(text: str) -> int:
    return sum(map(str.isdecimal, group_digits(text)))


def asks_for_dictation(text: str, language: str) -> Dictation | None:
    """What the caller will now say bit by bit, from what the AI has said last."""
    sentences = [part for part in re.split(r"(?<=[.!?…])\s+", text.strip()) if part]
    words = _words_of(language)
    for sentence in reversed(sentences[-2:]):
        lowered = sentence.lower().replace("’", "'")
        if words.asks.search(lowered):
            for kind, pattern in words.wanted.items():
                if pattern.search(lowered):
                    return kind
        if sentence.endswith("?"):
            return None
    return None


def dictation_complete(text: str, kind: Dictation) -> bool | None:
    """Whether it can be all; None when nobody can know."""
    figures = _figures(text)
    if not _tokens(text):
        return False
    match kind:
        case Dictation.PHONE:
            return True if figures >= 10 else False if figures < 7 else None
        case Dictation.EMAIL:
            return bool(_EMAIL.search(text.lower().rstrip(" .!")))
        case Dictation.POSTCODE:
            if figures >= 5 or _BRITISH_POSTCODE.search(text):
                return True
            return None if figures == 4 else False
        case Dictation.DATE:
            return True if _DATE.search(text) else None
        case Dictation.NUMBER:
            return None if figures else False
        case _:
            return None


def group_digits(text: str) -> str:
    """Digits said one by one, in groups: "oh four oh, one two" gives "040 12"."""
    kept, run, gap = "", list[str](), ""
    for found in _TOKEN_OR_NOT.finditer(text):
        piece = found[0]
        if found[1] and _is_figure(piece):
            if run:
                run.append(gap)
            run.append(piece)
            gap = ""
        elif run and not found[1] and not piece.strip(" ,.-\n"):
            gap += piece
        else:
            kept += _grouped(run) + gap + piece
            run, gap = [], ""
    return kept + _grouped(run) + gap


def is_hallucination(text: str) -> bool:
    """What Whisper hears in noise: the ends of the films that it has learned from."""
    said = " ".join(_tokens(text))
    if not said:
        return True
    return said in _INVENTED or bool(_INVENTION.search(said))


def _tokens(text: str) -> list[str]:
    """Its words, small, "mm-hm" as one."""
    text = text.lower().replace("’", "'")
    text = re.sub(r"(?<=\w)-(?=h)", "", text)
    return re.findall(r"[^\W_]+(?:'[^\W_]+)*'?", text.replace("-", " "))


_NOD = re.compile(r"m+h*m*|h+m+|mhm+|u+h+hu+h|u+h+u+h|a+ha+|a+h+|o+h+|o+")
_HESITATION = re.compile(r"u+h+|u+h*m+|e+r+m*|e+h+m*|h+m+|ä+h*m*|ö+h*m*|e+u+h*|e+h+")


def _nods(phrase: str, known: frozenset[str]) -> bool:
    return phrase in known or bool(_NOD.fullmatch(phrase))


def _hesitates(word: str) -> bool:
    return bool(_HESITATION.fullmatch(word))


_ZERO_TO_NINE = (
    "zero one two three four five six seven eight nine",
    "null eins zwei drei vier fünf sechs sieben acht neun",
    "zéro un deux trois quatre cinq six sept huit neuf",
    "cero uno dos tres cuatro cinco seis siete ocho nueve",
    "zero uno due tre quattro cinque sei sette otto nove",
    "zero um dois três quatro cinco seis sete oito nove",
    "nul een twee drie vier vijf zes zeven acht negen",
)
_FIGURES = {
    word: str(figure)
    for words in _ZERO_TO_NINE
    for figure, word in enumerate(words.split())
} | {"oh": "0", "o": "0", "zwo": "2", "één": "1", "meia": "6"}
_TIMES = {"double": 2, "triple": 3, "treble": 3, "doppel": 2, "doble": 2, "dubbel": 2}
_TOKEN_OR_NOT = re.compile(r"([^\W_]+)|[\W_]+")


def _is_figure(piece: str) -> bool:
    word = piece.lower()
    return word.isdecimal() or word in _FIGURES or word in _TIMES


def _grouped(run: list[str]) -> str:
    """`run` is figures with what stands between them."""
    groups, times, one_by_one = [""], 1, True
    for at, piece in enumerate(run):
        word = piece.lower()
        if at % 2:
            if "," in piece or "." in piece:
                groups.append("")
        elif word in _TIMES:
            times = _TIMES[word]
        else:
            figures = _FIGURES.get(word, word)
            if len(figures) > 1:
                one_by_one = False
                groups.append("")
            groups[-1] += figures * times
            if len(figures) > 1:
                groups.append("")
            times = 1
    groups = list(filter(None, groups))
    if times > 1 or sum(map(len, groups)) < 3 or len(run) < 2:
        return "".join(run)
    if one_by_one and all(len(group) == 1 for group in groups):
        groups = ["".join(groups)]
    return " ".join(groups if len(groups) > 1 else groups_of(groups[0]))


_EMAIL = re.compile(
    r"\S+@\S+\.[a-z]{2,}$"
    r"|\b(?:at|ät|arroba|arobase|chiocciola|apenstaartje|@)\s.*"
    r"(?:\.|\b(?:dot|punkt|point|punto|ponto|punt)\s+)[a-zà-ÿ]{2,}(?: [a-z])?$"
)
_BRITISH_POSTCODE = re.compile(r"\b[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}\b", re.IGNORECASE)
_DATE = re.compile(
    r"\b\d{1,2}[./-]\d{1,2}[./-]\d{2,4}\b|\b\d{4}-\d{2}-\d{2}\b"
    r"|\d{1,2}\D{1,20}\b(?:1[89]|20)\d\d\b"
)
_INVENTED = frozenset(
    {
        "you", "thank you for watching", "thanks for watching", "music", "applause",
        "silence", "blank audio", "to be continued", "the end",
        "ご視聴ありがとうございました",
        "vielen dank fürs zuschauen", "merci d'avoir regardé cette vidéo",
        "gracias por ver el video", "grazie per la visione",
        "obrigado por assistir", "bedankt voor het kijken",
    }
)  # fmt: skip
_INVENTION = re.compile(
    r"^(?:thank you(?: very much| so much)?|thanks)(?: all)? for (?:watching|listening)"
    r"|please subscribe|subscribe to (?:my|the|our) channel|like and subscribe"
    r"|see you in the next video|amara org|^(?:sub)?titles? by\b|^subtitles by\b"
    r"|^(?:transcription|captions?|captioning) by\b|^untertitel\b.*\b(?:von"
    r"|im auftrag|des)\b"
    r"|^sous titr(?:es|age)\b|^subt[ií]tulos\b.*\bpor\b|^sottotitoli\b"
    r"|^legendas?\b.*\bpor\b|^ondertitel(?:ing|d)\b|zuschauen$|^copyright\b"
)


def _set(*texts: str) -> frozenset[str]:
    """Phrases apart by commas."""
    return frozenset(part.strip() for part in ",".join(texts).split(","))


def _asking(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{pattern})")


def _wanted(**patterns: str) -> dict[Dictation, re.Pattern[str]]:
    """In the order of Dictation's questions, the most particular first."""
    order = "spelling email phone postcode date number address name".split()
    return {Dictation[kind.upper()]: re.compile(patterns[kind]) for kind in order}


_WORDS: Mapping[str, Words] = {
    "en": Words(
        backchannels=_set(
            "yeah,yes,yep,yup,ya,ok,okay,k,right,alright,all right,sure,i see,",
            "got it,gotcha,go on,of course,exactly,indeed,true,great,good,cool,",
            "fine,really,that's right,sounds good,makes sense,understood,perfect,",
            "wow,nice,uh,um,i know,mkay,yes yes,uh huh,mm hm,mm hmm",
        ),
        goodbyes=(
            "goodbye",
            "good bye",
            "bye bye",
            "bye",
            "see you",
            "see ya",
            "have a nice day",
            "have a good day",
            "have a good one",
            "have a great day",
            "take care",
            "talk to you later",
            "good night",
            "cheerio",
        ),
        after_goodbye=_set(
            "now,then,thanks,thank,you,for,again,later,soon,too,bye,very,much",
        ),
        conjunctions=(
            "and",
            "but",
            "or",
            "because",
            "so",
            "which",
            "while",
            "although",
        ),
        never_last=_set(
            "and,or,but,because,the,a,an,my,your,our,their,if,than,although,",
            "whereas,i'm,i'd,i'll,it's,there's,what's,um,uh,er,let's,whose,",
            "unless",
        ),
        seldom_last=_set(
            "is,are,was,of,to,for,from,with,at,by,in,on,about,so,like,then,that,",
            "which,who,when,where,as,into,i,he,she,we,they,well,not,can,could,",
            "would,will,want,need,have,his,her,its,this,these,maybe,until",
        ),
        announces=re.compile(
            r"\b(?:my|the|our) (?:[\w']+ ){1,3}(?:is|are|was)$"
            r"|\b(?:i (?:want|need|would like|wanted|like) to(?: know| ask| say)?"
            r"|let me see|let me think"
            r"|it is)$"
        ),
        asks=_asking(
            r"what|what's|which|how do you spell|how is .* spelled|tell me|give me"
            r"|spell"
            r"|(?:may|can|could) i (?:please )?(?:have|get|ask)|i(?:'ll| will)? need"
            r"|please (?:say|enter|provide|confirm|read|repeat)|provide|read (?:me|out)"
            r"|share|when were you born|where do you live|could you (?:say|repeat)"
        ),
        wanted=_wanted(
            spelling=r"\bspell|\bletter by letter",
            email=r"\be-?mail",
            phone=r"\b(?:tele)?phone\b|\bmobile\b|\bcell\b"
            r"|call(?:ing)? you back (?:on|at)"
            r"|\b(?:contact|callback|call-back) number|(?:reach|call) you",
            postcode=r"\bpost ?code|\bpostal code|\bzip\b",
            date=r"\bdate\b|\bborn\b|\bbirthday\b",
            number=r"\bnumber\b|\bcode\b|\bpin\b|\biban\b|\bdigits\b|\breference\b|\bid\b",
            address=r"\baddress\b|where do you live|\bstreet\b",
            name=r"\bname\b",
        ),
    ),
    "de": Words(
        backchannels=_set(
            "ja,jo,jep,jap,ok,okay,genau,gut,klar,alles klar,ach so,achso,",
            "richtig,stimmt,verstehe,ich verstehe,verstanden,sicher,natürlich,",
            "aha,soso,super,prima,in ordnung,schön,eben,ja klar,na gut,ja gut,",
            "interessant,ach",
        ),
        goodbyes=(
            "auf wiederhören",
            "auf wiedersehen",
            "wiederhören",
            "wiedersehen",
            "tschüss",
            "tschüs",
            "tschau",
            "ciao",
            "servus",
            "ade",
            "bis bald",
            "bis dann",
            "schönen tag",
            "schönen tag noch",
            "einen schönen tag noch",
            "schönen abend",
            "gute nacht",
            "mach's gut",
            "bye",
        ),
        after_goodbye=_set(
            "dann,danke,ihnen,noch,und,auch,schön,vielen,dank,tschüss,bis",
        ),
        conjunctions=(
            "und",
            "aber",
            "oder",
            "weil",
            "denn",
            "sondern",
            "damit",
            "während",
        ),
        never_last=_set(
            "und,oder,aber,weil,dass,denn,mein,meine,meinen,meiner,ein,eine,",
            "einen,einem,der,ähm,äh,öhm,wenn,obwohl,sondern,beziehungsweise,ihre,",
            "unser,unsere,zum,zur,vom,im,beim,den,dem,des",
        ),
        seldom_last=_set(
            "die,das,mit,von,für,auf,an,in,bei,nach,zu,aus,um,ist,sind,war,ich,",
            "also,so,dann,wie,als,ob,hab,habe,möchte,will,kann,bitte,er,sie,wir,",
            "es,nicht,noch,bis,wegen,durch,gegen,über",
        ),
        announces=re.compile(
            r"\b(?:meine?|die|der|das|unsere?) (?:[\w]+ ){1,3}(?:ist|lautet|sind)$"
            r"|\bich (?:möchte|wollte|hätte gern|hätte gerne|würde gern|würde gerne)$"
        ),
        asks=_asking(
            r"wie (?:ist|lautet|heißen|schreibt|buchstabiert|war)|welche|was ist|nennen"
            r"|sagen|geben|buchstabier|mitteilen|verraten|diktier|wiederhol|brauche"
            r"|benötig"
            r"|wann (?:sind|wurden)|wo wohnen|unter welcher|angeben|durchgeben"
        ),
        wanted=_wanted(
            spelling=r"buchstabier|schreibt man|wie schreib",
            email=r"e-?mail|mailadresse",
            phone=r"telefon|handy|mobil|rückruf|rufnummer|erreichen",
            postcode=r"postleitzahl|\bplz\b",
            date=r"datum|geboren|geburtstag",
            number=r"nummer|\bcode\b|\bpin\b|\biban\b|aktenzeichen|ziffern",
            address=r"adresse|anschrift|wohnen|straße",
            name=r"\bnamen?\b|heißen|(?:vor|nach|familien)name",
        ),
    ),
    "fr": Words(
        backchannels=_set(
            "oui,ouais,ok,okay,d'accord,bien,très bien,bien sûr,je vois,entendu,",
            "parfait,exactement,voilà,c'est ça,effectivement,ah bon,ah oui,",
            "tout à fait,d'acc,je comprends,compris,bon,super,en effet,ben oui",
        ),
        goodbyes=(
            "au revoir",
            "à bientôt",
            "a bientôt",
            "bonne journée",
            "bonne soirée",
            "bonne nuit",
            "à plus tard",
            "à plus",
            "salut",
            "ciao",
            "adieu",
        ),
        after_goodbye=_set(
            "merci,madame,monsieur,à,vous,aussi,et,beaucoup,bientôt",
        ),
        conjunctions=tuple("et mais ou parce car donc puis alors".split()),
        never_last=_set(
            "et,ou,mais,parce,que,car,le,les,un,une,des,du,mon,ma,mes,votre,vos,",
            "notre,euh,heu,si,de,d',l',j',je,au,aux,dont,lorsque,puisque,c'est",
        ),
        seldom_last=_set(
            "la,à,en,pour,avec,par,sur,dans,chez,est,sont,alors,donc,il,elle,on,",
            "nous,qui,quand,comme,ce,cette,ne,pas,voudrais,veux,peux,sans",
        ),
        announces=re.compile(
            r"\b(?:mon|ma|le|la|notre|l'\w+) (?:[\w']+ ){0,3}(?:est|c'est)(?: le)?$"
            r"|\bje (?:voudrais|veux|souhaite|souhaiterais|m'appelle)$"
        ),
        asks=_asking(
            r"quel|quelle|donner|donnez|dire|dites|épele|épelez|indiquer|indiquez"
            r"|comment"
            r"|communiquer|préciser|pouvez-vous|pourriez-vous|puis-je|j'ai besoin"
            r"|où habitez"
        ),
        wanted=_wanted(
            spelling=r"épel|lettre par lettre|s'écrit",
            email=r"e-?mail|courriel|adresse électronique|\bmail\b",
            phone=r"téléphone|portable|joindre|rappeler",
            postcode=r"code postal",
            date=r"\bdate\b|\bné\b|née|naissance",
            number=r"numéro|\bcode\b|\biban\b|référence|chiffres",
            address=r"adresse|habitez",
            name=r"\bnom\b|prénom|appelez-vous",
        ),
    ),
    "es": Words(
        backchannels=_set(
            "sí,si,ok,okay,vale,claro,bien,muy bien,de acuerdo,entiendo,ya,",
            "ya veo,exacto,perfecto,bueno,correcto,por supuesto,entendido,ajá,",
            "aja,así es,eso es,cierto,dale,sale,órale,genial",
        ),
        goodbyes=(
            "adiós",
            "hasta luego",
            "hasta pronto",
            "hasta mañana",
            "hasta la vista",
            "que tenga un buen día",
            "que tenga buen día",
            "buen día",
            "buenas noches",
            "chao",
            "chau",
            "nos vemos",
            "bye",
        ),
        after_goodbye=_set(
            "gracias,muchas,y,igualmente,señor,señora,usted,a,adiós",
        ),
        conjunctions=tuple("y pero o porque aunque pues sino mientras".split()),
        never_last=_set(
            "y,e,o,pero,porque,que,el,los,las,un,una,unos,mi,mis,su,sus,eh,em,",
            "este,si,de,del,al,aunque,con,sino,cuyo",
        ),
        seldom_last=_set(
            "la,lo,a,en,para,por,sobre,es,son,está,pues,entonces,como,cuando,",
            "donde,quien,yo,se,no,quiero,quisiera,puedo,sin,hasta,desde",
        ),
        announces=re.compile(
            r"\b(?:mi|el|la|nuestro|nuestra) (?:[\w]+ ){1,4}(?:es|está|son)(?: el"
            r"| la)?$"
            r"|\b(?:quiero|quisiera|me llamo|necesito|me gustaría)$"
        ),
        asks=_asking(
            r"cuál|cual|qué|dar|deme|dígame|decir|deletre|indicar|indíqueme|facilitar"
            r"|repetir|cómo|puede|podría|necesito|dónde vive|cuándo nació|proporcion"
        ),
        wanted=_wanted(
            spelling=r"deletre|letra por letra|se escribe",
            email=r"correo|e-?mail",
            phone=r"teléfono|móvil|celular|llamarle|contactar",
            postcode=r"código postal",
            date=r"fecha|nació|nacimiento|cumpleaños",
            number=r"número|código|\bpin\b|\biban\b|referencia|dígitos|\bdni\b",
            address=r"dirección|domicilio|dónde vive",
            name=r"nombre|apellido|se llama",
        ),
    ),
    "it": Words(
        backchannels=_set(
            "sì,si,ok,okay,va bene,certo,bene,benissimo,d'accordo,capisco,",
            "ho capito,capito,esatto,perfetto,giusto,già,ecco,chiaro,certamente,",
            "ah sì,infatti,ottimo",
        ),
        goodbyes=(
            "arrivederci",
            "arrivederla",
            "ciao",
            "ciao ciao",
            "a presto",
            "a dopo",
            "buona giornata",
            "buona serata",
            "buonanotte",
            "ci sentiamo",
            "addio",
        ),
        after_goodbye=_set(
            "grazie,mille,e,anche,a,lei,tante,ciao,arrivederci",
        ),
        conjunctions=tuple("e ma o oppure perché però quindi mentre".split()),
        never_last=_set(
            "e,ed,o,oppure,ma,perché,che,il,lo,gli,un,una,uno,mio,mia,miei,mie,",
            "suo,sua,ehm,eh,di,del,della,dei,al,alla,dal,nel,nella,sul,se,l',un',",
            "c'è",
        ),
        seldom_last=_set(
            "la,le,i,a,da,in,con,su,per,è,sono,allora,quindi,come,quando,dove,",
            "chi,non,io,vorrei,voglio,posso,ho,però,senza,fino",
        ),
        announces=re.compile(
            r"\b(?:il mio|la mia|il|la|mio|mia) (?:[\w]+ ){1,3}(?:è|sono)(?: il| la)?$"
            r"|\b(?:vorrei|mi chiamo|voglio|ho bisogno di)$"
        ),
        asks=_asking(
            r"qual|quale|quali|dare|darmi|dirmi|dica|dirlo|sillab|compit|fornir"
            r"|indicare"
            r"|ripetere|come si|può|potrebbe|mi serve|ho bisogno|dove abita"
            r"|quando è nat"
        ),
        wanted=_wanted(
            spelling=r"sillab|compit|lettera per lettera|si scrive",
            email=r"e-?mail|posta elettronica|\bmail\b",
            phone=r"telefono|cellulare|richiamar|contattar|recapito",
            postcode=r"codice (?:di avviamento )?postale|\bcap\b",
            date=r"\bdata\b|\bnato\b|\bnata\b|nascita|compleanno",
            number=r"numero|codice|\bpin\b|\biban\b|cifre",
            address=r"indirizzo|abita",
            name=r"\bnome\b|cognome|si chiama",
        ),
    ),
    "pt": Words(
        backchannels=_set(
            "sim,ok,okay,está bem,tá,tá bom,tá bem,certo,claro,bem,muito bem,",
            "pois,pois é,entendo,entendi,percebo,percebi,exato,exatamente,isso,",
            "perfeito,com certeza,é,beleza,ótimo,de acordo,compreendo,está bom,",
            "sei,uhum,aham",
        ),
        goodbyes=(
            "adeus",
            "tchau",
            "tchau tchau",
            "até logo",
            "até já",
            "até amanhã",
            "até breve",
            "até mais",
            "bom dia para si",
            "tenha um bom dia",
            "um bom dia",
            "boa noite",
            "bye",
        ),
        after_goodbye=_set(
            "obrigado,obrigada,muito,e,para,si,você,também,tchau,adeus",
        ),
        conjunctions=(
            "e",
            "mas",
            "ou",
            "porque",
            "embora",
            "pois",
            "então",
            "enquanto",
        ),
        never_last=_set(
            "e,ou,mas,porque,que,o,os,as,um,uma,meu,minha,meus,minhas,seu,sua,",
            "hum,ahm,eh,de,do,da,dos,das,no,na,ao,à,pelo,pela,se,com,nem",
        ),
        seldom_last=_set(
            "a,em,para,por,sobre,é,são,está,então,como,quando,onde,quem,não,eu,",
            "quero,queria,gostaria,posso,tenho,sem,até,desde",
        ),
        announces=re.compile(
            r"\b(?:o meu|a minha|meu|minha|o|a) (?:[\w]+ ){1,3}(?:é|são)(?: o| a)?$"
            r"|\b(?:quero|queria|gostaria de|chamo-me|eu me chamo|preciso de)$"
        ),
        asks=_asking(
            r"qual|quais|dar|dar-me|diga|dizer|soletr|indicar|informar|fornecer|repetir"
            r"|como se|pode|poderia|preciso|onde mora|quando nasceu|me passa"
        ),
        wanted=_wanted(
            spelling=r"soletr|letra por letra|se escreve",
            email=r"e-?mail|correio eletr[óô]nico",
            phone=r"telefone|telemóvel|celular|contactar|contato|ligar",
            postcode=r"código postal|\bcep\b",
            date=r"\bdata\b|nasceu|nascimento|aniversário",
            number=r"número|código|\bpin\b|\biban\b|\bcpf\b|\bnif\b|dígitos|protocolo",
            address=r"endereço|morada|onde mora",
            name=r"\bnome\b|apelido|se chama",
        ),
    ),
    "nl": Words(
        backchannels=_set(
            "ja,jawel,ok,okay,oké,goed,prima,precies,klopt,juist,natuurlijk,",
            "ik snap het,ik begrijp het,begrepen,duidelijk,snap ik,inderdaad,",
            "zeker,helder,dat klopt,akkoord,mooi,is goed,oh ja,ah ja",
        ),
        goodbyes=(
            "tot ziens",
            "dag",
            "doei",
            "doeg",
            "tot horens",
            "tot straks",
            "tot later",
            "fijne dag",
            "fijne dag nog",
            "prettige dag",
            "fijne avond",
            "goedenacht",
            "bye",
        ),
        after_goodbye=_set(
            "hoor,dank,u,wel,bedankt,en,nog,ook,verder,dag,doei",
        ),
        conjunctions=tuple("en maar of want omdat zodat terwijl dus".split()),
        never_last=_set(
            "en,of,maar,want,omdat,dat,de,een,mijn,uw,onze,ons,eh,uh,ehm,als,",
            "zodat,hoewel,zijn,haar,'n",
        ),
        seldom_last=_set(
            "het,van,met,voor,op,aan,in,bij,naar,te,uit,om,is,was,ik,dus,dan,hoe,",
            "wie,wil,kan,heb,zou,niet,nog,tot,door,over,wij,hij,zij",
        ),
        announces=re.compile(
            r"\b(?:mijn|het|de|onze) (?:[\w]+ ){1,3}(?:is|zijn|luidt)$"
            r"|\bik (?:wil|wilde|zou graag|heet|wil graag)$"
        ),
        asks=_asking(
            r"wat is|wat zijn|welk|geven|zeggen|spel|noemen|doorgeven|herhalen"
            r"|hoe schrijf"
            r"|hoe heet|mag ik|kunt u|nodig|waar woont|wanneer bent|wat was"
        ),
        wanted=_wanted(
            spelling=r"\bspel|letter voor letter|schrijf",
            email=r"e-?mail|mailadres",
            phone=r"telefoon|mobiel|terugbellen|bereiken",
            postcode=r"postcode",
            date=r"datum|geboren|verjaardag",
            number=r"nummer|\bcode\b|\bpin\b|\biban\b|cijfers",
            address=r"adres|woont|straat",
            name=r"\bnaam\b|achternaam|voornaam|heet",
        ),
    ),
}


def _words_of(language: str) -> Words:
    tag = language.replace("_", "-").partition("-")[0].lower()
    return _WORDS.get(tag, _WORDS["en"])
