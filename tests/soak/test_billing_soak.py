"""The proofs of tests/e2e/test_billing.py at full size: 2,000 mixed requests, and 20 kills."""

import sys
from collections import Counter
from pathlib import Path

import pytest

from gateway.adapters.sql_schema import upgrade
from tests.support import billing
from tests.support.billing_runs import Run, killed_run, mixed_run
from tests.support.billing_scene import TENANT_KEYS, sqlite_url
from tests.support.postgres import postgres_server, postgres_url

__all__ = ["postgres_server", "postgres_url"]  # fixtures

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3000)]

REQUESTS = 2000
KILLS = 20
ANSWERS_PER_LIFE = 60


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(tmp_path: Path, request: pytest.FixtureRequest) -> str:
    if request.param == "sqlite":
        return sqlite_url(tmp_path)
    url = str(request.getfixturevalue("postgres_url"))
    upgrade(url)
    return url


async def test_ledger_and_bills_agree_over_2000_mixed_requests(
    tmp_path: Path, database_url: str
) -> None:
    run = await mixed_run(tmp_path, requests=REQUESTS, database_url=database_url)

    say(run)
    billing.check_reported_rows_equal_the_bill(run.books)
    billing.check_every_billed_call_has_its_row(run.books)
    billing.check_every_delivered_answer_was_billed(run.books)
    billing.check_no_row_is_double(run.books)
    billing.check_every_row_is_settled(run.books)
    billing.check_each_answer_has_one_delivered_row(run.books)
    billing.check_each_complete_answer_is_settled_ok(run.books)
    billing.check_clients_were_told_the_cost(run.books)
    billing.check_counters_equal_the_ledger(run.books, run.metrics)
    assert run.exported == run.books.rows
    assert run.held_usd == dict.fromkeys(TENANT_KEYS, "0")


async def test_no_call_is_lost_over_20_kills(tmp_path: Path, database_url: str) -> None:
    run = await killed_run(
        tmp_path,
        kills=KILLS,
        answers_per_life=ANSWERS_PER_LIFE,
        database_url=database_url,
    )

    say(run)
    billing.check_each_complete_answer_is_settled_ok(run.books)
    billing.check_every_billed_call_has_its_row(run.books)
    billing.check_reported_rows_equal_the_bill(run.books)
    billing.check_killed_calls_cover_their_bill(run.books)
    billing.check_no_row_is_double(run.books)
    billing.check_every_row_is_settled(run.books)
    assert sum(row["outcome"] == "unknown" for row in run.books.rows) >= KILLS
    assert run.held_usd == dict.fromkeys(TENANT_KEYS, "0")


def say(run: Run) -> None:
    """The figures of the proof, for whoever runs it with -s."""
    books = run.books
    reported = list(books.reported())
    sys.stdout.write(
        f"\n{len(books.seen)} requests, {sum(seen.is_complete for seen in books.seen)} whole"
        f" answers, {len(books.bill)} billed calls, {len(books.rows)} rows:"
        f" {dict(Counter(row['outcome'] for row in books.rows))};"
        f" {len(reported)} reported rows,"
        f" {sum(row['cost_nano_usd'] for row in reported)} nano-USD\n"
    )
