"""The ledger as a file: ndjson, csv (RFC 4180) or parquet, streamed from SQL.

Reads SQL alone, so it may run beside a serving gateway, whose loader is less than a second behind.
"""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import BinaryIO, TypeAlias, assert_never

from sqlalchemy import BigInteger, Boolean, Float, Integer, Text
from sqlalchemy.exc import SQLAlchemyError

from gateway.adapters.sql_engine import open_engine
from gateway.adapters.sql_schema import require_current
from gateway.adapters.sql_tables import (
    LEDGER_SELECT,
    UtcDateTime,
    ledger_row,
    ledger_select,
    row_values,
)
from gateway.core.errors import ConfigError, StoreUnavailable
from gateway.core.record import LEDGER_COLUMNS, LedgerRow
from gateway.wire.ledger_row import Cell, ExportFormat, ledger_row_cells, ledger_row_json

_BATCH_ROWS = 500
# A batch becomes a row group: smaller ones compress badly, larger ones take memory (1 KB a row).
_ROW_GROUP_ROWS = 10_000

_Batches: TypeAlias = Iterable[Sequence[LedgerRow]]


def export_ledger(
    database_url: str,
    *,
    since: datetime | None,
    export_format: ExportFormat,
    out: BinaryIO,
    on_progress: Callable[[int], None] = lambda _rows: None,
) -> None:
    """Writes all rows that started at or after `since`, in the ledger's order. `on_progress` is
    told how many rows are written so far. One consistent view, however long it takes.

    Raises ConfigError where the database's version or a missing library stands in the way,
    StoreUnavailable where the database does not answer.
    """
    require_current(database_url)
    match export_format:
        case ExportFormat.NDJSON:
            _write_ndjson(_batches(database_url, since, _BATCH_ROWS, on_progress), out)
        case ExportFormat.CSV:
            _write_csv(_batches(database_url, since, _BATCH_ROWS, on_progress), out)
        case ExportFormat.PARQUET:
            _write_parquet(_batches(database_url, since, _ROW_GROUP_ROWS, on_progress), out)
        case _:
            assert_never(export_format)


def _batches(
    database_url: str, since: datetime | None, size: int, on_progress: Callable[[int], None]
) -> Iterator[Sequence[LedgerRow]]:
    engine = open_engine(database_url)
    count = 0
    try:
        streaming = engine.execution_options(stream_results=True, max_row_buffer=size)
        with streaming.connect() as connection:
            for records in connection.execute(ledger_select(since=since)).partitions(size):
                yield [ledger_row(record) for record in records]
                count += len(records)
                on_progress(count)
    except SQLAlchemyError as error:
        raise StoreUnavailable(
            "the ledger's database does not answer", detail=str(error)
        ) from error
    finally:
        engine.dispose()


def _write_ndjson(batches: _Batches, out: BinaryIO) -> None:
    out.writelines(ledger_row_json(row) + b"\n" for rows in batches for row in rows)


def _write_csv(batches: _Batches, out: BinaryIO) -> None:
    text = io.TextIOWrapper(out, encoding="utf-8", newline="")
    try:
        writer = csv.writer(text)  # its default dialect is RFC 4180's: CRLF, quotes doubled
        writer.writerow(LEDGER_COLUMNS)
        for rows in batches:
            writer.writerows([_csv_cell(cell) for cell in ledger_row_cells(row)] for row in rows)
    finally:
        text.detach()  # flushes; the file stays the caller's


def _csv_cell(cell: Cell) -> str | int | float | None:
    return str(cell).lower() if isinstance(cell, bool) else cell


def _write_parquet(batches: _Batches, out: BinaryIO) -> None:
    try:
        # Not at the top: 100 MB that only this format needs, from an extra.
        import pyarrow as pa  # noqa: PLC0415
        from pyarrow import parquet  # noqa: PLC0415
    except ImportError as error:
        raise ConfigError(
            "parquet needs pyarrow, which is not installed: pip install 'fareway[train]'"
        ) from error
    types = {
        Text: pa.string(),
        Integer: pa.int64(),
        BigInteger: pa.int64(),
        Float: pa.float64(),
        Boolean: pa.bool_(),
        UtcDateTime: pa.timestamp("us", tz="UTC"),
    }
    schema = pa.schema([(column.name, types[type(column.type)]) for column in LEDGER_SELECT])
    with parquet.ParquetWriter(out, schema, compression="zstd") as writer:
        for rows in batches:
            columns = zip(*(row_values(row) for row in rows), strict=True)
            arrays = [
                pa.array(cells, type=field.type)
                for cells, field in zip(columns, schema, strict=True)
            ]
            writer.write_batch(pa.record_batch(arrays, schema=schema))
