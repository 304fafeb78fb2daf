"""Why is a recording missing: the log of a real call, and what a cause changes in it.

Asterisk's lines are those of tests/data/follow-call, cut off, left out or put in as
Asterisk, the upload script and the agent write them.
"""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.observe.missing import Cause, from_logs

ROOT = Path(__file__).parents[2]
FULL = ROOT / "tests/data/follow-call/asterisk-22.10.1-full.txt"
CALL, OTHER = "1795253134.0", "1795253135.2"
ALL = FULL.read_text().splitlines()
AT = "2026-11-21T09:25:4"


def without(*patterns):
    return [line for line in ALL if not any(re.search(p, line) for p in patterns)]


def until(pattern):
    """As the log of an Asterisk that ended there."""
    (end,) = (n for n, line in enumerate(ALL) if re.search(pattern, line))
    return ALL[: end + 1]


def asterisk(level, file, said):
    return f"[2026-11-21 09:25:40.600] {level}[31034][C-00000001] {file}: {said}"


def agent(said, level="INFO", second=1, call=CALL):
    bound = f" call={call}" if call else ""
    return f"{AT}{second}.000+00:00 {level}{bound} agent.storage.recordings: {said}"


def agent_in_call(said):
    return f"{AT}1.000+00:00 INFO call={CALL} agent.telephony.recording: {said}"


def script(said):
    return f"Nov 21 09:25:40 host upload-recording[77]: {said}"


MINE = r"\[C-00000001\]"
HOOK = rf"{MINE}.*Executing \[/lab/upload"
DID_NOT_JOIN = (rf"{MINE}.*joined '", rf"{MINE}.* answered ")
# Of the dialplan's Log(): in place of a source file it names the extension.
NO_AGENT = asterisk(
    "WARNING", "Ext. s", f"Call {CALL}: no agent: CHANUNAVAIL with cause 3"
)
CANNOT_OPEN = asterisk("ERROR", "app_mixmonitor.c", f"Cannot open /full/{CALL}.wav")
KEPT = [
    agent(f"[REC] {track} is kept as s3://b/recordings/{track}.wav, 6.0 s")
    for track in ("mix", "user", "assistant")
]
FAILS = [
    agent(
        f"[REC] mix: s3://b of http://s3: {error}; again at 2026-11-21"
        f" 09:25:4{second + 5}.000000+00:00",
        "WARNING",
        second,
    )
    for second, error in enumerate(["Could not connect", "503 Slow Down"])
]
EXPIRED_TOKEN = agent(
    "[REC] mix: s3://b of Amazon: An error occurred (ExpiredToken) when"
    " calling the PutObject operation: The provided token has expired.; again at 09:30",
    "WARNING",
)
NOT_THERE = agent(f"[REC] mix: /monitor/{CALL}.wav is not there; again at 09:30")
REJECTED = agent(
    f"[REC] mix is rejected: /m/{CALL}.wav: nothing was recorded: there is"
    " a header, no sound",
    "ERROR",
)
NEVER_CAME = agent(f"[REC] mix is rejected: /m/{CALL}.wav never came", "ERROR")
BAD_JOB = agent(
    f"[REC] /spool/{CALL}.job is moved to rejected: not a job: closed_at or attempts"
    " make no sense",
    "ERROR",
)
LEFT = f"recording {CALL} of call {CALL}: left /var/spool/offhook/{CALL}.job"

