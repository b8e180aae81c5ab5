"""Migrations lead to the tables the code describes, and back."""

from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, text

import gateway
from gateway.adapters.sql_engine import open_engine
from gateway.adapters.sql_schema import (
    check,
    migration_config,
    migrations_dir,
    prepare,
    require_current,
    upgrade,
)
from gateway.adapters.sql_tables import ledger, metadata
from gateway.core.errors import ConfigError
from gateway.core.record import LEDGER_COLUMNS


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/ledger.db"
    url: str = request.getfixturevalue("postgres_url")
    return url


def test_the_table_has_the_ledgers_columns_in_their_order_and_ours_after() -> None:
    assert tuple(ledger.c.keys()) == (*LEDGER_COLUMNS, "instance", "loaded_at")


def test_migrations_lead_to_the_tables_the_code_describes(database_url: str) -> None:
    upgrade(database_url)

    engine = open_engine(database_url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_upgrading_twice_changes_nothing(database_url: str) -> None:
    before = check(database_url)

    once, twice = upgrade(database_url), upgrade(database_url)

    assert (before.current, before.is_current) == (None, False)
    assert once == twice == check(database_url)
    assert once.is_current


def test_the_way_down_leaves_nothing_behind(database_url: str) -> None:
    upgrade(database_url)
    engine = open_engine(database_url)

    with engine.begin() as connection:
        command.downgrade(migration_config(connection), "base")

    assert inspect(engine).get_table_names() == ["alembic_version"]
    assert upgrade(database_url).is_current
    engine.dispose()


def test_a_migration_that_fails_half_way_leaves_the_tables_as_they_were(
    database_url: str,
) -> None:
    engine = open_engine(database_url)
    with engine.begin() as connection:  # in the way of an index, after the table is made
        connection.execute(text("CREATE TABLE other (id INTEGER)"))
        connection.execute(text("CREATE INDEX ledger_by_tenant ON other (id)"))

    with pytest.raises(Exception, match="ledger_by_tenant"):
        upgrade(database_url)

    assert "ledger" not in inspect(engine).get_table_names()
    assert check(database_url).current is None
    engine.dispose()


def test_a_database_behind_is_refused_with_the_command_to_run(database_url: str) -> None:
    with pytest.raises(ConfigError, match="fareway db upgrade"):
        require_current(database_url)


def test_a_database_of_a_newer_release_is_refused(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    upgrade(url)
    engine = open_engine(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()

    with pytest.raises(ConfigError, match="newer release"):
        prepare(url)


def test_an_installed_packages_own_migrations_come_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = tmp_path / "site" / "gateway"
    shipped = installed / "_shipped" / "migrations"
    shipped.mkdir(parents=True)
    (shipped / "env.py").write_text("")
    monkeypatch.setattr(gateway, "__file__", str(installed / "__init__.py"))

    assert migrations_dir() == shipped


def test_an_installation_without_migrations_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway, "__file__", str(tmp_path / "gateway" / "__init__.py"))

    with pytest.raises(ConfigError, match="migrations are missing"):
        migrations_dir()
