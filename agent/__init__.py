"""Offhook, an on-prem AI phone agent behind Asterisk.

Read docs/how-a-call-flows.md first, then session.py. Imports only go down:
the floors are drawn in pyproject.toml ([tool.importlinter]).
"""

__version__ = "0.1.0"
