"""What hypothesis may draw: values of the wire, and garbage near to them."""

import json

from hypothesis import strategies as st

from agent.wire.commands import (
    Answer,
    Continue,
    Flush,
    GetStatus,
    Hangup,
    Mark,
    Pause,
    ReportQueueDrained,
    SetDirection,
    StartBuffering,
    StopBuffering,
)
from agent.wire.events import (
    BufferingCompleted,
    Dtmf,
    MarkReached,
    MediaStart,
    QueueDrained,
    Refused,
    Status,
    Xoff,
    Xon,
)

TEXTS = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=60
)
WORDS = st.text(
    st.characters(exclude_categories=["C", "Z"], exclude_characters=":"),
    min_size=1,
    max_size=30,
)
KEYS = st.sampled_from("0123456789*#ABCD")


def events(ids, texts, variables):
    return st.one_of(
        st.builds(
            MediaStart,
            channel_id=ids,
            format=ids,
            frame_size=st.integers(0, 65_535),
            ptime=st.integers(0, 1000),
            channel=ids,
            connection_id=ids,
            variables=variables,
        ),
        st.builds(Dtmf, KEYS),
        st.builds(MarkReached, texts),
        st.builds(BufferingCompleted, texts),
        st.builds(Refused, texts),
        st.builds(
            Status,
            queue_length=st.integers(0, 5000),
            queue_full=st.booleans(),
            bulk_media=st.booleans(),
            media_paused=st.booleans(),
        ),
        st.sampled_from([QueueDrained(), Xoff(), Xon()]),
    )


def commands(ids):
    return st.one_of(
        st.sampled_from(
            [
                Answer(),
                Hangup(),
                Flush(),
                Pause(),
                Continue(),
                GetStatus(),
                ReportQueueDrained(),
                StartBuffering(),
            ]
        ),
        st.builds(Mark, ids),
        st.builds(StopBuffering, ids),
        st.builds(SetDirection, st.sampled_from(["both", "in", "out"])),
    )


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**25), 10**25)
    | st.floats()
    | st.text(st.characters(), max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=9), inner, max_size=4)
    ),
    max_leaves=12,
)
NAMES = st.sampled_from(
    "MEDIA_START DTMF_END MEDIA_MARK_PROCESSED MEDIA_BUFFERING_COMPLETED QUEUE_DRAINED "
    "MEDIA_XOFF MEDIA_XON STATUS ERROR start media dtmf clear stop MARK_MEDIA "
    "STOP_MEDIA_BUFFERING SET_MEDIA_DIRECTION".split()
)
MEMBERS = st.sampled_from(
    "event type command channel_id channel format optimal_frame_size ptime digit "
    "channel_variables correlation_id queue_length xon_level xoff_level queue_full "
    "bulk_media media_paused error_text direction audio ts codec call-id reason".split()
)
OBJECTS = st.dictionaries(MEMBERS, JSON_VALUES | NAMES, max_size=9).map(json.dumps)
# A real name with members of random types: the likeliest to slip through.
NEAR_MISSES = st.builds(
    lambda kind, name, members: json.dumps({**members, kind: name}),
    st.sampled_from(["event", "type", "command"]),
    NAMES,
    st.dictionaries(MEMBERS, JSON_VALUES, max_size=9),
)
PLAIN = st.builds(
    lambda name, words: " ".join((name, *words)),
    NAMES,
    st.lists(st.builds("{}:{}".format, MEMBERS, st.text(max_size=9)), max_size=9),
)
GARBAGE = st.one_of(
    st.text(st.characters(), max_size=200),
    st.binary(max_size=200).map(lambda raw: raw.decode("latin-1")),
    OBJECTS,
    NEAR_MISSES,
    PLAIN,
    JSON_VALUES.map(json.dumps),
)
