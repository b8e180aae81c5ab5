"""Which databases are accepted, and which failures may pass."""

from pathlib import Path

import pytest
from sqlalchemy import text as sql
from sqlalchemy.exc import DataError, IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from gateway.adapters.sql_engine import database_url, is_of_the_row, open_engine, reason
from gateway.core.errors import ConfigError

CAUSE = Exception("cause")


@pytest.mark.parametrize(
    "text", ["postgresql://u:p@h/d", "postgres://u:p@h/d", "postgresql+psycopg://u:p@h/d"]
)
def test_postgresql_is_spoken_through_psycopg_whatever_its_name(text: str) -> None:
    assert database_url(text).drivername == "postgresql+psycopg"


def test_a_relative_sqlite_file_is_accepted() -> None:
    assert database_url("sqlite:///fareway.db").database == "fareway.db"


@pytest.mark.parametrize(
    "text",
    ["", "fareway.db", "mysql://u:hunter2@h/d", "sqlite://", "sqlite:///:memory:", "redis://h"],
)
def test_other_databases_are_refused_and_no_password_is_repeated(text: str) -> None:
    with pytest.raises(ConfigError, match=r"stores\.database_url") as refusal:
        database_url(text)

    assert "hunter2" not in str(refusal.value)


@pytest.mark.parametrize(
    "error",
    [
        DataError("insert", None, CAUSE),
        IntegrityError("insert", None, CAUSE),
        OverflowError("too large for SQLite"),
    ],
)
def test_a_value_the_database_refuses_is_the_rows_doing(error: Exception) -> None:
    assert is_of_the_row(error)


@pytest.mark.parametrize(
    "error",
    [OperationalError("insert", None, CAUSE), PoolTimeoutError(), OSError("disk"), MemoryError()],
)
def test_a_database_in_trouble_may_recover(error: Exception) -> None:
    assert not is_of_the_row(error)


@pytest.mark.parametrize(("survives_power_loss", "level"), [(True, 2), (False, 1)])
def test_sqlite_syncs_every_commit_only_where_power_loss_must_be_survived(
    tmp_path: Path, *, survives_power_loss: bool, level: int
) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/ledger.db", survives_power_loss=survives_power_loss)

    with engine.connect() as connection:
        assert connection.scalar(sql("PRAGMA synchronous")) == level
        assert connection.scalar(sql("PRAGMA journal_mode")) == "wal"
    engine.dispose()


def test_a_reason_is_the_drivers_words_without_statement_or_values() -> None:
    error = OperationalError("INSERT INTO ledger", {"tenant": "acme"}, Exception("disk\n full"))

    assert reason(error) == "disk full"
