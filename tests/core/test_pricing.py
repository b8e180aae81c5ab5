"""Golden bills worked by hand, and what must hold for every price and usage."""

from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.money import TOKENS_PER_PRICE
from gateway.core.pricing import (
    Price,
    PriceStep,
    Rates,
    bound_nano_usd,
    cached_discount_nano_usd,
    cost_femto_usd,
    cost_nano_usd,
    rates_at,
)
from gateway.core.usage import Usage, UsageSource

USD = 1_000_000_000  # nano-dollars; a rate is nano-dollars per million tokens

GPT_4O_MINI = Price(Rates(input=150_000_000, output=600_000_000, cached_input=75_000_000))
CLAUDE_SONNET = Price(
    Rates(input=3 * USD, output=15 * USD, cached_input=300_000_000, cache_write=3_750_000_000)
)
GEMINI_PRO = Price(
    Rates(input=1_250_000_000, output=10 * USD, cached_input=125_000_000),
    above=(
        PriceStep(200_000, Rates(input=2_500_000_000, output=15 * USD, cached_input=250_000_000)),
    ),
)
GPT_AUDIO = Price(
    Rates(input=2_500_000_000, output=10 * USD, audio_input=40 * USD, audio_output=80 * USD)
)


def usage(input_tokens: int, output_tokens: int, **parts: int) -> Usage:
    return Usage(input_tokens, output_tokens, UsageSource.REPORTED, **parts)


def test_golden_bill_of_cached_input() -> None:
    # gpt-4o-mini, USD per million: input 0.15, cached 0.075, output 0.60.
    #   1,000 uncached  x 0.15  =   150.0 micro-USD
    #   1,024 cached    x 0.075 =    76.8
    #     300 output    x 0.60  =   180.0
    #                               406.8 micro-USD = 406,800 nano-USD
    bill = usage(2_024, 300, cached_input_tokens=1_024)

    assert cost_nano_usd(GPT_4O_MINI, bill) == 406_800


def test_golden_bill_of_a_cache_written_and_read() -> None:
    # Claude Sonnet 4.5: input 3, read 0.30, write 3.75, output 15.
    #   The reply's input is 10 fresh + 2,000 written + 8,000 read = 10,010 tokens.
    #      10 x 3     =     30 micro-USD
    #   2,000 x 3.75  =  7,500
    #   8,000 x 0.30  =  2,400
    #     100 x 15    =  1,500
    #                   11,430 micro-USD
    bill = usage(10_010, 100, cache_write_tokens=2_000, cached_input_tokens=8_000)

    assert cost_nano_usd(CLAUDE_SONNET, bill) == 11_430_000


def test_golden_bill_of_reasoning_is_output_once() -> None:
    # o3-mini: input 1.10, output 4.40; 900 of the 1,000 output tokens are reasoning.
    #     50 x 1.10 =    55 micro-USD
    #  1,000 x 4.40 = 4,400
    price = Price(Rates(input=1_100_000_000, output=4_400_000_000))

    assert cost_nano_usd(price, usage(50, 1_000, reasoning_tokens=900)) == 4_455_000


def test_golden_bill_at_a_long_context_boundary() -> None:
    # Gemini 2.5 Pro: input 1.25, output 10; above 200,000 tokens of prompt 2.50, 15, cached 0.25.
    # At 200,000 the base still holds: 200,000 x 1.25 + 1,000 x 10 = 250,000 + 10,000 micro-USD.
    assert cost_nano_usd(GEMINI_PRO, usage(200_000, 1_000)) == 260_000_000
    # One token more and all of them cost more: 200,001 x 2.50 + 1,000 x 15 = 515,002.5 micro-USD.
    assert cost_nano_usd(GEMINI_PRO, usage(200_001, 1_000)) == 515_002_500
    # Cached tokens count towards the boundary:
    #   100,001 x 2.50 + 100,000 x 0.25 + 1,000 x 15 = 250,002.5 + 25,000 + 15,000 micro-USD.
    cached = usage(200_001, 1_000, cached_input_tokens=100_000)
    assert cost_nano_usd(GEMINI_PRO, cached) == 290_002_500


