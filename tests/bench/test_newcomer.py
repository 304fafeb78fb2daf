import pytest

from bench.newcomer import Clock, Milestone, Newcomer, Step, bare, show, steps_of_a_call
from bench.process import NotReady

SAID = """\
   0.06 -   2.84  agent   Hello, this is the front desk. How can I help you?
   4.06 -   5.46  caller  What are your opening hours?  (after 1.22 s)
   7.44 -  13.24  agent   From nine to five.  (after 1.98 s)
  14.48           caller hung up
recorded in var/call.wav: caller left, agent right
"""


def test_the_steps_of_a_call():
    assert steps_of_a_call(SAID, 2.34) == [
        Step("make call: answered", 2.3),
        Step("first words heard", 0.1),
        Step("goodbye", 14.4),
    ]


@pytest.mark.parametrize(
    "said", [SAID.replace("agent ", "nobody"), SAID.replace("hung up", "went")]
)
def test_a_call_that_says_nothing_is_an_error(said):
    with pytest.raises(NotReady, match="make call"):
        steps_of_a_call(said, 2.34)


def test_a_file_or_words_are_a_milestone(tmp_path):
    stamp, log = tmp_path / ".venv" / "offhook-*.lock", tmp_path / "log"
    log.write_text("setting up .venv\n")
    made, up = Milestone(stamp), Milestone(log, "Asterisk is up")
    assert not made() and not up()
    stamp.parent.mkdir()
    (stamp.parent / "offhook-requirements.lock").touch()
    log.write_text("Asterisk is up, pid 7\n")
    assert made() and up()


def test_nothing_of_our_environment_is_the_newcomers(tmp_path, monkeypatch):
    monkeypatch.setenv("OFFHOOK_AIS", "ours.toml")
    environment = bare(tmp_path)
    assert set(environment) == {
        "PATH",
        "HOME",
        "OFFHOOK_PORT",
        "OFFHOOK_WORK_PORT",
        "ASTERISK_HTTP_PORT",
        "OFFHOOK_AMI_PORT",
        "SIP_PORT",
    }
    ports = [value for name, value in environment.items() if name.endswith("PORT")]
    assert len(set(ports)) == 5


def test_the_table_counts_on():
    clock = Clock()
    clock.step("git clone")
    assert clock.steps[0].name == "git clone"
    came = Newcomer("warm", 1.2, (Step("git clone", 0.4), Step("models", 15.6)))
    assert came.seconds == 16.0
    assert show(came).splitlines() == [
        "cache warm, load 1.2",
        "",
        "| step | seconds | since the beginning |",
        "|---|---|---|",
        "| git clone | 0.4 | 0.4 |",
        "| models | 15.6 | 16.0 |",
    ]
