"""A card's number in a call: spoken and typed in a pause, and then found nowhere."""

import asyncio
import logging
import re
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

import httpx
import prometheus_client
import pytest
from loguru import logger

from agent.calls.ai import CONSENT
from agent.calls.toolbox import HttpTool
from agent.conversation.tools.toolbox import Toolbox
from agent.session import LiveCalls
from agent.storage.calls import Calls
from agent.storage.database import Database
from agent.storage.journal import Journal
from tests.fakes.asterisk import FakeAsterisk
from tests.fakes.provider import ToolCall
from tests.test_call import QUESTION, Scene

NUMBER = "4929777712345678"
SPOKEN = "four nine canary seven"
# Fewer digits than six are in some time of the day sooner or later.
TRACES = (
    *(NUMBER[at : at + 6] for at in range(len(NUMBER) - 5)),
    *("canary", "pressed", "typed 4"),
)
CARD = HttpTool(
    "card",
    "",
    "https://pay.example/cards",
    parameters={"properties": {"keys": {"type": "string"}}, "required": ["keys"]},
)


class FakeRecorder:
    def __init__(self):
        self.silent, self.changes = False, []

    async def mute(self, channel):
        self.silent = True
        self.changes.append(channel)

    async def unmute(self, channel):
        self.silent = False


@pytest.fixture
def log():
    """All that anybody logs, at every level, pipecat's own included."""
    lines: list[str] = []

    class Everything(logging.Handler):
        def emit(self, record):
            lines.append(record.getMessage())

    sink, handler, root = logger.add(lines.append, level=0), Everything(), logging.root
    level, root.level = root.level, logging.DEBUG
    root.addHandler(handler)
    yield lines
    root.removeHandler(handler)
    root.setLevel(level)
    logger.remove(sink)


class Pay:
    """A call of which everything is kept, and a system that takes cards."""

    def __init__(self, agent, folder, log, accepts=True):
        self.agent, self.log, self.folder = agent, log, folder
        self.delivered: list[bytes] = []
        self.recorder = FakeRecorder()
        self.status = 200 if accepts else 402
        agent.ai = replace(
            agent.ai,
            consent="This call is recorded 24/7.",
            tool_names=("pause_recording",),
            http_tools=(CARD,),
            keys_to="card",
        )

    def take(self, request):
        self.delivered.append(request.content)
        return httpx.Response(self.status, text=f"{NUMBER} has expired")

    async def __aenter__(self):
        self.database = Database(f"sqlite:///{self.folder}/offhook.db")
        await self.database.open()
        self.calls = Calls(self.database)
        self.journal = Journal(self.database, self.folder / "journal", "agent")
        await self.journal.open(datetime.now(UTC))
        self.writing = asyncio.create_task(self.journal.run(partial(datetime.now, UTC)))
        http = httpx.AsyncClient(transport=httpx.MockTransport(self.take))
        self.agent.parts = replace(
            self.agent.parts,
            records=self.journal,
            toolbox=Toolbox(http, recorder=True),
            recorder=self.recorder,
        )
        self.asterisk = FakeAsterisk()
        self.scene = Scene(self.agent, self.asterisk)
        self.live = LiveCalls(1)
        self.live.add(self.scene.session)
        await self.scene.__aenter__()
        self.asterisk.start()
        return self

    async def __aexit__(self, *_):
        await self.scene.__aexit__()
        assert await self.journal.flush(30)
        self.writing.cancel()
        await asyncio.wait({self.writing})
        self.left = self.files()
        self.journal.close()
        await self.database.close()

    def files(self):
        found = (path for path in self.folder.rglob("*") if path.is_file())
        return b"".join(path.read_bytes() for path in found)

    async def turns(self, least):
        async def there():
            record = await self.calls.get(self.scene.session.call.id)
            return [] if record is None else [t.text for t in record.turns]

        async with asyncio.timeout(10):
            while len(await there()) < least:
                await asyncio.sleep(0.05)
        return await there()

    def says(self, text):
        self.agent.recogniser.texts = [text] * 5
        self.scene.say(QUESTION)

    async def type(self, keys):
        for key in keys:
            self.asterisk.dtmf(key)
            await asyncio.sleep(0.02)

    def everything(self):
        """What is left of the call anywhere."""
        return {
            "log": re.sub("0x[0-9a-f]+", "", "\n".join(map(str, self.log))),
            "database and journal": (self.left + self.files()).decode("latin-1"),
            "model": repr(self.agent.provider.chats),
            "voice": repr(self.agent.provider.spoken),
            "metrics": prometheus_client.generate_latest().decode(),
        }


