"""Step 2 and 4 of a request: score, shortlist, and the worst case's price of each candidate."""

from dataclasses import dataclass

from gateway.core.catalog import Catalog, Model
from gateway.core.errors import ContextLengthExceeded, MaxCostExceeded, UnsupportedCapability
from gateway.core.money import usd_text
from gateway.core.pricing import bound_nano_usd
from gateway.core.record import Reason
from gateway.core.routing import (
    Asked,
    Exclusion,
    Obstacle,
    Rung,
    Score,
    balanced,
    below,
    exclusion,
    ladder,
    starting_tier,
    thresholds,
)
from gateway.flow.estimating import (
    Candidate,
    exact_input_tokens,
    input_bound,
    output_bound,
)
from gateway.flow.gateway import Instruments, Snapshot
from gateway.wire.json_text import json_text
from gateway.wire.request import ClientRequest, Endpoint

MAX_DECISION_BYTES = 1024


@dataclass(frozen=True, slots=True)
class Wishes:
    """`pick` in [0, 1) draws among deployments; the ceiling is x-fareway-max-cost-usd. Reasons are
    for people: only explanations want them."""

    pick: float = 0.0
    ceiling_nano_usd: int | None = None
    wants_reasons: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """`candidates` are in the order they would be tried, the excluded ones among them."""

    asked: Asked
    score: Score | None
    tier: str | None
    candidates: tuple[Candidate, ...]
    reason: Reason
    routing_s: float

    @property
    def open(self) -> tuple[Candidate, ...]:
        return tuple(c for c in self.candidates if c.exclusion is None)


async def choose(
    asked: Asked,
    request: ClientRequest,
    snapshot: Snapshot,
    instruments: Instruments,
    wishes: Wishes,
) -> Choice:
    """Who may answer what was asked for, in order: the tier the score says and the dearer ones;
    the cheaper ones only where none of those can serve the request."""
    began_s = instruments.clock.monotonic()
    score = _score(asked, request, snapshot, wishes)
    routing_s = instruments.clock.monotonic() - began_s
    tier = starting_tier(asked, score)
    found: list[Candidate] = []
    for rungs in (ladder(asked, tier), below(asked, tier)):
        for rung in rungs:
            for model in balanced(snapshot.catalog.models[rung.model], wishes.pick):
                found.append(await _candidate(rung, model, request, instruments, wishes))  # noqa: PERF401 - awaits
        if any(candidate.exclusion is None for candidate in found):
            break
    return Choice(asked, score, tier, tuple(found), _reason(asked, found), routing_s)


def require_candidates(choice: Choice, request: ClientRequest) -> tuple[Candidate, ...]:
    """The candidates that can serve the request. Raises the refusal that fits where none can."""
    if choice.open:
        return choice.open
    obstacles = {c.exclusion.obstacle: c.exclusion.text for c in choice.candidates if c.exclusion}
    if text := obstacles.get(Obstacle.CEILING):
        raise MaxCostExceeded(
            f"No model of {choice.asked.name!r} is sure to answer within x-fareway-max-cost-usd: "
            f"the last {text}. A smaller output cap lowers what a request can cost.",
            param="x-fareway-max-cost-usd",
        )
    if text := obstacles.get(Obstacle.CONTEXT):
        raise ContextLengthExceeded(
            f"The prompt is too long for every model of {choice.asked.name!r}: the last {text}.",
            param="input" if request.endpoint is Endpoint.EMBEDDINGS else "messages",
        )
    raise UnsupportedCapability(
        f"No model of {choice.asked.name!r} can serve this request: each "
        f"{' or '.join(obstacles.values())}.",
        param="model",
    )


def decision_text(choice: Choice) -> str | None:
    """What a replay needs of the decision, as JSON of at most 1 KiB; None where nobody decided."""
    if choice.score is None:
        return None
    decision = {
        "score": round(choice.score.score, 6),
        "p_research": round(choice.score.p_research, 6),
        "p_ok": [round(choice.score.p_ok_cheap, 6), round(choice.score.p_ok_strong, 6)],
        "tier": choice.tier,
        "reason": choice.reason.value,
        "thresholds": dict(thresholds(choice.asked.route)),
    }
    text = json_text(decision)
    if len(text) > MAX_DECISION_BYTES:  # dozens of tiers; config_version tells their thresholds
        del decision["thresholds"]
        text = json_text(decision)
    return text


def baseline_model(asked: Asked, catalog: Catalog) -> Model | None:
    """What the route's savings are measured against; None for plain models."""
    if asked.route is None or asked.route.baseline is None:
        return None
    return catalog.models[asked.route.baseline][0]


def _score(
    asked: Asked, request: ClientRequest, snapshot: Snapshot, wishes: Wishes
) -> Score | None:
    if not asked.needs_score or request.endpoint is Endpoint.EMBEDDINGS:
        return None
    route = asked.route
    if route is None or route.router is None:
        return None
    scorer = snapshot.scorers[route.router]
    return (scorer.score if wishes.wants_reasons else scorer.brief_score)(request.routing_text)


def _reason(asked: Asked, found: list[Candidate]) -> Reason:
    if not asked.needs_score:
        return Reason.PINNED
    first = found[0].exclusion
    if first is not None and first.obstacle is Obstacle.CONTEXT:
        return Reason.CONTEXT
    if first is not None and first.obstacle is Obstacle.CEILING:
        return Reason.CEILING
    return Reason.ROUTED


async def _candidate(
    rung: Rung, model: Model, request: ClientRequest, instruments: Instruments, wishes: Wishes
) -> Candidate:
    most_input = input_bound(request, model)
    most_output = output_bound(request, model)
    exact = None
    if model.context_window is not None and most_input > model.context_window:
        exact = await exact_input_tokens(request, model, instruments.tokens)
    cost = None
    if model.price is not None:
        cost = bound_nano_usd(model.price, input_tokens=most_input, output_tokens=most_output)
    excluded = exclusion(
        model, endpoint=request.endpoint.value, capabilities=request.needs, input_tokens=exact
    )
    return Candidate(
        rung=rung,
        model=model,
        exclusion=excluded or _over_ceiling(cost, wishes.ceiling_nano_usd),
        input_bound=most_input,
        output_bound=most_output,
        bound_nano_usd=cost,
    )


def _over_ceiling(bound: int | None, ceiling: int | None) -> Exclusion | None:
    if ceiling is None or (bound is not None and bound <= ceiling):
        return None
    text = "has no price" if bound is None else f"can cost {usd_text(bound)} USD"
    return Exclusion(Obstacle.CEILING, text)
