"""A request's record: what it cost, what it saved, and the rows the ledger keeps of it."""

import json
from dataclasses import fields, replace
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.record import (
    LEDGER_COLUMNS,
    AttemptRecord,
    LedgerRow,
    Outcome,
    State,
    ledger_row,
    total_nano_usd,
)
from gateway.core.usage import Usage, UsageSource
from gateway.wire.ledger_row import ledger_row_json
from tests.support.records import an_attempt, facts, record

AMOUNTS = st.lists(st.none() | st.integers(0, 2**53))


@given(st.lists(st.integers(0, 2**53)))
def test_a_total_is_the_sum(amounts: list[int]) -> None:
    assert total_nano_usd(amounts) == sum(amounts)


@given(AMOUNTS, AMOUNTS)
def test_one_unknown_amount_makes_the_total_unknown(before: list[int], after: list[int]) -> None:
    assert total_nano_usd([*before, None, *after]) is None


def test_a_request_costs_what_all_its_attempts_cost() -> None:
    one = record(an_attempt(cost_nano_usd=5), an_attempt(attempt=2, cost_nano_usd=7))

    assert one.cost_nano_usd == 12


def test_a_request_with_an_unpriced_attempt_has_no_cost_and_no_saving() -> None:
    one = record(
        an_attempt(cost_nano_usd=None), an_attempt(attempt=2, cost_nano_usd=7, baseline_nano_usd=9)
    )

    assert one.cost_nano_usd is None
    assert one.saved_nano_usd is None


@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=4), st.none() | st.integers(0, 10**12))
def test_saved_is_the_baseline_less_every_attempts_cost(
    costs: list[int], baseline: int | None
) -> None:
    attempts = [an_attempt(attempt=at, cost_nano_usd=cost) for at, cost in enumerate(costs, 1)]
    attempts[-1] = replace(attempts[-1], baseline_nano_usd=baseline, delivered=True)

    assert record(*attempts).saved_nano_usd == (baseline or 0) - sum(costs)


def test_a_climb_that_cost_more_than_the_baseline_saved_less_than_nothing() -> None:
    one = record(
        an_attempt(cost_nano_usd=4),
        an_attempt(attempt=2, cost_nano_usd=10, baseline_nano_usd=10, delivered=True),
    )

    assert one.saved_nano_usd == -4


def test_what_the_prompt_cache_saved_is_summed_over_attempts() -> None:
    one = record(
        an_attempt(cached_discount_nano_usd=3),
        an_attempt(attempt=2, cached_discount_nano_usd=-1),
    )

    assert one.saved_by_prompt_cache_nano_usd == 2


def test_the_delivered_attempt_is_found_among_failed_ones() -> None:
    delivered = an_attempt(attempt=2, delivered=True)

    assert record(an_attempt(), delivered).delivered is delivered


def test_a_request_that_failed_delivered_nothing() -> None:
    assert record(an_attempt(outcome=Outcome.ERROR)).delivered is None


def test_the_ledgers_columns_are_the_documented_ones_in_their_order() -> None:
    assert " ".join(LEDGER_COLUMNS) == (
        "request_id attempt client_request_id upstream_id endpoint organisation tenant key_id "
        "end_user session tags route requested_model model provider tier score decision kind "
        "delivered cache state outcome error_code finish_reason input_tokens cached_input_tokens "
        "cache_write_tokens output_tokens reasoning_tokens usage_source output_cap cost_nano_usd "
        "baseline_nano_usd held_nano_usd price_version config_version started_at first_token_ms "
        "duration_ms"
    )


def test_a_row_takes_each_column_from_its_own_source() -> None:
    usage = Usage(10, 7, UsageSource.REPORTED, 4, 3, 0, 2)
    attempt = an_attempt(
        attempt=2,
        delivered=True,
        upstream_id="up-1",
        error_code="cut",
        finish_reason="length",
        usage=usage,
        output_cap=50,
        cost_nano_usd=11,
        baseline_nano_usd=12,
        held_nano_usd=13,
        first_token_ms=14,
        duration_ms=15,
        started_at=datetime(2026, 11, 4, tzinfo=UTC),
    )

    row = ledger_row(facts(), attempt)

    for name in {field.name for field in fields(AttemptRecord)} & set(LEDGER_COLUMNS):
        assert getattr(row, name) == getattr(attempt, name), name
    shared = {field.name for field in fields(facts())} & set(LEDGER_COLUMNS) - {"started_at"}
    for name in shared:
        assert getattr(row, name) == getattr(facts(), name), name
    assert (row.input_tokens, row.cached_input_tokens, row.cache_write_tokens) == (10, 4, 3)
    assert (row.output_tokens, row.reasoning_tokens) == (7, 2)
    assert row.usage_source is UsageSource.REPORTED
    assert row.provider == attempt.provider


def test_a_row_without_usage_says_nothing_of_tokens() -> None:
    row = ledger_row(facts(), an_attempt(usage=None, state=State.PENDING, outcome=None))

    counts = [name for name in LEDGER_COLUMNS if name.endswith("_tokens")]
    assert [getattr(row, name) for name in counts] == [None] * 5
    assert row.usage_source is None


def test_a_record_has_a_row_for_each_attempt_in_order() -> None:
    rows = record(an_attempt(), an_attempt(attempt=2)).rows()

    assert [row.attempt for row in rows] == [1, 2]
    assert {row.request_id for row in rows} == {facts().request_id}


def test_every_column_is_shown_under_its_name() -> None:
    shown = json.loads(ledger_row_json(ledger_row(facts(), an_attempt())))

    assert tuple(shown) == tuple(field.name for field in fields(LedgerRow))
