"""What the process counts of itself, for Prometheus; labels come from our own code, never from who calls."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager

from attrs import frozen
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from elaaoms.errors import ElaaomsError, ProviderBlocked, ServiceRejected

_FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_SLOW = (0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0)
_METHODS = frozenset({"GET", "POST", "PATCH", "DELETE", "PUT", "HEAD", "OPTIONS"})
_TYPES = {
    "post_call_transcription": "transcription",
    "post_call_audio": "audio",
    "call_initiation_failure": "failure",
}


@frozen
class _Watched:
    """A gauge whose value is asked for when somebody looks."""

    gauge: Gauge
    read: Callable[[], Awaitable[float]]


class Metrics:
    """The counters of one daemon in a registry of its own; every series that can be known stands at zero."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self._requests = Histogram(
            "elaaoms_request_seconds",
            "How long requests took",
            ("method", "route", "status"),
            buckets=_FAST,
            registry=registry,
        )
        self._dependencies = Histogram(
            "elaaoms_dependency_seconds",
            "How long dependencies took to answer",
            ("dependency", "operation", "outcome"),
            buckets=_SLOW,
            registry=registry,
        )
        self._jobs_done = Histogram(
            "elaaoms_job_seconds",
            "How long attempts at jobs took; available is one that is tried again",
            ("kind", "state"),
            buckets=_SLOW,
            registry=registry,
        )
        self._events = Counter(
            "elaaoms_events", "Signed events that arrived", ("type", "outcome"), registry=registry
        )
        self._signatures = Counter(
            "elaaoms_signatures_refused", "Requests whose signature was refused", registry=registry
        )
        self._wrong_tokens = Counter(
            "elaaoms_tokens_refused", "Requests with a wrong token", ("token",), registry=registry
        )
        self._unaudited = Counter(
            "elaaoms_accesses_lost",
            "Accesses to memories that are not in the audit trail: too many at once",
            registry=registry,
        )
        self._limited = Counter(
            "elaaoms_rate_limited", "Requests above a rate limit", ("route", "limit"), registry=registry
        )
        self._extractions = Counter(
            "elaaoms_extractions", "Calls that were read", ("outcome",), registry=registry
        )
        self._dropped = Counter(
            "elaaoms_statements_dropped", "Statements that were not believed", ("reason",), registry=registry
        )
        self._tokens = Counter(
            "elaaoms_llm_tokens",
            "Tokens of language models",
            ("provider", "model", "kind"),
            registry=registry,
        )
        self._usd = Counter(
            "elaaoms_llm_cost_usd", "US dollars for language models", ("provider", "model"), registry=registry
        )
        self.loop_lag = Histogram(
            "elaaoms_loop_lag_seconds", "How late the event loop is", buckets=_FAST, registry=registry
        )
        self._jobs = Gauge(
            "elaaoms_jobs", "Jobs that wait, run or failed", ("kind", "state"), registry=registry
        )
        self._answered: dict[tuple[str, str, int], Histogram] = {}  # `labels` takes longer than `observe`
        self._took: dict[tuple[str, str, str], Histogram] = {}
        self._gauges: dict[str, Gauge] = {}
        self._watched: dict[str, _Watched] = {}
        for outcome in ("completed", "nothing", "failed"):
            self._extractions.labels(outcome)
        for kind in ("tool", "admin"):
            self._wrong_tokens.labels(kind)
        for outcome in ("accepted", "duplicate", "held"):
            self._events.labels("transcription", outcome)

    # -- what happens -------------------------------------------------------------

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Note an answered request; `route` is its pattern, not its path."""
        known = method if method in _METHODS else "other"
        series = self._answered.get((known, route, status))
        if series is None:
            series = self._requests.labels(known, route, str(status))
            self._answered[known, route, status] = series
        series.observe(seconds)

    def arrived(self, kind: str | None, outcome: str) -> None:
        """Note a signed event: accepted, duplicate or held."""
        self._events.labels(_TYPES.get(kind or "", "other"), outcome).inc()

    def signature_refused(self) -> None:
        """Note a refused signature."""
        self._signatures.inc()

    def token_refused(self, kind: str) -> None:
        """Note a wrong token, `tool` or `admin`."""
        self._wrong_tokens.labels(kind).inc()

    def access_lost(self, count: int) -> None:
        """Note accesses that the audit trail misses."""
        self._unaudited.inc(count)

    def limited(self, route: str, limit: str) -> None:
        """Note a request above a rate limit, by the setting that it met."""
        self._limited.labels(route, limit).inc()

    def extracted(self, outcome: str, dropped: Mapping[str, int] | None = None) -> None:
        """Note that a call was read (completed, nothing, failed), and what was not believed why."""
        self._extractions.labels(outcome).inc()
        for reason, count in (dropped or {}).items():
            self._dropped.labels(reason).inc(count)

    def attempted(self, kind: str, state: str, seconds: float) -> None:
        """Note an attempt at a job and the state that it is in now."""
        self._jobs_done.labels(kind, state).observe(seconds)

    def paid(self, provider: str, model: str, tokens: Mapping[str, int], usd: float) -> None:
        """Note what an answer of a language model took."""
        for kind, count in tokens.items():
            self._tokens.labels(provider, model, kind).inc(count)
        self._usd.labels(provider, model).inc(usd)

    def took(self, dependency: str, operation: str, outcome: str, seconds: float) -> None:
        """Note how long a dependency took."""
        series = self._took.get((dependency, operation, outcome))
        if series is None:
            series = self._dependencies.labels(dependency, operation, outcome)
            self._took[dependency, operation, outcome] = series
        series.observe(seconds)

    @contextmanager
    def timed(self, dependency: str, operation: str = "call") -> Iterator[None]:
        """Note how long the block takes and what kind of failure ends it, if one does."""
        started, outcome = time.perf_counter(), "cancelled"
        try:
            yield
            outcome = "ok"
        except ProviderBlocked:
            outcome = "blocked"
            raise
        except ServiceRejected:
            outcome = "rejected"
            raise
        except (ElaaomsError, TimeoutError):
            outcome = "unavailable"
            raise
        finally:
            self.took(dependency, operation, outcome, time.perf_counter() - started)

    # -- how things stand ---------------------------------------------------------

    def watch(self, name: str, about: str, read: Callable[[], Awaitable[float]]) -> None:
        """Add a gauge that is asked for its value at every look, like the lag of an outbox."""
        self._watched[name] = _Watched(Gauge(name, about, registry=self.registry), read)

    def stand(self, name: str, about: str, value: float) -> None:
        """Set a gauge."""
        if name not in self._gauges:
            self._gauges[name] = Gauge(name, about, registry=self.registry)
        self._gauges[name].set(value)

    def depths(self, depths: Mapping[tuple[str, str], int]) -> None:
        """Set how many jobs there are by kind and state."""
        self._jobs.clear()
        for (kind, state), count in depths.items():
            self._jobs.labels(kind, state).set(count)

    async def look(self) -> None:
        """Ask what is watched; what cannot be told now is not a number."""
        for watched in self._watched.values():
            try:
                watched.gauge.set(await watched.read())
            except ElaaomsError:
                watched.gauge.set(float("nan"))

    def exposed(self) -> bytes:
        """Everything in Prometheus' text format."""
        return generate_latest(self.registry)
