"""The sections about who asks: organisations, tenants, their keys, budgets and limits."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from gateway.settings.kinds import (
    Id,
    Name,
    PositiveUsd,
    PositiveWhole,
    Secret,
    Section,
    Tag,
    TimeZone,
    key_or_mapping,
)
from gateway.settings.sections import CacheOverride


class BudgetSettings(Section):
    """An amount per window of time."""

    usd: PositiveUsd
    """US dollars, a decimal string."""
    window: Literal["minute", "hour", "day", "week", "month", "year", "total"]
    """The calendar window it renews in; total: never."""
    timezone: TimeZone = "UTC"
    """IANA name of the time zone the window begins in."""
    on_full: Literal["shrink", "refuse"] = "shrink"
    """shrink: answers are capped to what is left, then refused. refuse: at once."""
    warn_at: Annotated[float, Field(gt=0, le=1)] = 0.8
    """Share of the budget at which a warning is given."""


class LimitSettings(Section):
    """Rates. Omitted: not limited."""

    rpm: PositiveWhole | None = None
    """Requests per minute."""
    tpm: PositiveWhole | None = None
    """Tokens per minute."""
    concurrency: PositiveWhole | None = None
    """Requests at a time."""


class KeySettings(Section):
    """A key of a tenant. A plain text stands for {key: TEXT}."""

    id: Id | None = None
    """Its name in the ledger. Omitted: derived from the key."""
    key: Secret
    """What clients send as `Authorization: Bearer KEY`."""
    budgets: tuple[BudgetSettings, ...] = ()
    """Budgets of this key alone."""
    limits: LimitSettings = LimitSettings()
    """Limits of this key alone."""
    tags: Mapping[Tag, Tag] = {}
    """Tags every request of this key carries."""


class OrganisationSettings(Section):
    """Tenants that share budgets."""

    id: Id
    """Its name."""
    budgets: tuple[BudgetSettings, ...] = ()
    """Budgets of all its tenants together."""
    limits: LimitSettings = LimitSettings()
    """Limits of all its tenants together."""


class TenantSettings(Section):
    """Who calls, and what they may."""

    id: Id
    """Its name in ledger and metrics."""
    organisation: Id | None = None
    """An id under `organisations`. Omitted: it is its own."""
    keys: tuple[Annotated[KeySettings, key_or_mapping], ...] = ()
    """Its keys: texts, or mappings with id, key, budgets, limits, tags."""
    allow: tuple[Name, ...] | None = None
    """Routes and models its clients may ask for. Omitted: all."""
    budgets: tuple[BudgetSettings, ...] = ()
    """Its budgets."""
    limits: LimitSettings = LimitSettings()
    """Its limits."""
    cache: CacheOverride = CacheOverride()
    """What differs from `cache` for this tenant."""
