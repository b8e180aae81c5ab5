"""Each dialect of `usage` becomes the tokens its provider bills; nonsense becomes None."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.usage import Usage, UsageSource
from gateway.wire.usage import MAX_TOKENS, parse_usage


def reported(input_tokens: int, output_tokens: int, **parts: int) -> Usage:
    return Usage(input_tokens, output_tokens, UsageSource.REPORTED, **parts)


@pytest.mark.parametrize(
    ("raw", "usage"),
    [
        pytest.param(
            {
                "prompt_tokens": 2006,
                "completion_tokens": 300,
                "total_tokens": 2306,
                "prompt_tokens_details": {"cached_tokens": 1920, "audio_tokens": 10},
                "completion_tokens_details": {
                    "reasoning_tokens": 192,
                    "audio_tokens": 20,
                    "accepted_prediction_tokens": 50,
                    "rejected_prediction_tokens": 5,
                },
            },
            reported(
                2006,
                300,
                cached_input_tokens=1920,
                audio_input_tokens=10,
                reasoning_tokens=192,
                audio_output_tokens=20,
            ),
            id="OpenAI chat",
        ),
        pytest.param(
            {"prompt_tokens": 8, "total_tokens": 8}, reported(8, 0), id="OpenAI embeddings"
        ),
        pytest.param(
            {
                "input_tokens": 36,
                "output_tokens": 87,
                "total_tokens": 123,
                "input_tokens_details": {"cached_tokens": 12},
                "output_tokens_details": {"reasoning_tokens": 64},
            },
            reported(36, 87, cached_input_tokens=12, reasoning_tokens=64),
            id="OpenAI responses",
        ),
        pytest.param(
            {
                "prompt_tokens": 10339,
                "completion_tokens": 60,
                "total_tokens": 10399,
                "prompt_tokens_details": {"cached_tokens": 10318, "cache_write_tokens": 11},
                "cost": 0.0123,
            },
            reported(10339, 60, cached_input_tokens=10318, cache_write_tokens=11),
            id="OpenRouter",
        ),
        pytest.param(
            {
                "prompt_tokens": 100,
                "completion_tokens": 20,
                "total_tokens": 120,
                "prompt_cache_hit_tokens": 64,
                "prompt_cache_miss_tokens": 36,
                "completion_tokens_details": {"reasoning_tokens": 15},
            },
            reported(100, 20, cached_input_tokens=64, reasoning_tokens=15),
            id="DeepSeek",
        ),
        pytest.param(
            {"prompt_tokens": 50, "completion_tokens": 5, "total_tokens": 55, "cached_tokens": 32},
            reported(50, 5, cached_input_tokens=32),
            id="Moonshot",
        ),
        pytest.param(
            {
                "input_tokens": 10,
                "output_tokens": 100,
                "cache_creation_input_tokens": 2000,
                "cache_read_input_tokens": 8000,
                "output_tokens_details": {"thinking_tokens": 40},
            },
            reported(
                10_010,
                100,
                cache_write_tokens=2000,
                cached_input_tokens=8000,
                reasoning_tokens=40,
            ),
            id="Anthropic: outside input_tokens",
        ),
        pytest.param(
            {
                "prompt_tokens": 10_010,
                "completion_tokens": 100,
                "total_tokens": 10_110,
                "prompt_tokens_details": {"cached_tokens": 8000, "cache_creation_tokens": 2000},
                "cache_creation_input_tokens": 2000,
                "cache_read_input_tokens": 8000,
            },
            reported(10_010, 100, cache_write_tokens=2000, cached_input_tokens=8000),
            id="a proxy of Anthropic: inside prompt_tokens",
        ),
        pytest.param(
            {
                "prompt_tokens": 9000,
                "completion_tokens": 100,
                "total_tokens": 19_100,
                "cache_creation_input_tokens": 2000,
                "cache_read_input_tokens": 8000,
            },
            reported(19_000, 100, cache_write_tokens=2000, cached_input_tokens=8000),
            id="a proxy of Anthropic: the total proves them outside",
        ),
        pytest.param(
            {"prompt_tokens": 10, "completion_tokens": 100, "cache_read_input_tokens": 8000},
            reported(8010, 100, cached_input_tokens=8000),
            id="a proxy of Anthropic: their size proves them outside",
        ),
        pytest.param(
            {"prompt_tokens": 20, "completion_tokens": 198, "total_tokens": 623},
            reported(20, 603, reasoning_tokens=405),
            id="Gemini: thoughts are in the total alone",
        ),
        pytest.param(
            {
                "prompt_tokens": 10_120,
                "completion_tokens": 1499,
                "total_tokens": 14_428,
                "prompt_tokens_details": {"text_tokens": 10_120, "cached_tokens": 128},
                "completion_tokens_details": {"reasoning_tokens": 2809},
            },
            reported(10_120, 4308, cached_input_tokens=128, reasoning_tokens=2809),
            id="xAI: reasoning beside the completion",
        ),
        pytest.param(
            {
                "prompt_tokens": 12,
                "completion_tokens": 2,
                "completion_tokens_details": {"reasoning_tokens": 317},
            },
            reported(12, 319, reasoning_tokens=317),
            id="xAI without a total",
        ),
        pytest.param(
            {
                "prompt_tokens": 33,
                "completion_tokens": 7163,
                "total_tokens": 7196,
                "citation_tokens": 20_016,
                "num_search_queries": 46,
                "reasoning_tokens": 7000,
            },
            reported(33, 34_179, reasoning_tokens=7000),
            id="Perplexity: reasoning and citations beside the completion",
        ),
        pytest.param(
            {
                "prompt_tokens": 33,
                "completion_tokens": 70,
                "total_tokens": 103,
                "reasoning_tokens": 50,
            },
            reported(33, 70, reasoning_tokens=50),
            id="SGLang: reasoning inside the completion",
        ),
        pytest.param(
            {
                "prompt_tokens": 7.0,
                "completion_tokens": 3.0,
                "prompt_tokens_details": None,
                "completion_tokens_details": None,
            },
            reported(7, 3),
            id="whole floats and null details",
        ),
        pytest.param(
            {"prompt_tokens": 7, "completion_tokens": None, "total_tokens": 10},
            reported(7, 3),
            id="a null completion is what the total leaves",
        ),
        pytest.param(
            {"prompt_tokens": 7, "total_tokens": 6}, reported(7, 0), id="a total below its parts"
        ),
        pytest.param(
            {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
            reported(0, 0),
            id="zeros are the caller's to doubt",
        ),
    ],
)
def test_a_dialect_is_understood(raw: object, usage: Usage) -> None:
    assert parse_usage(raw) == usage


@pytest.mark.parametrize(
    "raw",
    [
        None,
        [],
        "usage",
        7,
        {},
        {"total_tokens": 10},
        {"completion_tokens": 5, "total_tokens": 10},
        {"prompt_tokens": 5},
        {"prompt_tokens": 5, "completion_tokens": -1, "total_tokens": 4},
        {"prompt_tokens": 5, "completion_tokens": "3"},
        {"prompt_tokens": 5, "completion_tokens": 3.5},
        {"prompt_tokens": -5, "completion_tokens": 3},
        {"prompt_tokens": "5", "completion_tokens": 3},
        {"prompt_tokens": True, "completion_tokens": 3},
        {"prompt_tokens": float("nan"), "completion_tokens": 3},
        {"prompt_tokens": float("inf"), "completion_tokens": 3},
        {"prompt_tokens": MAX_TOKENS + 1, "completion_tokens": 3},
        {"prompt_tokens": 10**400, "completion_tokens": 3},
        {"prompt_tokens": [5], "completion_tokens": 3},
        {"input_tokens": None, "output_tokens": 3},
    ],
)
def test_totals_that_cannot_be_read_are_no_usage(raw: object) -> None:
    assert parse_usage(raw) is None


@pytest.mark.parametrize("nonsense", [-1, "4", True, 2.5, float("nan"), MAX_TOKENS + 1, {}])
def test_a_part_that_cannot_be_read_costs_its_whole(nonsense: object) -> None:
    raw = {
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "total_tokens": nonsense,
        "prompt_tokens_details": {"cached_tokens": nonsense, "audio_tokens": nonsense},
        "completion_tokens_details": {"reasoning_tokens": nonsense},
    }

    assert parse_usage(raw) == reported(10, 5)


def test_details_that_are_no_object_are_left_out() -> None:
    raw = {"prompt_tokens": 10, "completion_tokens": 5, "prompt_tokens_details": [1]}

    assert parse_usage(raw) == reported(10, 5)


def test_a_part_larger_than_its_whole_is_cut_to_it() -> None:
    raw = {
        "prompt_tokens": 1000,
        "completion_tokens": 5,
        "prompt_tokens_details": {"cached_tokens": 1024},
        "completion_tokens_details": {"audio_tokens": 6},
    }

    assert parse_usage(raw) == reported(1000, 5, cached_input_tokens=1000, audio_output_tokens=5)


def test_parts_that_overlap_keep_the_dearest_kind() -> None:
    raw = {
        "prompt_tokens": 100,
        "completion_tokens": 5,
        "prompt_tokens_details": {
            "audio_tokens": 50,
            "cache_write_tokens": 30,
            "cached_tokens": 80,
        },
    }

    assert parse_usage(raw) == reported(
        100, 5, audio_input_tokens=50, cache_write_tokens=30, cached_input_tokens=20
    )


NAMES = [
    "prompt_tokens",
    "completion_tokens",
    "input_tokens",
    "output_tokens",
    "total_tokens",
    "cached_tokens",
    "reasoning_tokens",
    "citation_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
    "audio_tokens",
    "cache_write_tokens",
]
anything = (
    st.integers(-5, 500)
    | st.integers()
    | st.floats()
    | st.none()
    | st.booleans()
    | st.text(max_size=3)
    | st.lists(st.integers(), max_size=2)
)
sections = st.dictionaries(st.sampled_from(NAMES), anything)


@given(
    sections,
    sections | anything,
    sections | anything,
)
def test_whatever_an_upstream_sends_is_read_or_refused(
    raw: dict[str, object], input_details: object, output_details: object
) -> None:
    usage = parse_usage(
        {
            **raw,
            "prompt_tokens_details": input_details,
            "completion_tokens_details": output_details,
        }
    )

    assert usage is None or usage.source is UsageSource.REPORTED


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.data())
def test_a_usage_whose_parts_fit_is_read_as_it_stands(
    prompt: int, completion: int, data: st.DataObject
) -> None:
    cached = data.draw(st.integers(0, prompt))
    audio = data.draw(st.integers(0, prompt - cached))
    reasoning = data.draw(st.integers(0, completion))

    usage = parse_usage(
        {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
            "prompt_tokens_details": {"cached_tokens": cached, "audio_tokens": audio},
            "completion_tokens_details": {"reasoning_tokens": reasoning},
        }
    )

    assert usage == reported(
        prompt,
        completion,
        cached_input_tokens=cached,
        audio_input_tokens=audio,
        reasoning_tokens=reasoning,
    )
