"""Portuguese, as in Portugal; with -BR, as in Brazil."""

from dataclasses import replace

from .language import Currency, Language, Noun, ordinal_words

_MONTHS = tuple(
    "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro"
    " dezembro".split()
)


def _date(day: int, month: int, year: int, before: str) -> str:
    said = f"{PORTUGUESE.cardinal(day)} de {_MONTHS[month - 1]}"
    return f"{said} de {PORTUGUESE.cardinal(year)}" if year else said


def brazilian(day: int, month: int, year: int, before: str) -> str:
    said = _date(day, month, year, before)
    return "primeiro" + said[2:] if day == 1 else said


def _clock(hour: int, minute: int) -> str:
    if minute:
        said = _bend(PORTUGUESE.cardinal(hour), "f")
        return f"{said} e {PORTUGUESE.cardinal(minute)}"
    return PORTUGUESE.counted(hour, Noun("hora", "horas", "f"))


def _bend(words: str, gender: str) -> str:
    if gender != "f":
        return words
    words = words.replace("centos", "centas")
    if words.endswith("dois"):
        return words[:-4] + "duas"
    return words + "a" if words.endswith("um") else words


def _join(words: str, noun: str) -> str:
    of = " de " if words.endswith(("milhão", "milhões")) else " "
    return words + of + noun


def _ordinal(number: int, ending: str) -> str:
    words = ordinal_words(number, "pt")
    if ending.strip(".") == "ª":
        return words.replace("o ", "a ")[:-1] + "a"
    return words


_CENT = Noun("cêntimo", "cêntimos")
_CENTAVO = Noun("centavo", "centavos")
_EURO = Currency(Noun("euro", "euros"), _CENT)
_DOLLAR = Currency(Noun("dólar", "dólares"), _CENTAVO)
_POUND = Currency(Noun("libra", "libras", "f"), Noun("penny", "pence"))
_REAL = Currency(Noun("real", "reais"), _CENTAVO)

PORTUGUESE = Language(
    code="pt",
    decimal=",",
    point="vírgula",
    minus="menos",
    plus="mais",
    percent="por cento",
    to="a",
    times="vezes",
    equals="igual a",
    about="cerca de",
    and_="e",
    or_="ou",
    per="por",
    number="número",
    at="arroba",
    dot="ponto",
    slash="barra",
    dash="traço",
    underscore="sublinhado",
    months=_MONTHS,
    date=_date,
    clock=_clock,
    day_parts={"am": "da manhã", "pm": "da tarde"},
    cents=" e ",
    fraction_whole=True,
    hour_letter=True,
    units={
        "km/h": Noun("quilómetro por hora", "quilómetros por hora"),
        "m/s": Noun("metro por segundo", "metros por segundo"),
        "km": Noun("quilómetro", "quilómetros"),
        "m": Noun("metro", "metros"),
        "cm": Noun("centímetro", "centímetros"),
        "mm": Noun("milímetro", "milímetros"),
        "m²": Noun("metro quadrado", "metros quadrados"),
        "m³": Noun("metro cúbico", "metros cúbicos"),
        "kg": Noun("quilo", "quilos"),
        "g": Noun("grama", "gramas"),
        "mg": Noun("miligrama", "miligramas"),
        "l": Noun("litro", "litros"),
        "L": Noun("litro", "litros"),
        "ml": Noun("mililitro", "mililitros"),
        "°C": Noun("grau", "graus"),
        "°F": Noun("grau Fahrenheit", "graus Fahrenheit"),
        "°": Noun("grau", "graus"),
        "kWh": Noun("quilowatt-hora", "quilowatts-hora"),
        "kW": Noun("quilowatt", "quilowatts"),
        "W": Noun("watt", "watts"),
        "V": Noun("volt", "volts"),
        "GB": Noun("giga", "gigas"),
        "MB": Noun("mega", "megas"),
        "s": Noun("segundo", "segundos"),
        "min": Noun("minuto", "minutos"),
        "h": Noun("hora", "horas", "f"),
        "hora": Noun("hora", "horas", "f"),
        "horas": Noun("hora", "horas", "f"),
        "minuto": Noun("minuto", "minutos"),
        "semana": Noun("semana", "semanas", "f"),
        "semanas": Noun("semana", "semanas", "f"),
        "pessoa": Noun("pessoa", "pessoas", "f"),
        "pessoas": Noun("pessoa", "pessoas", "f"),
    },
    currencies={
        "€": _EURO,
        "EUR": _EURO,
        "R$": _REAL,
        "BRL": _REAL,
        "$": _DOLLAR,
        "US$": _DOLLAR,
        "USD": _DOLLAR,
        "£": _POUND,
        "GBP": _POUND,
    },
    scales={"mil": "mil", "milhão": "milhão", "milhões": "milhões"},
    fractions={
        "1/2": "meio",
        "1/3": "um terço",
        "2/3": "dois terços",
        "1/4": "um quarto",
        "3/4": "três quartos",
        "24/7": "vinte e quatro horas por dia, sete dias por semana",
    },
    abbreviations={
        "Sr.": "Senhor",
        "Sra.": "Senhora",
        "Sr.ª": "Senhora",
        "Srta.": "Senhorita",
        "Dr.": "Doutor",
        "Dra.": "Doutora",
        "Dr.ª": "Doutora",
        "Prof.": "Professor",
        "Eng.": "Engenheiro",
        "p. ex.": "por exemplo",
        "p.ex.": "por exemplo",
        "etc.": "et cetera",
        "aprox.": "aproximadamente",
        "n.º": "número",
        "nº": "número",
        "Nº": "número",
        "N.º": "número",
        "tel.": "telefone",
        "Tel.": "telefone",
        "R.": "Rua",
        "Av.": "Avenida",
        "Ltda.": "Limitada",
    },
    code_words=(
        "número",
        "pedido",
        "encomenda",
        "código",
        "referência",
        "fatura",
        "protocolo",
        "ramal",
        "conta",
        "pin",
        "postal",
    ),
    ordinal=_ordinal,
    ordinal_ends=r"\.?º|\.?ª",
    short_words=frozenset(
        "ai ao aos as até bem boa bom com da das de dei dia do dos e é ela ele em"
        " era eu foi há já lá lhe mas me meu mim na nas nem no nos não o os ou para"
        " pai por que são se sem ser seu si sim só sou sua tem ter teu tu um uma vai"
        " vem ver vez vos pin".split()
    ),
    bend=_bend,
    join=_join,
)

BRAZILIAN = replace(
    PORTUGUESE,
    code="pt_BR",
    date=brazilian,
    units={
        sign: replace(
            noun,
            one=noun.one.replace("quilómetro", "quilômetro"),
            many=noun.many.replace("quilómetro", "quilômetro"),
        )
        for sign, noun in PORTUGUESE.units.items()
    },
)
