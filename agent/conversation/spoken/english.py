"""English, as in the United States; with -GB and the like, as in Britain."""

from dataclasses import replace

from .language import Currency, Language, Noun, ordinal_words

_MONTHS = tuple(
    "January February March April May June July August September October"
    " November December".split()
)


def _year(year: int) -> str:
    return ENGLISH.year(year)


def _american(day: int, month: int, year: int, before: str) -> str:
    said = f"{_MONTHS[month - 1]} {ordinal_words(day, 'en')}"
    return f"{said}, {_year(year)}" if year else said


def british(day: int, month: int, year: int, before: str) -> str:
    the = "" if before == "the" else "the "
    said = f"{the}{ordinal_words(day, 'en')} of {_MONTHS[month - 1]}"
    return f"{said} {_year(year)}" if year else said


def _clock(hour: int, minute: int) -> str:
    said = ENGLISH.cardinal((hour - 1) % 12 + 1)
    half = " P-M" if 12 < hour < 24 else " A-M" if hour in (0, 24) else ""
    if minute == 0:
        return said + (half or " o'clock")
    tens = "oh " if minute < 10 else ""
    return f"{said} {tens}{ENGLISH.cardinal(minute)}{half}"


def _ordinal(number: int, ending: str) -> str:
    return ordinal_words(number, "en").replace(",", "")


_CENT = Noun("cent", "cents")
_CURRENCIES = {
    "$": Currency(Noun("dollar", "dollars"), _CENT),
    "US$": Currency(Noun("dollar", "dollars"), _CENT),
    "USD": Currency(Noun("dollar", "dollars"), _CENT),
    "€": Currency(Noun("euro", "euros"), _CENT),
    "EUR": Currency(Noun("euro", "euros"), _CENT),
    "£": Currency(Noun("pound", "pounds"), Noun("penny", "pence")),
    "GBP": Currency(Noun("pound", "pounds"), Noun("penny", "pence")),
    "¥": Currency(Noun("yen", "yen"), Noun("sen", "sen")),
    "₹": Currency(Noun("rupee", "rupees"), Noun("paisa", "paise")),
    "CHF": Currency(Noun("franc", "francs"), Noun("centime", "centimes")),
}

