"""The loader between a journal and a database that is not always there."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import func, select

from gateway.adapters.journal import Durability, Journal
from gateway.adapters.ledger_loader import LedgerLoader
from gateway.adapters.sql_engine import open_engine
from gateway.adapters.sql_schema import upgrade
from gateway.adapters.sql_tables import ledger
from gateway.core.errors import StoreUnavailable
from tests.fakes import FakeClock
from tests.support.ledger_rows import settled

SEGMENTS = 4


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/ledger.db"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "journal"


@pytest.fixture
async def loader(directory: Path, database_url: str) -> AsyncIterator[LedgerLoader]:
    """Over a journal of several full segments, and a database without tables yet."""
    journal = Journal(directory, durability=Durability.WRITE, segment_bytes=1)
    for number in range(SEGMENTS):
        journal.append([settled(number)])
    engine = open_engine(database_url)
    loader = LedgerLoader(journal=journal, engine=engine, instance_id="one", clock=FakeClock())
    loader.start()
    yield loader
    await loader.stop()
    journal.close()
    engine.dispose()


def files_in(directory: Path) -> int:
    return len(list(directory.iterdir()))


def rows_in_sql(database_url: str) -> int:
    engine = open_engine(database_url)
    with engine.connect() as connection:
        count = connection.scalar(select(func.count()).select_from(ledger))
    engine.dispose()
    return count or 0


async def test_no_segment_goes_before_its_rows_are_in_sql(
    loader: LedgerLoader, directory: Path, database_url: str
) -> None:
    with pytest.raises(StoreUnavailable):
        await loader.flush(timeout_s=0.3)
    while_down = files_in(directory)
    upgrade(database_url)

    await loader.flush(timeout_s=30)

    assert while_down == SEGMENTS
    assert rows_in_sql(database_url) == SEGMENTS
    assert files_in(directory) == 1  # the one that is written to


async def test_all_who_wait_for_rows_are_told_together(
    loader: LedgerLoader, database_url: str
) -> None:
    upgrade(database_url)

    await asyncio.gather(*(loader.flush(timeout_s=30) for _ in range(10)))

    assert rows_in_sql(database_url) == SEGMENTS


async def test_a_waiter_that_goes_away_does_not_stop_the_loading(
    loader: LedgerLoader, database_url: str
) -> None:
    async with asyncio.TaskGroup() as group:
        leaving = group.create_task(loader.flush(timeout_s=30))
        await asyncio.sleep(0)
        leaving.cancel()
    upgrade(database_url)

    await loader.flush(timeout_s=30)

    assert rows_in_sql(database_url) == SEGMENTS


async def test_stopping_while_sql_is_down_leaves_the_rows_in_the_journal(
    loader: LedgerLoader, directory: Path
) -> None:
    await loader.stop()

    assert files_in(directory) == SEGMENTS
