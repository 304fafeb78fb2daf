import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.web.ranges import Part, Unsatisfiable, asked_part


@pytest.mark.parametrize(
    ("header", "part"),
    [
        (None, None),
        ("bytes=0-", Part(0, 99)),
        ("bytes=0-0", Part(0, 0)),
        ("bytes=10-19", Part(10, 19)),
        ("bytes=10-1000", Part(10, 99)),
        ("bytes=99-", Part(99, 99)),
        ("bytes=-1", Part(99, 99)),
        ("bytes=-1000", Part(0, 99)),
        (" Bytes = 5 - 6 ", Part(5, 6)),
        # What cannot be understood, or is several, is the whole.
        ("", None),
        ("bytes=", None),
        ("bytes=-", None),
        ("bytes=6-5", None),
        ("bytes=0-1,5-6", None),
        ("bytes=-1-2", None),
        ("bytes=a-b", None),
        ("bytes=\N{ARABIC-INDIC DIGIT ONE}-", None),
        ("seconds=1-2", None),
        ("bytes=" + "9" * 100 + "-", None),
    ],
)
def test_what_is_asked_for(header, part):
    assert asked_part(header, 100) == part


@pytest.mark.parametrize(
    ("header", "size"),
    [
        ("bytes=100-", 100),
        ("bytes=100-200", 100),
        ("bytes=-0", 100),
        ("bytes=0-", 0),
        ("bytes=-5", 0),
    ],
)
def test_behind_the_end_there_is_nothing(header, size):
    with pytest.raises(Unsatisfiable):
        asked_part(header, size)


@given(
    st.text() | st.from_regex(r"\s*bytes\s*=\s*[0-9]*\s*-\s*[0-9]*(,.*)?"),
    st.integers(0, 10**12),
)
def test_a_part_lies_within_the_file(header, size):
    try:
        part = asked_part(header, size)
    except Unsatisfiable:
        return
    if part is not None:
        assert 0 <= part.first <= part.last < size
        assert len(part) >= 1
