"""Settings become the catalog requests read: prices looked up, defaults filled in."""

from datetime import UTC, datetime

import pytest

from gateway.adapters.price_book import PriceBook
from gateway.bootstrap.catalog import build_catalog, routers_of, tenant_keys
from gateway.core.catalog import Budget, Catalog, Model, Tenant
from gateway.settings import Settings, parse_settings

BOOK = PriceBook(at=datetime(2026, 11, 1, tzinfo=UTC))
BASE = """\
providers:
  openai:
    base_url: https://api.openai.com/v1
    api_key: provider-key
    headers: {x-one: "1"}
    query: {api-version: "2"}
  local: {base_url: "http://127.0.0.1:9/v1", auth: none}
models:
  - {name: small, provider: openai, upstream_model: gpt-4o-mini}
  - {name: large, provider: openai, upstream_model: gpt-4o}
  - {name: priced, provider: openai, upstream_model: gpt-4o, price: {input: "0.5", output: "1"}}
  - {name: own, provider: local, upstream_model: nobody-knows-this}
"""


def settings_of(more: str = "", base: str = BASE) -> Settings:
    return parse_settings(base + more, file_name="f.yaml", environ={})


def catalog_of(more: str = "") -> Catalog:
    return build_catalog(settings_of(more), BOOK)


def model(name: str, more: str = "") -> Model:
    (found,) = catalog_of(more).models[name]
    return found


def tenants_of(more: str) -> list[Tenant]:
    return [key.tenant for key in tenant_keys(settings_of(more))]


def test_published_price_and_window_are_looked_up() -> None:
    found = model("small")

    # 0.15 and 0.60 USD per million tokens, as published
    assert found.price is not None
    assert (found.price.rates.input, found.price.rates.output) == (150_000_000, 600_000_000)
    assert found.context_window == 128_000
    assert not found.price_version.startswith("config")


def test_configured_price_goes_before_the_published_one() -> None:
    found = model("priced")

    assert found.price is not None
    assert (found.price.rates.input, found.price.rates.output) == (500_000_000, 1_000_000_000)
    assert found.price_version.startswith("config")


def test_model_nobody_has_published_has_no_price_and_no_limits() -> None:
    found = model("own")

    assert (found.price, found.context_window, found.max_output_tokens) == (None, None, None)


def test_model_without_an_upstream_name_keeps_its_own() -> None:
    more = "  - {name: gpt-4o, provider: openai}\n"

    assert model("gpt-4o", more).upstream_model == "gpt-4o"


def test_configured_limits_go_before_looked_up_ones() -> None:
    more = (
        "  - {name: tight, provider: openai, upstream_model: gpt-4o, context_window: 1000,\n"
        "     max_output_tokens: 100, min_output_tokens: 50, output_cap_param: max_tokens,\n"
        "     image_tokens: 7, endpoints: [embeddings], supports: [tools], weight: 3}\n"
    )
    found = model("tight", more)

    assert (found.context_window, found.max_output_tokens, found.min_output_tokens) == (
        1_000,
        100,
        50,
    )
    assert (found.output_cap_param, found.image_tokens, found.weight) == ("max_tokens", 7, 3)
    assert (found.endpoints, found.supports) == (frozenset({"embeddings"}), frozenset({"tools"}))


def test_models_that_reason_are_never_shrunk_as_far_as_others() -> None:
    more = "  - {name: thinker, provider: openai, upstream_model: o3-mini}\n"

    assert (model("small").min_output_tokens, model("thinker", more).min_output_tokens) == (
        256,
        4096,
    )


def test_several_entries_of_one_name_are_deployments_of_it() -> None:
    more = "  - {name: small, provider: local, upstream_model: gpt-4o-mini, weight: 2}\n"

    found = catalog_of(more).models["small"]

    assert [(one.provider.name, one.weight) for one in found] == [("openai", 1), ("local", 2)]


def test_provider_carries_its_credentials_and_shows_none() -> None:
    provider = model("small").provider

    assert (provider.api_key, provider.auth) == ("provider-key", "bearer")
    assert (provider.headers, provider.query) == ((("x-one", "1"),), (("api-version", "2"),))
    assert "provider-key" not in repr(provider)


ROUTES = """\
routes:
  auto:
    tiers:
      simple: {models: [small]}
      complex: {models: [own, large], threshold: 0.6}
  plain: {models: [small, large]}
  local: {models: [own]}
  named: {router: mine, baseline: small, tiers: {simple: {models: [small]}}}
"""


def test_route_with_tiers_asks_the_default_router() -> None:
    route = catalog_of(ROUTES).routes["auto"]

    assert route.router == "default"
    assert [(tier.name, tier.models, tier.threshold) for tier in route.tiers] == [
        ("simple", ("small",), None),
        ("complex", ("own", "large"), 0.6),
    ]


def test_plain_list_asks_no_router() -> None:
    route = catalog_of(ROUTES).routes["plain"]

    assert (route.router, route.models, route.tiers) == (None, ("small", "large"), ())


@pytest.mark.parametrize(
    ("route", "baseline"),
    [("auto", "large"), ("plain", "large"), ("local", None), ("named", "small")],
)
def test_savings_are_measured_against_the_dearest_model_unless_named(
    route: str, baseline: str | None
) -> None:
    assert catalog_of(ROUTES).routes[route].baseline == baseline


def test_only_routers_that_some_route_asks_are_loaded() -> None:
    assert routers_of(settings_of(ROUTES)) == {"default", "mine"}
    assert routers_of(settings_of()) == set()


TENANTS = """\
organisations: [{id: org1}]
tenants:
  - id: acme
    organisation: org1
    keys: [acme-key-0123456789, {id: ci, key: another-key-0123456789}]
    allow: [small]
    budgets: [{usd: "25.00", window: month, timezone: Europe/Berlin}, {usd: "2", window: day}]
    limits: {rpm: 600}
  - {id: lone, keys: [lone-key-0123456789]}
"""


def test_every_key_belongs_to_its_tenant() -> None:
    found = tenant_keys(settings_of(TENANTS))

    assert [(key.tenant.id, key.key, key.id) for key in found] == [
        ("acme", "acme-key-0123456789", None),
        ("acme", "another-key-0123456789", "ci"),
        ("lone", "lone-key-0123456789", None),
    ]


def test_tenant_carries_what_it_may_and_what_limits_it() -> None:
    acme = tenants_of(TENANTS)[0]

    assert (acme.organisation, acme.allow, dict(acme.limits)) == (
        "org1",
        frozenset({"small"}),
        {"rpm": 600},
    )
    assert acme.budgets == (
        Budget(25 * 10**9, "month", "Europe/Berlin"),
        Budget(2 * 10**9, "day", "UTC"),
    )


def test_tenant_without_an_organisation_is_its_own_and_may_everything() -> None:
    lone = tenants_of(TENANTS)[-1]

    assert (lone.organisation, lone.allow, lone.budgets) == ("lone", None, ())


def test_version_names_the_configuration() -> None:
    assert catalog_of().version == catalog_of().version
    assert catalog_of().version != catalog_of(ROUTES).version


def test_limits_of_the_server_reach_the_catalog() -> None:
    more = "server: {max_body_bytes: 1024, request_timeout_s: 7}\nresilience: {idle_timeout_s: 9}\n"

    found = catalog_of(more)

    assert (found.max_body_bytes, found.request_timeout_s) == (1024, 7)
    assert found.resilience.idle_timeout_s == 9
