"""Asterisk's log is in local time: here that is UTC, wherever these tests run."""

import os
import time
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def utc() -> Iterator[None]:
    before = os.environ.get("TZ")
    os.environ["TZ"] = "UTC"
    time.tzset()
    yield
    if before is None:
        del os.environ["TZ"]
    else:
        os.environ["TZ"] = before
    time.tzset()
