"""The sections about what can answer: providers, models and prices, routes and tiers."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, SecretStr

from gateway.settings.kinds import (
    Attempts,
    AuthStyle,
    BaseUrl,
    Credential,
    Id,
    Name,
    PositiveWhole,
    Section,
    Share,
    Text,
    Usd,
)
from gateway.settings.sections import CacheOverride

EscalationCause = Literal[
    "error", "timeout", "refusal", "empty", "truncated", "invalid_json", "invalid_tool_call"
]
Endpoint = Literal[
    "chat",
    "completions",
    "embeddings",
    "responses",
    "messages",
    "moderations",
    "images",
    "audio",
    "files",
    "batches",
]
Capability = Literal["tools", "vision", "json_schema", "audio", "files"]
ALL_CAUSES: tuple[EscalationCause, ...] = (
    "error",
    "timeout",
    "refusal",
    "empty",
    "truncated",
    "invalid_json",
    "invalid_tool_call",
)
RESEARCH = "research"
"""The tier that is chosen on p_research, before the score is looked at."""


class ProviderSettings(Section):
    """An OpenAI-compatible service."""

    base_url: BaseUrl
    """Where its API begins, such as https://api.openai.com/v1. May hold {model}."""
    api_key: Credential = SecretStr("")
    """The provider's key."""
    auth: AuthStyle = "bearer"
    """How the key is sent: bearer, api-key, header:NAME, query:NAME or none."""
    headers: Mapping[str, Credential] = {}
    """Headers added to every call."""
    query: Mapping[str, Credential] = {}
    """Query parameters added to every call, such as api-version."""
    on_cancel: Literal["abort"] = "abort"
    """What happens upstream when a client goes away: the call is aborted."""
    priced_fields: tuple[Text, ...] = ("service_tier", "web_search_options", "prediction")
    """Request fields that change the price; refused for tenants with a budget unless priced."""


class PriceStepSettings(Section):
    """Rates of a request with a long prompt."""

    input_tokens: PositiveWhole
    """From more than this many input tokens on, the whole request is billed at these rates."""
    input: Usd
    """USD per 1M input tokens."""
    output: Usd
    """USD per 1M output tokens."""
    cached_input: Usd | None = None
    """USD per 1M input tokens read from the provider's cache."""
    cache_write: Usd | None = None
    """USD per 1M input tokens written to the provider's cache."""
    audio_input: Usd | None = None
    """USD per 1M audio input tokens."""
    audio_output: Usd | None = None
    """USD per 1M audio output tokens."""


class ServiceTierPriceSettings(Section):
    """A complete price: what a model costs, as decimal strings of US dollars."""

    input: Usd
    """USD per 1M input tokens."""
    output: Usd
    """USD per 1M output tokens."""
    cached_input: Usd | None = None
    """USD per 1M input tokens read from the provider's cache. Omitted: as input."""
    cache_write: Usd | None = None
    """USD per 1M input tokens written to the provider's cache. Omitted: as input."""
    audio_input: Usd | None = None
    """USD per 1M audio input tokens. Omitted: as input."""
    audio_output: Usd | None = None
    """USD per 1M audio output tokens. Omitted: as output."""
    per_request: Usd | None = None
    """USD per request, beside its tokens."""
    above: tuple[PriceStepSettings, ...] = ()
    """Rates of requests with long prompts."""


class PriceSettings(ServiceTierPriceSettings):
    """What a model costs, as decimal strings of US dollars."""

    service_tiers: Mapping[Text, ServiceTierPriceSettings] = {}
    """Complete prices by the value of the request's service_tier."""

    def as_mapping(self) -> Mapping[str, object]:
        """What was set, as plain mappings of decimal strings (`above`: a tuple of them)."""
        return self.model_dump(exclude_unset=True, exclude_none=True)


def _name_of(validated: dict[str, Any]) -> str:
    return str(validated["name"])


class ModelSettings(Section):
    """One deployment of a model. Several entries of one name are balanced by weight."""

    name: Name
    """What clients and routes call it."""
    provider: Text
    """A name under `providers`."""
    upstream_model: Text = Field(default_factory=_name_of)
    """What the provider calls it. Omitted: the name."""
    price: PriceSettings | None = None
    """Omitted: looked up and frozen."""
    context_window: PositiveWhole | None = None
    """Tokens of prompt and answer together. Omitted: looked up, else not limited."""
    max_output_tokens: PositiveWhole | None = None
    """Most tokens it can answer with. Omitted: looked up, else not limited."""
    min_output_tokens: PositiveWhole | None = None
    """A cap is never shrunk below this. Omitted: 256, for models that reason 4096."""
    output_cap_param: Literal["max_completion_tokens", "max_tokens", "max_output_tokens"] | None = (
        None
    )
    """The field to set when the gateway must add a cap. Omitted: looked up."""
    image_tokens: PositiveWhole = 50_000
    """Bound on the input tokens of one image."""
    endpoints: tuple[Endpoint, ...] = ("chat",)
    """Endpoints it answers."""
    supports: tuple[Capability, ...] | None = None
    """Of tools, vision, json_schema, audio, files. Omitted: looked up, else everything."""
    weight: PositiveWhole = 1
    """Its share among entries of the same name."""


class TierSettings(Section):
    """A step of a route."""

    models: tuple[Name, ...]
    """Names of models, in order of preference."""
    threshold: Share | None = None
    """Score at or above which the tier starts (research: p_research). The first tier has none."""


class EscalationSettings(Section):
    """When an answer is not good enough and the next candidate is asked."""

    when: tuple[EscalationCause, ...] = ALL_CAUSES
    """What makes it climb."""
    max_attempts: Attempts = 4
    """Attempts a request has at most; the last is kept for the next tier or deployment."""


class RouteSettings(Section):
    """A name clients ask for. With tiers a router chooses; with models they are tried in order."""

    router: Id | None = None
    """A folder of router_models/. Omitted: "default" where there are tiers."""
    policy: Literal["thresholds", "quality"] = "thresholds"
    """thresholds: the score picks the tier. quality: the cheapest within `tolerance` is taken."""
    tolerance: Share = 0.02
    """Expected loss of quality that is accepted (policy: quality)."""
    tiers: Mapping[Id, TierSettings] = {}
    """Tiers, cheapest first."""
    models: tuple[Name, ...] = ()
    """Names of models, in order of preference (no router)."""
    escalate: EscalationSettings = EscalationSettings()
    """When the next candidate is asked."""
    baseline: Name | None = None
    """What savings are measured against. Omitted: the model of the route that costs most."""
    cache: CacheOverride = CacheOverride()
    """What differs from `cache` for this route."""
