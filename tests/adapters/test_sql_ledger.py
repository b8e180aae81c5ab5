"""The ledger on real databases: the port's contract, restarts, outages, several gateways."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from gateway.adapters.journal import Durability, Journal
from gateway.adapters.sql_engine import open_engine
from gateway.adapters.sql_ledger import SqlLedger, open_ledger
from gateway.adapters.sql_schema import upgrade
from gateway.adapters.state_dir import hold_state_dir
from gateway.core.errors import ConfigError, StoreUnavailable
from gateway.core.record import LedgerRow, Outcome, State
from tests.contracts.ledger import LedgerContract, all_rows
from tests.fakes import FakeClock
from tests.support.ledger_rows import pending, settled

OpenLedger = Callable[[], AbstractAsyncContextManager[SqlLedger]]


def left_behind(state_dir: Path, rows: list[LedgerRow]) -> None:
    """What a gateway that was killed leaves: its rows in the journal, nothing of them in SQL."""
    with hold_state_dir(state_dir) as held:
        journal = Journal(held.path / "journal", durability=Durability.WRITE)
        journal.append(rows)
        journal.close()


@asynccontextmanager
async def ledger_in(
    state_dir: Path, url: str, clock: FakeClock | None = None, *, close_timeout_s: float = 30
) -> AsyncIterator[SqlLedger]:
    with hold_state_dir(state_dir) as held:
        async with open_ledger(
            state_dir=held,
            database_url=url,
            durability=Durability.WRITE,
            clock=clock or FakeClock(),
            close_timeout_s=close_timeout_s,
        ) as ledger:
            yield ledger


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/ledger.db"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    if request.param == "sqlite":
        url: str = request.getfixturevalue("sqlite_url")
    else:
        url = request.getfixturevalue("postgres_url")
        upgrade(url)
    return url


class TestContract(LedgerContract):
    @pytest.fixture
    async def ledger(self, tmp_path: Path, database_url: str) -> AsyncIterator[SqlLedger]:
        async with ledger_in(tmp_path / "state", database_url) as ledger:
            yield ledger


async def test_rows_left_by_a_killed_gateway_are_loaded_by_the_next(
    tmp_path: Path, database_url: str
) -> None:
    left_behind(tmp_path / "state", [settled(1), settled(2)])

    async with ledger_in(tmp_path / "state", database_url) as ledger:
        assert await all_rows(ledger) == [settled(1), settled(2)]


async def test_calls_of_a_killed_gateway_are_booked_at_their_full_hold(
    tmp_path: Path, database_url: str
) -> None:
    priced, unpriced = pending(1, held_nano_usd=9_000), pending(2, held_nano_usd=None)
    left_behind(tmp_path / "state", [priced, unpriced, settled(3)])

    async with ledger_in(tmp_path / "state", database_url) as ledger:
        rows = await all_rows(ledger)

    assert rows == [
        replace(
            priced,
            state=State.SETTLED,
            outcome=Outcome.UNKNOWN,
            error_code="killed",
            cost_nano_usd=9_000,
        ),
        replace(unpriced, state=State.SETTLED, outcome=Outcome.UNKNOWN, error_code="killed"),
        settled(3),
    ]


async def test_pending_rows_already_in_sql_are_settled_by_the_next_start(
    tmp_path: Path, database_url: str
) -> None:
    async with ledger_in(tmp_path / "state", database_url) as ledger:
        ledger.append([pending(1)])

    async with ledger_in(tmp_path / "state", database_url) as ledger:
        (row,) = await all_rows(ledger)

    assert (row.outcome, row.cost_nano_usd) == (Outcome.UNKNOWN, row.held_nano_usd)


async def test_pending_rows_of_this_run_stay_pending(tmp_path: Path, database_url: str) -> None:
    async with ledger_in(tmp_path / "state", database_url) as ledger:
        ledger.append([pending(1)])

        assert await all_rows(ledger) == [pending(1)]


async def test_a_starting_gateway_leaves_the_pending_rows_of_another(
    tmp_path: Path, database_url: str
) -> None:
    async with ledger_in(tmp_path / "one", database_url) as one:
        one.append([pending(1)])
        await one.flush()

        async with ledger_in(tmp_path / "two", database_url) as two:
            assert await all_rows(two) == [pending(1)]


async def test_loading_the_same_rows_again_changes_nothing(
    tmp_path: Path, database_url: str
) -> None:
    rows = [pending(1), pending(2), settled(1), settled(3)]
    left_behind(tmp_path / "state", rows)
    async with ledger_in(tmp_path / "state", database_url) as ledger:
        first = await all_rows(ledger)
    left_behind(tmp_path / "state", rows)

    async with ledger_in(tmp_path / "state", database_url) as ledger:
        second = await all_rows(ledger)

    assert second == first
    assert [row.outcome for row in second] == [Outcome.OK, Outcome.UNKNOWN, Outcome.OK]


async def test_damage_in_the_middle_costs_only_what_it_hit_and_is_kept_aside(
    tmp_path: Path, sqlite_url: str
) -> None:
    left_behind(tmp_path / "state", [settled(number) for number in range(5)])
    (segment,) = (tmp_path / "state" / "journal").iterdir()
    content = bytearray(segment.read_bytes())
    content[content.index(b"request-000002")] ^= 0xFF
    segment.write_bytes(content)

    with capture_logs() as logs:
        async with ledger_in(tmp_path / "state", sqlite_url) as ledger:
            rows = await all_rows(ledger)

    assert rows == [settled(number) for number in (0, 1, 3, 4)]
    assert [log["event"] for log in logs].count("journal_damaged") == 1
    (kept,) = (tmp_path / "state" / "journal").iterdir()
    assert (kept.suffix, kept.read_bytes()) == (".damaged", bytes(content))


async def test_a_row_no_database_takes_does_not_hold_up_the_others(
    tmp_path: Path, database_url: str
) -> None:
    unstorable = settled(1, input_tokens=2**63)

    with capture_logs() as logs:
        async with ledger_in(tmp_path / "state", database_url) as ledger:
            ledger.append([settled(0), unstorable, settled(2)])
            rows = await all_rows(ledger)

    assert rows == [settled(0), settled(2)]
    refused = [log["request_id"] for log in logs if log["event"] == "ledger_row_refused"]
    assert refused == [unstorable.request_id]
    assert [file.suffix for file in (tmp_path / "state" / "journal").iterdir()] == [".damaged"]


async def test_a_journal_whose_rows_are_all_in_sql_is_empty_after_closing(
    tmp_path: Path, sqlite_url: str
) -> None:
    async with ledger_in(tmp_path / "state", sqlite_url) as ledger:
        ledger.append([settled(1)])

    assert list((tmp_path / "state" / "journal").iterdir()) == []


@asynccontextmanager
async def sqlite_outage(url: str) -> AsyncIterator[None]:
    engine = open_engine(url)
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE ledger RENAME TO gone"))
    yield
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE gone RENAME TO ledger"))
    engine.dispose()


@asynccontextmanager
async def postgres_outage(url: str, server: str) -> AsyncIterator[None]:
    name = psycopg.conninfo.conninfo_to_dict(url)["dbname"]
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false".encode())
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
        )
        yield
        connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true".encode())


@pytest.fixture
def outage(
    request: pytest.FixtureRequest, database_url: str
) -> Callable[[], AbstractAsyncContextManager[None]]:
    if database_url.startswith("sqlite"):
        return lambda: sqlite_outage(database_url)
    server: str = request.getfixturevalue("postgres_server")
    return lambda: postgres_outage(database_url, server)


async def test_rows_wait_in_the_journal_while_sql_is_down_and_follow_when_it_is_back(
    tmp_path: Path,
    database_url: str,
    outage: Callable[[], AbstractAsyncContextManager[None]],
) -> None:
    async with ledger_in(tmp_path / "state", database_url) as ledger:
        ledger.append([settled(1)])
        await ledger.flush()
        with capture_logs() as logs:
            async with outage():
                for number in range(2, 10):
                    ledger.append([settled(number)])
                    with pytest.raises(StoreUnavailable):
                        await ledger.flush(timeout_s=0.2)
                is_failing = ledger.is_failing
            rows = await all_rows(ledger)

    assert is_failing
    assert [row.request_id for row in rows] == [settled(n).request_id for n in range(1, 10)]
    assert [log["event"] for log in logs] == ["ledger_load_failed", "ledger_load_resumed"]


async def test_lag_is_the_age_of_the_oldest_row_not_in_sql(tmp_path: Path, sqlite_url: str) -> None:
    clock = FakeClock()
    async with ledger_in(tmp_path / "state", sqlite_url, clock) as ledger:
        ledger.append([settled(1)])
        await ledger.flush()
        loaded = ledger.lag_s()
        async with sqlite_outage(sqlite_url):
            ledger.append([settled(2)])
            clock.advance(30)
            waiting = ledger.lag_s()
        await ledger.flush()
        caught_up = ledger.lag_s()

    assert (loaded, waiting, caught_up) == (0.0, 30.0, 0.0)


async def test_four_gateways_on_one_postgresql_lose_no_row(
    tmp_path: Path, postgres_url: str
) -> None:
    upgrade(postgres_url)
    per_gateway = 1500

    async def gateway(number: int) -> None:
        async with ledger_in(tmp_path / str(number), postgres_url) as ledger:
            for index in range(per_gateway):
                request = index * 4 + number
                ledger.append([pending(request)])
                ledger.append([settled(request)])
                await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        for number in range(4):
            group.create_task(gateway(number))

    async with ledger_in(tmp_path / "reader", postgres_url) as reader:
        rows = await all_rows(reader)
    assert rows == [settled(number) for number in range(4 * per_gateway)]


async def test_more_rows_than_one_batch_all_arrive(tmp_path: Path, database_url: str) -> None:
    rows = [settled(number) for number in range(1201)]

    async with ledger_in(tmp_path / "state", database_url) as ledger:
        ledger.append(rows)

        assert await all_rows(ledger) == rows


async def test_postgresql_behind_this_release_is_refused_with_the_command_to_run(
    tmp_path: Path, postgres_url: str
) -> None:
    with pytest.raises(ConfigError, match="fareway db upgrade"):
        async with ledger_in(tmp_path / "state", postgres_url):
            pass


async def test_a_database_that_does_not_answer_is_named_without_its_password(
    tmp_path: Path,
) -> None:
    url = f"postgresql://user:hunter2@/ledger?host={tmp_path}"

    with pytest.raises(StoreUnavailable) as refusal:
        async with ledger_in(tmp_path / "state", url):
            pass

    assert "user:***@" in str(refusal.value)
    assert "hunter2" not in str(refusal.value) + refusal.value.detail


async def test_a_reader_hears_that_sql_is_down(tmp_path: Path, sqlite_url: str) -> None:
    async with ledger_in(tmp_path / "state", sqlite_url) as ledger:
        await ledger.flush()
        async with sqlite_outage(sqlite_url):
            with pytest.raises(StoreUnavailable):
                await all_rows(ledger)


async def test_rows_a_closing_gateway_could_not_load_are_loaded_by_the_next(
    tmp_path: Path, sqlite_url: str
) -> None:
    async with AsyncExitStack() as stack:
        ledger = await stack.enter_async_context(
            ledger_in(tmp_path / "state", sqlite_url, close_timeout_s=0.1)
        )
        await ledger.flush()
        async with sqlite_outage(sqlite_url):
            ledger.append([settled(1)])
            await stack.aclose()

    async with ledger_in(tmp_path / "state", sqlite_url) as ledger:
        assert await all_rows(ledger) == [settled(1)]
