"""A request between its first attempt and its one record.

The object owns what the request has open in the ledger: `begin` writes the attempt's pending row
before anything is sent, `settle` books every attempt and hands the one `RequestRecord` to ledger
and meter. It settles exactly once, whatever ends the request; what an attempt has not said by then
is booked as `core.settlement` says.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from gateway.core.catalog import Catalog
from gateway.core.pricing import cost_nano_usd
from gateway.core.record import (
    AttemptRecord,
    Kind,
    Outcome,
    Reason,
    RequestFacts,
    RequestRecord,
    State,
    ledger_row,
    total_nano_usd,
)
from gateway.core.settlement import Booking, book
from gateway.core.usage import Usage
from gateway.flow.choice import Choice, baseline_model
from gateway.flow.estimating import Candidate
from gateway.flow.gateway import Gateway
from gateway.flow.reply import Closing, Head
from gateway.wire.request import ClientRequest


@dataclass(slots=True)
class OpenAttempt:
    """What is known so far of one attempt; the attempt's driver writes it down as it learns it."""

    number: int
    kind: Kind
    candidate: Candidate
    output_cap: int | None
    service_tier: str | None
    started_at: datetime
    started_s: float
    was_sent: bool = True  # presumed, until it is provably not
    is_error_answer: bool = False
    delivered: bool = False
    outcome: Outcome | None = None
    error_code: str | None = None
    upstream_id: str | None = None
    finish_reason: str | None = None
    usage: Usage | None = None
    first_token_s: float | None = None
    ended_s: float | None = None

    def waited_s(self, now_s: float) -> float:
        """Seconds spent waiting on the upstream: until its first event where that was relayed at
        once, until its end otherwise."""
        if self.delivered and self.first_token_s is not None:
            return self.first_token_s
        return (self.ended_s or now_s) - self.started_s


