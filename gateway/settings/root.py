"""The whole configuration as one frozen value."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import PrivateAttr

from gateway.settings.accounts import OrganisationSettings, TenantSettings
from gateway.settings.kinds import Name, Section
from gateway.settings.models import ModelSettings, ProviderSettings, RouteSettings
from gateway.settings.problems import KeyPath, Source
from gateway.settings.sections import (
    CacheSettings,
    IdempotencySettings,
    LoggingSettings,
    MetricsSettings,
    ResilienceSettings,
    ServerSettings,
    StoreSettings,
)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where settings were written, and what was found worth a warning."""

    file_name: str = ""
    sources: Mapping[KeyPath, Source] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


class Settings(Section):
    """The configuration of Fareway."""

    server: ServerSettings = ServerSettings()
    """The process: its own keys, its bounds, its files."""
    stores: StoreSettings = StoreSettings()
    """Where accounts, cache entries and the ledger live."""
    providers: Mapping[Name, ProviderSettings] = {}
    """OpenAI-compatible services by name. At least one."""
    models: tuple[ModelSettings, ...] = ()
    """What can answer. At least one."""
    routes: Mapping[Name, RouteSettings] = {}
    """Names clients ask for, such as auto."""
    organisations: tuple[OrganisationSettings, ...] = ()
    """Tenants that share budgets."""
    tenants: tuple[TenantSettings, ...] = ()
    """Who calls, and what they may."""
    cache: CacheSettings = CacheSettings()
    """Serving an answer again."""
    idempotency: IdempotencySettings = IdempotencySettings()
    """Replays of requests that carry an Idempotency-Key."""
    resilience: ResilienceSettings = ResilienceSettings()
    """Time-outs and retries towards the providers."""
    metrics: MetricsSettings = MetricsSettings()
    """What /metrics tells."""
    logging: LoggingSettings = LoggingSettings()
    """What is logged."""

    _origin: Origin = PrivateAttr(default_factory=Origin)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was accepted but is worth a line in the log, each with its key path; no secrets."""
        return self._origin.warnings

    @property
    def file_name(self) -> str:
        return self._origin.file_name

    @property
    def sources(self) -> Mapping[KeyPath, Source]:
        """Where each key of the file stands."""
        return self._origin.sources

    def with_origin(self, origin: Origin) -> "Settings":
        """The same settings, knowing where they were written."""
        copy = self.model_copy()
        copy._origin = origin  # noqa: SLF001 (its own)
        return copy
