"""Prices and what a usage costs under them: whole nano-dollars, one division per attempt.

A rate in nano-USD per million tokens is the same number of femto-USD (1e-15) per token, so the sum
over an attempt's tokens is a whole number of femto-USD and is exact until its one division.
"""

from dataclasses import dataclass, replace
from itertools import pairwise

from gateway.core.money import TOKENS_PER_PRICE, divide_half_even, divide_up
from gateway.core.usage import Usage


@dataclass(frozen=True, slots=True)
class Rates:
    """Nano-USD per million tokens of each kind. A part without a rate of its own costs its whole's.

    Raises ValueError on a negative rate.
    """

    input: int
    output: int
    cached_input: int | None = None
    cache_write: int | None = None
    audio_input: int | None = None
    audio_output: int | None = None

    def __post_init__(self) -> None:
        parts = (self.cached_input, self.cache_write, self.audio_input, self.audio_output)
        if min(self.input, self.output, *(rate for rate in parts if rate is not None)) < 0:
            raise ValueError("a rate is negative")

    def filled(self) -> "Rates":
        """The same rates with nothing left out."""
        return Rates(
            input=self.input,
            output=self.output,
            cached_input=_own(self.cached_input, self.input),
            cache_write=_own(self.cache_write, self.input),
            audio_input=_own(self.audio_input, self.input),
            audio_output=_own(self.audio_output, self.output),
        )


@dataclass(frozen=True, slots=True)
class PriceStep:
    """From more than `input_tokens` of prompt on, the whole request is billed at these rates.

    More than, not from: OpenAI, Anthropic and Google all publish "prompts > 200k tokens", and
    genai-prices compares the same way (its `calc_unit_price`). A step that starts at 200,000
    (xAI) is therefore written as 199,999. Cached and written tokens count towards the boundary.
    """

    input_tokens: int
    rates: Rates


@dataclass(frozen=True, slots=True)
class Price:
    """`above` is sorted by input_tokens. `service_tiers` holds complete prices by tier name.

    Raises ValueError where `above` is not strictly ascending, a tier's price has tiers itself, or
    a charge per request is negative.
    """

    rates: Rates
    per_request_nano_usd: int = 0
    above: tuple[PriceStep, ...] = ()
    service_tiers: tuple[tuple[str, "Price"], ...] = ()

    def __post_init__(self) -> None:
        if self.per_request_nano_usd < 0:
            raise ValueError("the charge per request is negative")
        starts = [step.input_tokens for step in self.above]
        if any(later <= earlier for earlier, later in pairwise(starts)):
            raise ValueError("the steps of a price are not in ascending order")
        if any(tier.service_tiers for _, tier in self.service_tiers):
            raise ValueError("the price of a service tier has service tiers itself")


def cost_nano_usd(price: Price, usage: Usage, *, service_tier: str | None = None) -> int:
    """What the attempt cost, rounded half-even once.

    `service_tier` is the tier the answer says it was served in; one the price does not name (as
    "default", "auto" or one invented since) is billed at the base price.
    """
    femto_usd = cost_femto_usd(price, usage, service_tier=service_tier)
    return divide_half_even(femto_usd, TOKENS_PER_PRICE)


def cost_femto_usd(price: Price, usage: Usage, *, service_tier: str | None = None) -> int:
    """The same cost before its rounding, in 1e-15 USD: additive over tokens of one step."""
    price = _tier_price(price, service_tier)
    rates = rates_at(price, input_tokens=usage.input_tokens)
    return (
        usage.plain_input_tokens * rates.input
        + usage.cached_input_tokens * _own(rates.cached_input, rates.input)
        + usage.cache_write_tokens * _own(rates.cache_write, rates.input)
        + usage.audio_input_tokens * _own(rates.audio_input, rates.input)
        + usage.plain_output_tokens * rates.output
        + usage.audio_output_tokens * _own(rates.audio_output, rates.output)
        + price.per_request_nano_usd * TOKENS_PER_PRICE
    )


def rates_at(price: Price, *, input_tokens: int) -> Rates:
    """The rates of a prompt of that length, in the base service tier."""
    rates = price.rates
    for step in price.above:
        if input_tokens <= step.input_tokens:
            break
        rates = step.rates
    return rates


def bound_nano_usd(price: Price, *, input_tokens: int, output_tokens: int) -> int:
    """The most that a usage of at most so many tokens can cost, rounded up.

    Whatever the tokens turn out to be (cached, written, audio), whichever step a shorter prompt
    falls in (a long prompt may be the cheaper one), and whatever service tier the upstream says it
    used: a project's default tier can be another than the one the request left out.
    """
    tiers = (price, *(tier for _, tier in price.service_tiers))
    return max(_bound_in_tier(tier, input_tokens, output_tokens) for tier in tiers)


def cached_discount_nano_usd(price: Price, usage: Usage, *, service_tier: str | None = None) -> int:
    """What the provider's prompt cache took off this usage, for the saving named prompt_cache.

    The cost with no token read from or written to a cache, minus the cost; negative where writing
    cost more than reading saved.
    """
    if not usage.cached_input_tokens and not usage.cache_write_tokens:
        return 0
    uncached = replace(usage, cached_input_tokens=0, cache_write_tokens=0)
    return cost_nano_usd(price, uncached, service_tier=service_tier) - cost_nano_usd(
        price, usage, service_tier=service_tier
    )


def _tier_price(price: Price, service_tier: str | None) -> Price:
    for name, tier in price.service_tiers:
        if name == service_tier:
            return tier
    return price


def _own(rate: int | None, whole: int) -> int:
    return whole if rate is None else rate


def _bound_in_tier(price: Price, input_tokens: int, output_tokens: int) -> int:
    femto_usd = _bound_at(price.rates, input_tokens, output_tokens)
    for step in price.above:
        if step.input_tokens < input_tokens:
            femto_usd = max(femto_usd, _bound_at(step.rates, input_tokens, output_tokens))
    return divide_up(femto_usd, TOKENS_PER_PRICE) + price.per_request_nano_usd


def _bound_at(rates: Rates, input_tokens: int, output_tokens: int) -> int:
    # A rate left out is its whole's, which is compared anyway: 0 stands for it.
    dearest_input = max(
        rates.input, rates.cached_input or 0, rates.cache_write or 0, rates.audio_input or 0
    )
    return input_tokens * dearest_input + output_tokens * max(rates.output, rates.audio_output or 0)
