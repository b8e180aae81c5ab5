"""Parts of a usage are inside their whole and apart from each other."""

import pytest

from gateway.core.usage import Usage, UsageSource


def usage(**tokens: int) -> Usage:
    return Usage(**{"input_tokens": 100, "output_tokens": 50} | tokens, source=UsageSource.REPORTED)


def test_parts_may_fill_their_whole() -> None:
    full = usage(
        cached_input_tokens=60,
        cache_write_tokens=30,
        audio_input_tokens=10,
        reasoning_tokens=50,
        audio_output_tokens=50,
    )

    assert (full.plain_input_tokens, full.plain_output_tokens) == (0, 0)


def test_what_no_part_claims_is_plain() -> None:
    mixed = usage(cached_input_tokens=60, audio_input_tokens=10, audio_output_tokens=20)

    assert (mixed.plain_input_tokens, mixed.plain_output_tokens) == (30, 30)


@pytest.mark.parametrize(
    "count",
    [
        "input_tokens",
        "output_tokens",
        "cached_input_tokens",
        "cache_write_tokens",
        "audio_input_tokens",
        "reasoning_tokens",
        "audio_output_tokens",
    ],
)
def test_a_negative_count_is_refused(count: str) -> None:
    with pytest.raises(ValueError, match="negative"):
        usage(**{count: -1})


@pytest.mark.parametrize(
    "parts",
    [
        {"cached_input_tokens": 101},
        {"cache_write_tokens": 101},
        {"audio_input_tokens": 101},
        {"cached_input_tokens": 60, "cache_write_tokens": 41},
        {"cached_input_tokens": 60, "audio_input_tokens": 41},
    ],
)
def test_parts_that_pass_the_input_are_refused(parts: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="input pass its 100"):
        usage(**parts)


@pytest.mark.parametrize("part", ["reasoning_tokens", "audio_output_tokens"])
def test_a_part_that_passes_the_output_is_refused(part: str) -> None:
    with pytest.raises(ValueError, match="output pass its 50"):
        usage(**{part: 51})
