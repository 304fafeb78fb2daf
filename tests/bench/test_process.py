import urllib.request

import pytest

from agent.local.process import free_port
from bench.process import NotReady, running


def test_it_is_up_inside_and_down_outside(tmp_path):
    port = free_port()
    url = f"http://127.0.0.1:{port}/"
    command = ("http.server", str(port), "--bind", "127.0.0.1")
    with running(*command, ready=url, log=tmp_path / "log"):
        assert urllib.request.urlopen(url, timeout=5).status == 200
    with pytest.raises(OSError):
        urllib.request.urlopen(url, timeout=1)


def test_what_dies_says_why(tmp_path):
    url = f"http://127.0.0.1:{free_port()}/"
    with (
        pytest.raises(NotReady, match="No module named bench.nothing"),
        running("bench.nothing", ready=url, log=tmp_path / "log"),
    ):
        pass


def test_what_is_late_says_so(tmp_path):
    url = f"http://127.0.0.1:{free_port()}/"
    command = ("http.server", str(free_port()), "--bind", "127.0.0.1")
    with (
        pytest.raises(NotReady),
        running(*command, ready=url, log=tmp_path / "log", within=0),
    ):
        pass
