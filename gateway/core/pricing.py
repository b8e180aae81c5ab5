"""Prices and what a usage costs under them: whole nano-dollars, one division per attempt."""

from dataclasses import dataclass

from gateway.core.money import TOKENS_PER_PRICE, divide_half_even, divide_up
from gateway.core.usage import Usage


@dataclass(frozen=True, slots=True)
class Rates:
    """Nano-USD per million tokens of each kind. A part without a rate of its own costs its whole's."""

    input: int
    output: int
    cached_input: int | None = None
    cache_write: int | None = None
    audio_input: int | None = None
    audio_output: int | None = None


@dataclass(frozen=True, slots=True)
class PriceStep:
    """From more than `input_tokens` of prompt on, the whole request is billed at these rates."""

    input_tokens: int
    rates: Rates


@dataclass(frozen=True, slots=True)
class Price:
    """`above` is sorted by input_tokens. `service_tiers` holds complete prices by tier name."""

    rates: Rates
    per_request_nano_usd: int = 0
    above: tuple[PriceStep, ...] = ()
    service_tiers: tuple[tuple[str, "Price"], ...] = ()
