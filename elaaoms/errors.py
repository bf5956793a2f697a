"""What can go wrong, said once: the kind of an error decides the reaction to it."""

from __future__ import annotations


class ElaaomsError(Exception):
    """A failure that one sentence explains; commands print it without a traceback.

    `about` is a word for what has to be mended, where a service's failure tells: key, credit, model, address,
    network, time, answer (something else answers), busy, down or request.
    """

    about: str = ""


class ConfigError(ElaaomsError):
    """The configuration or a secret is missing or wrong; `serve` ends with 78."""


class AlreadyRunning(ElaaomsError):
    """Another process holds the data directory; `serve` ends with 75."""


class Unreadable(ElaaomsError):
    """Bytes from outside that cannot be understood; the message says where and why."""


class NotFound(ElaaomsError):
    """Something was addressed that is not there."""


class Conflicting(ElaaomsError):
    """The request is sound, but the thing it addresses is in another state."""


class StorageUnavailable(ElaaomsError):
    """The database or the disk cannot take a write now; asking again later may help."""

    def __init__(self, message: str, *, retry_after: float = 30.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class StorageDamaged(StorageUnavailable):
    """The database is damaged: it is set aside for a fresh one, which the archive fills again."""


class StorageFailed(ElaaomsError):
    """The disk reported an I/O error: nothing written since can be trusted, so the process ends with 74."""


class ServiceUnavailable(ElaaomsError):
    """A service did not answer or asked us to come back; the job is tried again on its schedule."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ServiceRejected(ElaaomsError):
    """A service refused this very request; repeating it would change nothing."""


class ProviderBlocked(ElaaomsError):
    """A provider refuses every request (bad key, no quota) or is left alone because it failed too often: pause
    it, burn no attempts. `retry_after` are the seconds until it is worth asking, if that is known."""

    def __init__(self, provider: str, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.provider = provider
        self.retry_after = retry_after