ENGLISH = Language(
    code="en",
    decimal=".",
    point="point",
    minus="minus",
    plus="plus",
    percent="percent",
    to="to",
    times="times",
    equals="equals",
    about="about",
    and_="and",
    or_="or",
    per="per",
    number="number",
    at="at",
    dot="dot",
    slash="slash",
    dash="dash",
    underscore="underscore",
    months=_MONTHS,
    month_names={name: n for n, name in enumerate(_MONTHS, 1)}
    | {name[:3]: n for n, name in enumerate(_MONTHS, 1)}
    | {"Sept": 9},
    date=_american,
    clock=_clock,
    day_parts={"am": "A-M", "pm": "P-M"},
    month_first=True,
    few_cents=" and ",
    units={
        "km/h": Noun("kilometer per hour", "kilometers per hour"),
        "mph": Noun("mile per hour", "miles per hour"),
        "m/s": Noun("meter per second", "meters per second"),
        "km": Noun("kilometer", "kilometers"),
        "m": Noun("meter", "meters"),
        "cm": Noun("centimeter", "centimeters"),
        "mm": Noun("millimeter", "millimeters"),
        "m²": Noun("square meter", "square meters"),
        "m³": Noun("cubic meter", "cubic meters"),
        "sq ft": Noun("square foot", "square feet"),
        "ft": Noun("foot", "feet"),
        "mi": Noun("mile", "miles"),
        "kg": Noun("kilogram", "kilograms"),
        "g": Noun("gram", "grams"),
        "mg": Noun("milligram", "milligrams"),
        "lb": Noun("pound", "pounds"),
        "lbs": Noun("pound", "pounds"),
        "oz": Noun("ounce", "ounces"),
        "l": Noun("liter", "liters"),
        "L": Noun("liter", "liters"),
        "ml": Noun("milliliter", "milliliters"),
        "°C": Noun("degree Celsius", "degrees Celsius"),
        "°F": Noun("degree Fahrenheit", "degrees Fahrenheit"),
        "°": Noun("degree", "degrees"),
        "kWh": Noun("kilowatt hour", "kilowatt hours"),
        "kW": Noun("kilowatt", "kilowatts"),
        "W": Noun("watt", "watts"),
        "V": Noun("volt", "volts"),
        "GB": Noun("gigabyte", "gigabytes"),
        "MB": Noun("megabyte", "megabytes"),
        "TB": Noun("terabyte", "terabytes"),
        "kB": Noun("kilobyte", "kilobytes"),
        "Mbps": Noun("megabit per second", "megabits per second"),
        "Mbit/s": Noun("megabit per second", "megabits per second"),
        "ms": Noun("millisecond", "milliseconds"),
        "s": Noun("second", "seconds"),
        "sec": Noun("second", "seconds"),
        "min": Noun("minute", "minutes"),
        "mins": Noun("minute", "minutes"),
        "h": Noun("hour", "hours"),
        "hr": Noun("hour", "hours"),
        "hrs": Noun("hour", "hours"),
    },
    currencies=_CURRENCIES,
    scales={
        "thousand": "thousand",
        "million": "million",
        "billion": "billion",
        "trillion": "trillion",
        "k": "thousand",
        "K": "thousand",
        "m": "million",
        "M": "million",
        "bn": "billion",
        "B": "billion",
    },
    fractions={
        "1/2": "one half",
        "1/3": "one third",
        "2/3": "two thirds",
        "1/4": "one quarter",
        "3/4": "three quarters",
        "24/7": "twenty-four seven",
    },
    abbreviations={
        "Dr.": "Doctor",
        "Mr.": "Mister",
        "Mrs.": "Missus",
        "Ms.": "Miz",
        "Prof.": "Professor",
        "Jr.": "Junior",
        "Sr.": "Senior",
        "St.": "Saint",
        "Ave.": "Avenue",
        "Rd.": "Road",
        "Blvd.": "Boulevard",
        "Apt.": "Apartment",
        "Inc.": "Incorporated",
        "Ltd.": "Limited",
        "Corp.": "Corporation",
        "Dept.": "Department",
        "e.g.": "for example",
        "i.e.": "that is",
        "etc.": "et cetera",
        "vs.": "versus",
        "approx.": "approximately",
        "incl.": "including",
        "a.k.a.": "also known as",
        "No.": "number",
        "no.": "number",
        "Nr.": "number",
        "ext.": "extension",
        "Ext.": "extension",
        "tel.": "telephone",
        "Tel.": "telephone",
        "a.m.": "A-M",
        "p.m.": "P-M",
        "U.S.": "U-S",
        "U.K.": "U-K",
        "U.S.A.": "U-S-A",
        "w/o": "without",
        "w/": "with",
    },
    code_words=(
        "order",
        "number",
        "code",
        "pin",
        "reference",
        "ref",
        "ticket",
        "invoice",
        "extension",
        "account",
        "tracking",
        "confirmation",
        "zip",
        "postcode",
        "booking",
        "case",
    ),
    ordinal=_ordinal,
    ordinal_ends="st|nd|rd|th",
    short_words=frozenset(
        "a all am an and any are as ask at be big but buy by can day did do end for"
        " free get go had has he her him his how if in is it its job know let may me"
        " my new no nor not now of off oh old on one or our out own per put say see"
        " set she so than the them then they to too top two up us use very was way we"
        " who why will yes yet you your pin sim ram".split()
    ),
    year_from=1100,
    and_in_numbers=False,
)

BRITISH = replace(
    ENGLISH,
    date=british,
    month_first=False,
    and_in_numbers=True,
    units={
        sign: Noun(
            noun.one.replace("meter", "metre").replace("liter", "litre"),
            noun.many.replace("meter", "metre").replace("liter", "litre"),
        )
        for sign, noun in ENGLISH.units.items()
    },
)
