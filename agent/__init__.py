"""Offhook, an on-prem AI phone agent behind Asterisk.

Read docs/how-a-call-flows.md first, then session.py. Imports only go down:
the floors are drawn in pyproject.toml ([tool.importlinter]).
"""

import os

# onnxruntime reports to its maker unless it is told not to before it is loaded. Nothing
# of a telephone system leaves the house unasked.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__version__ = "0.1.0"
