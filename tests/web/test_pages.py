import re
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from agent.web.pages import before, place, read_place

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=64)
TIMES = st.floats(0, 9e10).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
(PATTERN,) = [each.pattern for each in before(2).metadata if hasattr(each, "pattern")]


@given(TIMES, TEXT, TEXT)
def test_a_place_is_found_again(at, one, other):
    text = place(at, one, other)
    assert re.fullmatch(PATTERN, text)
    assert read_place(text) == (at, [one, other])


@given(st.from_regex(PATTERN, fullmatch=True))
def test_whatever_has_the_form_is_a_place(text):
    at, names = read_place(text)
    assert at.year < 9999
    assert len(names) == 2


async def test_no_place_is_too_strange_for_a_list(client):
    for text in ("99999999999999999.", "0.ff", "0.00", "0.eda080", "1." + "61" * 400):
        answer = await client.get("/calls", params={"before": text})
        assert answer.status_code == 200
