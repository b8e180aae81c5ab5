"""Finished requests to look at: one attempt, answered well, until a test says otherwise."""

from datetime import UTC, datetime

from gateway.core.ids import KeyId, OrganisationId, RequestId, TenantId
from gateway.core.record import (
    AttemptRecord,
    Kind,
    Outcome,
    Reason,
    RequestFacts,
    RequestRecord,
    State,
)
from gateway.core.usage import Usage, UsageSource

STARTED_AT = datetime(2026, 11, 3, 12, tzinfo=UTC)


def facts(**changes: object) -> RequestFacts:
    values: dict[str, object] = {
        "request_id": RequestId("r-1"),
        "client_request_id": "c-1",
        "endpoint": "chat",
        "organisation": OrganisationId("org"),
        "tenant": TenantId("acme"),
        "key_id": KeyId("k-1"),
        "end_user": "u-1",
        "session": "s-1",
        "tags": "team=search",
        "route": "auto",
        "requested_model": "auto:max",
        "score": 0.25,
        "decision": "{}",
        "cache": "OFF",
        "config_version": "v1",
        "started_at": STARTED_AT,
    }
    return RequestFacts(**{**values, **changes})  # type: ignore[arg-type]  # a builder for tests


def an_attempt(**changes: object) -> AttemptRecord:
    values: dict[str, object] = {
        "attempt": 1,
        "kind": Kind.ANSWER,
        "model": "small",
        "provider": "up",
        "state": State.SETTLED,
        "held_nano_usd": 1_000_000,
        "price_version": "config:1",
        "started_at": STARTED_AT,
        "tier": "simple",
        "outcome": Outcome.OK,
        "usage": Usage(10, 2, UsageSource.REPORTED),
        "cost_nano_usd": 14_000,
    }
    return AttemptRecord(**{**values, **changes})  # type: ignore[arg-type]  # a builder for tests


def record(*attempts: AttemptRecord, **changes: object) -> RequestRecord:
    """The request of these attempts; `changes` are its facts'."""
    return RequestRecord(
        facts=facts(**changes),
        attempts=attempts,
        reason=Reason.ROUTED,
        overhead_s=0.002,
        routing_s=0.0005,
        duration_s=1.5,
    )
