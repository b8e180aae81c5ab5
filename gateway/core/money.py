"""Whole nano-dollars (1e-9 USD): parsing, printing and the two roundings.

A cost is an integer of nano-USD, a price an integer of nano-USD per million tokens. Floats never
hold money. Totals stay below 2**53, where JSON and Lua still count exactly (about 9.0 million USD).
"""

from decimal import Decimal, Inexact, localcontext

NANO_PER_USD = 1_000_000_000
TOKENS_PER_PRICE = 1_000_000
MAX_TOTAL_NANO_USD = 2**53

# 2**53 nano-dollars have 16 digits; a longer text that is still exact is padding ("1.5000000…").
_DIGITS = 60


def nano_usd_from_text(text: str) -> int:
    """Nano-dollars of a decimal string of US dollars, exactly.

    Raises ValueError where the text is no finite, non-negative decimal, has more than nine
    decimals, or passes 2**53 nano-dollars. The text may come from a client: nothing here expands
    an exponent before it is known to be small.
    """
    with localcontext(prec=_DIGITS) as context:
        context.traps[Inexact] = True
        try:
            nano = Decimal(text) * NANO_PER_USD
        except Inexact as error:
            raise ValueError(f"{text!r} has too many digits") from error
        except ArithmeticError as error:
            raise ValueError(f"{text!r} is not a decimal number of US dollars") from error
    if not nano.is_finite() or nano < 0:
        raise ValueError(f"{text!r} is not a finite, non-negative amount of US dollars")
    if nano > MAX_TOTAL_NANO_USD:
        raise ValueError(f"{text!r} is more than 2**53 nano-dollars")
    if nano != int(nano):
        raise ValueError(f"{text!r} has more than nine decimals")
    return int(nano)


def usd_text(nano_usd: int) -> str:
    """The amount as a decimal string of US dollars: no exponent, no trailing zeros ('0.0125')."""
    sign = "-" if nano_usd < 0 else ""
    whole, fraction = divmod(abs(nano_usd), NANO_PER_USD)
    decimals = f"{fraction:09d}".rstrip("0")
    return f"{sign}{whole}.{decimals}" if decimals else f"{sign}{whole}"


def divide_half_even(numerator: int, denominator: int) -> int:
    """The quotient to the nearest whole, ties to even. For settlements."""
    quotient, remainder = divmod(numerator, denominator)
    twice = 2 * remainder
    if twice > denominator or (twice == denominator and quotient % 2):
        quotient += 1
    return quotient


def divide_up(numerator: int, denominator: int) -> int:
    """The quotient rounded up. For holds, which must never be too small."""
    return -(-numerator // denominator)
