import base64
import json

import httpx
import pytest

from agent.conversation import messages
from agent.conversation.config import SenderConfig, SmtpConfig
from agent.conversation.messages import HttpSender, SendError, Smtp
from tests.fakes.smtp import FakeSmtp


def smtp(server, **more):
    return Smtp(
        SmtpConfig(
            "127.0.0.1", "bot@example.com", port=server.port, security="none", **more
        )
    )


async def test_an_email():
    async with FakeSmtp() as server:
        await smtp(server).send("ann@example.org", "Grüße", "Hello Ann,\nsee you.\n")
    (mail,) = server.mails
    assert mail["From"] == "bot@example.com"
    assert mail["To"] == "ann@example.org"
    assert mail["Subject"] == "Grüße"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Message-ID"].endswith("@example.com>")
    assert mail["Date"]
    assert mail.get_content().split() == ["Hello", "Ann,", "see", "you."]
    assert server.recipients == ["TO:<ann@example.org>"]
    assert server.senders[0].startswith("FROM:<bot@example.com>")
    assert server.logins == []


async def test_an_email_after_logging_in():
    async with FakeSmtp() as server:
        await smtp(server, username="me", password="pass").send("a@example.org", "", "")
    (login,) = server.logins
    assert base64.b64decode(login.split()[-1]) == b"\0me\0pass"


@pytest.mark.parametrize("subject", ["Hi\nBcc: evil@evil.net", "Hi\r\nBcc: x@y.net"])
async def test_a_header_within_a_header_is_not_sent(subject):
    """The policy refuses it before; this is the second lock."""
    async with FakeSmtp() as server:
        with pytest.raises(SendError):
            await smtp(server).send("ann@example.org", subject, "Hello")
    assert server.mails == server.recipients == []


async def test_a_refused_email():
    async with FakeSmtp(refuses=True) as server:
        with pytest.raises(SendError, match="could not be sent"):
            await smtp(server).send("ann@example.org", "", "")
    assert server.mails == []


async def test_no_mail_server():
    async with FakeSmtp() as server:
        pass
    with pytest.raises(SendError, match="could not be sent"):
        await smtp(server).send("ann@example.org", "", "")


async def test_a_mail_server_that_says_nothing(monkeypatch):
    monkeypatch.setattr(messages, "DEADLINE", 0.05)
    async with FakeSmtp(silent=True) as server:
        with pytest.raises(SendError, match="could not be sent"):
            await smtp(server).send("ann@example.org", "", "")


async def test_a_server_without_tls_is_not_trusted_with_a_password():
    async with FakeSmtp() as server:
        config = SmtpConfig(
            "127.0.0.1", "b@example.com", port=server.port, username="me", password="pw"
        )
        with pytest.raises(SendError):
            await Smtp(config).send("ann@example.org", "", "")
    assert server.logins == []


def sender(answer, **config):
    requests = []

    def handle(request):
        requests.append(request)
        if isinstance(answer, Exception):
            raise answer
        return answer

    http = httpx.AsyncClient(transport=httpx.MockTransport(handle))
    return HttpSender(
        SenderConfig("https://sms.example/send", **config), http
    ), requests


async def test_a_message():
    send, requests = sender(httpx.Response(202), token="secret")
    await send.send("+4915123456789", 'Hello "Ann"')
    (request,) = requests
    assert str(request.url) == "https://sms.example/send"
    assert request.headers["authorization"] == "Bearer secret"
    assert json.loads(request.content) == {
        "to": "+4915123456789",
        "text": 'Hello "Ann"',
    }


async def test_a_message_in_a_providers_own_shape():
    body = {"from": "Us", "messages": [{"to": ["{to}"], "n": 1, "body": "Us: {text}"}]}
    send, requests = sender(httpx.Response(200), body=body)
    await send.send("+4915123456789", "{to}, {text}")
    assert json.loads(requests[0].content) == {
        "from": "Us",
        "messages": [
            {"to": ["+4915123456789"], "n": 1, "body": "Us: {to}, {text}"},
        ],
    }
    assert "authorization" not in requests[0].headers


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (httpx.Response(400), "refused .400."),
        (httpx.Response(302, headers={"location": "https://evil.net"}), "refused .302"),
        (httpx.ConnectError("no"), "could not be sent"),
        (httpx.ReadTimeout("slow"), "could not be sent"),
    ],
)
async def test_a_message_that_was_not_sent(answer, says):
    send, requests = sender(answer)
    with pytest.raises(SendError, match=says):
        await send.send("+4915123456789", "Hello")
    assert len(requests) == 1


def test_no_secret_is_shown():
    shown = repr(SmtpConfig("h", "s", password="pw-12")) + repr(
        SenderConfig("u", token="tk-34")
    )
    assert "pw-12" not in shown and "tk-34" not in shown
