"""Engines for the databases Fareway knows: SQLite and PostgreSQL (psycopg 3).

The only place that knows their URLs' forms, their options, and which of their errors may pass.
"""

import sqlite3
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, IntegrityError

from gateway.core.errors import ConfigError

# The execution option that says how an SQLite transaction begins ("BEGIN IMMEDIATE").
BEGIN_OPTION = "fareway_begin"

_CONNECT_TIMEOUT_S = 5
_POOL_TIMEOUT_S = 5
_BUSY_TIMEOUT_MS = 5_000
_STATEMENT_TIMEOUT_MS = 30_000  # a batch takes milliseconds; beyond this the server is stuck
_LOCK_TIMEOUT_MS = 10_000
_POSTGRESQL_NAMES = ("postgresql", "postgres", "postgresql+psycopg")
# A connection whose peer is gone without a word is given up after about this long.
_TCP_USER_TIMEOUT_MS = 20_000


def database_url(text: str) -> URL:
    """Raises ConfigError for a URL of no database Fareway can keep its ledger in."""
    try:
        url = make_url(text)
    except ArgumentError as error:
        raise ConfigError(
            "stores.database_url is not a URL; allowed: sqlite:///FILE, postgresql://..."
        ) from error
    shown = url.render_as_string(hide_password=True)
    if url.drivername in _POSTGRESQL_NAMES:
        return url.set(drivername="postgresql+psycopg")
    if url.drivername != "sqlite":
        raise ConfigError(
            f"stores.database_url {shown!r}: allowed are sqlite:///FILE and postgresql://..."
        )
    if url.database in (None, "", ":memory:"):
        raise ConfigError(
            f"stores.database_url {shown!r}: SQLite in memory keeps nothing; name a file"
        )
    return url


def open_engine(text: str, *, survives_power_loss: bool = False) -> Engine:
    """`survives_power_loss`: a commit is on the disk when it returns. Without it SQLite's last
    commits may be missing after a power loss (never after a killed process)."""
    url = database_url(text)
    if url.get_backend_name() == "postgresql":
        return create_engine(
            url,
            hide_parameters=True,
            pool_pre_ping=True,
            pool_timeout=_POOL_TIMEOUT_S,
            connect_args=_postgresql_options(url),
        )
    engine = create_engine(
        url,
        hide_parameters=True,  # errors are logged; rows are not
        pool_timeout=_POOL_TIMEOUT_S,
        connect_args={"timeout": _BUSY_TIMEOUT_MS / 1000},
    )
    synchronous = "FULL" if survives_power_loss else "NORMAL"

    def prepare(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # the driver's own BEGIN leaves DDL out of transactions
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {synchronous}")

    def begin(connection: Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get(BEGIN_OPTION, "BEGIN"))

    event.listen(engine, "connect", prepare)
    event.listen(engine, "begin", begin)
    return engine


def _postgresql_options(url: URL) -> dict[str, Any]:
    """Deadlines for every wait, except those the operator's URL sets itself."""
    timeouts = f"-c statement_timeout={_STATEMENT_TIMEOUT_MS} -c lock_timeout={_LOCK_TIMEOUT_MS}"
    options = {
        "connect_timeout": _CONNECT_TIMEOUT_S,
        "tcp_user_timeout": _TCP_USER_TIMEOUT_MS,
        "options": timeouts,
    }
    return {name: value for name, value in options.items() if name not in url.query}


def is_of_the_row(error: Exception) -> bool:
    """Whether a failed write is the row's own doing, so that trying again cannot help. All else
    (server gone, deadlock, disk full, table missing) may pass. SQLite's driver refuses a number of
    more than 64 bits with OverflowError."""
    return isinstance(error, DataError | IntegrityError | OverflowError | ValueError | TypeError)


def reason(error: Exception) -> str:
    """The driver's own words, in one line: SQLAlchemy's repeat the statement and a link."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
    return " ".join(str(cause).split())
