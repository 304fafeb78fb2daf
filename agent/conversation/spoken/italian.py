"""Italian."""

from .language import Currency, Language, Noun, ordinal_words

_MONTHS = tuple(
    "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre"
    " novembre dicembre".split()
)


def _date(day: int, month: int, year: int, before: str) -> str:
    number = "primo" if day == 1 else ITALIAN.cardinal(day)
    said = f"{number} {_MONTHS[month - 1]}"
    return f"{said} {ITALIAN.cardinal(year)}" if year else said


def _clock(hour: int, minute: int) -> str:
    said = "una" if hour == 1 else ITALIAN.cardinal(hour)
    return f"{said} e {ITALIAN.cardinal(minute)}" if minute else said


def _bend(words: str, gender: str) -> str:
    if words == "uno":
        return "una" if gender == "f" else "un"
    return words


def _join(words: str, noun: str) -> str:
    if words == "una" and noun[0] in "aeiou":
        return f"un'{noun}"
    return words + (" di " if words.endswith(("milione", "milioni")) else " ") + noun


def _ordinal(number: int, ending: str) -> str:
    words = ordinal_words(number, "it")
    return words[:-1] + "a" if ending == "ª" else words


_CENT = Noun("centesimo", "centesimi")
_EURO = Currency(Noun("euro", "euro"), _CENT)
_DOLLAR = Currency(Noun("dollaro", "dollari"), _CENT)
_POUND = Currency(Noun("sterlina", "sterline", "f"), Noun("penny", "pence"))

ITALIAN = Language(
    code="it",
    decimal=",",
    point="virgola",
    minus="meno",
    plus="più",
    percent="per cento",
    to="a",
    times="per",
    equals="uguale",
    about="circa",
    and_="e",
    or_="o",
    per="per",
    number="numero",
    at="chiocciola",
    dot="punto",
    slash="barra",
    dash="trattino",
    underscore="trattino basso",
    months=_MONTHS,
    month_names={name: n for n, name in enumerate(_MONTHS, 1)},
    date=_date,
    clock=_clock,
    day_parts={"am": "di mattina", "pm": "del pomeriggio"},
    cents=" e ",
    fraction_whole=True,
    units={
        "km/h": Noun("chilometro all'ora", "chilometri all'ora"),
        "m/s": Noun("metro al secondo", "metri al secondo"),
        "km": Noun("chilometro", "chilometri"),
        "m": Noun("metro", "metri"),
        "cm": Noun("centimetro", "centimetri"),
        "mm": Noun("millimetro", "millimetri"),
        "m²": Noun("metro quadrato", "metri quadrati"),
        "mq": Noun("metro quadrato", "metri quadrati"),
        "m³": Noun("metro cubo", "metri cubi"),
        "kg": Noun("chilo", "chili"),
        "g": Noun("grammo", "grammi"),
        "mg": Noun("milligrammo", "milligrammi"),
        "l": Noun("litro", "litri"),
        "ml": Noun("millilitro", "millilitri"),
        "°C": Noun("grado", "gradi"),
        "°F": Noun("grado Fahrenheit", "gradi Fahrenheit"),
        "°": Noun("grado", "gradi"),
        "kWh": Noun("chilowattora", "chilowattora"),
        "kW": Noun("chilowatt", "chilowatt"),
        "W": Noun("watt", "watt"),
        "V": Noun("volt", "volt"),
        "GB": Noun("giga", "giga"),
        "MB": Noun("mega", "mega"),
        "s": Noun("secondo", "secondi"),
        "min": Noun("minuto", "minuti"),
        "h": Noun("ora", "ore", "f"),
        "ora": Noun("ora", "ore", "f"),
        "minuto": Noun("minuto", "minuti"),
        "giorno": Noun("giorno", "giorni"),
        "settimana": Noun("settimana", "settimane", "f"),
    },
    currencies={
        "€": _EURO,
        "EUR": _EURO,
        "euro": _EURO,
        "$": _DOLLAR,
        "USD": _DOLLAR,
        "£": _POUND,
        "GBP": _POUND,
        "CHF": Currency(Noun("franco", "franchi"), _CENT),
    },
    scales={
        "mila": "mila",
        "milione": "milione",
        "milioni": "milioni",
        "miliardi": "miliardi",
    },
    fractions={
        "1/2": "mezzo",
        "1/3": "un terzo",
        "2/3": "due terzi",
        "1/4": "un quarto",
        "3/4": "tre quarti",
        "24/7": "ventiquattro ore su ventiquattro, sette giorni su sette",
    },
    abbreviations={
        "Sig.": "Signor",
        "sig.": "signor",
        "Sig.ra": "Signora",
        "sig.ra": "signora",
        "Dott.": "Dottor",
        "dott.": "dottor",
        "Dott.ssa": "Dottoressa",
        "dott.ssa": "dottoressa",
        "Prof.": "Professor",
        "Ing.": "Ingegner",
        "Avv.": "Avvocato",
        "es.": "esempio",
        "ad es.": "ad esempio",
        "p.es.": "per esempio",
        "ecc.": "eccetera",
        "circa": "circa",
        "n.": "numero",
        "N.": "numero",
        "nr.": "numero",
        "tel.": "telefono",
        "Tel.": "telefono",
        "S.p.A.": "S-P-A",
        "S.r.l.": "S-R-L",
    },
    code_words=(
        "numero",
        "ordine",
        "codice",
        "riferimento",
        "pratica",
        "fattura",
        "ticket",
        "interno",
        "conto",
        "pin",
        "postale",
    ),
    ordinal=_ordinal,
    ordinal_ends="º|ª",
    short_words=frozenset(
        "ai al che chi con da dal dei del di dio due e ed era fa fra gli ha hai ho"
        " i il in io la le lei li lo lui ma me mi mio ne nei nel no noi non o ora"
        " per più poi qua qui sa se sei si sì so su sua sui sul suo te ti tra tre tu"
        " un una uno va vi via voi pin sim".split()
    ),
    bend=_bend,
    join=_join,
)