async def test_nothing_of_a_number_is_left_anywhere(agent, tmp_path, log):
    agent.provider.answers = [ToolCall("pause_recording", {}), "Thank you. Bye then."]
    async with Pay(agent, tmp_path, log) as pay:
        await pay.turns(2)
        pay.says("I pay by card.")
        await pay.scene.until(lambda: pay.recorder.silent)
        assert len(agent.provider.chats) == 1
        # Somebody reads it out, types it, and reads it again before he is through.
        understood = len(agent.recogniser.heard)
        pay.says(SPOKEN)
        await pay.type(NUMBER[:9])
        await asyncio.sleep(len(QUESTION) / 8000 + 1)
        pay.says(SPOKEN)
        await pay.type(NUMBER[9:] + "#")
        await pay.scene.until(lambda: not pay.recorder.silent)
        # What is still on its way when the pause is over is part of it.
        await pay.scene.until(lambda: len(agent.provider.chats) == 2)
        await asyncio.sleep(len(QUESTION) / 8000 + 1)
        assert len(agent.recogniser.heard) == understood
        pay.says("Goodbye.")
        turns = await pay.turns(6)
    assert pay.delivered == [f'{{"keys":"{NUMBER}"}}'.encode()]
    assert turns[2:5] == ["I pay by card.", "Thank you. Bye then.", "Goodbye."]
    assert any("press hash" in said for said in agent.provider.spoken)
    told = agent.provider.chats[1]["messages"]
    assert told[-1]["content"].endswith("was passed on and accepted. Go on.)")
    for place, text in pay.everything().items():
        assert len(text) > 100, place
        for trace in TRACES:
            assert trace not in text, (place, trace)
    assert "[DTMF] a key" in pay.everything()["log"]


async def test_a_pause_of_the_operators_forgets_what_was_begun(agent, tmp_path, log):
    """He presses the button when the number is half typed and half said already."""
    async with Pay(agent, tmp_path, log, accepts=False) as pay:
        await pay.turns(2)
        await pay.type(NUMBER[:4])
        pay.says(SPOKEN)
        await asyncio.sleep(0.8)
        call_id = pay.scene.session.call.id
        assert await pay.live.record_pause(call_id, 60)
        assert pay.recorder.changes == [call_id]
        await pay.type("*" + NUMBER)
        await asyncio.sleep(len(QUESTION) / 8000 + 1)
        assert await pay.live.record_resume(call_id)
        assert not pay.recorder.silent
        await pay.turns(3)
    assert pay.delivered == []
    for place, text in pay.everything().items():
        for trace in TRACES:
            assert trace not in text, (place, trace)


async def test_a_system_that_says_no_tells_nobody_the_number(agent, tmp_path, log):
    agent.provider.answers = ["It was not accepted."]
    async with Pay(agent, tmp_path, log, accepts=False) as pay:
        await pay.turns(2)
        await pay.scene.session.record_pause()
        await pay.type(NUMBER + "#")
        await pay.turns(3)
    assert len(pay.delivered) == 1
    assert "was not accepted" in str(agent.provider.chats[-1]["messages"])
    for place, text in pay.everything().items():
        for trace in TRACES:
            assert trace not in text, (place, trace)


async def test_a_recording_is_stopped_and_the_conversation_goes_on(
    agent, tmp_path, log
):
    agent.provider.answers = ["From nine."]
    async with Pay(agent, tmp_path, log) as pay:
        await pay.turns(2)
        call_id = pay.scene.session.call.id
        assert await pay.live.record_stop(call_id)
        assert pay.recorder.silent
        pay.says("When do you open?")
        assert (await pay.turns(4))[2:] == ["When do you open?", "From nine."]
        assert await pay.live.record_start(call_id)
        assert not pay.recorder.silent
        assert not await pay.live.record_stop("17.5"), "no such call"


async def test_consent_is_said_first_and_noted(agent, tmp_path, log):
    before = datetime.now(UTC)
    async with Pay(agent, tmp_path, log) as pay:
        turns = await pay.turns(2)
    assert turns == ["This call is recorded 24/7.", "Hello there, caller."]
    record = await _again(tmp_path, pay.scene.session.call.id)
    said_at = datetime.fromisoformat(record.variables[CONSENT])
    assert (said_at - before).total_seconds() == pytest.approx(0, abs=5)


async def test_consent_that_was_interrupted_was_not_said(agent, tmp_path, log):
    async with Pay(agent, tmp_path, log) as pay:
        agent.ai = pay.agent.ai
        await pay.scene.until(lambda: pay.scene.seconds_heard > 0.1)
        pay.asterisk.hang_up()
        async with asyncio.timeout(5):
            await pay.scene.running
    record = await _again(tmp_path, pay.scene.session.call.id)
    assert CONSENT not in record.variables


async def _again(folder, call_id):
    """As it was left on disk."""
    database = Database(f"sqlite:///{folder}/offhook.db")
    await database.open()
    record = await Calls(database).get(call_id)
    await database.close()
    return record