# What the logs hold, the cause, and words of the sentence.
CASES = {
    "kept": (ALL + KEPT, Cause.KEPT, "mix as s3://b/recordings/mix.wav, user as"),
    "kept after trouble": (ALL + FAILS + KEPT, Cause.KEPT, "it is there since"),
    "kept but for a track": (
        [*ALL, KEPT[0], agent("[REC] user is rejected: it is a link")],
        Cause.KEPT,
        "mix as s3",
    ),
    "never bridged": (
        [*without(*DID_NOT_JOIN), NO_AGENT],
        Cause.NEVER_BRIDGED,
        "Dial says CHANUNAVAIL, cause 3",
    ),
    "never bridged, and the agent rejects the empty file": (
        [*without(*DID_NOT_JOIN), NO_AGENT, REJECTED],
        Cause.NEVER_BRIDGED,
        "the caller was never connected",
    ),
    "caller hung up while it rang": (
        without(*DID_NOT_JOIN),
        Cause.NEVER_BRIDGED,
        "the caller was never connected",
    ),
    "dialplan without MixMonitor": (
        without(rf"{MINE}.*MixMonitor"),
        Cause.NOT_STARTED,
        "the dialplan never came to MixMonitor",
    ),
    "MixMonitor did not begin": (
        without(rf"{MINE} app_mixmonitor"),
        Cause.NOT_STARTED,
        "MixMonitor was called and did not begin",
    ),
    "MixMonitor cannot write": (
        [*ALL, CANNOT_OPEN],
        Cause.NOT_STARTED,
        f"MixMonitor could not record: Cannot open /full/{CALL}.wav",
    ),
    "MixMonitor cannot write, and the agent waits": (
        [*ALL, CANNOT_OPEN, NOT_THERE],
        Cause.NOT_STARTED,
        "MixMonitor could not record",
    ),
    "MixMonitor cannot write, and the agent gives up": (
        [*ALL, CANNOT_OPEN, NEVER_CAME],
        Cause.NOT_STARTED,
        "MixMonitor could not record",
    ),
    "up": (until(rf"{MINE}.*Begin MixMonitor"), Cause.CALL_UP, "is not over"),
    "killed": (
        [*until(rf"{MINE}.*Channel PJSIP.* joined"), ALL[0]],
        Cause.ASTERISK_DIED,
        "Asterisk ended during the call",
    ),
    "not closed": (
        until(rf"{MINE}.*Spawn extension"),
        Cause.HOOK_FAILED,
        "MixMonitor has not closed it",
    ),
    "no command": (
        without(HOOK),
        Cause.HOOK_FAILED,
        "ran no command: its third argument is missing",
    ),
    "hook failed": (
        [*ALL, script(f"recording {CALL}: cannot write to /var/spool/offhook")],
        Cause.HOOK_FAILED,
        "the upload hook failed: recording 1795253134.0: cannot write to /var/spool",
    ),
    "hook's job not taken": (
        [*ALL, script(LEFT), agent("ready")],
        Cause.WAITING,
        "the agent has not taken it",
    ),
    "hook ran, no agent's log": (
        [*ALL, script(LEFT)],
        Cause.CANNOT_TELL,
        "its job was left in the spool",
    ),
    "hook ran, agent never saw it": (
        [*ALL, agent("ready")],
        Cause.HOOK_FAILED,
        "the agent never saw its job",
    ),
    "the worker is down": (
        [*ALL, agent("[WORK] cannot listen on 127.0.0.1:7861: Address in use")],
        Cause.WAITING,
        "is not up, so nobody takes its job: [WORK] cannot listen",
    ),
    "the worker is back": (
        [*ALL, agent("[work] ended (exit status 1)"), agent("[WORK] working")],
        Cause.HOOK_FAILED,
        "the agent never saw its job",
    ),
    "Asterisk's log alone": (ALL, Cause.CANNOT_TELL, "the agent's log tells"),
    "file not there": (
        [*ALL, NOT_THERE],
        Cause.WAITING,
        "its OFFHOOK_MONITOR must be Asterisk's RECORDINGS",
    ),
    "store away": (
        ALL + FAILS,
        Cause.UPLOAD_FAILING,
        f"since {AT}0.000+00:00: mix: s3://b of http://s3: 503 Slow Down; next try at"
        " 2026-11-21 09:25:46",
    ),
    "credentials expired": (
        [*ALL, EXPIRED_TOKEN],
        Cause.CREDENTIALS,
        "the bucket refuses our credentials",
    ),
    "rejected": (ALL + [REJECTED], Cause.REJECTED, "there is a header, no sound"),
    "bad job": (ALL + [BAD_JOB], Cause.REJECTED, "not a job: closed_at"),
    "erased": (
        [*ALL, *KEPT, agent("[REC] erased, by an operator: he asked")],
        Cause.ERASED,
        "it was erased, by an operator: he asked",
    ),
    "expired": (
        [*ALL, *KEPT, agent("[REC] expired, by retention: older than 3")],
        Cause.EXPIRED,
        "it expired, by retention: older than 3",
    ),
    "silent for a while": (
        [*ALL, agent_in_call("[REC] paused"), *KEPT],
        Cause.KEPT,
        "; it was made silent at 2026-11-21T09:25:41.000+00:00",
    ),
    "silent, and not there": (
        [*without(HOOK), agent_in_call("[REC] stopped")],
        Cause.HOOK_FAILED,
        "ran no command",
    ),
    "the agent's log alone": (
        [agent(f"call {CALL} began")],
        Cause.CANNOT_TELL,
        "Asterisk's full log tells whether",
    ),
    "nothing": ([], Cause.CANNOT_TELL, "no line of this call"),
    "only another call's": (
        without(MINE, CALL) + [agent("[REC] mix is kept as folder/x", call=OTHER)],
        Cause.CANNOT_TELL,
        "no line of this call",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_each_cause(case):
    lines, cause, says = CASES[case]
    verdict = from_logs(CALL, [lines])
    assert verdict.cause is cause, verdict
    assert says in verdict.sentence
    assert set(verdict.evidence) <= set(lines)
    assert bool(verdict.evidence) is ("no line of this call" not in verdict.sentence)
    wanted = {Cause.KEPT: 0, Cause.CANNOT_TELL: 2}.get(cause, 1)
    assert verdict.status == wanted


def test_a_hook_that_may_not_be_executed_is_looked_at(tmp_path):
    hook = tmp_path / "hook.sh"
    hook.touch(0o644)
    ran = [
        re.sub(r"(app_mixmonitor\.c: Executing \[)/\S+", rf"\g<1>{hook}", line)
        for line in [*ALL, agent("ready")]
    ]
    assert f"{hook} is not executable" in from_logs(CALL, [ran]).sentence
    hook.chmod(0o755)
    assert "the hook failed" in from_logs(CALL, [ran]).sentence


@pytest.mark.parametrize("case", CASES)
def test_in_json_and_in_the_words_of_compose_it_is_the_same(case):
    lines, cause, says = CASES[case]

    def other(line):
        pattern = rf"(?P<time>{AT}\S+) \w+ (?:call=(?P<call>\S+) )?\S+: (?P<message>.*)"
        if match := re.match(pattern, line):
            return json.dumps({k: v for k, v in match.groupdict().items() if v})
        return f"asterisk-1  | {line}"

    verdict = from_logs(CALL, [map(other, lines)])
    assert verdict.cause is cause
    assert says in verdict.sentence


@pytest.mark.parametrize("case", CASES)
def test_in_files_of_their_own_and_in_any_order(case):
    lines, cause, _ = CASES[case]
    theirs = [line for line in lines if line.startswith((AT, "Nov"))]
    rest = [line for line in lines if line not in theirs]
    assert from_logs(CALL, [theirs, rest]).cause is cause
    assert from_logs(CALL, [rest, theirs]).cause is cause


@pytest.mark.parametrize("call", ["1795253134", "795253134.0", "1795253134.01", ""])
def test_calls_with_almost_the_same_id(call):
    assert from_logs(call, [ALL + KEPT]).cause is Cause.CANNOT_TELL


def test_the_other_call_at_the_same_time_is_not_mixed_in():
    lines = [*without(rf"{MINE} app_mixmonitor"), agent("ready")]
    assert from_logs(CALL, [lines]).cause is Cause.NOT_STARTED
    assert from_logs(OTHER, [lines]).cause is Cause.HOOK_FAILED


def test_a_log_that_is_no_log():
    garbage = ["", "{", "[]", '{"time": 1}', "[x] y", "\0\x1b[2J", "{}", "[] VERBOSE[1"]
    assert from_logs(CALL, [garbage]).cause is Cause.CANNOT_TELL


@given(st.lists(st.text() | st.sampled_from(ALL + KEPT + FAILS), max_size=30))
def test_whatever_stands_in_a_log_there_is_an_answer(lines):
    verdict = from_logs(CALL, [lines])
    assert verdict.status in (0, 1, 2)
    assert json.loads(verdict.json())["cause"] == verdict.cause
    assert all(line.isprintable() for line in verdict.lines())


def ask(*arguments, stdin=None):
    return subprocess.run(
        ["python3", ROOT / "scripts/missing-recording", *map(str, arguments)],
        # No environment of ours: another machine has none.
        env={"PATH": os.environ["PATH"]},
        cwd="/",
        input=stdin,
        capture_output=True,
        text=True,
        timeout=30,
    )


@pytest.fixture
def log(tmp_path):
    def write(lines):
        path = tmp_path / "log"
        path.write_text("".join(f"{line}\n" for line in lines))
        return path

    return write


@pytest.mark.parametrize(
    ("lines", "status", "cause"),
    [
        (ALL + KEPT, 0, "kept"),
        (ALL + FAILS, 1, "upload_failing"),
        ([], 2, "cannot_tell"),
    ],
)
def test_the_script_answers(log, lines, status, cause):
    done = ask(CALL, "--log", log(lines))
    assert (done.returncode, done.stderr) == (status, "")
    first, *evidence = done.stdout.splitlines()
    assert first.startswith(f"{CALL}: ")
    assert all(line.startswith("    ") for line in evidence)
    told = ask(CALL, "--json", "--log", "-", stdin="\n".join(lines))
    assert told.returncode == status
    answer = json.loads(told.stdout)
    assert (answer["call"], answer["cause"]) == (CALL, cause)
    assert answer["found"] is (status == 0)
    assert f"{CALL}: {answer['sentence']}" == first


def test_the_script_reads_several_logs(log, tmp_path):
    (tmp_path / "agent").write_text("\n".join(KEPT))
    both = ("--log", FULL, "--log", tmp_path / "agent")
    assert ask(CALL, *both).returncode == 0


def test_a_log_that_cannot_be_read():
    done = ask(CALL, "--log", "/nowhere/full")
    assert done.returncode == 2
    assert done.stderr == (
        "missing-recording: cannot read /nowhere/full: No such file or directory\n"
    )


def test_nothing_in_a_log_moves_the_cursor(log):
    line = agent("[REC] mix: \x1b[2J; again at never", "WARNING")
    done = ask(CALL, "--log", log([line]))
    assert "\x1b" not in done.stdout and "?[2J" in done.stdout
