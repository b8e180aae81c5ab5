"""Ledger and bills agree, to the token and the nano-dollar, and no kill makes the gateway forget.

tests/soak/test_billing_soak.py proves the same at full size.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator

import pytest

from gateway.adapters.sql_schema import upgrade
from tests.support import billing
from tests.support.billing_load import KINDS
from tests.support.billing_runs import Run, killed_run, mixed_run
from tests.support.billing_scene import TENANT_KEYS, sqlite_url
from tests.support.postgres import empty_database, postgres_server

__all__ = ["postgres_server"]  # a fixture

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

REQUESTS = 320
KILLS = 2
ANSWERS_PER_LIFE = 40


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("mixed")
    return asyncio.run(
        mixed_run(
            folder,
            requests=REQUESTS,
            database_url=sqlite_url(folder),
        )
    )


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def killed(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Run]:
    folder = tmp_path_factory.mktemp("killed")

    def run(database_url: str) -> Run:
        course = killed_run(
            folder,
            kills=KILLS,
            answers_per_life=ANSWERS_PER_LIFE,
            database_url=database_url,
        )
        return asyncio.run(course)

    if request.param == "sqlite":
        yield run(sqlite_url(folder))
        return
    with empty_database(request.getfixturevalue("postgres_server")) as url:
        upgrade(url)
        yield run(url)


def test_reported_rows_equal_the_providers_bills(mixed: Run) -> None:
    billing.check_reported_rows_equal_the_bill(mixed.books)


def test_most_of_the_mix_is_reported(mixed: Run) -> None:
    """Otherwise the proof above would speak of little."""
    rows = mixed.books.rows
    outcomes = Counter(row["outcome"] for row in rows)
    assert len(list(mixed.books.reported())) > 0.6 * len(rows)
    assert all(outcomes[name] >= 3 for name in ("ok", "error", "aborted", "refused")), outcomes
    assert {seen.ask.kind for seen in mixed.books.seen} == {kind.name for kind in KINDS}


def test_every_billed_call_has_its_row(mixed: Run) -> None:
    billing.check_every_billed_call_has_its_row(mixed.books)


def test_every_delivered_answer_is_on_the_bill(mixed: Run) -> None:
    billing.check_every_delivered_answer_was_billed(mixed.books)


def test_no_row_is_double(mixed: Run) -> None:
    billing.check_no_row_is_double(mixed.books)


def test_nothing_stays_held(mixed: Run) -> None:
    billing.check_every_row_is_settled(mixed.books)
    assert mixed.held_usd == dict.fromkeys(TENANT_KEYS, "0")


def test_each_answer_has_exactly_one_delivered_row(mixed: Run) -> None:
    billing.check_each_answer_has_one_delivered_row(mixed.books)
    billing.check_each_complete_answer_is_settled_ok(mixed.books)


def test_clients_were_told_what_the_ledger_says(mixed: Run) -> None:
    billing.check_clients_were_told_the_cost(mixed.books)


def test_the_counters_equal_the_sums_of_the_ledger(mixed: Run) -> None:
    billing.check_counters_equal_the_ledger(mixed.books, mixed.metrics)


def test_the_export_and_the_admin_api_give_the_same_rows(mixed: Run) -> None:
    assert mixed.exported == mixed.books.rows


def test_every_answer_before_a_kill_is_settled_once(killed: Run) -> None:
    billing.check_each_complete_answer_is_settled_ok(killed.books)
    billing.check_no_row_is_double(killed.books)


def test_every_call_billed_before_a_kill_has_its_row(killed: Run) -> None:
    billing.check_every_billed_call_has_its_row(killed.books)
    billing.check_reported_rows_equal_the_bill(killed.books)


def test_calls_that_a_kill_cut_off_are_unknown_and_cover_their_bill(killed: Run) -> None:
    billing.check_killed_calls_cover_their_bill(killed.books)
    assert sum(row["outcome"] == "unknown" for row in killed.books.rows) >= KILLS


def test_nothing_stays_held_after_a_kill(killed: Run) -> None:
    billing.check_every_row_is_settled(killed.books)
    assert killed.held_usd == dict.fromkeys(TENANT_KEYS, "0")
