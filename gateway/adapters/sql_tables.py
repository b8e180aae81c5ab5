"""The ledger's table, and how a row goes in and comes out. Engines are sql_engine.py's business,
how the table comes to be is migrations/'s.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Select,
    Table,
    Text,
    literal_column,
    select,
)
from sqlalchemy.types import TypeDecorator

from gateway.core.record import LEDGER_COLUMNS, Kind, LedgerRow, Outcome, State
from gateway.core.usage import UsageSource


class UtcDateTime(TypeDecorator[datetime]):
    """An aware instant, to the microsecond. SQLite keeps text without a zone: always UTC here."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime:
        assert value is not None  # no instant of ours is unknown
        instant = value.astimezone(UTC)
        return instant.replace(tzinfo=None) if dialect.name == "sqlite" else instant

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime:
        assert value is not None
        return value.replace(tzinfo=UTC) if dialect.name == "sqlite" else value.astimezone(UTC)


metadata = MetaData()

ledger = Table(
    "ledger",
    metadata,
    Column("request_id", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("client_request_id", Text),
    Column("upstream_id", Text),
    Column("endpoint", Text, nullable=False),
    Column("organisation", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("end_user", Text),
    Column("session", Text),
    Column("tags", Text),
    Column("route", Text),
    Column("requested_model", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("tier", Text),
    Column("score", Float(53)),
    Column("decision", Text),
    Column("kind", Text, nullable=False),
    Column("delivered", Boolean, nullable=False),
    Column("cache", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("outcome", Text),
    Column("error_code", Text),
    Column("finish_reason", Text),
    Column("input_tokens", BigInteger),
    Column("cached_input_tokens", BigInteger),
    Column("cache_write_tokens", BigInteger),
    Column("output_tokens", BigInteger),
    Column("reasoning_tokens", BigInteger),
    Column("usage_source", Text),
    Column("output_cap", BigInteger),
    Column("cost_nano_usd", BigInteger),
    Column("baseline_nano_usd", BigInteger),
    Column("held_nano_usd", BigInteger),
    Column("price_version", Text, nullable=False),
    Column("config_version", Text, nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("first_token_ms", BigInteger),
    Column("duration_ms", BigInteger),
    # Ours alone: never shown outside.
    Column("instance", Text, nullable=False),  # whose state_dir the row came from
    Column("loaded_at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("request_id", "attempt", name="ledger_pkey"),
)
Index("ledger_by_start", ledger.c.started_at, ledger.c.request_id, ledger.c.attempt)
Index("ledger_by_tenant", ledger.c.tenant, ledger.c.started_at)
Index("ledger_by_upstream_id", ledger.c.upstream_id)
# Few rows are pending at any time: recovery and held sums need not walk the table.
Index(
    "ledger_pending",
    ledger.c.tenant,
    ledger.c.instance,
    sqlite_where=ledger.c.state == State.PENDING.value,
    postgresql_where=ledger.c.state == State.PENDING.value,
)

LEDGER_SELECT = tuple(ledger.c[name] for name in LEDGER_COLUMNS)

# Written out, not bound: planners match a partial index only with the text of its condition.
IS_PENDING = ledger.c.state == literal_column(f"'{State.PENDING.value}'")

# A row's values in the order of LEDGER_COLUMNS. Its enums are texts, so drivers take them as such.
row_values = attrgetter(*LEDGER_COLUMNS)


def ledger_select(*, since: datetime | None) -> Select[tuple[object, ...]]:
    """All rows that started at or after `since`, in the ledger's order."""
    statement = select(*LEDGER_SELECT).order_by(
        ledger.c.started_at, ledger.c.request_id, ledger.c.attempt
    )
    return statement if since is None else statement.where(ledger.c.started_at >= since)


def ledger_row(record: Iterable[Any]) -> LedgerRow:
    """The row of a result of LEDGER_SELECT."""
    values = dict(zip(LEDGER_COLUMNS, record, strict=True))
    values["kind"] = Kind(values["kind"])
    values["state"] = State(values["state"])
    outcome, source = values["outcome"], values["usage_source"]
    values["outcome"] = None if outcome is None else Outcome(outcome)
    values["usage_source"] = None if source is None else UsageSource(source)
    return LedgerRow(**values)
