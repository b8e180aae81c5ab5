"""How a ledger row looks in a journal: RS, CRC-32 in hex, space, JSON, LF.

RS (0x1e, as in RFC 7464) and LF never occur inside JSON text, so a reader finds the next record
after any damage. Pure bytes in, values out; files are journal.py's business.
"""

import dataclasses
import re
import zlib
from dataclasses import dataclass
from typing import Any

import msgspec

from gateway.core.record import LedgerRow

_MARK = b"\x1e"
_HEAD_BYTES = 10  # the mark, eight hex digits, a space
_ESCAPED_NULL = b"\\u0000"
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_REPLACEMENT = "\ufffd"

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(LedgerRow).decode


def frame(row: LedgerRow) -> bytes:
    """The row as one record. Null characters and lone surrogates become U+FFFD: neither UTF-8 nor
    PostgreSQL's text can hold them, and a row that no store takes would hold up all after it."""
    try:
        payload = _encode(row)
    except UnicodeEncodeError:
        payload = _encode(_storable(row))
    else:
        if _ESCAPED_NULL in payload:
            payload = _encode(_storable(row))
    return b"\x1e%08x %b\n" % (zlib.crc32(payload), payload)


def storable_text(text: str) -> str:
    return _UNSTORABLE.sub(_REPLACEMENT, text)


def _storable(row: LedgerRow) -> LedgerRow:
    texts: dict[str, Any] = {
        field.name: storable_text(value)
        for field in dataclasses.fields(row)
        if isinstance(value := getattr(row, field.name), str) and _UNSTORABLE.search(value)
    }
    return dataclasses.replace(row, **texts)


@dataclass(frozen=True, slots=True)
class Scan:
    """What a stretch of a journal holds. `consumed` bytes are done with; what follows them is a
    record whose end is not there yet. `good_end` is where the last good record ends."""

    rows: tuple[LedgerRow, ...]
    consumed: int
    damaged_bytes: int
    good_end: int


def scan(data: bytes, *, is_whole: bool, max_rows: int) -> Scan:
    """The rows of `data`, damage skipped. `is_whole`: nothing follows, so an open end is damage."""
    rows: list[LedgerRow] = []
    position = damaged = good_end = 0
    while position < len(data) and len(rows) < max_rows:
        newline = data.find(b"\n", position)
        if newline < 0:
            if is_whole:
                damaged += len(data) - position
                position = len(data)
            break
        row = _row(data, position, newline)
        if row is None:
            following = _next_mark(data, position, newline)
            damaged += following - position
            position = following
        else:
            rows.append(row)
            position = good_end = newline + 1
    return Scan(tuple(rows), consumed=position, damaged_bytes=damaged, good_end=good_end)


def _row(data: bytes, start: int, newline: int) -> LedgerRow | None:
    payload = data[start + _HEAD_BYTES : newline]
    if data[start : start + _HEAD_BYTES] != b"\x1e%08x " % zlib.crc32(payload):
        return None
    try:
        return _decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError):  # whole, but of another version's shape
        return None


def _next_mark(data: bytes, start: int, newline: int) -> int:
    """Where to try again after a bad line: at a mark inside it, else after it."""
    mark = data.find(_MARK, start + 1, newline)
    return mark if mark >= 0 else newline + 1
