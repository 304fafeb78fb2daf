"""chan_websocket's play queue in memory, with the habits that surprise people.

As Asterisk 22.10.1 does it, measured and replayed from traces. No clock: every
`tick` is twenty milliseconds, and what it returns is what the caller hears. Plays
Asterisk in tests and in the test caller; on AudioSocket, where the peer has no queue,
it is the queue.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from .commands import (
    Answer,
    Command,
    Continue,
    Direction,
    Flush,
    GetStatus,
    Hangup,
    Ignored,
    Mark,
    Pause,
    ReportQueueDrained,
    SetDirection,
    StartBuffering,
    StopBuffering,
)
from .dialect import Audio
from .errors import PeerError
from .events import (
    BufferingCompleted,
    Event,
    MarkReached,
    QueueDrained,
    Refused,
    Status,
    Xoff,
    Xon,
)
from .mirror import DriverMirror, Mirror

FULL, XOFF, XON = 1000, 900, 800


@dataclass(slots=True)
class PlayQueue:
    frame_size: int = 160
    mirror: Mirror = field(default_factory=lambda: DriverMirror("json"))
    """How `command` reads."""
    say: Callable[[Event], None] | None = None
    """Takes every event at once; without it they gather in `said`."""
    said: list[Event] = field(default_factory=list)
    answered: bool = False
    """ANSWER came."""
    hung_up: bool = False
    direction: Direction = "both"

    _queue: deque[bytes | Event] = field(default_factory=deque, init=False)
    _frames: int = field(default=0, init=False)
    _tail: bytes = field(default=b"", init=False)
    _bulk: bool = field(default=False, init=False)
    _xoff: bool = field(default=False, init=False)
    _paused: bool = field(default=False, init=False)
    _drained_wanted: bool = field(default=False, init=False)

    def __len__(self) -> int:
        """Frames waiting; marks are not counted."""
        return self._frames

    def command(self, text: str) -> Command | Ignored | Refused | Audio:
        """Obeys, and returns what it understood; Audio is the envelope's only."""
        try:
            understood = self.mirror.read(text)
        except PeerError as error:
            refused = Refused(str(error))
            self._tell(refused)
            return refused
        match understood:
            case Audio(payload):
                self.audio(payload)
            case Ignored():
                pass
            case command:
                self.obey(command)
        return understood

    def obey(self, command: Command) -> None:
        if self.direction == "in" and (name := _NEEDS_OUR_AUDIO.get(type(command))):
            self._tell(Refused(f"{name} not supported while media direction is 'in'"))
            return
        match command:
            case Answer():
                self.answered = True
            case Hangup():
                self.hung_up = True
            case Flush():
                self._queue.clear()
                self._frames, self._tail, self._bulk = 0, b"", False
            case Pause():
                self._paused = True
            case Continue():
                self._paused = False
            case GetStatus():
                self._tell(self.status())
            case ReportQueueDrained():
                self._drained_wanted = True
            case StartBuffering():
                self._bulk = True
            case StopBuffering(mark):
                self._bulk = False
                if self._tail:
                    # The one way past the limit that the driver does not check.
                    self._enqueue(self._tail)
                    self._tail = b""
                self._queue.append(BufferingCompleted(mark))
            case Mark(mark):
                self._queue.append(MarkReached(mark))
            case SetDirection(direction):
                self.direction = direction

    def audio(self, payload: bytes) -> None:
        if self.direction == "in" or self._frames >= FULL:
            return
        if self._tail:
            payload = self._tail + payload
        whole = len(payload) - len(payload) % self.frame_size
        for start in range(0, whole, self.frame_size):
            self._enqueue(payload[start : start + self.frame_size])
        self._tail = payload[whole:] if self._bulk else b""

    def tick(self) -> bytes | None:
        """The frame to be heard; the last of a bulk may be short. None is silence."""
        if self.hung_up or self._paused or self.direction == "in":
            return None
        if self._xoff and self._frames < XON:
            self._xoff = False
            self._tell(Xon())
        if not self._queue and self._drained_wanted:
            self._drained_wanted = False
            self._tell(QueueDrained())
        while self._queue:
            item = self._queue.popleft()
            if isinstance(item, bytes):
                self._frames -= 1
                return item
            self._tell(item)
        return None

    def status(self) -> Status:
        return Status(
            queue_length=self._frames,
            xon_level=XON,
            xoff_level=XOFF,
            queue_full=self._xoff,
            bulk_media=self._bulk,
            media_paused=self._paused,
        )

    def _enqueue(self, frame: bytes) -> None:
        self._queue.append(frame)
        self._frames += 1
        if not self._xoff and self._frames >= XOFF:
            self._xoff = True
            self._tell(Xoff())

    def _tell(self, event: Event) -> None:
        if self.say:
            self.say(event)
        else:
            self.said.append(event)


_NEEDS_OUR_AUDIO = {
    StartBuffering: "START_MEDIA_BUFFERING",
    StopBuffering: "STOP_MEDIA_BUFFERING",
    Mark: "MARK_MEDIA",
    Pause: "PAUSE_MEDIA",
    Continue: "CONTINUE_MEDIA",
}
