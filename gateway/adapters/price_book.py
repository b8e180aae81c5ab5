"""Prices and context windows as published, from the snapshot that the genai-prices package carries.

No network and no update behind our back: a version of the package is a version of the prices. What
a model's name alone tells (its cap's parameter, whether it reasons) is here too. Prices written in
the configuration are read by `core.price_config`, offered here as well.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from importlib.metadata import version

from genai_prices.data import providers
from genai_prices.types import (
    ModelInfo,
    ModelPrice,
    Provider,
    TieredPrices,
    TimeOfDateConstraint,
)

from gateway.core.price_config import nano_usd_rounded_up, price_from_config, price_version
from gateway.core.pricing import Price, PriceStep, Rates, rates_at

__all__ = [
    "ModelFacts",
    "PriceBook",
    "is_reasoning",
    "output_cap_param",
    "price_from_config",
    "price_version",
]

_RATE_KEYS = {
    "input_mtok": "input",
    "output_mtok": "output",
    "cache_read_mtok": "cached_input",
    "cache_write_mtok": "cache_write",
    "input_audio_mtok": "audio_input",
    "output_audio_mtok": "audio_output",
}

# Charges that the tokens of our requests do not bring: those of tools with a bill of their own,
# parts no chat usage reports apart (audio read from a cache counts as audio), and the one-hour
# cache write, which only Anthropic's own endpoint tells from the five-minute one.
_LEFT_OUT = frozenset(
    {
        "web_searches_kcount",
        "storage_searches_kcount",
        "cache_write_1h_mtok",
        "cache_audio_read_mtok",
        "cache_image_read_mtok",
    }
)

# Names some providers put before their models' on the OpenAI-compatible endpoint.
_MODEL_PREFIXES = {"google": ("models/", "google/")}

_REASONING = re.compile(
    r"""^(o[1-9](-|$)                       # OpenAI's o-series
        |gpt-([5-9]|\d\d)(?!.*-chat)        # gpt-5 and later, not its chat variants
        |gpt-oss|codex
        |deepseek-(r\d|reasoner)|qwq|magistral|grok-(3-mini|[4-9])
        |gemini-(2\.5|[3-9])|sonar-(reasoning|deep)|minimax-m\d)
        |(?<!non-)(thinking|reason(er|ing))""",
    re.VERBOSE,
)
_NOT_REASONING = re.compile(r"non-reasoning|instruct|embedding|image|tts")
_NEW_CAP_PARAM = re.compile(r"^(o[1-9](-|$)|gpt-([5-9]|\d\d)|codex)")


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What is published of a model.

    `price` None: the model is known, but not what its answers cost (images, hours, pages, or a
    number that is absent).

    `max_output_tokens` is not in genai-prices 0.2 and so always None. `source` says where the facts
    are from, and which of several prices was taken.
    """

    price: Price | None
    context_window: int | None
    max_output_tokens: int | None
    source: str


class PriceBook:
    """The published prices in force at one moment: that of loading the configuration.

    A price that changes at a later date takes effect when the configuration is next loaded. Where
    it depends on the hour of the day (DeepSeek's peak hours) the dearest hour's is taken.
    """

    def __init__(self, *, at: datetime) -> None:
        self._at = at
        self._version = version("genai-prices")

    def lookup(
        self, *, provider_name: str, base_url: str, upstream_model: str
    ) -> ModelFacts | None:
        """What is known of a provider's model; None where either is unknown.

        The provider is the one whose API has that URL, else the one with exactly that name. A
        model's name alone prices nothing: behind an unknown host the same weights cost something
        else. Azure sells other makers' models under their names and prices; there those are found.
        """
        provider = _provider(provider_name, base_url)
        if provider is None:
            return None
        model = _model(provider, upstream_model)
        if model is None:
            return None
        source = f"genai-prices {self._version} {provider.id}/{model.id}"
        moments = _moments(model, self._at)
        price = _price(provider, model, moments)
        if price is None:
            source += ", not fully priced by the token"
        elif len(moments) > 1:
            source += ", dearest hour of the day"
        return ModelFacts(
            price=price,
            context_window=model.context_window,
            max_output_tokens=None,
            source=source,
        )


def output_cap_param(upstream_model: str) -> str:
    """The name of the parameter that caps a chat answer's tokens, told from the model's name.

    OpenAI's o-series, gpt-5 and later refuse `max_tokens`; every other model and server known to
    us takes it, many nothing else.
    """
    return "max_completion_tokens" if _NEW_CAP_PARAM.search(_bare(upstream_model)) else "max_tokens"


def is_reasoning(upstream_model: str) -> bool:
    """Whether a model of that name thinks before it answers, and so needs a larger least cap.

    A guess from published names: a wrong yes costs a refusal near a budget's end, a wrong no an
    answer cut off while it thinks. `min_output_tokens` in the configuration overrules it.
    """
    name = _bare(upstream_model)
    return bool(_REASONING.search(name)) and not _NOT_REASONING.search(name)


def _bare(upstream_model: str) -> str:
    return upstream_model.lower().rpartition("/")[2]


