"""Each port of flow/ports.py in memory. What a fake promises, its contract suite holds it to."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from gateway.core.errors import InvalidRequest, UpstreamFailure
from gateway.core.ids import TenantId
from gateway.core.record import LedgerRow, State
from gateway.flow.ports import LedgerPage, UpstreamAnswer, UpstreamCall

MAX_PAGE_ROWS = 1000


class FakeClock:
    """Stands still until it is told to advance."""

    def __init__(self, now: datetime = datetime(2026, 11, 3, 12, tzinfo=UTC)) -> None:
        self._started = now
        self._passed_s = 0.0

    def now(self) -> datetime:
        return self._started + timedelta(seconds=self._passed_s)

    def monotonic(self) -> float:
        return self._passed_s

    def advance(self, seconds: float) -> None:
        assert seconds >= 0
        self._passed_s += seconds


_Key = tuple[datetime, str, int]


class FakeLedger:
    """Both ends of the ledger; `rows` is what stands now, by request and attempt."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, int], LedgerRow] = {}
        self._cursors: dict[str, _Key] = {}

    def append(self, rows: Sequence[LedgerRow]) -> None:
        for row in rows:
            key = (row.request_id, row.attempt)
            standing = self.rows.get(key)
            if standing is None or standing.state is State.PENDING:
                self.rows[key] = row

    async def durable(self) -> None:
        return

    async def page(
        self, *, tenant: TenantId | None, since: datetime | None, limit: int, cursor: str | None
    ) -> LedgerPage:
        if not 1 <= limit <= MAX_PAGE_ROWS:
            raise InvalidRequest(f"limit is 1 to {MAX_PAGE_ROWS}", param="limit")
        if cursor is not None and cursor not in self._cursors:
            raise InvalidRequest("the cursor is not one of ours", param="cursor")
        rows = [
            row
            for row in sorted(self.rows.values(), key=_key)
            if (tenant is None or row.tenant == tenant)
            and (since is None or row.started_at >= since)
            and (cursor is None or _key(row) > self._cursors[cursor])
        ]
        shown = tuple(rows[:limit])
        if len(rows) == len(shown):
            return LedgerPage(shown, None)
        following = f"after-{len(self._cursors)}"
        self._cursors[following] = _key(shown[-1])
        return LedgerPage(shown, following)

    async def spent_nano_usd(self, *, tenant: TenantId, since: datetime | None) -> int:
        return sum(
            row.cost_nano_usd or 0
            for row in self.rows.values()
            if row.tenant == tenant
            and row.state is State.SETTLED
            and (since is None or row.started_at >= since)
        )

    async def held_nano_usd(self, *, tenant: TenantId) -> int:
        return sum(
            row.held_nano_usd or 0
            for row in self.rows.values()
            if row.tenant == tenant and row.state is State.PENDING
        )


def _key(row: LedgerRow) -> _Key:
    return row.started_at, row.request_id, row.attempt


@dataclass(frozen=True, slots=True)
class FakeAnswer:
    """What one call meets: `failure` instead of a head, `body_failure` after the chunks. A stall
    lasts until the caller leaves."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: {"content-type": "application/json"})
    chunks: tuple[bytes, ...] = ()
    failure: UpstreamFailure | None = None
    body_failure: UpstreamFailure | None = None
    stalls_before_head: bool = False
    stalls_after_chunks: bool = False


class FakeUpstream:
    """Answers calls in the order of `script`. `in_use` counts answers not yet left, `cut_short`
    those that were left before their end."""

    def __init__(self, *script: FakeAnswer) -> None:
        self.script = deque(script)
        self.calls: list[UpstreamCall] = []
        self.in_use = 0
        self.cut_short = 0

    @asynccontextmanager
    async def send(self, call: UpstreamCall) -> AsyncIterator[UpstreamAnswer]:
        scripted = self.script.popleft()
        self.calls.append(call)
        if scripted.failure is not None:
            await asyncio.sleep(0)  # as a real one, it gives way once
            raise scripted.failure
        answer = _FakeUpstreamAnswer(scripted)
        self.in_use += 1
        try:
            if scripted.stalls_before_head:
                await asyncio.Event().wait()
            await asyncio.sleep(0)
            yield answer
        finally:
            self.in_use -= 1
            self.cut_short += not answer.is_read


class _FakeUpstreamAnswer:
    def __init__(self, scripted: FakeAnswer) -> None:
        self.status = scripted.status
        self.headers = scripted.headers
        self.is_read = False
        self._scripted = scripted

    async def chunks(self) -> AsyncIterator[bytes]:
        for chunk in self._scripted.chunks:
            await asyncio.sleep(0)
            yield chunk
        if self._scripted.stalls_after_chunks:
            await asyncio.Event().wait()
        if self._scripted.body_failure is not None:
            raise self._scripted.body_failure
        self.is_read = True
