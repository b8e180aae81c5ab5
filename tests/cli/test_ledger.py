"""`fareway db` and `fareway export`: the ledger's tables and rows."""

import csv
import json
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet
import pytest

from gateway.adapters.clock import SystemClock
from gateway.adapters.journal import Durability
from gateway.adapters.sql_ledger import open_ledger
from gateway.adapters.state_dir import hold_state_dir
from gateway.core.record import LEDGER_COLUMNS
from tests.support.command import run, written_config
from tests.support.records import an_attempt, record


@pytest.fixture
async def config(tmp_path: Path) -> Path:
    """A configuration whose ledger holds three rows, a day apart, from 3 November on."""
    url = f"sqlite:///{tmp_path}/ledger.db"
    with hold_state_dir(tmp_path / "state") as state_dir:
        async with open_ledger(
            state_dir=state_dir,
            database_url=url,
            durability=Durability.WRITE,
            clock=SystemClock(),
        ) as ledger:
            for at in range(3):
                attempt = an_attempt(started_at=datetime(2026, 11, 3 + at, 12, tzinfo=UTC))
                ledger.append(record(attempt, request_id=f"r-{at}", tags="a=\u00e9,b=c").rows())
            await ledger.durable()
    return written_config(tmp_path)


def test_new_database_is_behind_until_it_is_upgraded(tmp_path: Path) -> None:
    config = written_config(tmp_path)

    before = run("db", "check", "--config", config, "--json")
    upgraded = run("db", "upgrade", "--config", config)
    after = run("db", "check", "--config", config, "--json")

    assert (before.code, before.json["ok"], before.json["current"]) == (1, False, None)
    assert upgraded.code == 0
    assert (after.code, after.json["ok"]) == (0, True)
    assert after.json["current"] == after.json["head"]


def test_check_says_it_in_words_too(tmp_path: Path) -> None:
    shown = run("db", "check", "--config", written_config(tmp_path))

    assert shown.code == 1
    assert "database at none" in shown.out


def test_upgrading_twice_is_as_good_as_once(tmp_path: Path) -> None:
    config = written_config(tmp_path)

    assert [run("db", "upgrade", "--config", config).code for _ in range(2)] == [0, 0]


@pytest.mark.parametrize("command", [("db", "upgrade"), ("db", "check"), ("export", "ledger")])
def test_database_that_cannot_be_reached_exits_1(tmp_path: Path, command: tuple[str, ...]) -> None:
    config = written_config(tmp_path)
    config.write_text(config.read_text().replace("ledger.db", "no/such/folder/ledger.db"))

    shown = run(*command, "--config", config)

    assert shown.code == 1
    assert "fareway: the database " in shown.err


def test_rows_are_exported_as_json_lines(config: Path) -> None:
    shown = run("export", "ledger", "--config", config)

    rows = [json.loads(line) for line in shown.out.splitlines()]
    assert [row["request_id"] for row in rows] == ["r-0", "r-1", "r-2"]
    assert tuple(rows[0]) == LEDGER_COLUMNS
    assert rows[0]["tags"] == "a=\u00e9,b=c"


def test_rows_are_exported_as_csv(config: Path, tmp_path: Path) -> None:
    out = tmp_path / "rows.csv"

    shown = run("export", "ledger", "--config", config, "--format", "csv", "--out", out)

    assert (shown.code, shown.out) == (0, "")
    with out.open(encoding="utf-8", newline="") as text:
        rows = list(csv.DictReader(text))
    assert [row["request_id"] for row in rows] == ["r-0", "r-1", "r-2"]
    assert rows[0]["tags"] == "a=\u00e9,b=c"
    assert out.read_bytes().splitlines(keepends=True)[0].endswith(b"\r\n")


def test_rows_are_exported_as_parquet(config: Path, tmp_path: Path) -> None:
    out = tmp_path / "rows.parquet"

    shown = run("export", "ledger", "--config", config, "--format", "parquet", "--out", out)

    table = pyarrow.parquet.read_table(out)
    assert shown.code == 0
    assert table.column("request_id").to_pylist() == ["r-0", "r-1", "r-2"]
    assert tuple(table.column_names) == LEDGER_COLUMNS


@pytest.mark.parametrize("since", ["2026-11-04T12:00:00", "2026-11-04", "2026-11-03 12:00:01"])
def test_only_rows_since_then_are_exported(config: Path, since: str) -> None:
    shown = run("export", "ledger", "--config", config, "--since", since)

    assert [json.loads(line)["request_id"] for line in shown.out.splitlines()] == ["r-1", "r-2"]


def test_since_may_name_its_zone(config: Path) -> None:
    shown = run("export", "ledger", "--config", config, "--since", "2026-11-04T12:00:00Z")

    assert [json.loads(line)["request_id"] for line in shown.out.splitlines()] == ["r-1", "r-2"]


def test_folder_that_is_not_there_exits_1(config: Path, tmp_path: Path) -> None:
    out = tmp_path / "no" / "rows.csv"

    shown = run("export", "ledger", "--config", config, "--out", out)

    assert shown.code == 1
