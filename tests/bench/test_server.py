import pytest

from agent.phone.load import Load, LoadConfig
from bench.server import SERVERS, Kind, NoServer, Server


def test_a_server_is_started_asked_and_ended():
    with Server("null", core=None) as server:
        with Load(LoadConfig(server.url), 2) as load:
            load.feed(0.2)
            load.feed(0.2, measuring=True)
            load.feed(0.2)
            assert load.measured().lost == 0
            census = server.census()
        assert server.lag().max >= 0
        assert server.pss_mb() > 5
        assert server.cpu_seconds() > 0
        assert census["tasks"] >= 2 and census["descriptors"] > 5
        pid = server.pid
    with pytest.raises(FileNotFoundError):
        open(f"/proc/{pid}/stat")


def test_a_server_that_dies_is_not_waited_for(monkeypatch):
    monkeypatch.setitem(SERVERS, "none", Kind("there_is_no_such_module"))
    with pytest.raises(NoServer, match="none did not start"), Server("none"):
        pass
