import argparse
import json
import socket

import pytest

from agent.doctor import command
from agent.doctor.checks import findings
from agent.doctor.conf import read
from agent.doctor.finding import error, ok, status, warning
from agent.doctor.report import document, lines
from agent.doctor.site import look
from agent.doctor.trial_call import call


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([], 0),
        ([ok("a")], 0),
        ([ok("a"), warning("b", "B", "Do.")], 1),
        ([warning("b", "B", "Do."), error("c", "C", "Do.")], 2),
    ],
)
def test_status(found, expected):
    assert status(found) == expected
    assert json.loads(document(found))["status"] == expected


def test_lines_are_one_each():
    found = [ok("fine"), error("it said:\nno", "a.conf:3", "Write yes.")]
    assert list(lines(found)) == [
        "ok      fine",
        "ERROR   a.conf:3: it said: no -> Write yes.",
        "1 errors, 0 warnings",
    ]
    assert len(list(lines(found, quiet=True))) == 2


@pytest.mark.models
@pytest.mark.parametrize("as_json", [False, True])
async def test_the_command(setup, capsys, as_json):
    setup.site["AGENT_PASSWORD"] = "wrong"
    setup.render()
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    given = ["--asterisk-conf", str(setup.conf), *(["--json"] if as_json else [])]
    assert await command.run(parser.parse_args(given), setup.environment) == 2
    out = capsys.readouterr().out
    where = f"{setup.conf}/websocket_client.conf:7"
    if as_json:
        wrong = [each["where"] for each in json.loads(out)["findings"] if each["fix"]]
        assert where in wrong
    else:
        assert f"ERROR   {where}: password" in out


async def test_a_check_that_fails_hides_no_other(tmp_path):
    def broken(site):
        raise ZeroDivisionError("oh")

    def fine(site):
        return [ok("fine")]

    site = look({"OFFHOOK_DATA": str(tmp_path)})
    first, second = await findings(site, [broken, fine])
    assert "broken itself failed: ZeroDivisionError: oh" in first.what
    assert second.what == "fine"


async def test_a_call_that_nobody_takes(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
        site = look({"OFFHOOK_DATA": str(tmp_path), "OFFHOOK_PORT": port})
        (finding,) = await call(site, "", tmp_path / "sipp")
    assert "no answer from" in finding.what
    assert finding.fix


CONF = """\
; a comment
stray = 1
[general](!)
a = 1 ; of it
b = x\\;y
[one](general)
a => 2
;-- all
[two]
--;
#include "more.conf"
[one](+)
c = 3
nonsense
#include "nowhere.conf"
"""


def test_files_of_asterisk(tmp_path):
    (tmp_path / "a.conf").write_text(CONF)
    (tmp_path / "more.conf").write_text("d = 4\n[three]\ntype = x\n")
    conf = read(tmp_path / "a.conf")
    one = conf.section("one")
    assert one is not None
    got = {option.name: (option.value, option.place.line) for option in one.options}
    assert got["a"] == ("2", 7)
    assert got["b"] == ("x;y", 5)
    assert got["c"] == ("3", 13)
    assert got["d"] == ("4", 1)
    assert one.place_of("d").file == tmp_path / "more.conf"
    assert conf.section("two") is None
    assert [found.name for found in conf.of_type("x")] == ["three"]
    odd = [(each.place.file.name, each.place.line, each.fatal) for each in conf.odd]
    assert odd == [("a.conf", 2, True), ("a.conf", 14, False), ("a.conf", 15, True)]
