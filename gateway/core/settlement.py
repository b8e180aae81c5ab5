"""What a finished attempt is booked at.

how it ended                                          state    booked
----------------------------------------------------  -------  -----------------------------
provably never written to the upstream                void     nothing
the upstream answered with an error status            settled  nothing: providers bill no errors
usage is known, reported or estimated                 settled  its cost
sent, and nobody saw what became of it                settled  the full hold: it covers any bill
"""

from dataclasses import dataclass

from gateway.core.catalog import Model
from gateway.core.pricing import cached_discount_nano_usd, cost_nano_usd
from gateway.core.record import State
from gateway.core.usage import Usage


@dataclass(frozen=True, slots=True)
class Booking:
    """`cost_nano_usd` is None where the model has no price: never zero by silence."""

    state: State
    cost_nano_usd: int | None
    cached_discount_nano_usd: int = 0


def book(
    model: Model,
    *,
    was_sent: bool,
    is_error_answer: bool,
    usage: Usage | None,
    held_nano_usd: int | None,
    service_tier: str | None,
) -> Booking:
    if not was_sent:
        return Booking(State.VOID, 0)
    if is_error_answer:
        return Booking(State.SETTLED, 0)
    if usage is None or model.price is None:
        return Booking(State.SETTLED, held_nano_usd if model.price is not None else None)
    return Booking(
        State.SETTLED,
        cost_nano_usd(model.price, usage, service_tier=service_tier),
        cached_discount_nano_usd(model.price, usage, service_tier=service_tier),
    )
