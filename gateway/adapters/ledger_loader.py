"""Carries rows from the journal to SQL, in a thread of its own, for as long as it takes.

The journal says what happened, SQL what is known of it: this is the only writer of the table.
Reading is sql_ledger.py's business.
"""

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy import Engine, update

from gateway.adapters.journal import Journal, Position
from gateway.adapters.ledger_upsert import last_words, row_writer
from gateway.adapters.sql_engine import is_of_the_row, reason
from gateway.adapters.sql_tables import IS_PENDING, ledger
from gateway.core.errors import StoreUnavailable
from gateway.core.record import LedgerRow, Outcome, State
from gateway.flow.ports import Clock

_log = structlog.get_logger(__name__)

_BATCH_ROWS = 500  # per transaction; beyond it the cost per row no longer falls
_PAUSE_S = 0.2  # between looks at the journal: the usual lag, and few enough small transactions
_RETRY_S = 0.25  # after a failure, doubled at each further one
_RETRY_S_MAX = 5.0
_JOIN_TIMEOUT_S = 35.0  # a statement on its way ends within its own deadline, which is shorter

KILLED = "killed"  # error_code of a row whose process did not live to see its end


@dataclass(frozen=True, slots=True)
class _Waiter:
    target: Position
    future: asyncio.Future[None]


class LedgerLoader:
    """Start it, `flush` to wait for it, `stop` it. What is not in SQL by then stays in the journal
    and is loaded first by the next start.

    Rows of an earlier run come first. After the last of them, pending rows of this instance belong
    to calls nobody will ever finish: they are settled at their full hold, outcome unknown.
    """

    def __init__(self, *, journal: Journal, engine: Engine, instance_id: str, clock: Clock) -> None:
        self._journal = journal
        self._engine = engine
        self._instance_id = instance_id
        self._clock = clock
        self._write_rows = row_writer(engine.dialect, instance_id=instance_id)
        self._position = journal.first
        self._is_recovered = False
        self._complete_at = clock.monotonic()  # all appended before this is in SQL
        self._is_failing = False
        self._damaged_segment: int | None = None
        self._waiters: list[_Waiter] = []
        self._waiters_lock = threading.Lock()
        self._wake = threading.Event()
        self._is_stopping = False
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name="ledger-loader", daemon=True)

    def start(self) -> None:
        self._thread.start()

    async def stop(self) -> None:
        self._is_stopping = True
        self._wake.set()
        await asyncio.to_thread(self._thread.join, _JOIN_TIMEOUT_S)
        end = self._journal.end
        if self._has_loaded(end):  # the last segment, which nothing follows, is done too
            self._journal.release(end[0], is_damaged=self._damaged_segment == end[0])

    async def flush(self, *, timeout_s: float) -> None:
        """Returns once everything appended so far is in SQL. Raises StoreUnavailable when that
        takes longer than `timeout_s`."""
        target = self._journal.end
        if self._has_loaded(target):
            return
        waiter = _Waiter(target, self._loop.create_future())
        with self._waiters_lock:
            self._waiters.append(waiter)
        self._wake.set()
        try:
            async with asyncio.timeout(timeout_s):
                await waiter.future
        except TimeoutError as error:
            raise StoreUnavailable(
                "the ledger's database is behind; rows are safe and will follow",
                detail=f"not loaded within {timeout_s} s",
            ) from error
        finally:
            with self._waiters_lock:
                if waiter in self._waiters:
                    self._waiters.remove(waiter)

    def lag_s(self) -> float:
        """The age of the oldest row not in SQL yet, or a little more; 0 when there is none."""
        if self._has_loaded(self._journal.end):
            return 0.0
        return self._clock.monotonic() - self._complete_at

    @property
    def is_failing(self) -> bool:
        """Whether the last attempt to write to SQL failed."""
        return self._is_failing

    def _has_loaded(self, target: Position) -> bool:
        return self._is_recovered and self._position >= target

    def _run(self) -> None:
        pause_s = 0.0
        while not self._is_stopping:
            self._wake.wait(pause_s)
            self._wake.clear()
            try:
                self._load()
            except Exception as error:  # noqa: BLE001 - the thread's edge: whatever it was, rows wait
                pause_s = self._after_failure(pause_s, error)
            else:
                pause_s = self._after_success()

    def _after_failure(self, pause_s: float, error: Exception) -> float:
        if not self._is_failing:  # once per outage
            self._is_failing = True
            _log.warning("ledger_load_failed", reason=reason(error), kind=type(error).__name__)
            return _RETRY_S
        return min(max(pause_s, _RETRY_S) * 2, _RETRY_S_MAX)

    def _after_success(self) -> float:
        if self._is_failing:
            self._is_failing = False
            _log.info("ledger_load_resumed")
        return _PAUSE_S

    def _load(self) -> None:
        """Everything appended before the call."""
        target, seen_at = self._journal.end, self._clock.monotonic()
        while not self._has_loaded(target):
            if self._is_stopping:
                return
            if not self._is_recovered and self._position[0] >= self._journal.fresh_segment:
                self._settle_killed()
                self._is_recovered = True
            else:
                self._load_batch()
            self._release_waiters()
        self._complete_at = seen_at

    def _load_batch(self) -> None:
        segment = self._position[0]
        batch = self._journal.read(self._position, max_rows=_BATCH_ROWS)
        is_damaged = batch.damaged_bytes > 0
        if is_damaged:
            _log.error(
                "journal_damaged",
                segment=segment,
                offset=self._position[1],
                damaged_bytes=batch.damaged_bytes,
            )
        if batch.rows and not self._store(batch.rows):
            is_damaged = True
        if is_damaged:
            self._damaged_segment = segment
        self._position = batch.next
        if batch.next[0] > segment:
            self._journal.release(segment, is_damaged=self._damaged_segment == segment)

    def _store(self, rows: Sequence[LedgerRow]) -> bool:
        """One transaction. A row no database takes is left in the journal and must not hold up
        the others: then one transaction each, and False."""
        try:
            self._write(rows)
        except Exception as error:
            if not is_of_the_row(error):
                raise
            if len(rows) > 1:
                stored = [self._store([row]) for row in rows]
                return all(stored)
            _log.error(
                "ledger_row_refused",
                request_id=rows[0].request_id,
                attempt=rows[0].attempt,
                reason=reason(error),
            )
            return False
        return True

    def _write(self, rows: Sequence[LedgerRow]) -> None:
        with self._engine.begin() as connection:
            self._write_rows(connection, last_words(rows), self._clock.now())

    def _settle_killed(self) -> None:
        statement = (
            update(ledger)
            .where(IS_PENDING, ledger.c.instance == self._instance_id)
            .values(
                state=State.SETTLED,
                outcome=Outcome.UNKNOWN,
                error_code=KILLED,
                delivered=False,
                cost_nano_usd=ledger.c.held_nano_usd,
                loaded_at=self._clock.now(),
            )
        )
        with self._engine.begin() as connection:
            count = connection.execute(statement).rowcount
        if count:
            _log.warning("ledger_killed_calls_settled", rows=count)

    def _release_waiters(self) -> None:
        with self._waiters_lock:
            ready = [waiter for waiter in self._waiters if self._has_loaded(waiter.target)]
        for waiter in ready:
            self._loop.call_soon_threadsafe(_release, waiter.future)


def _release(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
