"""What one request did, in one immutable record; the ledger's rows are a projection of it.

Ledger, metrics, logs and replay all read the same `RequestRecord`, so they cannot disagree.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum

from gateway.core.ids import KeyId, OrganisationId, RequestId, TenantId
from gateway.core.usage import Usage, UsageSource


class State(StrEnum):
    PENDING = "pending"  # sent or about to be; booked at nothing yet, held at its bound
    SETTLED = "settled"
    VOID = "void"  # provably never written to the upstream: costs nothing


class Outcome(StrEnum):
    OK = "ok"
    ERROR = "error"
    ABORTED = "aborted"  # the client went away
    REFUSED = "refused"  # the upstream's 4xx
    HIT = "hit"
    REPLAYED = "replayed"
    UNKNOWN = "unknown"  # nobody saw how it ended: booked at its full hold


class Kind(StrEnum):
    ANSWER = "answer"
    RETRY = "retry"
    ESCALATION = "escalation"
    STEP = "step"
    JUDGE = "judge"
    SHADOW = "shadow"


class Reason(StrEnum):
    """Why this model served the request (header x-fareway-reason)."""

    ROUTED = "routed"
    PINNED = "pinned"
    ESCALATED = "escalated"
    FALLBACK = "fallback"
    CACHE = "cache"
    BUDGET = "budget"
    CEILING = "ceiling"
    STICKY = "sticky"
    CONTEXT = "context"


@dataclass(frozen=True, slots=True)
class RequestFacts:
    """What is true of a request from its admission on, whatever its attempts do."""

    request_id: RequestId
    client_request_id: str | None
    endpoint: str
    organisation: OrganisationId
    tenant: TenantId
    key_id: KeyId
    end_user: str | None  # HMAC of the body's `user`, never its text
    session: str | None
    tags: str | None  # as sent, checked: "team=search,env=prod"
    route: str | None
    requested_model: str
    score: float | None
    decision: str | None  # JSON, at most 1 KiB
    cache: str
    config_version: str
    started_at: datetime


@dataclass(frozen=True, slots=True)
class AttemptRecord:
    """One upstream attempt. `cost_nano_usd` is None where the model has no price (`unpriced`)."""

    attempt: int  # from 1
    kind: Kind
    model: str
    provider: str
    state: State
    held_nano_usd: int | None  # the bound; None where the model has no price
    price_version: str
    started_at: datetime
    tier: str | None = None  # None without tiers
    outcome: Outcome | None = None  # None while pending
    delivered: bool = False
    upstream_id: str | None = None
    error_code: str | None = None
    finish_reason: str | None = None
    usage: Usage | None = None
    output_cap: int | None = None
    cost_nano_usd: int | None = None
    baseline_nano_usd: int | None = None
    cached_discount_nano_usd: int = 0  # what the provider's prompt cache took off the cost
    first_token_ms: int | None = None
    duration_ms: int | None = None


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """One row of the ledger, its columns in CONTRACT's order. `started_at` is the attempt's."""

    request_id: str
    attempt: int
    client_request_id: str | None
    upstream_id: str | None
    endpoint: str
    organisation: str
    tenant: str
    key_id: str
    end_user: str | None
    session: str | None
    tags: str | None
    route: str | None
    requested_model: str
    model: str
    provider: str
    tier: str | None
    score: float | None
    decision: str | None
    kind: Kind
    delivered: bool
    cache: str
    state: State
    outcome: Outcome | None
    error_code: str | None
    finish_reason: str | None
    input_tokens: int | None
    cached_input_tokens: int | None
    cache_write_tokens: int | None
    output_tokens: int | None
    reasoning_tokens: int | None
    usage_source: UsageSource | None
    output_cap: int | None
    cost_nano_usd: int | None
    baseline_nano_usd: int | None
    held_nano_usd: int | None
    price_version: str
    config_version: str
    started_at: datetime  # aware, UTC
    first_token_ms: int | None
    duration_ms: int | None


LEDGER_COLUMNS = tuple(column.name for column in fields(LedgerRow))


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """One request, finished. `overhead_s` is time to our headers minus waiting on upstreams."""

    facts: RequestFacts
    attempts: tuple[AttemptRecord, ...]
    reason: Reason
    overhead_s: float
    routing_s: float
    duration_s: float

    @property
    def delivered(self) -> AttemptRecord | None:
        return next((attempt for attempt in self.attempts if attempt.delivered), None)

    @property
    def cost_nano_usd(self) -> int | None:
        """What the request cost, over all attempts; None where one has no price."""
        return total_nano_usd(attempt.cost_nano_usd for attempt in self.attempts)

    @property
    def saved_nano_usd(self) -> int | None:
        """Baseline less cost over all attempts: negative where the gateway cost more."""
        cost = self.cost_nano_usd
        if cost is None:
            return None
        return sum(attempt.baseline_nano_usd or 0 for attempt in self.attempts) - cost

    @property
    def saved_by_prompt_cache_nano_usd(self) -> int:
        """The part of `saved_nano_usd` that the provider's prompt cache took off; routing did the
        rest."""
        return sum(attempt.cached_discount_nano_usd for attempt in self.attempts)

    def rows(self) -> tuple[LedgerRow, ...]:
        return tuple(ledger_row(self.facts, attempt) for attempt in self.attempts)


def total_nano_usd(amounts: Iterable[int | None]) -> int | None:
    """Their sum; None where one is unknown."""
    total = 0
    for amount in amounts:
        if amount is None:
            return None
        total += amount
    return total


def ledger_row(facts: RequestFacts, attempt: AttemptRecord) -> LedgerRow:
    usage = attempt.usage
    return LedgerRow(
        request_id=facts.request_id,
        attempt=attempt.attempt,
        client_request_id=facts.client_request_id,
        upstream_id=attempt.upstream_id,
        endpoint=facts.endpoint,
        organisation=facts.organisation,
        tenant=facts.tenant,
        key_id=facts.key_id,
        end_user=facts.end_user,
        session=facts.session,
        tags=facts.tags,
        route=facts.route,
        requested_model=facts.requested_model,
        model=attempt.model,
        provider=attempt.provider,
        tier=attempt.tier,
        score=facts.score,
        decision=facts.decision,
        kind=attempt.kind,
        delivered=attempt.delivered,
        cache=facts.cache,
        state=attempt.state,
        outcome=attempt.outcome,
        error_code=attempt.error_code,
        finish_reason=attempt.finish_reason,
        input_tokens=usage.input_tokens if usage else None,
        cached_input_tokens=usage.cached_input_tokens if usage else None,
        cache_write_tokens=usage.cache_write_tokens if usage else None,
        output_tokens=usage.output_tokens if usage else None,
        reasoning_tokens=usage.reasoning_tokens if usage else None,
        usage_source=usage.source if usage else None,
        output_cap=attempt.output_cap,
        cost_nano_usd=attempt.cost_nano_usd,
        baseline_nano_usd=attempt.baseline_nano_usd,
        held_nano_usd=attempt.held_nano_usd,
        price_version=attempt.price_version,
        config_version=facts.config_version,
        started_at=attempt.started_at,
        first_token_ms=attempt.first_token_ms,
        duration_ms=attempt.duration_ms,
    )
