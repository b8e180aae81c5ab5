"""Published prices are those of the provider behind the URL, exact, and never guessed.

The figures are genai-prices 0.2.3's, copied by hand; a new release may change them, and then the
change is to be seen here.
"""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from genai_prices.data import providers
from genai_prices.types import ModelPrice, TieredPrices, Usage

from gateway.adapters.price_book import (
    ModelFacts,
    PriceBook,
    is_reasoning,
    output_cap_param,
    price_version,
)
from gateway.core import usage as core_usage
from gateway.core.pricing import Price, PriceStep, Rates, bound_nano_usd, cost_nano_usd

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
USD = 1_000_000_000

OPENAI = "https://api.openai.com/v1"
GEMINI = "https://generativelanguage.googleapis.com/v1beta/openai/"


def lookup(
    upstream_model: str, base_url: str = OPENAI, name: str = "mine", at: datetime = NOW
) -> ModelFacts | None:
    book = PriceBook(at=at)
    return book.lookup(provider_name=name, base_url=base_url, upstream_model=upstream_model)


def price_of(
    upstream_model: str, base_url: str = OPENAI, name: str = "mine", at: datetime = NOW
) -> Price:
    facts = lookup(upstream_model, base_url, name, at)
    assert facts is not None
    assert facts.price is not None
    return facts.price


def test_a_model_is_found_by_the_url_of_its_provider() -> None:
    facts = lookup("gpt-4o-mini")

    assert facts is not None
    assert facts.price is not None
    assert facts.price.rates == Rates(150_000_000, 600_000_000, cached_input=75_000_000)
    assert facts.context_window == 128_000
    assert facts.source == "genai-prices 0.2.3 openai/gpt-4o-mini"
    assert price_version(facts.price, facts.source).startswith("genai-prices-0.2.3:")


def test_the_url_outweighs_the_name() -> None:
    facts = lookup("gpt-4o-mini", OPENAI, name="groq")

    assert facts is not None
    assert facts.source.endswith(" openai/gpt-4o-mini")


def test_the_exact_name_of_a_provider_stands_in_for_its_url() -> None:
    assert price_of("gpt-4o-mini", "http://gateway.internal/v1", name="OpenAI") == price_of(
        "gpt-4o-mini"
    )


@pytest.mark.parametrize("name", ["local", "my-openai", "openai2", ""])
@pytest.mark.parametrize("url", ["http://localhost:8000/v1", "https://llm.example/v1", ""])
def test_a_model_behind_an_unknown_host_has_no_price(name: str, url: str) -> None:
    assert lookup("gpt-4o-mini", url, name=name) is None


def test_a_model_its_provider_does_not_list_has_no_price() -> None:
    assert lookup("gpt-4o-mini-of-nobody") is None


def test_azure_sells_the_models_of_others_without_their_tiers() -> None:
    azure = "https://mine.openai.azure.com/openai/deployments/{model}"

    price = price_of("gpt-4o-mini", azure)

    assert price == Price(Rates(150_000_000, 600_000_000, cached_input=75_000_000))
    assert lookup("prod-deployment-7", azure) is None


@pytest.mark.parametrize("name", ["gemini-2.5-pro", "models/gemini-2.5-pro"])
def test_a_long_context_price_becomes_a_step(name: str) -> None:
    assert price_of(name, GEMINI) == Price(
        Rates(1_250_000_000, 10 * USD, cached_input=125_000_000),
        above=(PriceStep(200_000, Rates(2_500_000_000, 15 * USD, cached_input=250_000_000)),),
    )


def test_service_tiers_are_complete_prices() -> None:
    tiers = dict(price_of("gpt-4o-mini").service_tiers)

    assert tiers["priority"] == Price(Rates(250_000_000, USD, cached_input=125_000_000))


def test_a_tier_that_costs_the_base_is_left_out() -> None:
    assert "default" not in dict(price_of("gpt-4o-mini").service_tiers)


def test_a_service_tier_has_its_own_steps() -> None:
    flex = dict(price_of("gpt-5.4").service_tiers)["flex"]

    assert flex.above == (
        PriceStep(272_000, Rates(2_500_000_000, 11_250_000_000, cached_input=250_000_000)),
    )


def test_the_price_in_force_on_the_day_is_taken() -> None:
    before = price_of("o3", at=datetime(2025, 6, 9, 23, 59, tzinfo=UTC))
    after = price_of("o3", at=datetime(2025, 6, 10, tzinfo=UTC))

    assert (before.rates.input, after.rates.input) == (10 * USD, 2 * USD)


@pytest.mark.parametrize("hour", [0, 3, 12, 17, 23])
@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=14))])
def test_the_dearest_hour_of_the_day_is_taken(hour: int, zone: timezone) -> None:
    # deepseek-chat: 0.27 / 0.07 / 1.10 by day, half that from 16:30 to 00:30 UTC.
    at = datetime(2026, 11, 22, hour, tzinfo=zone)

    facts = lookup("deepseek-chat", "https://api.deepseek.com", at=at)

    assert facts is not None
    assert facts.price is not None
    rates = facts.price.rates
    assert (rates.input, rates.cached_input, rates.output) == (
        270_000_000,
        70_000_000,
        1_100_000_000,
    )
    assert facts.source.endswith(", dearest hour of the day")


