import pytest

from agent.storage.leftovers import Leftovers


@pytest.fixture
def folders(tmp_path):
    monitor, rejected = tmp_path / "monitor", tmp_path / "spool/rejected"
    monitor.mkdir()
    rejected.mkdir(parents=True)
    return monitor, rejected


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_everything_of_the_call_goes_and_nothing_else(folders):
    monitor, rejected = folders
    for suffix in (".wav", "-user.wav", "-assistant.wav"):
        for call in ("17.5", "17.50", "17.5.1", "117.5"):
            (monitor / f"{call}{suffix}").touch()
            for more in ("", ".2", ".reason", ".2.reason"):
                (rejected / f"{call}{suffix}{more}").touch()
    (rejected / "17.5.job.reason").touch()
    before = len(names(monitor)), len(names(rejected))
    leftovers = Leftovers(monitor, rejected.parent)
    for _ in range(2):
        leftovers.discard("17.5")
    assert not {name for name in names(monitor) if name.startswith(("17.5.w", "17.5-"))}
    assert (len(names(monitor)), len(names(rejected))) == (
        before[0] - 3,
        before[1] - 12,
    )
    assert "17.5.1.wav.reason" in names(rejected) and "17.5.1.wav" in names(monitor)


def test_a_link_goes_and_not_what_it_leads_to(folders, tmp_path):
    monitor, rejected = folders
    (tmp_path / "secret").touch()
    (monitor / "17.5.wav").symlink_to(tmp_path / "secret")
    (monitor / "17.5-user.wav").symlink_to(tmp_path / "nowhere")
    Leftovers(monitor, rejected.parent).discard("17.5")
    assert names(monitor) == [] and (tmp_path / "secret").exists()


@pytest.mark.parametrize(
    "call", ["", ".", "..", "../secret", "a/b", "*", "[0-9]", "a\0b", "ä", "x" * 65]
)
def test_ids_that_lead_out_of_the_folder(folders, tmp_path, call):
    monitor, rejected = folders
    for path in (tmp_path / "secret.wav", monitor / "17.5.wav", rejected / "1.wav"):
        path.touch()
    Leftovers(monitor, rejected.parent).discard(call)
    assert names(monitor) == ["17.5.wav"] and names(rejected) == ["1.wav"]
    assert (tmp_path / "secret.wav").exists()


def test_folders_that_are_not_there(tmp_path):
    Leftovers(tmp_path / "monitor", tmp_path / "spool").discard("17.5")
