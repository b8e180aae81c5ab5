"""Brings a database's tables to the version this code is written for, with alembic."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, func, select, text
from sqlalchemy.exc import SQLAlchemyError

import gateway
from gateway.adapters.sql_engine import BEGIN_OPTION, database_url, open_engine, reason
from gateway.core.errors import ConfigError, StoreUnavailable

# Any number nobody else locks in the same database: "fareway" in ASCII.
_UPGRADE_LOCK = int.from_bytes(b"fareway")


@dataclass(frozen=True, slots=True)
class SchemaVersion:
    """`current` is None for a database without our tables."""

    current: str | None
    head: str

    @property
    def is_current(self) -> bool:
        return self.current == self.head


def migrations_dir() -> Path:
    """The migrations of this installation: inside the package in a wheel, beside it in a checkout.
    Raises ConfigError where neither is there."""
    package = Path(gateway.__file__).parent
    for folder in (package / "_shipped" / "migrations", package.parent / "migrations"):
        if (folder / "env.py").is_file():
            return folder
    raise ConfigError(f"the migrations are missing from the installation in {package}")


def check(url: str) -> SchemaVersion:
    """Which version the database has and which this code needs. Raises StoreUnavailable where the
    database does not answer."""
    with _engine(url) as engine:
        return _version(engine)


def upgrade(url: str) -> SchemaVersion:
    """Brings the database to this code's version; nothing to do is fine. Raises StoreUnavailable
    where the database does not answer or refuses."""
    with _engine(url) as engine:
        _migrate(engine)
        return _version(engine)


def prepare(url: str) -> None:
    """Makes sure the tables are this code's: SQLite is upgraded, PostgreSQL only checked, since
    its other clients must agree to when. Raises ConfigError where an upgrade must come first."""
    with _engine(url) as engine:
        if engine.dialect.name == "sqlite":
            _migrate(engine)
            return
    require_current(url)


def require_current(url: str) -> None:
    """Raises ConfigError for a database of another version than this code's."""
    version = check(url)
    if not version.is_current:
        raise ConfigError(
            f"the database is at version {version.current or 'none'}, this release needs "
            f"{version.head}; run: fareway db upgrade"
        )


def migration_config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(migrations_dir()).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


@contextmanager
def _engine(url: str) -> Iterator[Engine]:
    engine = open_engine(url)
    try:
        yield engine
    except SQLAlchemyError as error:
        shown = database_url(url).render_as_string(hide_password=True)
        raise StoreUnavailable(
            f"the database {shown} cannot be used: {reason(error)}",
            detail=str(error),
        ) from error
    finally:
        engine.dispose()


def _version(engine: Engine) -> SchemaVersion:
    head = ScriptDirectory.from_config(migration_config()).get_current_head()
    assert head is not None
    with engine.connect() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
    return SchemaVersion(current=current, head=head)


def _migrate(engine: Engine) -> None:
    """One at a time, all or nothing: both databases have transactions for tables too."""
    exclusive = engine.execution_options(**{BEGIN_OPTION: "BEGIN IMMEDIATE"})
    with exclusive.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            connection.execute(select(func.pg_advisory_xact_lock(_UPGRADE_LOCK)))
        try:
            command.upgrade(migration_config(connection), "head")
        except CommandError as error:  # a revision this code does not have
            raise ConfigError(f"the database is of a newer release: {error}") from error
