"""What every Ledger with its LedgerReader promises. A test class gives it a `ledger` fixture."""

from base64 import urlsafe_b64encode
from datetime import timedelta
from typing import Protocol

import pytest

from gateway.core.errors import InvalidRequest
from gateway.core.ids import TenantId
from gateway.core.record import LedgerRow, State
from gateway.flow.ports import Ledger, LedgerPage, LedgerReader
from tests.support.ledger_rows import NOON, pending, settled

ACME = TenantId("acme")
# What a curious client makes of a cursor it has decoded.
ALMOST_CURSORS = [
    b"{}",
    b"null",
    b'["2026-01-01T00:00:00Z","a"]',
    b'["2026-01-01T00:00:00","a",1]',
    b'["2026-01-01T00:00:00Z","a\\u0000",1]',
    b'["2026-01-01T00:00:00Z","a",-1]',
    b'["2026-01-01T00:00:00Z","a",99999999999]',
    b'["2026-01-01T00:00:00Z","\xff",1]',
]


class ReadableLedger(Ledger, LedgerReader, Protocol):
    """Both ends in one object."""


async def first_page(ledger: LedgerReader, *, limit: int = 1000) -> LedgerPage:
    return await ledger.page(tenant=None, since=None, limit=limit, cursor=None)


async def all_rows(ledger: LedgerReader, *, limit: int = 1000) -> list[LedgerRow]:
    page = await first_page(ledger, limit=limit)
    rows = list(page.rows)
    while page.next_cursor is not None:
        page = await ledger.page(tenant=None, since=None, limit=limit, cursor=page.next_cursor)
        rows += page.rows
    return rows


