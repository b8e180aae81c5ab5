"""What the configuration offers, resolved and frozen: providers, models, routes, tenants.

One `Catalog` is swapped whole when the configuration changes; a request keeps the one it began
with.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.core.ids import OrganisationId, TenantId
from gateway.core.pricing import Price


@dataclass(frozen=True, slots=True)
class Provider:
    """An OpenAI-compatible service. `base_url` may hold `{model}` (Azure-style deployments).

    `auth` is how `api_key` is sent: `bearer` (Authorization: Bearer), `api-key` (Azure's header),
    `header:NAME`, `query:NAME`, or `none`.
    """

    name: str
    base_url: str
    api_key: str = field(default="", repr=False)
    auth: str = "bearer"
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    query: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    on_cancel: str = "abort"
    priced_fields: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Model:
    """One deployment of a model under the name clients see; several may share a name (`weight`).

    `price` None: unpriced. `context_window` and `max_output_tokens` None: unknown, not limited.
    `supports` None: everything.
    """

    name: str
    provider: Provider
    upstream_model: str
    price: Price | None
    price_version: str
    context_window: int | None
    max_output_tokens: int | None
    min_output_tokens: int
    output_cap_param: str
    image_tokens: int
    endpoints: frozenset[str]
    supports: frozenset[str] | None
    weight: int = 1


@dataclass(frozen=True, slots=True)
class Tier:
    name: str
    models: tuple[str, ...]
    threshold: float | None = None  # score (research: p_research) at or above which it starts


@dataclass(frozen=True, slots=True)
class Escalation:
    when: frozenset[str]
    max_attempts: int


@dataclass(frozen=True, slots=True)
class Route:
    """A name clients ask for. With tiers: cheapest first; without: `models` in fallback order."""

    name: str
    router: str | None
    tiers: tuple[Tier, ...]
    models: tuple[str, ...]
    escalation: Escalation
    baseline: str | None  # a model's name; None where no model of the route is priced
    policy: str = "thresholds"
    tolerance: float = 0.02


@dataclass(frozen=True, slots=True)
class Budget:
    """Carried so that /v1/usage can name it and unpriced models can be refused."""

    limit_nano_usd: int
    window: str
    timezone: str = "UTC"


@dataclass(frozen=True, slots=True)
class Tenant:
    id: TenantId
    organisation: OrganisationId
    allow: frozenset[str] | None = None  # what a client may ask for; None: everything
    budgets: tuple[Budget, ...] = ()
    limits: Mapping[str, int] = field(default_factory=dict)
    disabled: bool = False


@dataclass(frozen=True, slots=True)
class Resilience:
    connect_timeout_s: float = 5.0
    first_token_timeout_s: float = 60.0
    idle_timeout_s: float = 120.0
    attempt_timeout_s: float = 300.0
    retries: int = 1


@dataclass(frozen=True, slots=True)
class Catalog:
    """`models` maps a name to its deployments; `version` is what x-fareway-config shows."""

    version: str
    models: Mapping[str, tuple[Model, ...]]
    routes: Mapping[str, Route]
    resilience: Resilience
    request_timeout_s: float
    max_body_bytes: int
