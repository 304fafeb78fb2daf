from agent.phone.line import Ending, Side
from agent.phone.recording import Recording
from agent.phone.report import show, utterances
from agent.phone.ulaw import RATE


def track(*talks):
    """Loud between the given seconds, quiet elsewhere."""
    pcm = b""
    for begin, end in talks:
        pcm = pcm.ljust(round(begin * RATE) * 2, b"\0")
        pcm += b"\x00\x20\x00\xe0" * round((end - begin) * RATE / 2)
    return pcm


async def test_a_conversation_with_an_interruption(capsys):
    recording = Recording(
        caller=track((2.0, 3.0), (4.6, 5.6)), agent=track((0.2, 1.0), (3.8, 5.0))
    )
    asked = []

    async def transcribe(pcm):
        asked.append(len(pcm) / 2 / RATE)
        return f"{asked[-1]:.1f} seconds"

    found = await utterances(recording, transcribe)
    show(found, Ending(Side.CALLED, 6.0, "HANGUP"))
    assert capsys.readouterr().out.splitlines() == [
        "   0.20 -   1.00  agent   0.8 seconds",
        "   2.00 -   3.00  caller  1.0 seconds  (after 1.00 s)",
        "   3.80 -   5.00  agent   1.2 seconds  (after 0.80 s)",
        "   4.60 -   5.60  caller  1.0 seconds",
        "   6.00           agent hung up (HANGUP)",
    ]


async def test_without_words():
    found = await utterances(Recording(caller=b"", agent=track((0.2, 1.0))))
    assert [(u.side, u.words, u.reply_after) for u in found] == [
        (Side.CALLED, "", None)
    ]
