import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from agent.nc.service import Account, ServiceConfig, create_service


class Louder:
    """A model that one can see at work: it adds what its stream has heard before."""

    def __init__(self):
        self.rates = []

    def stream(self, rate):
        self.rates.append(rate)
        return Stream()


class Stream:
    def __init__(self):
        self.frames = 0

    def clean(self, pcm):
        if pcm == b"!!":
            raise RuntimeError("no")
        self.frames += 1
        return bytes(min(255, byte + self.frames) for byte in pcm)


@pytest.fixture
def model():
    return Louder()


@pytest.fixture
def client(model):
    with TestClient(create_service(ServiceConfig(streams=2), model)) as client:
        yield client


def metric(client, name):
    for line in client.get("/metrics").text.splitlines():
        if line.startswith(f"{name} "):
            return float(line.split()[1])
    raise AssertionError(f"no metric {name}")


def test_frames_come_back_in_order_and_each_stream_has_its_own_state(client, model):
    with client.websocket_connect("/?rate=16000") as one:
        with client.websocket_connect("/") as other:
            one.send_bytes(bytes(640))
            one.send_bytes(bytes(640))
            other.send_bytes(bytes(160))
            assert one.receive_bytes() == b"\x01" * 640
            assert one.receive_bytes() == b"\x02" * 640
            assert other.receive_bytes() == b"\x01" * 160
            assert client.get("/health").json() == {
                "status": "full",
                "streams": 2,
                "limit": 2,
            }
    assert model.rates == [16000, 8000]
    assert client.get("/health").json()["status"] == "ready"
    assert metric(client, "offhook_nc_frames_total") == 3
    assert metric(client, "offhook_nc_streams") == 0


@pytest.mark.parametrize("rate", ["44100", "0", "x", ""])
def test_a_rate_that_it_does_not_know(client, rate):
    with pytest.raises(Exception) as refused:
        with client.websocket_connect(f"/?rate={rate}"):
            pass
    assert refused.value.status_code == 400


def test_full_is_said_at_once(client):
    with client.websocket_connect("/"), client.websocket_connect("/"):
        with pytest.raises(Exception) as refused:
            with client.websocket_connect("/"):
                pass
        assert refused.value.status_code == 503
    assert metric(client, "offhook_nc_refused_total") == 1


@pytest.mark.parametrize(
    ("message", "code"),
    [(b"", 1003), (b"abc", 1003), (bytes(1602), 1003), ("text", 1003), (b"!!", 1011)],
)
def test_what_is_no_frame_ends_that_stream_alone(client, message, code):
    with client.websocket_connect("/") as well:
        with client.websocket_connect("/") as broken:
            if isinstance(message, str):
                broken.send_text(message)
            else:
                broken.send_bytes(message)
            with pytest.raises(WebSocketDisconnect) as closed:
                broken.receive_bytes()
            assert closed.value.code == code
        well.send_bytes(bytes(320))
        assert well.receive_bytes() == b"\x01" * 320
    assert metric(client, "offhook_nc_errors_total") == 1


def test_the_line_in_the_log():
    account = Account()
    account.open = 3
    account.cleaned(0.0006, 0.02)
    account.cleaned(0.0002, 0.02)
    account.failed()
    assert account.line(10) == (
        "rtf=0.0200 streams=3 frames=2 errors=1 busy=0.0% in 10 s"
    )
    assert account.line(10) == (
        "rtf=0.0000 streams=3 frames=0 errors=0 busy=0.0% in 10 s"
    )
