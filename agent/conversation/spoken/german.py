"""German."""

from .language import Currency, Language, Noun, ordinal_words

_MONTHS = tuple(
    "Januar Februar März April Mai Juni Juli August September Oktober November"
    " Dezember".split()
)
_DATIVE = {
    "am", "ab", "an", "beim", "bis", "dem", "den", "des", "im", "nach", "seit", "vom",
    "von", "vor", "zum", "zur", "einem", "einer", "ihrem", "ihrer", "jedem", "jeden",
}  # fmt: skip
_NOMINATIVE = {"der", "die", "das"}


def _ordinal_after(number: int, before: str) -> str:
    """erste(r, n), by the word before it."""
    stem = ordinal_words(number, "de")
    if before in _DATIVE:
        return stem + "n"
    return stem if before in _NOMINATIVE else stem + "r"


def _date(day: int, month: int, year: int, before: str) -> str:
    said = f"{_ordinal_after(day, before)} {_MONTHS[month - 1]}"
    return f"{said} {GERMAN.year(year)}" if year else said


def _clock(hour: int, minute: int) -> str:
    said = f"{_bend(GERMAN.cardinal(hour), 'm')} Uhr"
    return f"{said} {GERMAN.cardinal(minute)}" if minute else said


def _bend(words: str, gender: str) -> str:
    if words.endswith("eins"):
        return words[:-1] + ("e" if gender == "f" else "")
    return words


_CENT = Noun("Cent", "Cent")
_EURO = Currency(Noun("Euro", "Euro"), _CENT)
_DOLLAR = Currency(Noun("Dollar", "Dollar"), _CENT)
_POUND = Currency(Noun("Pfund", "Pfund", "n"), Noun("Penny", "Pence"))

