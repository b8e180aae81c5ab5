"""A price as an operator writes it, and the short name a price goes by in the ledger.

Kept in core so that settings can check a price and the price book can make one, with one reading.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from decimal import ROUND_CEILING, Decimal, InvalidOperation

from gateway.core.money import NANO_PER_USD
from gateway.core.pricing import Price, PriceStep, Rates

# One dollar a token, two thousand times the dearest price published in 2026: a slipped unit
# (per token written as per million, or the reverse) shows itself, no real price is refused.
MAX_USD_PER_MTOK = Decimal(1_000_000)
MAX_USD_PER_REQUEST = Decimal(1_000)

_RATE_KEYS = ("input", "output", "cached_input", "cache_write", "audio_input", "audio_output")
_REQUIRED = ("input", "output")
_TIER_KEYS = (*_RATE_KEYS, "per_request", "above")
_PRICE_KEYS = (*_TIER_KEYS, "service_tiers")
_STEP_KEYS = ("input_tokens", *_RATE_KEYS)
_DIGEST_CHARACTERS = 10


def price_from_config(price: Mapping[str, object]) -> Price:
    """The price of a `price:` section: decimal strings of US dollars per million tokens.

    Raises ValueError naming the key ("above[0].output: …"). Integers are taken as well; floats are
    refused, since the amount they hold is not the one that was written. An amount finer than a
    nano-dollar per million tokens is rounded up to one.
    """
    tiers = _mapping(price.get("service_tiers", {}), "service_tiers")
    _refuse_unknown(price, _PRICE_KEYS, "")
    return _price(
        price,
        key="",
        service_tiers=tuple(
            (name, _tier(tier, f"service_tiers.{name}.")) for name, tier in tiers.items()
        ),
    )


def price_version(price: Price | None, source: str) -> str:
    """A short name that changes when any number of the price does: 'config:9a0c41d2e7'.

    Of a source of several words ('genai-prices 0.2.3 openai/gpt-4o-mini') the first two are kept.
    A model without a price is 'unpriced'.
    """
    if price is None:
        return "unpriced"
    numbers = asdict(price, dict_factory=_without_absent)
    text = json.dumps(numbers, sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(text.encode()).hexdigest()[:_DIGEST_CHARACTERS]
    return f"{'-'.join(source.split()[:2])}:{digest}"


def _without_absent(items: list[tuple[str, object]]) -> dict[str, object]:
    # A kind of rate added to Price later must not rename the prices that do not have it.
    return {name: value for name, value in items if value is not None}


def nano_usd_rounded_up(usd: Decimal) -> int:
    """Nano-dollars of a finite amount; a rest finer than one is rounded up."""
    return int((usd * NANO_PER_USD).to_integral_value(ROUND_CEILING))


def _tier(tier: object, key: str) -> Price:
    section = _mapping(tier, key.removesuffix("."))
    _refuse_unknown(section, _TIER_KEYS, key)
    return _price(section, key=key, service_tiers=())


def _price(
    section: Mapping[str, object], *, key: str, service_tiers: tuple[tuple[str, Price], ...]
) -> Price:
    per_request = section.get("per_request")
    return Price(
        rates=_rates(section, key),
        per_request_nano_usd=0
        if per_request is None
        else _nano_usd(per_request, f"{key}per_request", MAX_USD_PER_REQUEST),
        above=_steps(section.get("above", []), f"{key}above"),
        service_tiers=service_tiers,
    )


def _steps(steps: object, key: str) -> tuple[PriceStep, ...]:
    if not isinstance(steps, Sequence) or isinstance(steps, str):
        raise _wrong(key, steps, "is not a list of steps")
    by_start: dict[int, PriceStep] = {}
    for index, each in enumerate(steps):
        step = _step(each, f"{key}[{index}]")
        if step.input_tokens in by_start:
            raise _wrong(f"{key}[{index}].input_tokens", step.input_tokens, "starts a second step")
        by_start[step.input_tokens] = step
    return tuple(by_start[start] for start in sorted(by_start))


def _step(step: object, key: str) -> PriceStep:
    section = _mapping(step, key)
    _refuse_unknown(section, _STEP_KEYS, f"{key}.")
    start = section.get("input_tokens")
    if not isinstance(start, int) or isinstance(start, bool) or start < 1:
        raise _wrong(f"{key}.input_tokens", start, "is not a whole number of at least 1")
    return PriceStep(input_tokens=start, rates=_rates(section, f"{key}."))


def _rates(section: Mapping[str, object], key: str) -> Rates:
    for name in _REQUIRED:
        if section.get(name) is None:
            raise ValueError(f'{key}{name}: missing; write "0" where it costs nothing')
    return Rates(
        **{
            name: _nano_usd(section[name], f"{key}{name}", MAX_USD_PER_MTOK)
            for name in _RATE_KEYS
            if section.get(name) is not None
        }
    )


def _nano_usd(value: object, key: str, most: Decimal) -> int:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise _wrong(key, value, 'is not a decimal string of US dollars such as "0.15"')
    try:
        usd = Decimal(value)
    except InvalidOperation as error:
        raise _wrong(key, value, "is not a decimal number of US dollars") from error
    if not usd.is_finite() or usd < 0:
        raise _wrong(key, value, "is not a finite, non-negative amount of US dollars")
    if usd > most:
        raise _wrong(key, value, f"is more than {most} US dollars; is its unit right?")
    return nano_usd_rounded_up(usd)


def _mapping(value: object, key: str) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise _wrong(key, value, "is not a section of keys and values")
    return value


def _refuse_unknown(section: Mapping[str, object], known: Sequence[str], key: str) -> None:
    for name in section:
        if name not in known:
            raise ValueError(f"{key}{name}: unknown key; allowed are {', '.join(known)}")


def _wrong(key: str, found: object, why: str) -> ValueError:
    return ValueError(f"{key}: {found!r} {why}")
