import pytest

from agent.calls.ai import AI, LINES
from agent.conversation.lines import line, lines
from agent.conversation.spoken import spoken

LANGUAGES = ("en", "en-GB", "de", "fr", "es", "it", "pt", "pt-BR", "nl")


@pytest.mark.parametrize(
    ("name", "language", "expected"),
    [
        ("filler", "en", "One moment, please."),
        ("filler", "en-US", "One moment, please."),
        ("filler", "de-AT", "Einen Moment, bitte."),
        ("filler", "DE_de", "Einen Moment, bitte."),
        ("reprompt", "fr", "Êtes-vous toujours là ?"),
        ("repeat", "pt", "Desculpe, não percebi."),
        ("repeat", "pt-BR", "Desculpe, não entendi."),
        ("filler", "pt-BR", "Um momento, por favor."),
        ("goodbye", "nl", "Ik hang nu op. Tot ziens."),
        ("human", "ja", "I will connect you with a colleague."),
    ],
)
def test_a_line_is_said_in_the_language(name: str, language: str, expected: str):
    assert line(name, language, {}) == expected


def test_the_words_of_the_ai_come_first():
    assert line("filler", "de", {"filler": "Sekunde!"}) == "Sekunde!"
    assert line("filler", "de", {"filler": " "}) == "Einen Moment, bitte."
    assert line("filler", "de", {"goodbye": "Tschüss!"}) == "Einen Moment, bitte."


def test_all_lines_of_an_ai():
    said = lines(AI("a", "p", language="es", lines={"goodbye": "¡Hasta luego!"}))
    assert tuple(said) == LINES
    assert said["goodbye"] == "¡Hasta luego!"
    assert said["filler"] == "Un momento, por favor."


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_every_line_of_its_own(language: str):
    said = [line(name, language, {}) for name in LINES]
    assert len(set(said)) == len(LINES)
    if not language.startswith("en"):
        assert not set(said) & {line(name, "en", {}) for name in LINES}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", LINES)
def test_a_voice_can_say_it_as_it_stands(name: str, language: str):
    text = line(name, language, {})
    assert spoken(text, language) == text.replace(" ?", "?").replace("¿", "")
