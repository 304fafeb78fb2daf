"""What stores say, and what it means for whoever mends it."""

import pytest

from agent.observe.store_errors import meaning, refused


@pytest.mark.parametrize(
    ("error", "says"),
    [
        ("An error occurred (RequestTimeTooSkewed) when calling", "set this machine's"),
        (
            "An error occurred (InvalidAccessKeyId) when calling",
            "does not know the key",
        ),
        ("(AccessDenied) when calling the PutObject operation", "has no right"),
        ("(NoSuchBucket) when calling the PutObject operation", "does not exist"),
        ("[Errno 28] No space left on device", "the store is full"),
        ("(SlowDown) when calling the PutObject operation", "slow down (503)"),
        ('Could not connect to the endpoint URL: "http://a"', "is not reachable"),
        ("Connection was closed before we received a valid", "broke in the middle"),
        ('Read timeout on endpoint URL: "http://a"', "and does not answer"),
        ("s3://b/k of a has 100 bytes, not 32044", "kept something else"),
        ("(InternalError) when calling the PutObject", "see its own log"),
        ("/m/1.wav is still open in Asterisk", "still writes to it"),
        ("/m/1.wav: it is empty: 0 bytes", "wrote nothing into it"),
        ("/m/1.wav: its header tells of 44 bytes, and there are", "never finished it"),
        ("/m/1.wav is not there", "somebody deleted it"),
    ],
)
def test_what_an_error_means(error, says):
    assert says in meaning(error)


def test_an_error_that_nobody_knows_speaks_for_itself():
    assert meaning("the dog ate it") == ""


@pytest.mark.parametrize(
    ("error", "is_refusal"),
    [
        ("An error occurred (InvalidAccessKeyId) when calling the PutObject", True),
        ("An error occurred (SignatureDoesNotMatch) when calling", True),
        ("An error occurred (403) when calling the HeadObject operation", True),
        ("(AccessDenied) when calling the PutObject operation: Access Denied", True),
        ("(RequestTimeTooSkewed) when calling the PutObject operation", True),
        ("Unable to locate credentials", True),
        ("An error occurred (503) when calling: Slow Down", False),
        ("Could not connect to the endpoint URL", False),
        ("An error occurred (NoSuchBucket) when calling", False),
        ("[Errno 28] No space left on device", False),
    ],
)
def test_who_refuses_us(error, is_refusal):
    assert refused(error) is is_refusal