def test_golden_bill_of_audio() -> None:
    # gpt-4o-audio: text 2.50 in, 10 out; audio 40 in, 80 out.
    #    20 text in   x  2.50 =     50 micro-USD
    #   100 audio in  x 40    =  4,000
    #    30 text out  x 10    =    300
    #   200 audio out x 80    = 16,000
    bill = usage(120, 230, audio_input_tokens=100, audio_output_tokens=200)

    assert cost_nano_usd(GPT_AUDIO, bill) == 20_350_000


def test_golden_bill_of_a_charge_per_request() -> None:
    # Sonar Pro: 3 in, 15 out, and 14 dollars per thousand requests = 0.014 each.
    #   100 x 3 + 200 x 15 = 3,300 micro-USD, + 14,000 micro-USD
    price = Price(Rates(input=3 * USD, output=15 * USD), per_request_nano_usd=14_000_000)

    assert cost_nano_usd(price, usage(100, 200)) == 17_300_000
    assert bound_nano_usd(price, input_tokens=100, output_tokens=200) == 17_300_000


def test_golden_bill_of_an_embedding() -> None:
    # text-embedding-3-small: 0.02 in. 7 x 0.02 = 0.14 micro-USD = 140 nano-USD.
    assert cost_nano_usd(Price(Rates(input=20_000_000, output=0)), usage(7, 0)) == 140


@pytest.mark.parametrize(
    ("rate", "tokens", "nano_usd"),
    [
        # Ministral at 0.0375 USD = 37.5 nano-USD a token: 1 token is a half, and goes to even.
        (37_500_000, 1, 38),
        (37_500_000, 3, 112),  # 112.5, down to even
        (37_500_000, 5, 188),  # 187.5, up to even
        (500_000, 1, 0),  # half a nano-dollar, to nought
        (500_001, 1, 1),
    ],
)
def test_half_a_nano_dollar_goes_to_even(rate: int, tokens: int, nano_usd: int) -> None:
    assert cost_nano_usd(Price(Rates(input=rate, output=0)), usage(tokens, 0)) == nano_usd


def test_halves_are_rounded_once_for_the_sum() -> None:
    # 1 x 37.5 + 1 x 37.5 = 75 nano-USD; rounded apart it would be 76.
    price = Price(Rates(input=37_500_000, output=37_500_000))

    assert cost_nano_usd(price, usage(1, 1)) == 75


def test_a_part_without_a_rate_costs_its_whole() -> None:
    price = Price(Rates(input=7_000_000, output=11_000_000))
    split = usage(
        90,
        40,
        cached_input_tokens=20,
        cache_write_tokens=30,
        audio_input_tokens=40,
        audio_output_tokens=40,
    )

    assert cost_nano_usd(price, split) == cost_nano_usd(price, usage(90, 40)) == 90 * 7 + 40 * 11


def test_a_free_part_is_free() -> None:
    price = Price(Rates(input=7_000_000, output=0, cached_input=0))

    assert cost_nano_usd(price, usage(90, 0, cached_input_tokens=90)) == 0


def test_a_service_tier_has_its_own_complete_price() -> None:
    priority = Price(Rates(input=2_000_000, output=3_000_000), per_request_nano_usd=5)
    price = Price(Rates(1_000_000, 1_000_000), service_tiers=(("priority", priority),))

    assert cost_nano_usd(price, usage(10, 10), service_tier="priority") == 20 + 30 + 5
    assert cost_nano_usd(price, usage(10, 10)) == 20


@pytest.mark.parametrize("name", ["default", "auto", "", "Priority", "never heard of"])
def test_an_unknown_service_tier_costs_the_base(name: str) -> None:
    priority = Price(Rates(input=2_000_000, output=3_000_000))
    price = Price(Rates(1_000_000, 1_000_000), service_tiers=(("priority", priority),))

    assert cost_nano_usd(price, usage(10, 10), service_tier=name) == 20