def _provider(name: str, base_url: str) -> Provider | None:
    by_url = (each for each in providers if re.match(each.api_pattern, base_url.lower()))
    by_name = (each for each in providers if each.id == name.lower())
    return next(by_url, None) or next(by_name, None)


def _model(provider: Provider, upstream_model: str) -> ModelInfo | None:
    prefixes = _MODEL_PREFIXES.get(provider.id, ())
    names = [upstream_model, *(upstream_model.removeprefix(prefix) for prefix in prefixes)]
    found = (provider.find_model(name, all_providers=providers) for name in names)
    return next((model for model in found if model is not None), None)


def _moments(model: ModelInfo, at: datetime) -> list[datetime]:
    """Moments of that day between which every price of the day is in force at least once."""
    moments = [at]
    for price in model.prices if isinstance(model.prices, list) else ():
        if isinstance(price.constraint, TimeOfDateConstraint):
            moments += (
                datetime.combine(at.astimezone(UTC), time, time.tzinfo or UTC)
                for time in (price.constraint.start_time, price.constraint.end_time)
            )
    return moments


def _price(provider: Provider, model: ModelInfo, moments: list[datetime]) -> Price | None:
    base = _tier_price(model, moments, {})
    if base is None or ("audio" in model.id and base.rates.audio_input is None):
        # Of some audio models only the text is priced there; audio costs sixteen times as much.
        return None
    tiers: dict[str, Price] = {}
    # A fallback's model (Azure) has the maker's price but not its service tiers, as in the package.
    own = any(model is each for each in provider.models)
    for variant in (model.price_variants or ()) if own else ():
        name = variant.when.get("service_tier")
        if name is None:
            continue
        tier = _tier_price(model, moments, {"service_tier": name})
        if tier is None:
            return None
        if tier != base:
            tiers[name] = tier
    return replace(base, service_tiers=tuple(tiers.items()))


def _tier_price(
    model: ModelInfo, moments: list[datetime], context: Mapping[str, str]
) -> Price | None:
    """The dearest of a tier's prices at those moments, rate by rate."""
    dearest: Price | None = None
    for moment in moments:
        price = _price_from(model.get_prices(moment, context))
        if price is None:
            return None
        dearest = price if dearest is None else _dearer(dearest, price)
    return dearest


def _price_from(published: ModelPrice) -> Price | None:
    """None where the tokens we are told of do not settle the bill: priced by the hour or page, or
    images and video dearer than the tokens they would be counted as."""
    numbers: dict[str, Decimal | TieredPrices] = {
        key: value
        for key, value in vars(published).items()
        if value is not None and key not in _LEFT_OUT
    }
    per_request = numbers.pop("requests_kcount", Decimal(0))
    if "input_mtok" not in numbers or isinstance(per_request, TieredPrices):
        return None
    # Without a price of its own (embeddings) output is none; if there is some, it is not free.
    numbers.setdefault("output_mtok", numbers["input_mtok"])
    for key in [key for key in numbers if key not in _RATE_KEYS]:
        whole = "output_mtok" if key.startswith("output_") else "input_mtok"
        if not key.endswith("_mtok") or _most(numbers.pop(key)) > _least(numbers[whole]):
            return None
    return Price(
        rates=_rates(numbers, input_tokens=0),
        per_request_nano_usd=nano_usd_rounded_up(per_request / 1000),
        above=tuple(
            PriceStep(start, _rates(numbers, input_tokens=start + 1)) for start in _starts(numbers)
        ),
    )


def _starts(numbers: Mapping[str, Decimal | TieredPrices]) -> list[int]:
    tiered = (number for number in numbers.values() if isinstance(number, TieredPrices))
    return sorted({tier.start for number in tiered for tier in number.tiers})


def _rates(numbers: Mapping[str, Decimal | TieredPrices], *, input_tokens: int) -> Rates:
    rates = {
        _RATE_KEYS[key]: nano_usd_rounded_up(_usd_at(number, input_tokens))
        for key, number in numbers.items()
    }
    return Rates(**rates)


def _usd_at(number: Decimal | TieredPrices, input_tokens: int) -> Decimal:
    if isinstance(number, Decimal):
        return number
    usd = number.base
    for tier in number.tiers:  # ascending, as the package sorts them
        if input_tokens > tier.start:
            usd = tier.price
    return usd


def _all_usd(number: Decimal | TieredPrices) -> list[Decimal]:
    if isinstance(number, Decimal):
        return [number]
    return [number.base, *(tier.price for tier in number.tiers)]


def _most(number: Decimal | TieredPrices) -> Decimal:
    return max(_all_usd(number))


def _least(number: Decimal | TieredPrices) -> Decimal:
    return min(_all_usd(number))


def _dearer(one: Price, other: Price) -> Price:
    starts = sorted({step.input_tokens for price in (one, other) for step in price.above})

    def rates(input_tokens: int) -> Rates:
        pair = (rates_at(price, input_tokens=input_tokens).filled() for price in (one, other))
        first, second = map(asdict, pair)
        return Rates(**{kind: max(first[kind], second[kind]) for kind in first})

    return Price(
        rates=rates(0),
        per_request_nano_usd=max(one.per_request_nano_usd, other.per_request_nano_usd),
        above=tuple(PriceStep(start, rates(start + 1)) for start in starts),
    )
