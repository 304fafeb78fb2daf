"""How this package fails, and whose fault it was."""


class WireError(ValueError):
    """Something the protocol forbids."""


class PeerError(WireError):
    """The peer sent it."""


class LocalError(WireError):
    """We were about to send it."""
