import pytest

from agent.web.etags import etag, matches, only_creates
from agent.web.problems import Refusal


@pytest.mark.parametrize("header", [None, "*", '"3"', '"1", "3"', '"1",*'])
def test_who_has_seen_it_may_change_it(header):
    matches(header, 3)


@pytest.mark.parametrize("header", ['"2"', 'W/"3"', "3", "", '"3', '"2", "4"'])
def test_nobody_else_may(header):
    with pytest.raises(Refusal) as refused:
        matches(header, 3)
    assert (refused.value.status_code, refused.value.code) == (412, "changed_meanwhile")
    assert refused.value.headers == {"ETag": etag(3)}


@pytest.mark.parametrize(
    ("header", "revision"), [(None, 3), (None, None), ("*", None), ('"2"', 3)]
)
def test_nothing_is_in_the_way(header, revision):
    only_creates(header, revision)


@pytest.mark.parametrize("header", ["*", '"3"', '"2", "3"'])
def test_there_is_one_already(header):
    with pytest.raises(Refusal) as refused:
        only_creates(header, 3)
    assert (refused.value.status_code, refused.value.code) == (412, "exists_already")
