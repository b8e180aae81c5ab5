"""Dollars in text become whole nano-dollars, exactly or not at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.money import (
    MAX_TOTAL_NANO_USD,
    divide_half_even,
    divide_up,
    nano_usd_from_text,
    usd_text,
)


@pytest.mark.parametrize(
    ("text", "nano_usd"),
    [
        ("0", 0),
        ("0.000000001", 1),
        ("0.15", 150_000_000),
        ("25.00", 25_000_000_000),
        ("1e-3", 1_000_000),
        ("1.5000000000000000000", 1_500_000_000),
        ("9007199.254740992", MAX_TOTAL_NANO_USD),
    ],
)
def test_a_decimal_text_is_read_exactly(text: str, nano_usd: int) -> None:
    assert nano_usd_from_text(text) == nano_usd


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not a decimal"),
        ("ten", "not a decimal"),
        ("0x10", "not a decimal"),
        ("9e999999999999999999", "too many digits"),
        ("sNaN", "not a decimal"),
        ("NaN", "finite"),
        ("Infinity", "finite"),
        ("-0.01", "non-negative"),
        ("0.0000000001", "nine decimals"),
        ("1e-999999", "nine decimals|too many digits"),
        ("9007199.254740993", r"2\*\*53"),
        ("1e900000", r"2\*\*53"),  # refused before it is ever written out
        ("1." + "0" * 60 + "1", "too many digits"),  # 28 digits would round it to 1
    ],
)
def test_a_text_that_is_no_amount_is_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        nano_usd_from_text(text)


@pytest.mark.parametrize(
    ("nano_usd", "text"),
    [
        (0, "0"),
        (1, "0.000000001"),
        (12_500_000, "0.0125"),
        (-12_500_000, "-0.0125"),
        (3_000_000_000, "3"),
        (MAX_TOTAL_NANO_USD, "9007199.254740992"),
    ],
)
def test_an_amount_is_printed_plainly(nano_usd: int, text: str) -> None:
    assert usd_text(nano_usd) == text


@given(st.integers(min_value=0, max_value=MAX_TOTAL_NANO_USD))
def test_what_is_printed_is_read_back(nano_usd: int) -> None:
    assert nano_usd_from_text(usd_text(nano_usd)) == nano_usd


@pytest.mark.parametrize(
    ("numerator", "rounded"),
    [
        (0, 0),
        (4, 0),
        (5, 0),
        (6, 1),
        (14, 1),
        (15, 2),
        (16, 2),
        (25, 2),
        (35, 4),
        (-5, 0),
        (-15, -2),
    ],
)
def test_a_half_goes_to_the_even_neighbour(numerator: int, rounded: int) -> None:
    assert divide_half_even(numerator, 10) == rounded


@pytest.mark.parametrize(("numerator", "rounded"), [(0, 0), (1, 1), (10, 1), (11, 2)])
def test_a_hold_is_rounded_up(numerator: int, rounded: int) -> None:
    assert divide_up(numerator, 10) == rounded
