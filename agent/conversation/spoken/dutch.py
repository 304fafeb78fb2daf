"""Dutch."""

from .language import Currency, Language, Noun, ordinal_words

_MONTHS = tuple(
    "januari februari maart april mei juni juli augustus september oktober november"
    " december".split()
)


def _date(day: int, month: int, year: int, before: str) -> str:
    said = f"{DUTCH.cardinal(day)} {_MONTHS[month - 1]}"
    return f"{said} {DUTCH.year(year)}" if year else said


def _clock(hour: int, minute: int) -> str:
    said = f"{DUTCH.cardinal(hour)} uur"
    return f"{said} {DUTCH.cardinal(minute)}" if minute else said


def _ordinal(number: int, ending: str) -> str:
    return ordinal_words(number, "nl")


_CENT = Noun("cent", "cent")
_EURO = Currency(Noun("euro", "euro"), _CENT)
_DOLLAR = Currency(Noun("dollar", "dollar"), _CENT)
_POUND = Currency(Noun("pond", "pond"), Noun("penny", "pence"))

DUTCH = Language(
    code="nl",
    decimal=",",
    point="komma",
    minus="min",
    plus="plus",
    percent="procent",
    to="tot",
    times="keer",
    equals="is",
    about="ongeveer",
    and_="en",
    or_="of",
    per="per",
    number="nummer",
    at="apenstaartje",
    dot="punt",
    slash="slash",
    dash="streepje",
    underscore="laag streepje",
    months=_MONTHS,
    date=_date,
    clock=_clock,
    day_parts={"am": "uur 's ochtends", "pm": "uur 's middags"},
    fraction_whole=True,
    units={
        "km/u": Noun("kilometer per uur", "kilometer per uur"),
        "km/h": Noun("kilometer per uur", "kilometer per uur"),
        "m/s": Noun("meter per seconde", "meter per seconde"),
        "km": Noun("kilometer", "kilometer"),
        "m": Noun("meter", "meter"),
        "cm": Noun("centimeter", "centimeter"),
        "mm": Noun("millimeter", "millimeter"),
        "m²": Noun("vierkante meter", "vierkante meter"),
        "m2": Noun("vierkante meter", "vierkante meter"),
        "m³": Noun("kubieke meter", "kubieke meter"),
        "kg": Noun("kilo", "kilo"),
        "g": Noun("gram", "gram"),
        "mg": Noun("milligram", "milligram"),
        "l": Noun("liter", "liter"),
        "ml": Noun("milliliter", "milliliter"),
        "°C": Noun("graden", "graden"),
        "°F": Noun("graden Fahrenheit", "graden Fahrenheit"),
        "°": Noun("graden", "graden"),
        "kWh": Noun("kilowattuur", "kilowattuur"),
        "kW": Noun("kilowatt", "kilowatt"),
        "W": Noun("watt", "watt"),
        "V": Noun("volt", "volt"),
        "GB": Noun("gigabyte", "gigabyte"),
        "MB": Noun("megabyte", "megabyte"),
        "s": Noun("seconde", "seconden"),
        "min": Noun("minuut", "minuten"),
        "u": Noun("uur", "uur"),
        "h": Noun("uur", "uur"),
        "uur": Noun("uur", "uur"),
    },
    currencies={
        "€": _EURO,
        "EUR": _EURO,
        "euro": _EURO,
        "$": _DOLLAR,
        "USD": _DOLLAR,
        "£": _POUND,
        "GBP": _POUND,
    },
    scales={
        "duizend": "duizend",
        "miljoen": "miljoen",
        "mln.": "miljoen",
        "miljard": "miljard",
    },
    fractions={
        "1/2": "een half",
        "1/3": "een derde",
        "2/3": "twee derde",
        "1/4": "een kwart",
        "3/4": "drie kwart",
        "24/7": "vierentwintig uur per dag, zeven dagen per week",
    },
    abbreviations={
        "dhr.": "de heer",
        "Dhr.": "De heer",
        "mevr.": "mevrouw",
        "Mevr.": "Mevrouw",
        "mw.": "mevrouw",
        "Mw.": "Mevrouw",
        "dr.": "dokter",
        "Dr.": "Dokter",
        "prof.": "professor",
        "bijv.": "bijvoorbeeld",
        "bv.": "bijvoorbeeld",
        "d.w.z.": "dat wil zeggen",
        "m.a.w.": "met andere woorden",
        "o.a.": "onder andere",
        "enz.": "enzovoort",
        "etc.": "et cetera",
        "ca.": "circa",
        "incl.": "inclusief",
        "excl.": "exclusief",
        "nr.": "nummer",
        "Nr.": "nummer",
        "tel.": "telefoon",
        "Tel.": "telefoon",
        "str.": "straat",
        "a.u.b.": "alstublieft",
        "t.a.v.": "ter attentie van",
        "i.v.m.": "in verband met",
        "m.b.t.": "met betrekking tot",
        "btw": "B-T-W",
    },
    code_words=(
        "nummer",
        "bestelnummer",
        "ordernummer",
        "klantnummer",
        "factuurnummer",
        "bestelling",
        "code",
        "pincode",
        "factuur",
        "ticket",
        "referentie",
        "toestel",
        "postcode",
    ),
    ordinal=_ordinal,
    ordinal_ends="ste|de|e",
    short_words=frozenset(
        "al als ben bij dag dan dat de den der die dit dus een elk en er ga had heb hem"
        " het hij hoe hun ik in is ja je kan ken met mij na nee niet nog nu of om ons"
        " ook op per te toe tot u uit uw van voor wat we wel wie wij ze zal zei zij zo"
        " pin sim".split()
    ),
    year_from=1100,
    year_to=1999,
)
