"""Spanish, as in Spain; with -MX, -US and the like, figures as in North America."""

from dataclasses import replace

from .language import Currency, Language, Noun, ordinal_words

_MONTHS = tuple(
    "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre"
    " diciembre".split()
)


def _date(day: int, month: int, year: int, before: str) -> str:
    said = f"{SPANISH.cardinal(day)} de {_MONTHS[month - 1]}"
    return f"{said} de {SPANISH.cardinal(year)}" if year else said


def american(day: int, month: int, year: int, before: str) -> str:
    said = _date(day, month, year, before)
    return "primero" + said[3:] if day == 1 else said


def _clock(hour: int, minute: int) -> str:
    said = _bend(SPANISH.cardinal(hour), "f")
    if minute:
        return f"{said} y {SPANISH.cardinal(minute)}"
    return said if hour < 13 else f"{said} horas"


def _bend(words: str, gender: str) -> str:
    if gender == "f":
        words = words.replace("cientos", "cientas").replace("quinientos", "quinientas")
    if words.endswith("uno"):
        if gender == "f":
            return words[:-1] + "a"
        return words[:-3] + ("ún" if words.endswith("veintiuno") else "un")
    return words


def _join(words: str, noun: str) -> str:
    of = " de " if words.endswith(("millón", "millones")) else " "
    return words + of + noun


def _ordinal(number: int, ending: str) -> str:
    words = ordinal_words(number, "es")
    if ending.strip(".") in ("ª", "a"):
        return words.replace("o ", "a ")[:-1] + "a"
    return words[:-1] if number in (1, 3) and ending.strip(".") == "er" else words


_CENT = Noun("céntimo", "céntimos")
_EURO = Currency(Noun("euro", "euros"), _CENT)
_DOLLAR = Currency(Noun("dólar", "dólares"), Noun("centavo", "centavos"))
_POUND = Currency(Noun("libra", "libras", "f"), Noun("penique", "peniques"))
_PESO = Currency(Noun("peso", "pesos"), Noun("centavo", "centavos"))

SPANISH = Language(
    code="es",
    decimal=",",
    point="coma",
    minus="menos",
    plus="más",
    percent="por ciento",
    to="a",
    times="por",
    equals="igual a",
    about="unos",
    and_="y",
    or_="o",
    per="por",
    number="número",
    at="arroba",
    dot="punto",
    slash="barra",
    dash="guion",
    underscore="guion bajo",
    months=_MONTHS,
    date=_date,
    clock=_clock,
    day_parts={"am": "de la mañana", "pm": "de la tarde"},
    cents=" con ",
    fraction_whole=True,
    units={
        "km/h": Noun("kilómetro por hora", "kilómetros por hora"),
        "m/s": Noun("metro por segundo", "metros por segundo"),
        "km": Noun("kilómetro", "kilómetros"),
        "m": Noun("metro", "metros"),
        "cm": Noun("centímetro", "centímetros"),
        "mm": Noun("milímetro", "milímetros"),
        "m²": Noun("metro cuadrado", "metros cuadrados"),
        "m³": Noun("metro cúbico", "metros cúbicos"),
        "kg": Noun("kilo", "kilos"),
        "g": Noun("gramo", "gramos"),
        "mg": Noun("miligramo", "miligramos"),
        "l": Noun("litro", "litros"),
        "L": Noun("litro", "litros"),
        "ml": Noun("mililitro", "mililitros"),
        "°C": Noun("grado", "grados"),
        "°F": Noun("grado Fahrenheit", "grados Fahrenheit"),
        "°": Noun("grado", "grados"),
        "kWh": Noun("kilovatio hora", "kilovatios hora"),
        "kW": Noun("kilovatio", "kilovatios"),
        "W": Noun("vatio", "vatios"),
        "V": Noun("voltio", "voltios"),
        "GB": Noun("giga", "gigas"),
        "MB": Noun("mega", "megas"),
        "s": Noun("segundo", "segundos"),
        "min": Noun("minuto", "minutos"),
        "h": Noun("hora", "horas", "f"),
        "hora": Noun("hora", "horas", "f"),
        "horas": Noun("hora", "horas", "f"),
        "minuto": Noun("minuto", "minutos"),
        "minutos": Noun("minuto", "minutos"),
        "día": Noun("día", "días"),
        "días": Noun("día", "días"),
        "semana": Noun("semana", "semanas", "f"),
        "personas": Noun("persona", "personas", "f"),
        "persona": Noun("persona", "personas", "f"),
    },
    currencies={
        "€": _EURO,
        "EUR": _EURO,
        "euros": _EURO,
        "euro": _EURO,
        "$": _DOLLAR,
        "US$": _DOLLAR,
        "USD": _DOLLAR,
        "£": _POUND,
        "GBP": _POUND,
        "MXN": _PESO,
    },
    scales={"mil": "mil", "millón": "millón", "millones": "millones"},
    fractions={
        "1/2": "medio",
        "1/3": "un tercio",
        "2/3": "dos tercios",
        "1/4": "un cuarto",
        "3/4": "tres cuartos",
        "24/7": "veinticuatro horas al día, siete días a la semana",
    },
    abbreviations={
        "Sr.": "Señor",
        "Sra.": "Señora",
        "Srta.": "Señorita",
        "Sres.": "Señores",
        "Dr.": "Doctor",
        "Dra.": "Doctora",
        "D.": "Don",
        "Dña.": "Doña",
        "Ud.": "usted",
        "Uds.": "ustedes",
        "Vd.": "usted",
        "p. ej.": "por ejemplo",
        "p.ej.": "por ejemplo",
        "etc.": "etcétera",
        "aprox.": "aproximadamente",
        "núm.": "número",
        "Núm.": "número",
        "n.º": "número",
        "nº": "número",
        "Nº": "número",
        "N.º": "número",
        "tel.": "teléfono",
        "Tel.": "teléfono",
        "av.": "avenida",
        "Av.": "avenida",
        "Avda.": "avenida",
        "C/": "calle",
        "EE. UU.": "Estados Unidos",
        "EE.UU.": "Estados Unidos",
        "a. m.": "de la mañana",
        "a.m.": "de la mañana",
        "p. m.": "de la tarde",
        "p.m.": "de la tarde",
    },
    code_words=(
        "número",
        "pedido",
        "código",
        "referencia",
        "factura",
        "ticket",
        "extensión",
        "cuenta",
        "pin",
        "postal",
        "expediente",
    ),
    ordinal=_ordinal,
    ordinal_ends=r"\.?º|\.?ª|\.?er",
    short_words=frozenset(
        "al así con da dar de del dos el en era es esa ese eso fin fue ha hay he la"
        " las le les lo los luz mal más me mes mi mil muy ni no nos o oh os para por"
        " pero que sea ser si sí sin son su sus tal te ti tu tus un una uno va ver"
        " vez voy ya yo pin sim".split()
    ),
    bend=_bend,
    join=_join,
)

SPANISH_AMERICAN = replace(
    SPANISH,
    decimal=".",
    point="punto",
    date=american,
    currencies={**SPANISH.currencies, "$": _PESO},
)
