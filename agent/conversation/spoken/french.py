"""French."""

from .language import Currency, Language, Noun, ordinal_words

_MONTHS = tuple(
    "janvier février mars avril mai juin juillet août septembre octobre novembre"
    " décembre".split()
)


def _date(day: int, month: int, year: int, before: str) -> str:
    number = "premier" if day == 1 else FRENCH.cardinal(day)
    said = f"{number} {_MONTHS[month - 1]}"
    return f"{said} {FRENCH.cardinal(year)}" if year else said


def _clock(hour: int, minute: int) -> str:
    said = FRENCH.counted(hour, Noun("heure", "heures", "f"))
    return f"{said} {FRENCH.bend(FRENCH.cardinal(minute), 'f')}" if minute else said


def _bend(words: str, gender: str) -> str:
    return words + "e" if gender == "f" and words.endswith("un") else words


def _join(words: str, noun: str) -> str:
    if words.endswith(("million", "millions", "milliard", "milliards")):
        return words + (" d'" if noun[0] in "aeiouéh" else " de ") + noun
    return f"{words} {noun}"


def _ordinal(number: int, ending: str) -> str:
    if number == 1:
        return "premier" if ending == "er" else "première"
    return ordinal_words(number, "fr")


_CENT = Noun("centime", "centimes")
_EURO = Currency(Noun("euro", "euros"), _CENT)
_DOLLAR = Currency(Noun("dollar", "dollars"), Noun("cent", "cents"))
_POUND = Currency(Noun("livre", "livres", "f"), Noun("penny", "pence"))

FRENCH = Language(
    code="fr",
    decimal=",",
    point="virgule",
    minus="moins",
    plus="plus",
    percent="pour cent",
    to="à",
    times="fois",
    equals="égale",
    about="environ",
    and_="et",
    or_="ou",
    per="par",
    number="numéro",
    at="arobase",
    dot="point",
    slash="slash",
    dash="tiret",
    underscore="tiret bas",
    months=_MONTHS,
    month_names={name: n for n, name in enumerate(_MONTHS, 1)},
    date=_date,
    clock=_clock,
    day_parts={"am": "heures du matin", "pm": "heures de l'après-midi"},
    zero_is_one=True,
    fraction_whole=True,
    thousands_space=True,
    hour_letter=True,
    pairs=True,
    units={
        "km/h": Noun("kilomètre heure", "kilomètres heure"),
        "m/s": Noun("mètre par seconde", "mètres par seconde"),
        "km": Noun("kilomètre", "kilomètres"),
        "m": Noun("mètre", "mètres"),
        "cm": Noun("centimètre", "centimètres"),
        "mm": Noun("millimètre", "millimètres"),
        "m²": Noun("mètre carré", "mètres carrés"),
        "m³": Noun("mètre cube", "mètres cubes"),
        "kg": Noun("kilo", "kilos"),
        "g": Noun("gramme", "grammes"),
        "mg": Noun("milligramme", "milligrammes"),
        "l": Noun("litre", "litres"),
        "L": Noun("litre", "litres"),
        "ml": Noun("millilitre", "millilitres"),
        "°C": Noun("degré", "degrés"),
        "°F": Noun("degré Fahrenheit", "degrés Fahrenheit"),
        "°": Noun("degré", "degrés"),
        "kWh": Noun("kilowattheure", "kilowattheures"),
        "kW": Noun("kilowatt", "kilowatts"),
        "W": Noun("watt", "watts"),
        "V": Noun("volt", "volts"),
        "Go": Noun("gigaoctet", "gigaoctets"),
        "Mo": Noun("mégaoctet", "mégaoctets"),
        "s": Noun("seconde", "secondes", "f"),
        "min": Noun("minute", "minutes", "f"),
        "h": Noun("heure", "heures", "f"),
        "heure": Noun("heure", "heures", "f"),
        "minute": Noun("minute", "minutes", "f"),
        "semaine": Noun("semaine", "semaines", "f"),
    },
    currencies={
        "€": _EURO,
        "EUR": _EURO,
        "$": _DOLLAR,
        "USD": _DOLLAR,
        "£": _POUND,
        "GBP": _POUND,
        "CHF": Currency(Noun("franc", "francs"), _CENT),
    },
    scales={
        "million": "million",
        "millions": "millions",
        "milliard": "milliard",
        "milliards": "milliards",
    },
    fractions={
        "1/2": "un demi",
        "1/3": "un tiers",
        "2/3": "deux tiers",
        "1/4": "un quart",
        "3/4": "trois quarts",
        "24/7": "vingt-quatre heures sur vingt-quatre, sept jours sur sept",
    },
    abbreviations={
        "M.": "Monsieur",
        "MM.": "Messieurs",
        "Mme": "Madame",
        "Mlle": "Mademoiselle",
        "Dr": "Docteur",
        "Dr.": "Docteur",
        "Pr": "Professeur",
        "St.": "Saint",
        "av.": "avenue",
        "bd.": "boulevard",
        "Bd.": "boulevard",
        "n°": "numéro",
        "N°": "numéro",
        "p. ex.": "par exemple",
        "p.ex.": "par exemple",
        "c.-à-d.": "c'est-à-dire",
        "etc.": "et cetera",
        "env.": "environ",
        "tél.": "téléphone",
        "Tél.": "téléphone",
        "réf.": "référence",
        "svp": "s'il vous plaît",
        "SVP": "s'il vous plaît",
    },
    code_words=(
        "numéro",
        "commande",
        "code",
        "référence",
        "dossier",
        "facture",
        "ticket",
        "poste",
        "compte",
        "postal",
    ),
    ordinal=_ordinal,
    ordinal_ends="er|re|ère|e|ème|nd|nde",
    short_words=frozenset(
        "au ça car ce ces de des dit du elle en es est et eux fin il ils je la le les"
        " lui ma mes moi mon ne non nos nous on or ou où oui par pas peu plus pour que"
        " qui rue sa se ses si son sur ta te toi ton tu un une vos vu y pin sim".split()
    ),
    bend=_bend,
    join=_join,
)