class OpenRequest:
    """`started_s` is the monotonic time at which the request was read."""

    def __init__(
        self,
        gateway: Gateway,
        facts: RequestFacts,
        started_s: float,
        choice: Choice,
        catalog: Catalog,
    ) -> None:
        self.gateway = gateway
        self._facts = facts
        self._started_s = started_s
        self._choice = choice
        self._baseline = baseline_model(choice.asked, catalog)
        self._attempts: list[OpenAttempt] = []
        self._overhead_s: float | None = None
        self._record: RequestRecord | None = None

    def begin(self, candidate: Candidate, request: ClientRequest) -> OpenAttempt:
        """Write the attempt's pending row. Raises StoreUnavailable: then nothing may be sent."""
        attempt = OpenAttempt(
            number=len(self._attempts) + 1,
            kind=self._kind(candidate),
            candidate=candidate,
            output_cap=request.output_cap,
            service_tier=request.service_tier,
            started_at=self.gateway.clock.now(),
            started_s=self.gateway.clock.monotonic(),
        )
        pending = AttemptRecord(
            attempt=attempt.number,
            kind=attempt.kind,
            model=candidate.model.name,
            provider=candidate.model.provider.name,
            state=State.PENDING,
            held_nano_usd=candidate.bound_nano_usd,
            price_version=candidate.model.price_version,
            started_at=attempt.started_at,
            tier=candidate.rung.tier,
            output_cap=attempt.output_cap,
        )
        self.gateway.ledger.append((ledger_row(self._facts, pending),))
        self._attempts.append(attempt)
        return attempt

    def head(self, upstream_headers: Mapping[str, str]) -> Head:
        """What the client's headers say. Money only once the request is settled."""
        attempt = self._attempts[-1]
        if self._overhead_s is None:
            self._overhead_s = self._overhead()
        return Head(
            upstream_headers=upstream_headers,
            model=attempt.candidate.model.name,
            tier=attempt.candidate.rung.tier,
            score=self._facts.score,
            reason=self._reason(),
            cache=self._facts.cache,
            attempts=len(self._attempts),
            overhead_s=self._overhead_s,
            cost_nano_usd=self._record.cost_nano_usd if self._record else None,
            saved_nano_usd=self._record.saved_nano_usd if self._record else None,
        )

    def closing(self) -> Closing:
        record = self.settle()
        return Closing(
            model=self._attempts[-1].candidate.model.name,
            attempts=len(self._attempts),
            reason=record.reason,
            cost_nano_usd=record.cost_nano_usd,
            saved_nano_usd=record.saved_nano_usd,
        )

    def cost_nano_usd(self) -> int | None:
        """What all attempts cost as far as is known now; None where one has no price."""
        if self._record is not None:
            return self._record.cost_nano_usd
        return total_nano_usd(self._booking(attempt).cost_nano_usd for attempt in self._attempts)

    async def close(self) -> None:
        """Settle, and wait until the record is as durable as was promised."""
        self.settle()
        await self.gateway.ledger.durable()

    def settle(self) -> RequestRecord:
        """Book every attempt and record the request; a second call returns the same record.

        An attempt that has no outcome yet was cut off: the client went away.
        """
        if self._record is None:
            self._record = RequestRecord(
                facts=self._facts,
                attempts=tuple(self._booked(attempt) for attempt in self._attempts),
                reason=self._reason(),
                overhead_s=self._overhead() if self._overhead_s is None else self._overhead_s,
                routing_s=self._choice.routing_s,
                duration_s=self.gateway.clock.monotonic() - self._started_s,
            )
            if self._record.attempts:
                self.gateway.ledger.append(self._record.rows())
            self.gateway.meter.observe(self._record)
        return self._record

    def _kind(self, candidate: Candidate) -> Kind:
        if not self._attempts:
            return Kind.ANSWER
        same_tier = candidate.rung.tier == self._attempts[-1].candidate.rung.tier
        return Kind.RETRY if same_tier else Kind.ESCALATION

    def _reason(self) -> Reason:
        if len(self._attempts) < 2:  # noqa: PLR2004 - one attempt: nothing was climbed
            return self._choice.reason
        climbed = any(attempt.kind is Kind.ESCALATION for attempt in self._attempts)
        return Reason.ESCALATED if climbed else Reason.FALLBACK

    def _overhead(self) -> float:
        """Time until now that was not spent waiting on upstreams."""
        now_s = self.gateway.clock.monotonic()
        waited_s = sum(attempt.waited_s(now_s) for attempt in self._attempts)
        return max(0.0, now_s - self._started_s - waited_s)

    def _booking(self, attempt: OpenAttempt) -> Booking:
        return book(
            attempt.candidate.model,
            was_sent=attempt.was_sent,
            is_error_answer=attempt.is_error_answer,
            usage=attempt.usage,
            held_nano_usd=attempt.candidate.bound_nano_usd,
            service_tier=attempt.service_tier,
        )

    def _booked(self, attempt: OpenAttempt) -> AttemptRecord:
        model = attempt.candidate.model
        booking = self._booking(attempt)
        ended_s = attempt.ended_s or self.gateway.clock.monotonic()
        return AttemptRecord(
            attempt=attempt.number,
            kind=attempt.kind,
            model=model.name,
            provider=model.provider.name,
            state=booking.state,
            held_nano_usd=attempt.candidate.bound_nano_usd,
            price_version=model.price_version,
            started_at=attempt.started_at,
            tier=attempt.candidate.rung.tier,
            outcome=attempt.outcome or Outcome.ABORTED,
            delivered=attempt.delivered,
            upstream_id=attempt.upstream_id,
            error_code=attempt.error_code,
            finish_reason=attempt.finish_reason,
            usage=attempt.usage,
            output_cap=attempt.output_cap,
            cost_nano_usd=booking.cost_nano_usd,
            baseline_nano_usd=self._baseline_cost(attempt, booking.cost_nano_usd),
            cached_discount_nano_usd=booking.cached_discount_nano_usd,
            first_token_ms=_milliseconds(attempt.first_token_s),
            duration_ms=_milliseconds(ended_s - attempt.started_s),
        )

    def _baseline_cost(self, attempt: OpenAttempt, cost: int | None) -> int | None:
        """What the baseline would have cost for the same tokens; on the delivered row alone."""
        if not attempt.delivered or attempt.usage is None:
            return None
        if self._baseline is None or self._baseline.price is None:
            return cost
        return cost_nano_usd(self._baseline.price, attempt.usage, service_tier=attempt.service_tier)


def _milliseconds(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1000)
