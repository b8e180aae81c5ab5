"""A row as readers outside see it."""

import json
from datetime import timedelta, timezone

from gateway.core.record import LEDGER_COLUMNS
from gateway.wire.ledger_row import ledger_row_cells, ledger_row_json
from tests.support.ledger_rows import NOON, pending, settled


def test_a_row_is_an_object_of_the_ledgers_columns_in_their_order() -> None:
    shown = json.loads(ledger_row_json(settled()))

    assert tuple(shown) == LEDGER_COLUMNS
    assert list(shown.values()) == ledger_row_cells(settled())


def test_money_is_a_whole_number_and_facts_are_true_or_false() -> None:
    shown = ledger_row_json(settled(cost_nano_usd=2**53 - 1, delivered=True))

    assert b'"cost_nano_usd":9007199254740991,' in shown
    assert b'"delivered":true,' in shown


def test_what_is_not_known_is_null() -> None:
    shown = json.loads(ledger_row_json(pending()))

    assert (shown["cost_nano_usd"], shown["outcome"], shown["usage_source"]) == (None,) * 3


def test_enums_are_shown_by_their_value() -> None:
    shown = json.loads(ledger_row_json(settled()))

    assert (shown["kind"], shown["state"], shown["outcome"]) == ("answer", "settled", "ok")


def test_started_at_is_utc_to_the_microsecond_in_one_width() -> None:
    berlin = timezone(timedelta(hours=1))
    rows = [settled(started_at=NOON.astimezone(berlin)), settled(1, started_at=NOON)]

    shown = {json.loads(ledger_row_json(row))["started_at"] for row in rows}

    assert shown == {"2026-11-03T12:00:00.000000Z"}