def test_the_highest_step_passed_holds() -> None:
    steps = tuple(PriceStep(start, Rates(start, 0)) for start in (10, 20, 30))
    price = Price(Rates(1, 0), above=steps)

    reached = [rates_at(price, input_tokens=tokens).input for tokens in (0, 10, 11, 20, 21, 31)]

    assert reached == [1, 1, 10, 10, 20, 30]


def test_a_bound_takes_the_dearest_kind_of_token() -> None:
    # 100 x 40 + 50 x 80 micro-USD, although neither is known to be audio.
    assert bound_nano_usd(GPT_AUDIO, input_tokens=100, output_tokens=50) == 8_000_000


def test_a_bound_covers_a_shorter_prompt_in_a_dearer_step() -> None:
    # A price that falls with length: 15 tokens at 1 cost 15, but 10 tokens at 5 cost 50.
    price = Price(Rates(5_000_000, 0), above=(PriceStep(10, Rates(1_000_000, 0)),))

    assert bound_nano_usd(price, input_tokens=15, output_tokens=0) >= 50


def test_a_bound_leaves_out_a_step_that_cannot_be_reached() -> None:
    # 200,000 x 1.25 + 0: the step starts above 200,000.
    assert bound_nano_usd(GEMINI_PRO, input_tokens=200_000, output_tokens=0) == 250_000_000


def test_a_bound_covers_the_dearest_service_tier() -> None:
    priority = Price(Rates(2_000_000, 0))
    flex = Price(Rates(500_000, 0))
    price = Price(Rates(1_000_000, 0), service_tiers=(("priority", priority), ("flex", flex)))

    assert bound_nano_usd(price, input_tokens=10, output_tokens=0) == 20


def test_a_bound_rounds_up() -> None:
    price = Price(Rates(input=1, output=0))

    assert bound_nano_usd(price, input_tokens=1, output_tokens=0) == 1
    assert cost_nano_usd(price, usage(1, 0)) == 0


def test_cached_tokens_are_a_discount() -> None:
    # 1,024 x (0.15 - 0.075) = 76.8 micro-USD.
    bill = usage(2_024, 300, cached_input_tokens=1_024)

    assert cached_discount_nano_usd(GPT_4O_MINI, bill) == 76_800


def test_written_tokens_are_a_negative_discount() -> None:
    # 2,000 x (3 - 3.75) = -1,500 micro-USD.
    bill = usage(2_010, 100, cache_write_tokens=2_000)

    assert cached_discount_nano_usd(CLAUDE_SONNET, bill) == -1_500_000


def test_a_discount_is_that_of_the_service_tier() -> None:
    flex = Price(Rates(input=4_000_000, output=0, cached_input=1_000_000))
    price = Price(Rates(input=9_000_000, output=0), service_tiers=(("flex", flex),))
    bill = usage(10, 0, cached_input_tokens=10)

    assert cached_discount_nano_usd(price, bill, service_tier="flex") == 30
    assert cached_discount_nano_usd(price, bill) == 0


def test_a_negative_rate_is_refused() -> None:
    for rate in ("input", "output", "cached_input", "cache_write", "audio_input", "audio_output"):
        with pytest.raises(ValueError, match="negative"):
            Rates(**{"input": 1, "output": 1} | {rate: -1})


def test_a_negative_charge_per_request_is_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        Price(Rates(1, 1), per_request_nano_usd=-1)


@pytest.mark.parametrize("starts", [(20, 10), (10, 10)])
def test_steps_out_of_order_are_refused(starts: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="ascending"):
        Price(Rates(1, 1), above=tuple(PriceStep(start, Rates(1, 1)) for start in starts))


def test_a_tier_inside_a_tier_is_refused() -> None:
    tier = Price(Rates(1, 1), service_tiers=(("flex", Price(Rates(1, 1))),))

    with pytest.raises(ValueError, match="has service tiers itself"):
        Price(Rates(1, 1), service_tiers=(("priority", tier),))


