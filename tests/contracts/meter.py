"""What every Meter promises: it takes whatever record a request can end in."""

import pytest

from gateway.core.record import Kind, Outcome, RequestRecord, State
from gateway.flow.ports import Meter
from tests.support.records import an_attempt, record

RECORDS = {
    "answered": record(an_attempt(delivered=True, baseline_nano_usd=20_000)),
    "nothing begun": record(),
    "no route, no score": record(an_attempt(tier=None), route=None, score=None),
    "unpriced": record(an_attempt(cost_nano_usd=None, held_nano_usd=None)),
    "void": record(an_attempt(state=State.VOID, usage=None, cost_nano_usd=0)),
    "nobody saw its end": record(an_attempt(outcome=None, usage=None)),
    "climbed": record(
        an_attempt(outcome=Outcome.ERROR), an_attempt(attempt=2, kind=Kind.ESCALATION)
    ),
    "cost more than it saved": record(an_attempt(cached_discount_nano_usd=-5)),
}


class MeterContract:
    """A subclass gives the fixture `meter`."""

    @pytest.mark.parametrize("name", RECORDS)
    def test_any_record_is_taken(self, meter: Meter, name: str) -> None:
        found: RequestRecord = RECORDS[name]

        meter.observe(found)
        meter.observe(found)
