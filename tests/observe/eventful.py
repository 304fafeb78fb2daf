"""An agent to which everything happens, again each time that Prometheus asks.

python -m tests.observe.eventful    # prints its port, and serves until it is ended
"""

import http.server

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics import MetricWrapperBase

from .prometheus import OURS


def tell() -> bytes:
    for metric in OURS:
        _happen(metric)
    return generate_latest()


def _happen(metric: MetricWrapperBase) -> None:
    if not metric._labelnames:
        _count(metric)
        return
    # What has no series yet gets one, under the names of its labels.
    for labels in list(metric._metrics) or [metric._labelnames]:
        _count(metric.labels(*labels))


def _count(metric: MetricWrapperBase) -> None:
    match metric._type:
        case "counter":
            metric.inc()
        case "gauge":
            metric.set(3)
        case "histogram":
            metric.observe(0.3)


class _Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        told = tell()
        self.send_response(200)
        self.send_header("content-type", CONTENT_TYPE_LATEST)
        self.send_header("content-length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)

    def log_message(self, *_: object) -> None:
        pass


if __name__ == "__main__":
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Answer)
    print(server.server_port, flush=True)
    server.serve_forever()
