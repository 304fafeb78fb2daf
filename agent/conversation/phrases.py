"""What has been spoken before is not made twice: sound by voice and text, in memory.

One for the process. The lines that a failing call must be able to say are made before
the first call and never dropped; the rest goes when it has not been said for longest.
"""

from collections import OrderedDict

MOST_BYTES = 64 * 2**20
LONGEST = 80
"""Characters. Longer texts are hardly ever said twice."""

_Key = tuple[str, str]
"""Voice and text."""


class Phrases:
    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._kept: dict[_Key, bytes] = {}
        self._recent: OrderedDict[_Key, bytes] = OrderedDict()

    def get(self, voice: str, text: str) -> bytes | None:
        key = (voice, text)
        if key in self._kept:
            return self._kept[key]
        if key in self._recent:
            self._recent.move_to_end(key)
        return self._recent.get(key)

    def keep(self, voice: str, text: str, pcm: bytes) -> None:
        """For good."""
        self._kept[voice, text] = pcm

    def remember(self, voice: str, text: str, pcm: bytes) -> None:
        """Until there is no room left for it."""
        key = (voice, text)
        if len(text) > LONGEST or key in self._kept or key in self._recent:
            return
        self._recent[key] = pcm
        self._bytes += len(pcm)
        while self._bytes > self._most_bytes:
            _, oldest = self._recent.popitem(last=False)
            self._bytes -= len(oldest)
