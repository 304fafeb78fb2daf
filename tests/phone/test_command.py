import argparse
import wave

import pytest
from websockets.asyncio.server import serve

from agent.phone.command import Step, add_arguments, run
from agent.phone.ulaw import RATE, from_pcm, loudness, to_pcm

LOUD = from_pcm(b"\x00\x20\x00\xe0" * (RATE // 20))
"""A tenth of a second."""


def parsed(*arguments):
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(arguments)


def test_steps_stay_in_order():
    arguments = parsed(
        *("--ws", "ws://x", "--say", "hi", "--press", "5#", "--play", "a.wav"),
        *("--say", "bye"),
    )
    assert arguments.steps == [
        Step("say", "hi"),
        Step("press", "5#"),
        Step("play", "a.wav"),
        Step("say", "bye"),
    ]


@pytest.mark.parametrize("arguments", [[], ["--ws", "a", "--sip", "b"]])
def test_one_way_to_call(arguments, capsys):
    with pytest.raises(SystemExit):
        parsed(*arguments)
    assert "--ws" in capsys.readouterr().err


async def test_a_conversation(tmp_path, capsys):
    async def take_call(socket):
        """Greets, answers what was said, and hangs up at a key."""
        spoken = 0
        await socket.send(LOUD)
        async for message in socket:
            if isinstance(message, str):
                if "DTMF_END" in message:
                    await socket.send('{"command":"HANGUP"}')
            elif loudness(message) > 200:
                spoken += 1
            elif spoken:
                await socket.send(LOUD * 2)
                spoken = 0

    async def speak(text):
        return to_pcm(LOUD)

    path = tmp_path / "call.wav"
    async with serve(take_call, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        arguments = parsed(
            *("--ws", f"ws://127.0.0.1:{port}/", "--say", "hello", "--press", "#"),
            *("--record", str(path), "--patience", "0.6"),
        )
        assert await run(arguments, speak=speak) == 0
    out = capsys.readouterr().out
    assert [line.split()[3] for line in out.splitlines()[:3]] == [
        "agent",
        "caller",
        "agent",
    ]
    assert "agent hung up (HANGUP)" in out
    with wave.open(str(path)) as file:
        assert file.getnchannels() == 2


async def test_an_agent_that_says_nothing(capsys):
    async def take_call(socket):
        await socket.wait_closed()

    async with serve(take_call, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        arguments = parsed("--ws", f"ws://127.0.0.1:{port}/", "--seconds", "0.1")
        assert await run(arguments) == 1
    assert "the agent sent no sound at all" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--ws", "ws://127.0.0.1:9/"], "no call: no answer from ws://127.0.0.1:9/"),
        (["--sip", "tel:1000"], "no call: 'tel:1000' is not sip:NUMBER@HOST"),
        (["--ws", "ws://x", "--say", "hi"], "--say needs a voice"),
        (["--ws", "ws://x", "--play", "no.wav"], "no.wav is not a WAV file"),
    ],
)
async def test_no_call(arguments, says, capsys):
    assert await run(parsed(*arguments)) == 1
    assert says in capsys.readouterr().out
