"""The ledger: one row per upstream attempt."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "ledger",
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("client_request_id", sa.Text),
        sa.Column("upstream_id", sa.Text),
        sa.Column("endpoint", sa.Text, nullable=False),
        sa.Column("organisation", sa.Text, nullable=False),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("key_id", sa.Text, nullable=False),
        sa.Column("end_user", sa.Text),
        sa.Column("session", sa.Text),
        sa.Column("tags", sa.Text),
        sa.Column("route", sa.Text),
        sa.Column("requested_model", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("tier", sa.Text),
        sa.Column("score", sa.Float(53)),
        sa.Column("decision", sa.Text),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("delivered", sa.Boolean, nullable=False),
        sa.Column("cache", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("outcome", sa.Text),
        sa.Column("error_code", sa.Text),
        sa.Column("finish_reason", sa.Text),
        sa.Column("input_tokens", sa.BigInteger),
        sa.Column("cached_input_tokens", sa.BigInteger),
        sa.Column("cache_write_tokens", sa.BigInteger),
        sa.Column("output_tokens", sa.BigInteger),
        sa.Column("reasoning_tokens", sa.BigInteger),
        sa.Column("usage_source", sa.Text),
        sa.Column("output_cap", sa.BigInteger),
        sa.Column("cost_nano_usd", sa.BigInteger),
        sa.Column("baseline_nano_usd", sa.BigInteger),
        sa.Column("held_nano_usd", sa.BigInteger),
        sa.Column("price_version", sa.Text, nullable=False),
        sa.Column("config_version", sa.Text, nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("first_token_ms", sa.BigInteger),
        sa.Column("duration_ms", sa.BigInteger),
        sa.Column("instance", sa.Text, nullable=False),
        sa.Column("loaded_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("request_id", "attempt", name="ledger_pkey"),
    )
    op.create_index("ledger_by_start", "ledger", ["started_at", "request_id", "attempt"])
    op.create_index("ledger_by_tenant", "ledger", ["tenant", "started_at"])
    op.create_index("ledger_by_upstream_id", "ledger", ["upstream_id"])
    op.create_index(
        "ledger_pending",
        "ledger",
        ["tenant", "instance"],
        sqlite_where=sa.text("state = 'pending'"),
        postgresql_where=sa.text("state = 'pending'"),
    )


def downgrade() -> None:
    op.drop_table("ledger")
