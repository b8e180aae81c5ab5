"""A ledger row as readers outside see it: one JSON object, or one list of cells.

The admin API and the export share these, so the two cannot differ. None stays null (an empty
cell), money stays a whole number of nano-dollars, `started_at` is ISO 8601 in UTC to the
microsecond, always in the same width, so that texts sort as times do.
"""

from datetime import UTC, datetime
from enum import StrEnum
from operator import attrgetter
from typing import TypeAlias

import msgspec

from gateway.core.record import LEDGER_COLUMNS, LedgerRow

Cell: TypeAlias = str | int | float | bool | None


class ExportFormat(StrEnum):
    NDJSON = "ndjson"
    CSV = "csv"
    PARQUET = "parquet"


_cells_of = attrgetter(*LEDGER_COLUMNS)
_STARTED_AT = LEDGER_COLUMNS.index("started_at")


def ledger_row_cells(row: LedgerRow) -> list[Cell]:
    """The row's values in the order of LEDGER_COLUMNS."""
    cells = [str(cell) if isinstance(cell, StrEnum) else cell for cell in _cells_of(row)]
    instant = row.started_at.astimezone(UTC).replace(tzinfo=None)
    cells[_STARTED_AT] = f"{instant.isoformat(timespec='microseconds')}Z"
    return cells


def ledger_row_json(row: LedgerRow) -> bytes:
    return msgspec.json.encode(dict(zip(LEDGER_COLUMNS, ledger_row_cells(row), strict=True)))


def moment_from_text(text: str) -> datetime:
    """An ISO 8601 time in UTC; one without an offset is UTC already. Raises ValueError."""
    try:
        parsed = datetime.fromisoformat(text)
        return parsed.astimezone(UTC) if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as error:  # OverflowError: beyond the year 9999 in UTC
        raise ValueError("takes an ISO 8601 time such as 2026-11-01T00:00:00Z") from error
