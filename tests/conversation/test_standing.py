from dataclasses import dataclass

from agent.conversation.errors import Cause
from agent.conversation.standing import LONG_REST, REST, Standing


@dataclass(frozen=True)
class Named:
    name: str


A, B, C = Named("a"), Named("b"), Named("c")


class Scene:
    def __init__(self) -> None:
        self.now = 100.0
        self.standing = Standing(clock=lambda: self.now)

    @property
    def order(self) -> str:
        return "".join(each.name for each in self.standing.order([A, B, C]))


def test_who_failed_is_asked_last_until_he_has_rested():
    scene = Scene()
    assert scene.order == "abc"
    scene.standing.failed("a", Cause.TIMEOUT)
    assert scene.order == "bca"
    scene.now += REST
    assert scene.order == "abc"


def test_what_does_not_pass_by_itself_rests_longer():
    scene = Scene()
    scene.standing.failed("a", Cause.REFUSED)
    scene.now += REST
    assert scene.order == "bca"
    scene.now += LONG_REST
    assert scene.order == "abc"


def test_who_works_again_is_back_at_once():
    scene = Scene()
    scene.standing.failed("a", Cause.TIMEOUT)
    scene.standing.worked("a")
    assert scene.order == "abc"


def test_when_all_rest_they_are_asked_all_the_same():
    scene = Scene()
    for each in (A, B, C):
        scene.standing.failed(each.name, Cause.THROTTLED)
    assert scene.order == "abc"
