"""The sections about the gateway itself: server, stores, caches, time-outs, metrics, logging."""

from typing import Literal

from pydantic import Field, SecretStr

from gateway.settings.kinds import (
    DatabaseUrl,
    Origin,
    PositiveWhole,
    RedisUrl,
    Retries,
    Seconds,
    Secret,
    Section,
    Share,
    Temperature,
    Text,
)

_MIB = 1024 * 1024
_SQLITE = "sqlite:///fareway.db"


class ServerSettings(Section):
    """The process: its own keys, its bounds, its files."""

    admin_key: Secret = SecretStr("")
    """Key of the admin API and the console. Empty: both are off."""
    secret: Secret = SecretStr("")
    """Key for hashing client keys and sealing stored texts. Required with Redis or PostgreSQL; \
generated into `state_dir` otherwise."""
    metrics_key: Secret = SecretStr("")
    """Key for /metrics. Empty: /metrics answers loopback and the admin key only."""
    state_dir: Text = ".fareway"
    """Folder of the journal and the spool. One process at a time."""
    max_body_bytes: PositiveWhole = 20 * _MIB
    """A longer request body is refused with 413."""
    request_timeout_s: Seconds = 600.0
    """Seconds a whole request may take, all its attempts included."""
    drain_s: Seconds = 30.0
    """Seconds open requests get to finish when the gateway stops."""
    cors_origins: tuple[Origin, ...] = ()
    """Origins of browsers that may call, such as https://app.example.com; "*" for all."""


class StoreSettings(Section):
    """Where accounts, cache entries and the ledger live."""

    redis_url: RedisUrl = SecretStr("")
    """redis://, rediss:// or redis+cluster://. Empty: in this process, one worker."""
    cache_redis_url: RedisUrl = SecretStr("")
    """Another Redis for the cache. Empty: `redis_url`."""
    redis_timeout_ms: PositiveWhole = 250
    """Milliseconds one Redis call may take."""
    database_url: DatabaseUrl = Field(
        default=SecretStr(_SQLITE), json_schema_extra={"default": _SQLITE}
    )
    """The ledger: sqlite:///FILE or postgresql://USER:PASSWORD@HOST/DATABASE."""
    durability: Literal["write", "fsync"] = "write"
    """write: facts survive a killed process. fsync: they survive power loss."""
    unbudgeted_when_down: Literal["refuse", "allow"] = "refuse"
    """What tenants without budgets get while the accounts store is down."""


class ExactCacheSettings(Section):
    """Answers to a request that is the same in everything that shapes the answer."""

    enabled: bool = True
    """Whether it is used."""
    sampled: bool = False
    """Also serve requests with temperature above 0 and no seed."""
    ttl_s: Seconds = 3600.0
    """Seconds an entry lives."""
    max_bytes: PositiveWhole = 256 * _MIB
    """Memory the in-process cache may take."""


class SemanticCacheSettings(Section):
    """Answers to a request that means the same."""

    enabled: bool = False
    """Whether it is used."""
    threshold: Share = 0.90
    """Similarity at or above which an answer may be served."""
    max_temperature: Temperature = 0.0
    """Requests above this temperature are not served."""
    ttl_s: Seconds = 3600.0
    """Seconds an entry lives."""
    verify_share: Share = 0.0
    """Share of hits that are also sent upstream, to measure wrong hits."""
    error_budget: Share = 0.01
    """Share of wrong hits at which the semantic cache turns itself off."""


class CacheSettings(Section):
    """Serving an answer again."""

    exact: ExactCacheSettings = ExactCacheSettings()
    """The exact cache."""
    semantic: SemanticCacheSettings = SemanticCacheSettings()
    """The semantic cache."""


class ExactCacheOverride(Section):
    """What a tenant or route sets differently; the rest is as in `cache.exact`."""

    enabled: bool | None = None
    """Whether it is used."""
    sampled: bool | None = None
    """Also serve requests with temperature above 0 and no seed."""
    ttl_s: Seconds | None = None
    """Seconds an entry lives."""


class SemanticCacheOverride(Section):
    """What a tenant or route sets differently; the rest is as in `cache.semantic`."""

    enabled: bool | None = None
    """Whether it is used."""
    threshold: Share | None = None
    """Similarity at or above which an answer may be served."""
    max_temperature: Temperature | None = None
    """Requests above this temperature are not served."""
    ttl_s: Seconds | None = None
    """Seconds an entry lives."""
    verify_share: Share | None = None
    """Share of hits that are also sent upstream, to measure wrong hits."""
    error_budget: Share | None = None
    """Share of wrong hits at which the semantic cache turns itself off."""


class CacheOverride(Section):
    """The cache as one tenant or route has it."""

    exact: ExactCacheOverride = ExactCacheOverride()
    """The exact cache."""
    semantic: SemanticCacheOverride = SemanticCacheOverride()
    """The semantic cache."""


class IdempotencySettings(Section):
    """Replays of requests that carry an Idempotency-Key."""

    ttl_s: Seconds = 86_400.0
    """Seconds a finished answer can be replayed."""
    max_body_bytes: PositiveWhole = _MIB
    """A longer answer is not kept."""


class CircuitSettings(Section):
    """When a failing deployment is left alone for a while."""

    enabled: bool = True
    """Whether it is used."""
    failures: PositiveWhole = 5
    """Failures in a row after which it opens."""
    open_s: Seconds = 10.0
    """Seconds until one request may try again."""


class ResilienceSettings(Section):
    """Time-outs and retries towards the providers."""

    connect_timeout_s: Seconds = 5.0
    """Seconds to connect."""
    first_token_timeout_s: Seconds = 60.0
    """Seconds a stream may take to its first byte."""
    idle_timeout_s: Seconds = 120.0
    """Seconds a stream may be silent."""
    attempt_timeout_s: Seconds = 300.0
    """Seconds one whole attempt may take (plain calls)."""
    retries: Retries = 1
    """How often one deployment is tried again."""
    circuit: CircuitSettings = CircuitSettings()
    """The circuit breaker."""


class MetricsSettings(Section):
    """What /metrics tells."""

    max_tenants: PositiveWhole = 1000
    """Further tenants are labelled "other"."""


class LoggingSettings(Section):
    """What is logged."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severe level that is written."""
    prompts: bool = False
    """Whether prompts and answers may be logged (at debug)."""
