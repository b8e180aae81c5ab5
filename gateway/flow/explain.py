"""What would happen, without doing it: a routing decision with its reasons, and what a request
would cost on each model. Serves `/v1/route`, `/v1/estimate` and the command line alike."""

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.core.catalog import Catalog, Model
from gateway.core.pricing import bound_nano_usd, cost_nano_usd
from gateway.core.routing import RESEARCH, Asked, Score, thresholds
from gateway.core.usage import Usage, UsageSource
from gateway.flow.choice import Choice, Wishes, choose
from gateway.flow.estimating import Candidate, exact_input_tokens, input_bound, output_bound
from gateway.flow.gateway import Instruments, Snapshot
from gateway.wire.request import ClientRequest

# The tokens of an average chat answer, for expected costs where nobody says better. A guess, to be
# measured on a tenant's own ledger.
EXPECTED_OUTPUT_TOKENS = 300


@dataclass(frozen=True, slots=True)
class CostEstimate:
    """Money is None where the model has no price."""

    model: str
    input_tokens: int
    output_tokens: int
    expected_nano_usd: int | None
    bound_nano_usd: int | None


@dataclass(frozen=True, slots=True)
class RouteCandidate:
    """`excluded` says why it would not be tried; None where it would be, in this order."""

    model: str
    tier: str | None
    p_ok: float | None
    expected_nano_usd: int | None
    bound_nano_usd: int | None
    excluded: str | None


@dataclass(frozen=True, slots=True)
class RouteExplanation:
    """`model` is None where no candidate can serve the request."""

    tier: str | None
    model: str | None
    score: float | None
    p_research: float | None
    thresholds: Mapping[str, float]
    reasons: tuple[str, ...]
    candidates: tuple[RouteCandidate, ...]


async def explain_route(
    asked: Asked,
    request: ClientRequest,
    snapshot: Snapshot,
    instruments: Instruments,
    *,
    ceiling_nano_usd: int | None = None,
) -> RouteExplanation:
    """The decision for this request now. Among deployments of one name the first is shown."""
    wishes = Wishes(ceiling_nano_usd=ceiling_nano_usd, wants_reasons=True)
    choice = await choose(asked, request, snapshot, instruments, wishes)
    served = choice.open[0] if choice.open else None
    shown: dict[str, RouteCandidate] = {}
    for candidate in choice.candidates:
        if candidate.model.name not in shown:
            shown[candidate.model.name] = await _shown(candidate, choice, request, instruments)
    for name, tier in _passed_over(asked, shown).items():
        shown[name] = await _passed(name, tier, choice, request, snapshot, instruments)
    return RouteExplanation(
        tier=served.rung.tier if served else choice.tier,
        model=served.model.name if served else None,
        score=choice.score.score if choice.score else None,
        p_research=choice.score.p_research if choice.score else None,
        thresholds=thresholds(asked.route),
        reasons=_reasons(choice),
        candidates=tuple(shown.values()),
    )


async def estimate(
    model: Model,
    request: ClientRequest,
    instruments: Instruments,
    *,
    output_tokens: int | None = None,
) -> CostEstimate:
    """What the request costs on a model if it answers with `output_tokens`, and at most."""
    input_tokens = await exact_input_tokens(request, model, instruments.tokens)
    most_output = output_bound(request, model)
    expected = EXPECTED_OUTPUT_TOKENS if output_tokens is None else output_tokens
    usage = Usage(input_tokens, min(expected, most_output), UsageSource.ESTIMATED)
    return CostEstimate(
        model=model.name,
        input_tokens=input_tokens,
        output_tokens=usage.output_tokens,
        expected_nano_usd=None if model.price is None else cost_nano_usd(model.price, usage),
        bound_nano_usd=None
        if model.price is None
        else bound_nano_usd(
            model.price, input_tokens=input_bound(request, model), output_tokens=most_output
        ),
    )


def models_of(asked: Asked, catalog: Catalog) -> tuple[Model, ...]:
    """One deployment of every model that could answer what was asked for."""
    if asked.route is None:
        return (catalog.models[asked.name][0],)
    names = dict.fromkeys(model for tier in asked.route.tiers for model in tier.models)
    names |= dict.fromkeys(asked.route.models)
    return tuple(catalog.models[name][0] for name in names)


def _reasons(choice: Choice) -> tuple[str, ...]:
    score = choice.score
    if score is None:
        return (f"{choice.asked.name!r} names its models itself; no router was asked",)
    cuts = thresholds(choice.asked.route)
    if choice.asked.cut is not None:
        verdict = f"score {score.score:.2f} against {choice.asked.cut:g} of {choice.asked.name!r}"
    elif choice.tier == RESEARCH:
        verdict = f"p_research {score.p_research:.2f} reaches {cuts[RESEARCH]:g}"
    else:
        verdict = f"score {score.score:.2f} falls in tier {choice.tier!r}"
    return (verdict, *_next_tier(score, cuts), *score.reasons)


def _next_tier(score: Score, cuts: Mapping[str, float]) -> tuple[str, ...]:
    """What would have changed the decision."""
    above = {name: cut for name, cut in cuts.items() if name != RESEARCH and cut > score.score}
    if not above:
        return ()
    name = min(above, key=lambda tier: above[tier])
    return (f"{name!r} would start at {above[name]:g}, {above[name] - score.score:.2f} higher",)


async def _shown(
    candidate: Candidate, choice: Choice, request: ClientRequest, instruments: Instruments
) -> RouteCandidate:
    costs = await estimate(candidate.model, request, instruments)
    return RouteCandidate(
        model=candidate.model.name,
        tier=candidate.rung.tier,
        p_ok=_p_ok(choice, candidate.model.name),
        expected_nano_usd=costs.expected_nano_usd,
        bound_nano_usd=candidate.bound_nano_usd,
        excluded=candidate.exclusion.text if candidate.exclusion else None,
    )


async def _passed(
    name: str,
    tier: str,
    choice: Choice,
    request: ClientRequest,
    snapshot: Snapshot,
    instruments: Instruments,
) -> RouteCandidate:
    costs = await estimate(snapshot.catalog.models[name][0], request, instruments)
    return RouteCandidate(
        model=name,
        tier=tier,
        p_ok=_p_ok(choice, name),
        expected_nano_usd=costs.expected_nano_usd,
        bound_nano_usd=costs.bound_nano_usd,
        excluded=f"stands in {tier!r}, below the tier chosen",
    )


def _passed_over(asked: Asked, shown: Mapping[str, RouteCandidate]) -> dict[str, str]:
    """The models of cheaper tiers that were not looked at, with their tier."""
    tiers = asked.route.tiers if asked.route else ()
    over: dict[str, str] = {}
    for tier in tiers:
        for model in tier.models:
            if model not in shown:
                over.setdefault(model, tier.name)
    return over


def _p_ok(choice: Choice, model: str) -> float | None:
    """The router's heads speak of a cheap and a strong model: the first and the last tier's. For
    those between it says nothing."""
    if choice.score is None or choice.asked.route is None:
        return None
    tiers = choice.asked.route.tiers
    if model in tiers[0].models:
        return choice.score.p_ok_cheap
    if model in tiers[-1].models:
        return choice.score.p_ok_strong
    return None
