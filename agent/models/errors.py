"""What can go wrong with models. Every message names the thing and the way out.

ModelError
    LockError        models.lock is not what it should be
    UnknownModel     a name that models.lock does not list
    MissingModel     a model that is listed and not on this disk
    FetchError       no source of a file gave the right bytes
    BundleError      an archive that we refuse, or cannot make
SourceError          one source failed: the next one is tried
    Unreachable      nobody answers there
    WrongFile        the bytes came, and they are not the file
"""


class ModelError(Exception):
    """Anything about models that the operator has to know."""


class LockError(ModelError):
    pass


class UnknownModel(ModelError):
    pass


class MissingModel(ModelError):
    pass


class FetchError(ModelError):
    pass


class BundleError(ModelError):
    pass


class SourceError(Exception):
    """This source did not give the file. Says why, in one line."""


class Unreachable(SourceError):
    """Asking the same host for the next file would only cost time."""


class WrongFile(SourceError):
    """Whatever was written has been deleted."""
