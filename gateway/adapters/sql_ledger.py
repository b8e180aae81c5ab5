"""The ledger: rows go to the journal, a loader carries them to SQL, questions are put to SQL.

Queries run in threads, never on the loop; the hot path touches the journal alone.
"""

import asyncio
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TypeVar

import msgspec
import structlog
from sqlalchemy import Connection, Engine, func, select, tuple_
from sqlalchemy.exc import SQLAlchemyError

from gateway.adapters.journal import Durability, Journal
from gateway.adapters.journal_records import storable_text
from gateway.adapters.ledger_loader import LedgerLoader
from gateway.adapters.sql_engine import open_engine
from gateway.adapters.sql_schema import prepare
from gateway.adapters.sql_tables import IS_PENDING, ledger, ledger_row, ledger_select
from gateway.adapters.state_dir import StateDir
from gateway.core.errors import InvalidRequest, StoreUnavailable
from gateway.core.ids import TenantId
from gateway.core.record import LedgerRow, State
from gateway.flow.ports import Clock, LedgerPage

_log = structlog.get_logger(__name__)

PAGE_ROWS_MAX = 1000
_FLUSH_TIMEOUT_S = 5.0  # a reader waits this long for the newest rows; the usual lag is 0.2 s
_CLOSE_TIMEOUT_S = 10.0  # of a shutdown, for the newest rows; the others wait in the journal
_JOURNAL_DIR = "journal"
_CURSOR_ATTEMPT_MAX = 2**31 - 1  # the column's

_Result = TypeVar("_Result")


class SqlLedger:
    """Both ports, `Ledger` and `LedgerReader`. Use through `open_ledger`."""

    def __init__(self, *, journal: Journal, loader: LedgerLoader, engine: Engine) -> None:
        self._journal = journal
        self._loader = loader
        self._engine = engine

    def append(self, rows: Sequence[LedgerRow]) -> None:
        self._journal.append(rows)

    async def durable(self) -> None:
        await self._journal.durable()

    def lag_s(self) -> float:
        """The age of the oldest row not in SQL yet (`fareway_ledger_lag_seconds`)."""
        return self._loader.lag_s()

    @property
    def is_failing(self) -> bool:
        """Whether rows wait in the journal because SQL does not take them."""
        return self._loader.is_failing

    async def flush(self, *, timeout_s: float = _FLUSH_TIMEOUT_S) -> None:
        """Returns once everything appended so far is in SQL, recovery included. Raises
        StoreUnavailable where that takes longer."""
        await self._loader.flush(timeout_s=timeout_s)

    async def page(
        self, *, tenant: TenantId | None, since: datetime | None, limit: int, cursor: str | None
    ) -> LedgerPage:
        if not 1 <= limit <= PAGE_ROWS_MAX:
            raise InvalidRequest(f"limit must be 1 to {PAGE_ROWS_MAX}", param="limit")
        statement = ledger_select(since=since).limit(limit + 1)  # one more says if a page follows
        if tenant is not None:
            statement = statement.where(ledger.c.tenant == storable_text(tenant))
        if cursor is not None:
            key = tuple_(ledger.c.started_at, ledger.c.request_id, ledger.c.attempt)
            statement = statement.where(key > tuple_(*_cursor_key(cursor)))
        rows = await self._ask(
            lambda connection: [ledger_row(record) for record in connection.execute(statement)]
        )
        has_more = len(rows) > limit
        shown = tuple(rows[:limit])
        return LedgerPage(rows=shown, next_cursor=_cursor_after(shown[-1]) if has_more else None)

    async def spent_nano_usd(self, *, tenant: TenantId, since: datetime | None) -> int:
        statement = select(func.sum(ledger.c.cost_nano_usd)).where(
            ledger.c.tenant == storable_text(tenant), ledger.c.state == State.SETTLED
        )
        if since is not None:
            statement = statement.where(ledger.c.started_at >= since)
        return await self._ask(lambda connection: int(connection.scalar(statement) or 0))

    async def held_nano_usd(self, *, tenant: TenantId) -> int:
        statement = select(func.sum(ledger.c.held_nano_usd)).where(
            ledger.c.tenant == storable_text(tenant), IS_PENDING
        )
        return await self._ask(lambda connection: int(connection.scalar(statement) or 0))

    async def _ask(self, question: Callable[[Connection], _Result]) -> _Result:
        """The answer over everything appended before the call."""
        await self.flush()
        return await asyncio.to_thread(self._answer, question)

    def _answer(self, question: Callable[[Connection], _Result]) -> _Result:
        try:
            with self._engine.connect() as connection:
                return question(connection)
        except SQLAlchemyError as error:
            raise StoreUnavailable(
                "the ledger's database does not answer", detail=str(error)
            ) from error


@asynccontextmanager
async def open_ledger(
    *,
    state_dir: StateDir,
    database_url: str,
    durability: Durability,
    clock: Clock,
    close_timeout_s: float = _CLOSE_TIMEOUT_S,
) -> AsyncIterator[SqlLedger]:
    """A ledger that has taken over what an earlier run left in `state_dir`. Leaving it waits up to
    `close_timeout_s` until all rows are in SQL; others stay in the journal for the next start.

    Raises ConfigError where the journal or the database's version cannot be used, StoreUnavailable
    where the database does not answer.
    """
    await asyncio.to_thread(prepare, database_url)
    survives_power_loss = durability is Durability.FSYNC
    engine = open_engine(database_url, survives_power_loss=survives_power_loss)
    journal = await asyncio.to_thread(Journal, state_dir.path / _JOURNAL_DIR, durability=durability)
    loader = LedgerLoader(
        journal=journal, engine=engine, instance_id=state_dir.instance_id, clock=clock
    )
    loader.start()
    try:
        yield SqlLedger(journal=journal, loader=loader, engine=engine)
    finally:
        await _close(journal, loader, engine, timeout_s=close_timeout_s)


async def _close(
    journal: Journal, loader: LedgerLoader, engine: Engine, *, timeout_s: float
) -> None:
    try:
        await loader.flush(timeout_s=timeout_s)
    except StoreUnavailable:
        _log.warning("ledger_rows_wait_in_journal")
    finally:
        await loader.stop()
        journal.close()
        engine.dispose()


def _cursor_after(row: LedgerRow) -> str:
    key = msgspec.json.encode((row.started_at, row.request_id, row.attempt))
    return urlsafe_b64encode(key).rstrip(b"=").decode("ascii")


def _cursor_key(cursor: str) -> tuple[datetime, str, int]:
    """Raises InvalidRequest for text that `_cursor_after` did not make."""
    try:
        padding = "=" * (-len(cursor) % 4)
        content = urlsafe_b64decode(cursor.encode("ascii") + padding.encode())
        started_at, request_id, attempt = msgspec.json.decode(
            content, type=tuple[datetime, str, int]
        )
    except (ValueError, msgspec.DecodeError) as error:  # base64, ASCII and UTF-8 raise ValueErrors
        raise _not_a_cursor() from error
    is_ours = started_at.tzinfo is not None and 0 <= attempt <= _CURSOR_ATTEMPT_MAX
    if not is_ours or request_id != storable_text(request_id):
        raise _not_a_cursor()
    return started_at, request_id, attempt


def _not_a_cursor() -> InvalidRequest:
    return InvalidRequest("cursor is not one this endpoint gave out", param="cursor")