class LedgerContract:
    async def test_an_appended_row_is_read_back_column_by_column(
        self, ledger: ReadableLedger
    ) -> None:
        row = settled(started_at=NOON + timedelta(microseconds=123_456))

        ledger.append([row])

        assert await all_rows(ledger) == [row]

    async def test_a_settled_row_replaces_the_pending_one(self, ledger: ReadableLedger) -> None:
        ledger.append([pending()])
        assert await all_rows(ledger) == [pending()]

        ledger.append([settled()])

        assert await all_rows(ledger) == [settled()]

    @pytest.mark.parametrize("later", [pending(), settled(cost_nano_usd=1, state=State.VOID)])
    @pytest.mark.parametrize("final", [State.SETTLED, State.VOID])
    async def test_a_final_row_is_never_replaced(
        self, ledger: ReadableLedger, final: State, later: LedgerRow
    ) -> None:
        ledger.append([settled(state=final)])
        assert await all_rows(ledger) == [settled(state=final)]

        ledger.append([later])

        assert await all_rows(ledger) == [settled(state=final)]

    async def test_a_later_pending_row_replaces_an_earlier_one(
        self, ledger: ReadableLedger
    ) -> None:
        ledger.append([pending(held_nano_usd=1)])
        assert await all_rows(ledger) == [pending(held_nano_usd=1)]

        ledger.append([pending(held_nano_usd=2)])

        assert await all_rows(ledger) == [pending(held_nano_usd=2)]

    async def test_attempts_of_one_request_are_rows_of_their_own(
        self, ledger: ReadableLedger
    ) -> None:
        ledger.append([settled(attempt=1), settled(attempt=2)])

        assert [row.attempt for row in await all_rows(ledger)] == [1, 2]

    async def test_rows_come_by_start_then_request_then_attempt(
        self, ledger: ReadableLedger
    ) -> None:
        ordered = [
            settled(started_at=NOON, request_id="a", attempt=1),
            settled(started_at=NOON, request_id="a", attempt=2),
            settled(started_at=NOON, request_id="b", attempt=1),
            settled(started_at=NOON + timedelta(microseconds=1), request_id="a", attempt=3),
        ]

        ledger.append(ordered[::-1])

        assert await all_rows(ledger, limit=1) == ordered

    async def test_paging_shows_each_row_once_while_others_arrive(
        self, ledger: ReadableLedger
    ) -> None:
        before = [settled(number) for number in range(0, 40, 2)]
        ledger.append(before)
        page = await first_page(ledger, limit=4)
        shown = list(page.rows)

        while page.next_cursor is not None:
            if len(shown) < 12:
                ledger.append([settled(1), settled(100 + len(shown))])  # behind and ahead
            page = await ledger.page(tenant=None, since=None, limit=4, cursor=page.next_cursor)
            shown += page.rows

        ahead = [settled(100 + count) for count in (4, 8)]
        assert shown == before + ahead

    async def test_the_last_page_has_no_cursor(self, ledger: ReadableLedger) -> None:
        ledger.append([settled(1), settled(2)])

        page = await first_page(ledger, limit=2)

        assert (len(page.rows), page.next_cursor) == (2, None)

    async def test_a_page_can_be_of_one_tenant(self, ledger: ReadableLedger) -> None:
        ledger.append([settled(1), settled(2, tenant="other")])

        page = await ledger.page(tenant=ACME, since=None, limit=10, cursor=None)

        assert page.rows == (settled(1),)

    async def test_since_includes_its_own_instant(self, ledger: ReadableLedger) -> None:
        ledger.append([settled(0), settled(1), settled(2)])

        page = await ledger.page(
            tenant=None, since=NOON + timedelta(seconds=1), limit=10, cursor=None
        )

        assert page.rows == (settled(1), settled(2))

    async def test_a_tenant_nobody_could_have_has_no_rows(self, ledger: ReadableLedger) -> None:
        ledger.append([settled()])

        page = await ledger.page(tenant=TenantId("\0\ud800"), since=None, limit=1, cursor=None)

        assert page.rows == ()

    @pytest.mark.parametrize("limit", [-1, 0, 1001])
    async def test_a_limit_out_of_bounds_is_refused(
        self, ledger: ReadableLedger, limit: int
    ) -> None:
        with pytest.raises(InvalidRequest) as refusal:
            await first_page(ledger, limit=limit)

        assert refusal.value.param == "limit"

    @pytest.mark.parametrize(
        "cursor",
        [
            *("", "x", "!!!!", "é", "\ud800"),
            *(urlsafe_b64encode(key).decode() for key in ALMOST_CURSORS),
        ],
    )
    async def test_a_cursor_that_is_not_ours_is_refused(
        self, ledger: ReadableLedger, cursor: str
    ) -> None:
        with pytest.raises(InvalidRequest) as refusal:
            await ledger.page(tenant=None, since=None, limit=1, cursor=cursor)

        assert refusal.value.param == "cursor"

    async def test_spent_is_what_settled_rows_of_the_tenant_cost(
        self, ledger: ReadableLedger
    ) -> None:
        ledger.append(
            [
                settled(1, cost_nano_usd=2**52),
                settled(2, cost_nano_usd=5),
                settled(3, cost_nano_usd=None),
                settled(4, cost_nano_usd=70, tenant="other"),
                pending(5),
            ]
        )

        assert await ledger.spent_nano_usd(tenant=ACME, since=None) == 2**52 + 5
        assert await ledger.spent_nano_usd(tenant=ACME, since=NOON + timedelta(seconds=2)) == 5

    async def test_held_is_what_pending_rows_of_the_tenant_hold(
        self, ledger: ReadableLedger
    ) -> None:
        ledger.append(
            [
                pending(1, held_nano_usd=3),
                pending(2, held_nano_usd=4),
                pending(3, held_nano_usd=None),
                pending(4, held_nano_usd=100, tenant="other"),
                settled(5, held_nano_usd=1000),
            ]
        )

        assert await ledger.held_nano_usd(tenant=ACME) == 7

    async def test_nothing_is_spent_or_held_by_a_tenant_without_rows(
        self, ledger: ReadableLedger
    ) -> None:
        spent = await ledger.spent_nano_usd(tenant=ACME, since=None)
        held = await ledger.held_nano_usd(tenant=ACME)

        assert (spent, held) == (0, 0)

    async def test_durable_returns_once_rows_are_safe(self, ledger: ReadableLedger) -> None:
        ledger.append([settled()])

        await ledger.durable()

        assert await all_rows(ledger) == [settled()]
