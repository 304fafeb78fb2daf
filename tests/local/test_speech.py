"""The real Piper; what stands before it is tested in test_speech_api.py."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.local.process import LocalServer, free_port
from agent.local.servers import SpeechServerConfig, speech_server
from agent.local.speech import PEAK, Piper, _plain, _scaled, cut


@pytest.mark.parametrize(
    ("sentence", "pieces"),
    [
        ("", []),
        ("abcdefgh", ["abcdefgh"]),
        ("abc, def ghi", ["abc,", " def ghi"]),
        ("abc def ghi", ["abc def ", "ghi"]),
        ("a,b cdefghijk", ["a,", "b ", "cdefghij", "k"]),
        ("abcdefghijklm", ["abcdefgh", "ijklm"]),
    ],
)
def test_long_sentences_are_cut_where_one_would_breathe(sentence, pieces):
    assert ["".join(piece) for piece in cut(list(sentence), 8)] == pieces


@given(st.lists(st.sampled_from("ab ,;:."), max_size=60), st.integers(1, 12))
def test_a_cut_loses_nothing_and_leaves_nothing_too_long(phonemes, longest):
    pieces = list(cut(phonemes, longest))
    assert [phoneme for piece in pieces for phoneme in piece] == phonemes
    assert all(0 < len(piece) <= longest for piece in pieces)


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("Wait... yes.", "Wait,  yes."),
        ("Wait… yes.", "Wait,  yes."),
        ("Press [[1]] now.", "Press  1  now."),
        ("9.50 euros.", "9.50 euros."),
    ],
)
def test_what_piper_would_misread_is_put_plainly(written, spoken):
    assert _plain(written) == spoken


@pytest.mark.parametrize("audio", [[0.0, 0.0], [0.5, -0.1], [-3.0, 1.0], []])
def test_every_sentence_is_as_loud_and_none_clips(audio):
    peak = np.max(np.abs(_scaled(np.array(audio, np.float32))), initial=0)
    assert peak == (int(PEAK) if any(audio) else 0)


@pytest.fixture(scope="module")
def piper(voice_file: Path) -> Piper:
    return Piper(voice_file)


@pytest.mark.models
@pytest.mark.parametrize(
    ("text", "least", "most"),
    [
        ("Yes.", 0.2, 1.2),
        ("Good morning, how can I help you today?", 1.2, 4.0),
        ("Good morning. How can I help you today?", 1.2, 4.5),
    ],
)
def test_speech_takes_about_as_long_as_a_person_would(piper, text, least, most):
    sentences = list(piper.sentences(text, 1.0))
    assert len(sentences) == text.count(". ") + 1
    assert least < sum(len(pcm) for pcm in sentences) / piper.rate < most
    assert all(np.max(np.abs(pcm)) == int(PEAK) for pcm in sentences)


@pytest.mark.models
def test_slower_speech_takes_longer(piper):
    usual, slow = (
        sum(len(pcm) for pcm in piper.sentences("We are open until five.", speed))
        for speed in (1.0, 0.5)
    )
    assert slow > 1.5 * usual


@pytest.mark.models
def test_a_text_without_a_full_stop_comes_in_pieces(piper):
    text = "we are open until five and closed at weekends " * 20
    lengths = [len(pcm) / piper.rate for pcm in piper.sentences(text, 1.0)]
    assert len(lengths) > 4
    assert max(lengths) < 15


@pytest.mark.models
def test_what_has_no_sound_is_no_sound(piper):
    assert list(piper.sentences("...", 1.0)) == []


@pytest.fixture(scope="module")
def served(voice_file: Path) -> Iterator[LocalServer]:
    server = speech_server(SpeechServerConfig(voice_file), free_port())
    with subprocess.Popen(server.command) as process:
        for _ in range(600):
            try:
                httpx.get(server.health, trust_env=False).raise_for_status()
                break
            except httpx.HTTPError:
                assert process.poll() is None, "it ended; see what it wrote"
                time.sleep(0.1)
        yield server
        process.terminate()
        assert process.wait(timeout=60) in (0, -15)


@pytest.mark.models
def test_the_process_speaks_in_the_telephones_rate(served, voice_file):
    voices = httpx.get(f"{served.url}/voices", trust_env=False).json()["data"]
    assert [voice["id"] for voice in voices] == [voice_file.stem]
    answer = httpx.post(
        f"{served.url}/audio/speech",
        json={"input": "Good morning.", "voice": voice_file.stem, "sample_rate": 8000},
        timeout=60,
        trust_env=False,
    )
    pcm = np.frombuffer(answer.content, "<i2")
    assert answer.status_code == 200
    assert 0.3 < len(pcm) / 8000 < 2
    assert np.max(np.abs(pcm)) > 5000


def test_a_voice_without_its_description_is_named(tmp_path):
    lonely = tmp_path / "voice.onnx"
    lonely.touch()
    server = speech_server(SpeechServerConfig(lonely), free_port())
    ended = subprocess.run(server.command, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 2
    assert f"--voice: there is no file {lonely}.json" in ended.stderr
