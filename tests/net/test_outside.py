import asyncio
import socket
import ssl

import httpx
import pytest

from agent.net import outside
from agent.net.addresses import networks
from tests.fakes.receiver import Receiver, Reply, Rude

LOOPBACK = networks("127.0.0.0/8")


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "127.1", "0", "2130706433", "0x7f000001", "0177.0.0.1"),
        *("localhost", "LOCALHOST", "[::1]", "[::ffff:127.0.0.1]", "[::]"),
        *("someone@127.0.0.1", "example.com:secret@127.0.0.1", "127.0.0.1."),
        *("[64:ff9b::7f00:1]", "[fe80::1%25lo]", "\N{FULLWIDTH DIGIT ONE}27.0.0.1"),
    ],
)
async def test_no_spelling_leads_inside(host):
    """With the resolver of this machine."""
    async with Receiver() as receiver, outside.client() as client:
        port = receiver.url().split(":")[2]
        with pytest.raises((httpx.ConnectError, httpx.InvalidURL)):
            await client.post(f"http://{host}:{port}")
        assert receiver.connections == 0


async def test_the_refusal_says_what_the_name_meant():
    async def resolve(host, port):
        return ["10.0.0.5"]

    async with outside.client(resolve=resolve) as client:
        with pytest.raises(outside.Refused, match="shop.example is 10.0.0.5"):
            await client.get("http://shop.example")


class Names:
    """A resolver whose answer is another one each time."""

    def __init__(self, *answers):
        self._answers = list(answers)
        self.asked = 0

    async def __call__(self, host, port):
        self.asked += 1
        return self._answers.pop(0)


async def test_one_address_inside_is_enough():
    resolve = Names(["8.8.8.8", "127.0.0.1"])
    async with Receiver() as receiver, outside.client(resolve=resolve) as client:
        with pytest.raises(outside.Refused):
            await client.get(receiver.url(host="shop.example"))
        assert receiver.connections == 0


async def test_a_name_is_asked_once_and_the_answer_is_what_is_called():
    """Who asked again, to connect, would be led to 192.0.2.1."""
    resolve = Names(["127.0.0.1"], ["192.0.2.1"])
    client = outside.client(LOOPBACK, resolve=resolve)
    async with Receiver() as receiver, client:
        response = await client.get(receiver.url(host="shop.example"))
        assert response.status_code == 200
        assert receiver.arrivals[0].headers["host"].startswith("shop.example:")
    assert resolve.asked == 1


async def test_a_new_connection_is_judged_anew():
    resolve = Names(["127.0.0.1"], ["10.0.0.1"])
    client = outside.client(LOOPBACK, resolve=resolve)
    closing = Receiver(lambda arrival: Reply(headers={"connection": "close"}))
    async with closing as receiver, client:
        await client.get(receiver.url(host="shop.example"))
        with pytest.raises(outside.Refused):
            await client.get(receiver.url(host="shop.example"))
        assert receiver.connections == 1


async def test_the_second_address_is_called_when_the_first_does_not_answer():
    resolve = Names(["127.0.0.2", "127.0.0.1"])
    client = outside.client(LOOPBACK, resolve=resolve)
    async with Receiver() as receiver, client:
        response = await client.get(receiver.url(host="shop.example"))
        assert response.status_code == 200


async def test_a_redirect_is_an_answer_and_is_not_followed():
    redirecting = Receiver(lambda arrival: Reply(302, headers={"location": "/inside"}))
    async with redirecting as receiver, outside.client(LOOPBACK) as client:
        assert (await client.get(receiver.url())).status_code == 302
        assert [arrival.path for arrival in receiver.arrivals] == ["/hook"]


async def test_a_proxy_of_the_environment_is_none_of_its_business(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    async with Receiver() as receiver, outside.client(LOOPBACK) as client:
        assert (await client.get(receiver.url())).status_code == 200


@pytest.mark.parametrize(
    ("rude", "error"),
    [
        (Rude.RESET, (httpx.ReadError, httpx.RemoteProtocolError)),
        (Rude.GARBLED, httpx.RemoteProtocolError),
        (Rude.SILENT, httpx.ReadTimeout),
    ],
)
async def test_failures_are_those_of_httpx(rude, error):
    client = outside.client(LOOPBACK, timeout=0.05)
    async with Receiver(lambda arrival: rude) as receiver, client:
        with pytest.raises(error):
            await client.get(receiver.url())


@pytest.mark.parametrize(
    "failure",
    [
        socket.gaierror(-2, "Name or service not known"),
        UnicodeError("label too long"),
        TimeoutError(),
    ],
)
async def test_a_name_that_cannot_be_resolved(failure):
    async def resolve(host, port):
        raise failure

    async with outside.client(resolve=resolve) as client:
        with pytest.raises(httpx.ConnectError, match="cannot resolve nobody.example"):
            await client.get("http://nobody.example")


async def test_a_resolver_that_does_not_answer():
    async def resolve(host, port):
        await asyncio.Event().wait()

    async with outside.client(resolve=resolve, timeout=0.01) as client:
        with pytest.raises(httpx.ConnectTimeout):
            await client.get("http://nobody.example")


async def test_nobody_at_all_is_meant():
    async with outside.client(resolve=Names([])) as client:
        with pytest.raises(httpx.ConnectError, match="no address"):
            await client.get("http://nobody.example")


async def test_tls_asks_for_the_name_and_not_for_the_address(monkeypatch):
    """The certificate is that of the host in the URL, wherever its name leads."""
    asked = []

    def see(self, incoming, outgoing, server_side=False, server_hostname=None, **more):
        asked.append(server_hostname)
        raise ssl.SSLError("seen enough")

    monkeypatch.setattr(ssl.SSLContext, "wrap_bio", see)
    client = outside.client(LOOPBACK, resolve=Names(["127.0.0.1"]))
    async with Receiver() as receiver, client:
        address = receiver.url(host="shop.example").replace("http", "https")
        with pytest.raises(httpx.ConnectError):
            await client.get(address)
    assert [bytes(name).decode() for name in asked] == ["shop.example"]
