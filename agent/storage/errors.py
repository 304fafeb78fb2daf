"""The one error that this room raises on purpose."""


class StorageError(Exception):
    """Something could not be read or kept. Says what, where and why."""
