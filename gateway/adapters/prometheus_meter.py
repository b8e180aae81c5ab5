"""Records as Prometheus metrics. Labels come from the configuration alone, never from a client.

Children are looked up once and kept: `labels()` costs 1 to 3 µs a call, a kept child 0.3.
"""

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from gateway.core.money import NANO_PER_USD
from gateway.core.record import AttemptRecord, Kind, Outcome, RequestRecord
from gateway.core.usage import Usage

NO_ROUTE = "none"
NO_TIER = "none"
OTHER_TENANT = "other"

_SHORT_S = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
_LONG_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
_SCORES = tuple(step / 20 for step in range(1, 21))
_TOKENS = tuple(float(4**power) for power in range(1, 13))

_Metric = TypeVar("_Metric", Counter, Histogram)


class _Kept(Generic[_Metric]):
    """A metric's children by their label values."""

    def __init__(self, metric: _Metric) -> None:
        self._metric: _Metric = metric
        self._children: dict[tuple[str, ...], _Metric] = {}

    def of(self, *labels: str) -> _Metric:
        child = self._children.get(labels)
        if child is None:
            child = self._metric.labels(*labels) if labels else self._metric
            self._children[labels] = child
        return child


class PrometheusMeter:
    """`lag_s` gives the ledger's lag; `max_tenants` bounds the label: the rest are "other"."""

    def __init__(self, *, lag_s: Callable[[], float], max_tenants: int) -> None:
        self._registry = CollectorRegistry()
        self._max_tenants = max_tenants
        self._tenants: set[str] = set()
        self._requests = self._counter("requests", "tenant route model tier outcome", "Requests")
        self._attempts = self._counter("attempts", "provider model outcome", "Upstream attempts")
        self._tokens = self._counter("tokens", "tenant model kind", "Tokens by kind")
        self._cost = self._counter("cost_usd", "tenant model", "Money spent, USD")
        self._baseline = self._counter(
            "baseline_usd", "tenant route", "What the baseline would have cost, USD"
        )
        self._saved = self._counter("saved_usd", "tenant cause", "Baseline less cost, USD")
        self._overpaid = self._counter("overpaid_usd", "tenant cause", "Cost over baseline, USD")
        self._climbs = self._counter(
            "escalations", "route from to reason", "Climbs to another model"
        )
        self._hold_exceeded = self._counter(
            "hold_exceeded", "provider model", "Attempts billed above their bound"
        )
        self._unpriced = Counter(
            "fareway_unpriced_requests",
            "Requests to a model without a price",
            registry=self._registry,
        )
        self._violations = Counter(
            "fareway_invariant_violations", "Must stay 0", registry=self._registry
        )
        self._overhead = self._histogram("overhead_seconds", "", _SHORT_S, "Our own time")
        self._routing = self._histogram("routing_seconds", "", _SHORT_S, "Time to score a prompt")
        self._request_s = self._histogram("request_seconds", "route model", _LONG_S, "Requests")
        self._first_token_s = self._histogram(
            "time_to_first_token_seconds", "model", _LONG_S, "Time to the first token"
        )
        self._score = self._histogram("router_score", "route", _SCORES, "Router scores")
        lag = Gauge(
            "fareway_ledger_lag_seconds",
            "Age of the oldest row not yet in the database",
            registry=self._registry,
        )
        lag.set_function(lag_s)
        self._gen_ai = _GenAi(self._registry)

    def render(self) -> bytes:
        """Prometheus' text format."""
        return generate_latest(_WithoutCreated(self._registry))

    def violation(self) -> None:
        """Something that our own code guarantees did not hold."""
        self._violations.inc()

    def observe(self, record: RequestRecord) -> None:
        facts = record.facts
        tenant = self._tenant(facts.tenant)
        route = facts.route or NO_ROUTE
        self._overhead.of().observe(record.overhead_s)
        if facts.score is not None:
            self._routing.of().observe(record.routing_s)
            self._score.of(route).observe(facts.score)
        for attempt in record.attempts:
            self._observe_attempt(attempt, tenant, facts.endpoint)
        for before, after in zip(record.attempts, record.attempts[1:], strict=False):
            if after.kind is Kind.ESCALATION:
                reason = before.error_code or "unknown"
                self._climbs.of(route, before.model, after.model, reason).inc()
        if record.attempts:
            last = record.attempts[-1]
            outcome = (last.outcome or Outcome.UNKNOWN).value
            self._requests.of(tenant, route, last.model, last.tier or NO_TIER, outcome).inc()
            self._request_s.of(route, last.model).observe(record.duration_s)
        self._observe_money(record, tenant, route)

    def _observe_attempt(self, attempt: AttemptRecord, tenant: str, endpoint: str) -> None:
        model, provider = attempt.model, attempt.provider
        self._attempts.of(provider, model, (attempt.outcome or Outcome.UNKNOWN).value).inc()
        if attempt.usage is not None:
            for kind, count in _by_kind(attempt.usage):
                if count:
                    self._tokens.of(tenant, model, kind).inc(count)
        if attempt.cost_nano_usd is None:
            self._unpriced.inc()
        elif attempt.cost_nano_usd:
            self._cost.of(tenant, model).inc(attempt.cost_nano_usd / NANO_PER_USD)
            if attempt.held_nano_usd is not None and attempt.cost_nano_usd > attempt.held_nano_usd:
                self._hold_exceeded.of(provider, model).inc()
        if attempt.first_token_ms is not None:
            self._first_token_s.of(model).observe(attempt.first_token_ms / 1000)
        self._gen_ai.observe(attempt, endpoint)

    def _observe_money(self, record: RequestRecord, tenant: str, route: str) -> None:
        saved = record.saved_nano_usd
        if saved is None:
            return
        baseline = sum(attempt.baseline_nano_usd or 0 for attempt in record.attempts)
        if baseline:
            self._baseline.of(tenant, route).inc(baseline / NANO_PER_USD)
        by_prompt_cache = record.saved_by_prompt_cache_nano_usd
        causes = {"prompt_cache": by_prompt_cache, "routing": saved - by_prompt_cache}
        for cause, amount in causes.items():
            if amount:
                counter = self._saved if amount > 0 else self._overpaid
                counter.of(tenant, cause).inc(abs(amount) / NANO_PER_USD)

    def _tenant(self, tenant: str) -> str:
        if tenant in self._tenants:
            return tenant
        if len(self._tenants) >= self._max_tenants:
            return OTHER_TENANT
        self._tenants.add(tenant)
        return tenant

    def _counter(self, name: str, labels: str, text: str) -> _Kept[Counter]:
        return _Kept(Counter(f"fareway_{name}", text, labels.split(), registry=self._registry))

    def _histogram(
        self, name: str, labels: str, buckets: tuple[float, ...], text: str
    ) -> _Kept[Histogram]:
        return _Kept(
            Histogram(
                f"fareway_{name}", text, labels.split(), buckets=buckets, registry=self._registry
            )
        )