def test_a_charge_per_request_is_that_of_one() -> None:
    assert price_of("sonar-pro", "https://api.perplexity.ai").per_request_nano_usd == 14_000_000


def test_a_repeating_decimal_is_rounded_up() -> None:
    # 0.0833333333333333 USD per million.
    rates = price_of("google/gemini-2.5-flash", "https://openrouter.ai/api/v1").rates

    assert rates.cache_write == 83_333_334


def test_output_of_an_embedding_model_is_not_free() -> None:
    assert price_of("text-embedding-3-small").rates == Rates(20_000_000, 20_000_000)


@pytest.mark.parametrize(
    "model",
    [
        "whisper-1",  # by the hour
        "gpt-image-1",  # image tokens dearer than the input they would be counted as
        "gpt-4o-audio-preview",  # only the text is priced
        "moderation",  # no number at all
    ],
)
def test_a_bill_that_cannot_be_worked_out_is_no_price(model: str) -> None:
    facts = lookup(model)

    assert facts is not None
    assert facts.price is None
    assert facts.source.endswith(", not fully priced by the token")


def test_audio_with_its_own_price_is_priced() -> None:
    rates = price_of("gpt-audio").rates

    assert (rates.audio_input, rates.audio_output) == (32 * USD, 64 * USD)


def usd_by_the_package(prices: ModelPrice, used: core_usage.Usage) -> Decimal:
    reported = Usage(
        input_tokens=used.input_tokens,
        output_tokens=used.output_tokens,
        cache_read_tokens=used.cached_input_tokens,
        cache_write_tokens=used.cache_write_tokens,
    )
    known = {
        key: value
        for key, value in vars(prices).items()
        if key in {"input_mtok", "output_mtok", "cache_read_mtok", "cache_write_mtok"}
    }
    return ModelPrice(**known).calc_price(reported)["total_price"]


@pytest.mark.parametrize("provider_id", ["openai", "anthropic", "google", "x-ai", "mistral"])
def test_every_price_bills_what_the_package_bills(provider_id: str) -> None:
    provider = next(each for each in providers if each.id == provider_id)
    compared = 0
    for model in provider.models:
        facts = lookup(model.id, "", name=provider_id)
        published = model.get_prices(NOW)
        if facts is None or facts.price is None or "output_mtok" not in vars(published):
            continue
        if facts.source.split("/")[-1] != model.id:
            continue  # an older model's id that a newer one answers to
        starts = [
            tier.start
            for number in vars(published).values()
            if isinstance(number, TieredPrices)
            for tier in number.tiers
        ]
        for tokens in [1_000, *starts, *(start + 1 for start in starts)]:
            used = core_usage.Usage(
                tokens,
                321,
                core_usage.UsageSource.REPORTED,
                cached_input_tokens=300,
                cache_write_tokens=200,
            )
            exact_nano_usd = usd_by_the_package(published, used) * USD

            cost = cost_nano_usd(facts.price, used)

            assert abs(cost - exact_nano_usd) <= Decimal("0.5"), model.id
            assert bound_nano_usd(facts.price, input_tokens=tokens, output_tokens=321) >= cost
            compared += 1
    assert compared > 10


@pytest.mark.parametrize(
    "model",
    ["o1", "o3-mini", "o4-mini-2025-04-16", "gpt-5", "gpt-5.4-mini", "gpt-6-sol", "openai/gpt-5"],
)
def test_newer_openai_models_are_capped_by_the_newer_name(model: str) -> None:
    assert output_cap_param(model) == "max_completion_tokens"


@pytest.mark.parametrize(
    "model", ["gpt-4o-mini", "gpt-4.1", "gpt-3.5-turbo", "gpt-oss-120b", "llama-3.3-70b", "olmo-2"]
)
def test_every_other_model_is_capped_by_the_usual_name(model: str) -> None:
    assert output_cap_param(model) == "max_tokens"


@pytest.mark.parametrize(
    "model",
    [
        "o1",
        "o3-mini",
        "openai/gpt-5-nano",
        "gpt-6-luna",
        "gpt-oss-20b",
        "deepseek-reasoner",
        "deepseek-ai/DeepSeek-R1",
        "gemini-2.5-pro",
        "gemini-3-flash-preview",
        "grok-3-mini",
        "grok-4",
        "qwq-32b",
        "qwen3-30b-a3b-thinking-2507",
        "magistral-small",
        "sonar-reasoning-pro",
    ],
)
def test_a_model_that_thinks_is_known_by_its_name(model: str) -> None:
    assert is_reasoning(model)


@pytest.mark.parametrize(
    "model",
    [
        "gpt-4o",
        "gpt-4.1-mini",
        "gpt-5-chat-latest",
        "claude-sonnet-4-5",
        "deepseek-chat",
        "gemini-2.0-flash",
        "gemini-2.5-flash-image",
        "grok-4-fast-non-reasoning",
        "llama-3.3-70b-instruct",
        "qwen3-30b-a3b-instruct-2507",
        "smollm2-135m",
        "olmo-2",
    ],
)
def test_a_model_that_answers_at_once_is_known_by_its_name(model: str) -> None:
    assert not is_reasoning(model)