rate = st.integers(0, 10**12)
some_rates = st.builds(
    Rates,
    rate,
    rate,
    *(st.none() | rate for _ in range(4)),
)


@st.composite
def some_prices(draw: st.DrawFn, *, with_steps: bool = True, with_tiers: bool = True) -> Price:
    starts = draw(st.sets(st.integers(0, 3_000), max_size=3)) if with_steps else set()
    tiers = (
        draw(
            st.dictionaries(
                st.sampled_from(["flex", "priority"]),
                some_prices(with_steps=with_steps, with_tiers=False),
            )
        )
        if with_tiers
        else {}
    )
    return Price(
        draw(some_rates),
        per_request_nano_usd=draw(st.integers(0, 10**9)),
        above=tuple(PriceStep(start, draw(some_rates)) for start in sorted(starts)),
        service_tiers=tuple(tiers.items()),
    )


@st.composite
def some_usages(draw: st.DrawFn) -> Usage:
    tokens = st.integers(0, 2_000)
    plain, cached, written, audio = (draw(tokens) for _ in range(4))
    output = draw(tokens)
    return usage(
        plain + cached + written + audio,
        output,
        cached_input_tokens=cached,
        cache_write_tokens=written,
        audio_input_tokens=audio,
        reasoning_tokens=draw(st.integers(0, output)),
        audio_output_tokens=draw(st.integers(0, output)),
    )


def added(one: Usage, other: Usage) -> Usage:
    counts = [field.name for field in fields(Usage) if field.name != "source"]
    return Usage(
        **{name: getattr(one, name) + getattr(other, name) for name in counts},
        source=UsageSource.REPORTED,
    )


service_tier = st.none() | st.sampled_from(["flex", "priority", "default"])


@given(
    some_prices(with_steps=False, with_tiers=False).map(
        lambda price: replace(price, per_request_nano_usd=0)
    ),
    some_usages(),
    some_usages(),
)
def test_cost_is_additive_over_tokens(price: Price, one: Usage, other: Usage) -> None:
    together = cost_femto_usd(price, added(one, other))

    assert together == cost_femto_usd(price, one) + cost_femto_usd(price, other)


@given(some_prices(), some_usages(), service_tier)
def test_cost_is_its_exact_amount_to_within_half_a_nano_dollar(
    price: Price, used: Usage, tier: str | None
) -> None:
    exact = cost_femto_usd(price, used, service_tier=tier)

    rounded = cost_nano_usd(price, used, service_tier=tier)

    assert rounded >= 0
    assert abs(rounded * TOKENS_PER_PRICE - exact) * 2 <= TOKENS_PER_PRICE


@given(some_prices(), some_usages(), service_tier, st.integers(0, 3_000), st.integers(0, 3_000))
def test_no_usage_within_it_costs_more_than_its_bound(
    price: Price, used: Usage, tier: str | None, more_input: int, more_output: int
) -> None:
    bound = bound_nano_usd(
        price,
        input_tokens=used.input_tokens + more_input,
        output_tokens=used.output_tokens + more_output,
    )

    assert cost_nano_usd(price, used, service_tier=tier) <= bound


@given(some_prices(with_steps=False), some_usages(), some_usages(), service_tier)
def test_without_steps_more_tokens_never_cost_less(
    price: Price, used: Usage, more: Usage, tier: str | None
) -> None:
    less_cost = cost_nano_usd(price, used, service_tier=tier)

    assert cost_nano_usd(price, added(used, more), service_tier=tier) >= less_cost


@given(some_prices(), some_usages(), service_tier)
def test_cost_and_discount_make_the_uncached_cost(
    price: Price, used: Usage, tier: str | None
) -> None:
    uncached = replace(used, cached_input_tokens=0, cache_write_tokens=0)

    discount = cached_discount_nano_usd(price, used, service_tier=tier)

    assert cost_nano_usd(price, used, service_tier=tier) + discount == cost_nano_usd(
        price, uncached, service_tier=tier
    )
