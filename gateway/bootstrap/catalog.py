"""Settings into the frozen catalog that requests read: prices looked up, defaults filled in."""

from collections.abc import Iterable

from gateway.adapters.key_directory import TenantKey
from gateway.adapters.price_book import (
    ModelFacts,
    PriceBook,
    is_reasoning,
    output_cap_param,
    price_from_config,
    price_version,
)
from gateway.core.catalog import (
    Budget,
    Catalog,
    Escalation,
    Model,
    Provider,
    Resilience,
    Route,
    Tenant,
    Tier,
)
from gateway.core.ids import OrganisationId, TenantId
from gateway.core.money import nano_usd_from_text
from gateway.settings import Settings, config_version
from gateway.settings.accounts import TenantSettings
from gateway.settings.models import ModelSettings, ProviderSettings, RouteSettings

DEFAULT_ROUTER = "default"
# The least cap an answer may be shrunk to: less is no answer. Models that reason spend thousands of
# tokens before the first visible one.
MIN_OUTPUT_TOKENS = 256
MIN_OUTPUT_TOKENS_REASONING = 4096


def build_catalog(settings: Settings, book: PriceBook) -> Catalog:
    """Raises nothing that settings have not been checked for."""
    providers = {name: _provider(name, each) for name, each in settings.providers.items()}
    models: dict[str, tuple[Model, ...]] = {}
    for each in settings.models:
        model = _model(each, providers[each.provider], book)
        models[each.name] = (*models.get(each.name, ()), model)
    resilience = settings.resilience
    return Catalog(
        version=config_version(settings),
        models=models,
        routes={name: _route(name, each, models) for name, each in settings.routes.items()},
        resilience=Resilience(
            connect_timeout_s=resilience.connect_timeout_s,
            first_token_timeout_s=resilience.first_token_timeout_s,
            idle_timeout_s=resilience.idle_timeout_s,
            attempt_timeout_s=resilience.attempt_timeout_s,
            retries=resilience.retries,
        ),
        request_timeout_s=settings.server.request_timeout_s,
        max_body_bytes=settings.server.max_body_bytes,
    )


def tenant_keys(settings: Settings) -> list[TenantKey]:
    """Every configured key with its tenant."""
    return [
        TenantKey(tenant=_tenant(tenant), key=key.key.get_secret_value(), id=key.id)
        for tenant in settings.tenants
        for key in tenant.keys
    ]


def routers_of(settings: Settings) -> set[str]:
    """The router artefacts that some route needs."""
    return {route.router or DEFAULT_ROUTER for route in settings.routes.values() if route.tiers}


def _provider(name: str, each: ProviderSettings) -> Provider:
    return Provider(
        name=name,
        base_url=str(each.base_url),
        api_key=each.api_key.get_secret_value(),
        auth=each.auth,
        headers=tuple((key, value.get_secret_value()) for key, value in each.headers.items()),
        query=tuple((key, value.get_secret_value()) for key, value in each.query.items()),
        on_cancel=each.on_cancel,
        priced_fields=frozenset(each.priced_fields),
    )


def _model(each: ModelSettings, provider: Provider, book: PriceBook) -> Model:
    facts = book.lookup(
        provider_name=provider.name,
        base_url=provider.base_url,
        upstream_model=each.upstream_model,
    ) or ModelFacts(price=None, context_window=None, max_output_tokens=None, source="unknown")
    price, source = facts.price, facts.source
    if each.price is not None:
        price, source = price_from_config(each.price.as_mapping()), "config"
    least = MIN_OUTPUT_TOKENS_REASONING if is_reasoning(each.upstream_model) else MIN_OUTPUT_TOKENS
    return Model(
        name=each.name,
        provider=provider,
        upstream_model=each.upstream_model,
        price=price,
        price_version=price_version(price, source),
        context_window=each.context_window or facts.context_window,
        max_output_tokens=each.max_output_tokens or facts.max_output_tokens,
        min_output_tokens=each.min_output_tokens or least,
        output_cap_param=each.output_cap_param or output_cap_param(each.upstream_model),
        image_tokens=each.image_tokens,
        endpoints=frozenset(each.endpoints),
        supports=None if each.supports is None else frozenset(each.supports),
        weight=each.weight,
    )


def _route(name: str, each: RouteSettings, models: dict[str, tuple[Model, ...]]) -> Route:
    named = [model for tier in each.tiers.values() for model in tier.models]
    return Route(
        name=name,
        router=(each.router or DEFAULT_ROUTER) if each.tiers else None,
        tiers=tuple(
            Tier(tier_name, tuple(tier.models), tier.threshold)
            for tier_name, tier in each.tiers.items()
        ),
        models=tuple(each.models),
        escalation=Escalation(frozenset(each.escalate.when), each.escalate.max_attempts),
        baseline=each.baseline or _dearest([*named, *each.models], models),
        policy=each.policy,
        tolerance=each.tolerance,
    )


def _dearest(names: Iterable[str], models: dict[str, tuple[Model, ...]]) -> str | None:
    """The model with the highest price of input plus output; None where none has a price."""
    priced = {
        name: model.price.rates.input + model.price.rates.output
        for name in names
        for model in models[name][:1]
        if model.price is not None
    }
    return max(priced, key=lambda name: priced[name]) if priced else None


def _tenant(each: TenantSettings) -> Tenant:
    identity = TenantId(each.id)
    return Tenant(
        id=identity,
        organisation=OrganisationId(each.organisation or each.id),
        allow=None if each.allow is None else frozenset(each.allow),
        budgets=tuple(
            Budget(nano_usd_from_text(budget.usd), budget.window, budget.timezone)
            for budget in each.budgets
        ),
        limits={
            name: limit
            for name in ("rpm", "tpm", "concurrency")
            if (limit := getattr(each.limits, name)) is not None
        },
    )
