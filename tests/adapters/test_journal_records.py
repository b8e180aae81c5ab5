"""What a journal's bytes give back, whole or damaged."""

import zlib
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.adapters.journal_records import frame, scan, storable_text
from gateway.core.record import LedgerRow
from tests.support.ledger_rows import ledger_rows, settled

ROWS = tuple(settled(number) for number in range(3))
RECORDS = tuple(frame(row) for row in ROWS)
EVERYTHING = 1000


def storable(row: LedgerRow) -> LedgerRow:
    texts = {
        field.name: storable_text(value)
        for field in fields(row)
        if type(value := getattr(row, field.name)) is str
    }
    return replace(row, **texts)  # type: ignore[arg-type]  # only its texts change


@given(st.lists(ledger_rows(), max_size=4))
def test_rows_come_back_as_they_went_but_for_what_no_store_takes(rows: list[LedgerRow]) -> None:
    content = b"".join(frame(row) for row in rows)

    found = scan(content, is_whole=True, max_rows=EVERYTHING)

    assert found.rows == tuple(storable(row) for row in rows)
    assert (found.consumed, found.damaged_bytes) == (len(content), 0)


@pytest.mark.parametrize("text", ["a\0b", "a\ud800b"])
def test_what_no_store_takes_is_replaced_visibly(text: str) -> None:
    found = scan(frame(settled(session=text)), is_whole=True, max_rows=1)

    assert found.rows == (settled(session="a\ufffdb"),)


@given(st.integers(min_value=0, max_value=len(RECORDS[1]) - 1))
def test_an_open_end_is_waited_for(length: int) -> None:
    found = scan(RECORDS[0] + RECORDS[1][:length], is_whole=False, max_rows=EVERYTHING)

    assert found.rows == ROWS[:1]
    assert (found.consumed, found.damaged_bytes) == (len(RECORDS[0]), 0)


@given(
    st.integers(min_value=0, max_value=len(RECORDS[1]) - 1), st.integers(min_value=1, max_value=255)
)
def test_a_damaged_byte_costs_its_record_alone(index: int, mask: int) -> None:
    damaged = bytearray(RECORDS[1])
    damaged[index] ^= mask

    found = scan(RECORDS[0] + bytes(damaged) + RECORDS[2], is_whole=True, max_rows=EVERYTHING)

    assert found.rows == (ROWS[0], ROWS[2])
    assert found.damaged_bytes == len(damaged)


@given(st.binary(min_size=1, max_size=3000))
def test_no_record_after_foreign_bytes_is_lost(garbage: bytes) -> None:
    found = scan(RECORDS[0] + garbage + RECORDS[2], is_whole=True, max_rows=EVERYTHING)

    assert found.rows == (ROWS[0], ROWS[2])
    assert found.damaged_bytes == len(garbage)


def test_a_whole_record_of_another_shape_is_damage_not_a_crash() -> None:
    payload = b'{"of":"another version"}'
    content = b"\x1e%08x %b\n" % (zlib.crc32(payload), payload)

    found = scan(content + RECORDS[2], is_whole=True, max_rows=EVERYTHING)

    assert found.rows == (ROWS[2],)
    assert found.damaged_bytes == len(content)


def test_no_more_rows_are_read_than_asked_for() -> None:
    found = scan(b"".join(RECORDS), is_whole=True, max_rows=2)

    assert (found.rows, found.consumed) == (ROWS[:2], len(RECORDS[0]) + len(RECORDS[1]))
