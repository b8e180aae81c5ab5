"""The ledger as a file, in each format, from each database."""

import csv
import io
import json
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pyarrow.parquet
import pytest

from gateway.adapters.ledger_export import export_ledger
from gateway.adapters.ledger_upsert import last_words, row_writer
from gateway.adapters.sql_engine import open_engine
from gateway.adapters.sql_schema import upgrade
from gateway.core.errors import ConfigError
from gateway.core.record import LEDGER_COLUMNS, LedgerRow
from gateway.wire.ledger_row import ExportFormat, ledger_row_cells, ledger_row_json
from tests.support.ledger_rows import NOON, pending, settled

ROWS = [
    settled(0, session='a "quoted", text\r\nof two lines', tags="ünï=cödé"),
    settled(1, cost_nano_usd=2**53, score=0.1 + 0.2),
    pending(2),
]


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path}/ledger.db"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_url")
    upgrade(url)
    return url


def store(url: str, rows: Sequence[LedgerRow]) -> None:
    engine = open_engine(url)
    with engine.begin() as connection:
        row_writer(engine.dialect, instance_id="one")(connection, last_words(rows), NOON)
    engine.dispose()


def exported(url: str, export_format: ExportFormat, *, since_s: float = 0) -> bytes:
    out = io.BytesIO()
    since = NOON + timedelta(seconds=since_s)
    export_ledger(url, since=since, export_format=export_format, out=out)
    return out.getvalue()


def test_ndjson_has_a_line_for_each_row_as_the_admin_api_shows_it(database_url: str) -> None:
    store(database_url, ROWS)

    lines = exported(database_url, ExportFormat.NDJSON).splitlines()

    assert lines == [ledger_row_json(row) for row in ROWS]


def test_csv_has_the_columns_in_order_and_empty_cells_for_nothing(database_url: str) -> None:
    store(database_url, ROWS)

    content = exported(database_url, ExportFormat.CSV).decode()

    header, *lines = csv.reader(io.StringIO(content, newline=""))
    assert tuple(header) == LEDGER_COLUMNS
    assert content.count("\r\n") == 1 + len(ROWS) + 1  # one is inside a text
    for row, cells in zip(ROWS, lines, strict=True):
        expected = [
            json.dumps(cell) if isinstance(cell, bool) else "" if cell is None else str(cell)
            for cell in ledger_row_cells(row)
        ]
        assert cells == expected


def test_parquet_has_typed_columns(database_url: str) -> None:
    store(database_url, ROWS)

    table = pyarrow.parquet.read_table(io.BytesIO(exported(database_url, ExportFormat.PARQUET)))

    assert tuple(table.column_names) == LEDGER_COLUMNS
    assert {
        name: str(table.schema.field(name).type) for name in ("cost_nano_usd", "started_at")
    } == {
        "cost_nano_usd": "int64",
        "started_at": "timestamp[us, tz=UTC]",
    }
    for row, values in zip(ROWS, table.to_pylist(), strict=True):
        assert values == {name: getattr(row, name) for name in LEDGER_COLUMNS}


@pytest.mark.parametrize("export_format", ExportFormat)
def test_an_empty_ledger_is_an_empty_file_of_its_format(
    database_url: str, export_format: ExportFormat
) -> None:
    content = exported(database_url, export_format)

    if export_format is ExportFormat.PARQUET:
        assert pyarrow.parquet.read_table(io.BytesIO(content)).num_rows == 0
    else:
        header = ",".join(LEDGER_COLUMNS).encode() + b"\r\n"
        assert content == (header if export_format is ExportFormat.CSV else b"")


def test_since_leaves_earlier_rows_out(database_url: str) -> None:
    store(database_url, ROWS)

    lines = exported(database_url, ExportFormat.NDJSON, since_s=1).splitlines()

    assert lines == [ledger_row_json(row) for row in ROWS[1:]]


def test_progress_counts_rows_up_to_all_of_them(database_url: str) -> None:
    store(database_url, [settled(number) for number in range(1200)])
    told: list[int] = []

    export_ledger(
        database_url,
        since=None,
        export_format=ExportFormat.NDJSON,
        out=io.BytesIO(),
        on_progress=told.append,
    )

    assert told == [500, 1000, 1200]


def test_a_database_without_a_ledger_is_refused_with_the_command_to_run(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="fareway db upgrade"):
        exported(f"sqlite:///{tmp_path}/other.db", ExportFormat.NDJSON)


def test_parquet_without_its_library_names_the_extra_to_install(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    with pytest.raises(ConfigError, match=r"fareway\[train\]"):
        exported(database_url, ExportFormat.PARQUET)
