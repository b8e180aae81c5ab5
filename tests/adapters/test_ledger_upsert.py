"""Any row that the journal gives back is the same in SQL."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete

from gateway.adapters.journal_records import frame, scan
from gateway.adapters.ledger_upsert import last_words, row_writer
from gateway.adapters.sql_engine import open_engine
from gateway.adapters.sql_schema import upgrade
from gateway.adapters.sql_tables import ledger, ledger_row, ledger_select
from gateway.core.record import LedgerRow
from tests.support.ledger_rows import NOON, ledger_rows, pending, settled


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    url = f"sqlite:///{tmp_path}/ledger.db"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_url")
    upgrade(url)
    engine = open_engine(url)
    yield engine
    engine.dispose()


@given(rows=st.lists(ledger_rows(), min_size=1, max_size=3, unique_by=lambda row: row.attempt))
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_rows_are_the_same_after_journal_and_database(
    engine: Engine, rows: list[LedgerRow]
) -> None:
    content = b"".join(frame(row) for row in rows)
    journaled = scan(content, is_whole=True, max_rows=len(rows)).rows
    write = row_writer(engine.dialect, instance_id="one")

    with engine.begin() as connection:
        connection.execute(delete(ledger))
        write(connection, last_words(journaled), NOON)
        stored = [ledger_row(record) for record in connection.execute(ledger_select(since=None))]

    assert sorted(stored, key=_attempt) == sorted(journaled, key=_attempt)


def _attempt(row: LedgerRow) -> int:
    return row.attempt


def test_rows_are_written_in_the_order_of_their_keys() -> None:
    rows = [settled(2, attempt=2), settled(2, attempt=1), settled(1)]

    assert last_words(rows) == rows[::-1]


def test_the_last_word_on_a_row_is_its_first_final_one() -> None:
    final = settled(1, cost_nano_usd=1)
    rows = [pending(1), final, settled(1, cost_nano_usd=2), pending(1)]

    assert last_words(rows) == [final]
