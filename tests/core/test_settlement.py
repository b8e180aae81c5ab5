"""What a finished attempt is booked at: the table of core/settlement.py, row by row."""

from gateway.core.pricing import Price, Rates
from gateway.core.record import State
from gateway.core.settlement import Booking, book
from gateway.core.usage import Usage, UsageSource
from tests.support.flow_scene import a_model

USAGE = Usage(1_000, 100, UsageSource.REPORTED, cached_input_tokens=400)
HELD = 9_000_000
# 1 USD, cached 0.25 USD and 2 USD per million tokens
MODEL = a_model("small", price=Price(Rates(10**9, 2 * 10**9, cached_input=10**9 // 4)))
UNPRICED = a_model("small", price=None)


def booked(
    *,
    unpriced: bool = False,
    was_sent: bool = True,
    is_error_answer: bool = False,
    usage: Usage | None = USAGE,
) -> Booking:
    return book(
        UNPRICED if unpriced else MODEL,
        was_sent=was_sent,
        is_error_answer=is_error_answer,
        usage=usage,
        held_nano_usd=None if unpriced else HELD,
        service_tier=None,
    )


def test_what_was_never_written_is_void() -> None:
    assert booked(was_sent=False) == Booking(State.VOID, 0)


def test_what_was_never_written_is_void_even_where_the_model_has_no_price() -> None:
    assert booked(was_sent=False, unpriced=True) == Booking(State.VOID, 0)


def test_an_error_answer_costs_nothing() -> None:
    assert booked(is_error_answer=True) == Booking(State.SETTLED, 0)


def test_known_usage_is_booked_at_its_cost() -> None:
    # 600 x 1,000 + 400 x 250 + 100 x 2,000 nano-USD; uncached 400 x 750 more
    assert booked() == Booking(State.SETTLED, 900_000, 300_000)


def test_what_nobody_saw_end_is_booked_at_its_full_hold() -> None:
    assert booked(usage=None) == Booking(State.SETTLED, HELD)


def test_a_model_without_a_price_costs_an_unknown_amount_never_nothing() -> None:
    assert booked(unpriced=True) == Booking(State.SETTLED, None)
    assert booked(unpriced=True, usage=None) == Booking(State.SETTLED, None)


def test_the_service_tier_decides_the_price() -> None:
    priority = Price(Rates(10 * 10**9, 20 * 10**9))
    price = Price(Rates(10**9, 2 * 10**9), service_tiers=(("priority", priority),))

    booking = book(
        a_model("small", price=price),
        was_sent=True,
        is_error_answer=False,
        usage=Usage(1_000, 100, UsageSource.REPORTED),
        held_nano_usd=HELD,
        service_tier="priority",
    )

    assert booking.cost_nano_usd == 12_000_000
