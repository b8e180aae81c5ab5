"""A price as an operator writes it is read exactly, or refused by the name of its key."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from gateway.core.price_config import price_from_config, price_version
from gateway.core.pricing import Price, PriceStep, Rates

FULL: Mapping[str, object] = {
    "input": "0.15",
    "cached_input": "0.075",
    "cache_write": "0.1875",
    "output": "0.60",
    "audio_input": "10",
    "audio_output": 20,
    "per_request": "0.014",
    "above": [
        {"input_tokens": 200_000, "input": "0.30", "output": "1.20", "cached_input": "1.5e-1"},
        {"input_tokens": 100_000, "input": "0.20", "output": "0.80"},
    ],
    "service_tiers": {
        "priority": {"input": "0.25", "output": "1", "per_request": "0.028"},
    },
}


def test_every_key_is_read_to_the_nano_dollar() -> None:
    assert price_from_config(FULL) == Price(
        Rates(
            input=150_000_000,
            output=600_000_000,
            cached_input=75_000_000,
            cache_write=187_500_000,
            audio_input=10_000_000_000,
            audio_output=20_000_000_000,
        ),
        per_request_nano_usd=14_000_000,
        above=(
            PriceStep(100_000, Rates(200_000_000, 800_000_000)),
            PriceStep(200_000, Rates(300_000_000, 1_200_000_000, cached_input=150_000_000)),
        ),
        service_tiers=(
            (
                "priority",
                Price(Rates(250_000_000, 1_000_000_000), per_request_nano_usd=28_000_000),
            ),
        ),
    )


def test_an_amount_finer_than_a_nano_dollar_is_rounded_up() -> None:
    price = price_from_config({"input": "0.0833333333333333", "output": "0"})

    assert price.rates.input == 83_333_334


def test_a_key_left_empty_is_as_if_it_were_not_there() -> None:
    assert price_from_config(
        {"input": "1", "output": "2", "cached_input": None, "per_request": None}
    ) == price_from_config({"input": "1", "output": "2"})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"input": None}, "^input: missing"),
        ({"output": None}, "^output: missing"),
        ({"input": 0.15}, "^input: 0.15 is not a decimal string"),
        ({"input": True}, "^input: True is not a decimal string"),
        ({"input": []}, r"^input: \[\] is not a decimal string"),
        ({"input": "cheap"}, "^input: 'cheap' is not a decimal number"),
        ({"cached_input": "-0.1"}, "^cached_input: '-0.1' is not a finite, non-negative"),
        ({"cache_write": "NaN"}, "^cache_write: 'NaN' is not a finite"),
        ({"audio_input": "Infinity"}, "^audio_input: 'Infinity' is not a finite"),
        ({"audio_output": "1e7"}, "^audio_output: '1e7' is more than 1000000 US dollars"),
        ({"output": "1e999999"}, "^output: '1e999999' is more than 1000000 US dollars"),
        ({"per_request": "1000.01"}, "^per_request: '1000.01' is more than 1000 US dollars"),
        ({"reasoning": "1"}, "^reasoning: unknown key; allowed are input, output, "),
        ({"above": "200000"}, "^above: '200000' is not a list"),
        ({"above": {"input_tokens": 1}}, "^above: .* is not a list"),
        ({"above": ["x"]}, r"^above\[0\]: 'x' is not a section"),
        ({"above": [{"input": "1", "output": "1"}]}, r"^above\[0\].input_tokens: None is not"),
        (
            {"above": [{"input_tokens": True, "input": "1", "output": "1"}]},
            r"^above\[0\].input_tokens: True is not a whole number",
        ),
        (
            {"above": [{"input_tokens": 0, "input": "1", "output": "1"}]},
            r"^above\[0\].input_tokens: 0 is not a whole number of at least 1",
        ),
        ({"above": [{"input_tokens": 9, "input": "1"}]}, r"^above\[0\].output: missing"),
        (
            {"above": [{"input_tokens": 9, "input": "1", "output": "1", "per_request": "1"}]},
            r"^above\[0\].per_request: unknown key",
        ),
        (
            {"above": [{"input_tokens": 9, "input": "1", "output": "1"}] * 2},
            r"^above\[1\].input_tokens: 9 starts a second step",
        ),
        ({"service_tiers": []}, r"^service_tiers: \[\] is not a section"),
        ({"service_tiers": {"flex": "half"}}, "^service_tiers.flex: 'half' is not a section"),
        (
            {"service_tiers": {"flex": {"input": "-1", "output": "1"}}},
            "^service_tiers.flex.input: '-1' is not a finite",
        ),
        (
            {"service_tiers": {"flex": {"input": "1", "output": "1", "service_tiers": {}}}},
            "^service_tiers.flex.service_tiers: unknown key",
        ),
        (
            {"service_tiers": {"flex": {"input": "1", "output": "1", "above": [7]}}},
            r"^service_tiers.flex.above\[0\]: 7 is not a section",
        ),
    ],
)
def test_what_cannot_be_a_price_is_refused_by_its_key(
    change: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        price_from_config({**FULL, **change})


def test_a_price_has_one_name_wherever_it_is_computed() -> None:
    # Frozen: rows of the ledger carry it, and must be found again by a later release.
    price = price_from_config({"input": "0.15", "output": "0.60"})

    assert price_version(price, "config") == "config:75dfda0a4c"


def test_the_name_changes_with_any_number() -> None:
    price = price_from_config(FULL)
    step = price.above[0]
    others = [
        replace(price, per_request_nano_usd=1),
        replace(price, rates=replace(price.rates, cached_input=None)),
        replace(price, rates=replace(price.rates, cached_input=0)),
        replace(price, above=price.above[:1]),
        replace(price, above=(replace(step, input_tokens=1), *price.above[1:])),
        replace(price, service_tiers=()),
        replace(price, service_tiers=(("flex", price.service_tiers[0][1]),)),
    ]

    names = {price_version(each, "config") for each in [price, *others]}

    assert len(names) == 8


def test_a_published_price_is_named_after_its_snapshot() -> None:
    name = price_version(Price(Rates(1, 2)), "genai-prices 0.2.3 openai/gpt-4o, dearest hour")

    assert name.startswith("genai-prices-0.2.3:")


def test_no_price_says_so() -> None:
    assert price_version(None, "genai-prices 0.2.3 openai/whisper-1") == "unpriced"
