"""A file over HTTP: hub and mirror. Goes on where an earlier attempt was cut."""

from typing import TYPE_CHECKING

from .errors import SourceError, Unreachable
from .part import Part
from .progress import Progress

if TYPE_CHECKING:
    import httpx

# A line that drops again and again is given up, even if each try brings a bit.
_ATTEMPTS = 20


def download(
    url: str,
    part: Part,
    *,
    label: str,
    connect_seconds: float,
    read_seconds: float,
    progress: Progress,
) -> None:
    import httpx  # 60 ms that `offhook models list` does not have to pay

    timeout = httpx.Timeout(read_seconds, connect=connect_seconds)
    try:
        client = httpx.Client(timeout=timeout, follow_redirects=True)
    except (ImportError, OSError, ValueError) as error:
        # Of the operator's proxy or SSL_CERT_FILE, before anybody is asked.
        raise SourceError(f"cannot set up HTTP: {_why(error)}") from error
    with client:
        reason = ""
        for _ in range(_ATTEMPTS):
            before = part.have
            try:
                _receive(client, url, part, label, progress)
                if part.have == part.size:
                    return
                reason = f"ended after {part.have} of {part.size} bytes"
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                raise Unreachable(f"no connection: {_why(error)}") from error
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                reason = f"{_why(error)}, after {part.have} of {part.size} bytes"
            if part.have <= before:
                break
            progress.said(f"{label}: {reason}; going on from there")
    raise SourceError(reason)


def _receive(
    client: "httpx.Client", url: str, part: Part, label: str, progress: Progress
) -> None:
    if part.have == part.size:
        return
    # Encoded, the bytes would not be those that Range counts.
    headers = {"Accept-Encoding": "identity"}
    if part.have:
        headers["Range"] = f"bytes={part.have}-"
    with client.stream("GET", url, headers=headers) as answer:
        if answer.status_code == 206 and _begins_at(answer) == part.have:
            pass
        elif answer.status_code == 200:
            part.restart()
        elif part.have and answer.status_code in (206, 416):
            part.restart()
            return _receive(client, url, part, label, progress)
        else:
            raise SourceError(f"answered {answer.status_code} {answer.reason_phrase}")
        for chunk in answer.iter_raw():
            part.write(chunk)
            progress.at(label, part.have, part.size)


def _begins_at(answer: "httpx.Response") -> int:
    unit, _, span = answer.headers.get("Content-Range", "").partition(" ")
    first = span.partition("-")[0]
    return int(first) if unit == "bytes" and first.isdecimal() else -1


def _why(error: Exception) -> str:
    return str(error) or type(error).__name__
