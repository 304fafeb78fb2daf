"""A Manager Interface on loopback that does what the test says."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.calls.control import CallControlError
from agent.telephony.ami import Ami, AmiConfig, AmiError
from agent.telephony.recording import Recorder

PASSWORD = "let me; in"
DONE = "Response: Success\r\n\r\n"
EVENT = "Event: FullyBooted\r\nPrivilege: system,all\r\nStatus: Fully Booted\r\n\r\n"


class FakeAmi:
    """`answers` to what comes after the login; "" keeps silent, None hangs up."""

    def __init__(self, *answers: str | None, greets: bool = True) -> None:
        self.answers = list(answers)
        self.greets = greets
        self.heard: list[dict[str, str]] = []

    @asynccontextmanager
    async def listening(self, deadline=1.0):
        async with await asyncio.start_server(self._serve, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            yield Ami(AmiConfig(PASSWORD, port=port, deadline=deadline))

    async def _serve(self, reader, writer):
        try:
            if self.greets:
                writer.write(b"Asterisk Call Manager/11.0.0\r\n")
            while message := await self._message(reader):
                self.heard.append(message)
                answer: str | None
                if message["Action"] == "Login":
                    known = message["Secret"] == PASSWORD
                    refused = (
                        "Response: Error\r\nMessage: Authentication failed\r\n\r\n"
                    )
                    answer = EVENT + DONE if known else refused
                else:
                    answer = self.answers.pop(0)
                if answer is None:
                    break
                writer.write(answer.encode())
        finally:
            writer.close()

    async def _message(self, reader):
        message = {}
        while line := (await reader.readline()).decode().strip():
            name, _, value = line.partition(": ")
            message[name] = value
        return message


async def test_an_action():
    fake = FakeAmi(f"{EVENT}Response: Success\r\nValue: a: b\r\n\r\n")
    async with fake.listening() as ami:
        answer = await ami.act("Getvar", Channel="17.5", Variable="X")
    assert answer == {"Response": "Success", "Value": "a: b"}
    assert fake.heard == [
        {"Action": "Login", "Username": "offhook", "Secret": PASSWORD},
        {"Action": "Getvar", "Channel": "17.5", "Variable": "X"},
    ]


@pytest.mark.parametrize(
    ("fake", "says"),
    [
        (
            FakeAmi("Response: Error\r\nMessage: No such channel\r\n\r\n"),
            "No such channel",
        ),
        (FakeAmi("Response: Error\r\n\r\n"), "no reason given"),
        (FakeAmi(None), "0 bytes read"),
        (FakeAmi(""), "no answer in 0.2 s"),
        (FakeAmi(EVENT), "no answer in 0.2 s"),
        (FakeAmi(greets=False), "no answer in 0.2 s"),
        (FakeAmi("x" * 70_000), "limit"),
    ],
)
async def test_what_goes_wrong_is_said_in_time(fake, says):
    async with fake.listening(0.2) as ami:
        with pytest.raises(AmiError, match=says):
            await ami.act("Ping")


async def test_a_wrong_password_and_nobody_there():
    async with FakeAmi().listening() as ami:
        wrong = Ami(AmiConfig("x", port=ami.port))
        with pytest.raises(AmiError, match="refuses Ping: Authentication failed"):
            await wrong.act("Ping")
    with pytest.raises(AmiError, match=f"AMI on 127.0.0.1:{ami.port}: "):
        await ami.act("Ping")
    assert "let me" not in repr(AmiConfig(PASSWORD))


async def test_after_a_restart_of_asterisk_it_is_as_before():
    fake = FakeAmi(None, DONE)
    async with fake.listening() as ami:
        with pytest.raises(AmiError):
            await ami.act("Ping")
        await ami.act("Ping")


@given(st.text(st.characters(max_codepoint=0x7F)))
def test_no_value_is_a_second_command(value):
    config = AmiConfig(PASSWORD, port=1, deadline=0.5)
    whole = all(32 <= ord(character) < 127 for character in value)
    says = "AMI on" if whole else "would be a command"
    with pytest.raises(AmiError, match=says):
        asyncio.run(Ami(config).act("Ping", Channel=value))


async def test_both_directions_of_a_channel_are_silenced():
    fake = FakeAmi(DONE, "Response: Error\r\nMessage: No such channel\r\n\r\n")
    async with fake.listening() as ami:
        await Recorder(ami).mute("17.5")
        with pytest.raises(
            CallControlError, match="cannot be changed.*No such channel"
        ):
            await Recorder(ami).unmute("17.5")
    mute = {"Action": "MixMonitorMute", "Channel": "17.5", "Direction": "both"}
    assert fake.heard[1] == {**mute, "State": "1"}
    assert fake.heard[3] == {**mute, "State": "0"}


async def test_without_a_password_nothing_is_silenced():
    with pytest.raises(CallControlError, match="OFFHOOK_AMI_PASSWORD is not set"):
        await Recorder().mute("17.5")