GERMAN = Language(
    code="de",
    decimal=",",
    point="Komma",
    minus="minus",
    plus="plus",
    percent="Prozent",
    to="bis",
    times="mal",
    equals="gleich",
    about="etwa",
    and_="und",
    or_="oder",
    per="pro",
    number="Nummer",
    at="ät",
    dot="Punkt",
    slash="Schrägstrich",
    dash="Bindestrich",
    underscore="Unterstrich",
    months=_MONTHS,
    month_names={name: n for n, name in enumerate(_MONTHS, 1)}
    | {name[:3]: n for n, name in enumerate(_MONTHS, 1)}
    | {"Jänner": 1, "Sept": 9},
    date=_date,
    clock=_clock,
    day_parts={"am": "Uhr morgens", "pm": "Uhr nachmittags"},
    units={
        "km/h": Noun("Stundenkilometer", "Stundenkilometer"),
        "m/s": Noun("Meter pro Sekunde", "Meter pro Sekunde"),
        "km": Noun("Kilometer", "Kilometer"),
        "m": Noun("Meter", "Meter"),
        "cm": Noun("Zentimeter", "Zentimeter"),
        "mm": Noun("Millimeter", "Millimeter"),
        "m²": Noun("Quadratmeter", "Quadratmeter"),
        "qm": Noun("Quadratmeter", "Quadratmeter"),
        "m³": Noun("Kubikmeter", "Kubikmeter"),
        "kg": Noun("Kilogramm", "Kilogramm", "n"),
        "g": Noun("Gramm", "Gramm", "n"),
        "mg": Noun("Milligramm", "Milligramm", "n"),
        "l": Noun("Liter", "Liter"),
        "ml": Noun("Milliliter", "Milliliter"),
        "°C": Noun("Grad", "Grad"),
        "°F": Noun("Grad Fahrenheit", "Grad Fahrenheit"),
        "°": Noun("Grad", "Grad"),
        "kWh": Noun("Kilowattstunde", "Kilowattstunden", "f"),
        "kW": Noun("Kilowatt", "Kilowatt", "n"),
        "W": Noun("Watt", "Watt", "n"),
        "V": Noun("Volt", "Volt", "n"),
        "GB": Noun("Gigabyte", "Gigabyte", "n"),
        "MB": Noun("Megabyte", "Megabyte", "n"),
        "TB": Noun("Terabyte", "Terabyte", "n"),
        "Mbit/s": Noun("Megabit pro Sekunde", "Megabit pro Sekunde", "n"),
        "ms": Noun("Millisekunde", "Millisekunden", "f"),
        "s": Noun("Sekunde", "Sekunden", "f"),
        "Sek": Noun("Sekunde", "Sekunden", "f"),
        "min": Noun("Minute", "Minuten", "f"),
        "Min": Noun("Minute", "Minuten", "f"),
        "h": Noun("Stunde", "Stunden", "f"),
        "Std": Noun("Stunde", "Stunden", "f"),
        "Uhr": Noun("Uhr", "Uhr"),
        "Stunde": Noun("Stunde", "Stunden", "f"),
        "Minute": Noun("Minute", "Minuten", "f"),
        "Woche": Noun("Woche", "Wochen", "f"),
        "Tag": Noun("Tag", "Tage"),
        "Monat": Noun("Monat", "Monate"),
        "Jahr": Noun("Jahr", "Jahre", "n"),
    },
    currencies={
        "€": _EURO,
        "EUR": _EURO,
        "Euro": _EURO,
        "$": _DOLLAR,
        "USD": _DOLLAR,
        "£": _POUND,
        "GBP": _POUND,
        "CHF": Currency(Noun("Franken", "Franken"), Noun("Rappen", "Rappen")),
        "¥": Currency(Noun("Yen", "Yen"), Noun("Sen", "Sen")),
    },
    scales={
        "Tausend": "tausend",
        "Mio.": "Millionen",
        "Million": "Million",
        "Millionen": "Millionen",
        "Mrd.": "Milliarden",
        "Milliarden": "Milliarden",
    },
    fractions={
        "1/2": "einhalb",
        "1/3": "ein Drittel",
        "2/3": "zwei Drittel",
        "1/4": "ein Viertel",
        "3/4": "drei Viertel",
        "24/7": "rund um die Uhr",
    },
    abbreviations={
        "Dr.": "Doktor",
        "Prof.": "Professor",
        "Hr.": "Herr",
        "Fr.": "Frau",
        "St.": "Sankt",
        "Str.": "Straße",
        "str.": "straße",
        "Nr.": "Nummer",
        "z.B.": "zum Beispiel",
        "z. B.": "zum Beispiel",
        "d.h.": "das heißt",
        "d. h.": "das heißt",
        "u.a.": "unter anderem",
        "u. a.": "unter anderem",
        "usw.": "und so weiter",
        "bzw.": "beziehungsweise",
        "ca.": "circa",
        "inkl.": "inklusive",
        "exkl.": "exklusive",
        "zzgl.": "zuzüglich",
        "evtl.": "eventuell",
        "ggf.": "gegebenenfalls",
        "etc.": "et cetera",
        "Tel.": "Telefon",
        "Mio.": "Millionen",
        "Mrd.": "Milliarden",
        "Std.": "Stunden",
        "Min.": "Minuten",
        "max.": "maximal",
        "min.": "mindestens",
        "vgl.": "vergleiche",
        "MwSt.": "Mehrwertsteuer",
        "o.ä.": "oder ähnlich",
        "GmbH": "G-m-b-H",
    },
    code_words=(
        "nummer",
        "bestellnummer",
        "auftragsnummer",
        "kundennummer",
        "rechnungsnummer",
        "vorgangsnummer",
        "ticket",
        "code",
        "pin",
        "bestellung",
        "auftrag",
        "rechnung",
        "durchwahl",
        "konto",
        "kontonummer",
        "postleitzahl",
        "plz",
        "aktenzeichen",
        "vorgang",
        "referenz",
    ),
    ordinal=_ordinal_after,
    ordinal_ends=r"\.",
    ordinal_after=frozenset(_DATIVE | _NOMINATIVE),
    short_words=frozenset(
        "ab am an auf aus bei bin bis da das dem den der des die du ein er es für gar"
        " hat hin ich ihm ihn ihr im in ist ja man mir mit nie nun nur ob oft sie so"
        " tag tun und uns vom von vor wann war was weg wer wie wir wo zu zum zur pin"
        " sim".split()
    ),
    year_from=1100,
    year_to=1999,
    bend=_bend,
)
