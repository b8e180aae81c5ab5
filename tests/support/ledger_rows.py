"""Ledger rows for tests: one by hand, or any by Hypothesis."""

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from gateway.core.record import Kind, LedgerRow, Outcome, State
from gateway.core.usage import UsageSource

NOON = datetime(2026, 11, 3, 12, tzinfo=UTC)
ANY_INTEGER = st.integers(min_value=-(2**63), max_value=2**63 - 1)
# Everything a str can hold, null characters and lone surrogates included.
ANY_TEXT = st.text(st.characters(), max_size=20) | st.sampled_from(["\0", "\ud800", "\\u0000"])

SETTLED = LedgerRow(
    request_id="request-000",
    attempt=1,
    client_request_id=None,
    upstream_id="chatcmpl-1",
    endpoint="/v1/chat/completions",
    organisation="org1",
    tenant="acme",
    key_id="key-1",
    end_user=None,
    session=None,
    tags="team=search,env=prod",
    route="auto",
    requested_model="auto",
    model="small",
    provider="openai",
    tier="simple",
    score=0.25,
    decision='{"reasons":["short"]}',
    kind=Kind.ANSWER,
    delivered=True,
    cache="OFF",
    state=State.SETTLED,
    outcome=Outcome.OK,
    error_code=None,
    finish_reason="stop",
    input_tokens=12,
    cached_input_tokens=4,
    cache_write_tokens=0,
    output_tokens=7,
    reasoning_tokens=3,
    usage_source=UsageSource.REPORTED,
    output_cap=None,
    cost_nano_usd=6_000,
    baseline_nano_usd=100_000,
    held_nano_usd=9_000,
    price_version="prices-1",
    config_version="config-1",
    started_at=NOON,
    first_token_ms=40,
    duration_ms=90,
)


def settled(number: int = 0, **changes: object) -> LedgerRow:
    """A settled row; a higher number is a later request."""
    return replace(
        SETTLED,
        **{  # type: ignore[arg-type]  # a scenario names its columns
            "request_id": f"request-{number:06d}",
            "started_at": NOON + timedelta(seconds=number),
        }
        | changes,
    )


def pending(number: int = 0, **changes: object) -> LedgerRow:
    """The same request's row before its call ended."""
    unknown = dict.fromkeys(
        (
            "upstream_id",
            "outcome",
            "finish_reason",
            "input_tokens",
            "cached_input_tokens",
            "cache_write_tokens",
            "output_tokens",
            "reasoning_tokens",
            "usage_source",
            "cost_nano_usd",
            "baseline_nano_usd",
            "first_token_ms",
            "duration_ms",
        )
    )
    return settled(number, **unknown, state=State.PENDING, delivered=False, **changes)


def ledger_rows() -> st.SearchStrategy[LedgerRow]:
    kinds: dict[object, st.SearchStrategy[object]] = {
        str: ANY_TEXT,
        str | None: st.none() | ANY_TEXT,
        int: st.integers(min_value=1, max_value=2**31 - 1),
        int | None: st.none() | ANY_INTEGER,
        float | None: st.none() | st.floats(allow_nan=False, allow_infinity=False),
        bool: st.booleans(),
        Kind: st.sampled_from(Kind),
        State: st.sampled_from(State),
        Outcome | None: st.none() | st.sampled_from(Outcome),
        UsageSource | None: st.none() | st.sampled_from(UsageSource),
        datetime: st.datetimes(
            min_value=datetime(1970, 1, 1),  # noqa: DTZ001 - Hypothesis adds the zone
            max_value=datetime(9000, 1, 1),  # noqa: DTZ001
            timezones=st.just(UTC),
        ),
    }
    return st.builds(LedgerRow, **{field.name: kinds[field.type] for field in fields(LedgerRow)})
