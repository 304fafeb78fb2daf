import pytest

from agent.calls.reading import ReadingError
from agent.evals.pattern import Pattern, any_in


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        ("nine", "We open at Nine.", True),
        ("nine", "We have nineteen doctors.", False),
        ("12 Harbour Street", "It is 12  harbour\nstreet, opposite the station.", True),
        ("can't", "I can’t do that.", True),
        ("5.00", "It costs 5.00 euros.", True),
        ("5.00", "It costs 5100 euros.", False),
        ("+19005550199", "to +19005550199", True),
        ("geöffnet", "Wir haben GEÖFFNET", True),
        (r"/\b9\b/", "From 9 to 5", True),
        (r"/\b9\b/", "19 or 95", False),
        ("/nine|ten/", "at ten", True),
        ("/", "a / b", True),
    ],
)
def test_words_and_expressions(pattern, text, found):
    assert Pattern(pattern).found_in(text) is found


def test_one_of_several():
    assert any_in(("nine", "ten"), "at ten")
    assert not any_in(("nine", "ten"), "at eleven")
    assert not any_in((), "at eleven")


def test_no_expression():
    with pytest.raises(ReadingError, match=r"'/\(/': no regular expression"):
        Pattern("/(/")