class _WithoutCreated(Collector):
    """A registry without the library's `_created` series, a third more series that nobody reads.
    Its own switch for them is global."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterator[Metric]:
        for metric in self._registry.collect():
            metric.samples = [one for one in metric.samples if not one.name.endswith("_created")]
            yield metric


class _GenAi:
    """OpenTelemetry's generative AI conventions, under Prometheus' spelling of their names."""

    def __init__(self, registry: CollectorRegistry) -> None:
        labels = ("gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model")
        self._usage = _Kept(
            Histogram(
                "gen_ai_client_token_usage",
                "Tokens of an answer",
                (*labels, "gen_ai_token_type"),
                buckets=_TOKENS,
                registry=registry,
            )
        )
        self._duration_s = _Kept(
            Histogram(
                "gen_ai_server_request_duration_seconds",
                "Duration of an upstream attempt",
                labels,
                buckets=_LONG_S,
                registry=registry,
            )
        )
        self._first_token_s = _Kept(
            Histogram(
                "gen_ai_server_time_to_first_token_seconds",
                "Time to the first token",
                labels,
                buckets=_LONG_S,
                registry=registry,
            )
        )

    def observe(self, attempt: AttemptRecord, endpoint: str) -> None:
        labels = (endpoint, attempt.provider, attempt.model)
        if attempt.usage is not None:
            self._usage.of(*labels, "input").observe(attempt.usage.input_tokens)
            self._usage.of(*labels, "output").observe(attempt.usage.output_tokens)
        if attempt.duration_ms is not None:
            self._duration_s.of(*labels).observe(attempt.duration_ms / 1000)
        if attempt.first_token_ms is not None:
            self._first_token_s.of(*labels).observe(attempt.first_token_ms / 1000)


def _by_kind(usage: Usage) -> tuple[tuple[str, int], ...]:
    """Parts are shown beside their whole, not added to it."""
    return (
        ("input", usage.input_tokens),
        ("cached_input", usage.cached_input_tokens),
        ("cache_write", usage.cache_write_tokens),
        ("output", usage.output_tokens),
        ("reasoning", usage.reasoning_tokens),
    )
