"""Which models may answer, and in which order: names, tiers, what excludes a candidate.

Everything here is a plain function of the catalog, the score and what the request needs, so that
serving, `/v1/route`, the command line and replay decide alike.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from gateway.core.catalog import Catalog, Model, Route, Tenant, Tier
from gateway.core.errors import ModelNotAllowed, ModelNotFound

RESEARCH = "research"


@dataclass(frozen=True, slots=True)
class Score:
    """What a router says of a text, prompt only.

    `score`: quantile in [0, 1] of the predicted gain on the shipped reference mix; monotone in it.
    `p_research`: probability that the work needs many sources and steps. `p_ok_cheap`,
    `p_ok_strong`: probability that a cheap / a strong model answers well. `reasons`: what weighed
    most, for people.
    """

    score: float
    p_research: float
    p_ok_cheap: float
    p_ok_strong: float
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """What a client's `model` means. `route` None: a plain model. `cut`: the 0.7 of `auto:0.7`."""

    name: str
    route: Route | None
    suffix: str | None = None
    cut: float | None = None

    @property
    def needs_score(self) -> bool:
        """Whether the router has a say; `auto:floor` and `auto:max` name their tier themselves."""
        return self.route is not None and bool(self.route.tiers) and self.suffix is None


@dataclass(frozen=True, slots=True)
class Rung:
    """One step of a ladder: a model's name and the tier it stands in (None without tiers)."""

    tier: str | None
    model: str


def resolve(name: str, catalog: Catalog) -> Asked:
    """What `name` asks for. Raises ModelNotFound."""
    if route := catalog.routes.get(name):
        return Asked(name, route)
    if name in catalog.models:
        return Asked(name, None)
    base, _, suffix = name.rpartition(":")
    route = catalog.routes.get(base)
    if route is not None and route.tiers:
        if suffix in {"floor", "max"}:
            return Asked(name, route, suffix=suffix)
        cut = _cut(suffix)
        if cut is not None:
            return Asked(name, route, cut=cut)
    raise ModelNotFound(
        f"The model {name[:100]!r} does not exist. GET /v1/models lists what you may ask for.",
        param="model",
    )


def _cut(suffix: str) -> float | None:
    """The threshold in `auto:0.7`; None where it is no plain decimal in [0, 1]."""
    digits = suffix.replace(".", "", 1)
    if not (digits.isascii() and digits.isdigit()):
        return None
    cut = float(suffix)
    return cut if 0.0 <= cut <= 1.0 else None


def check_allowed(asked: Asked, tenant: Tenant) -> None:
    """Raises ModelNotAllowed. A suffix is allowed where its route is; a route may use its own."""
    wanted = asked.route.name if asked.route else asked.name
    if tenant.allow is not None and wanted not in tenant.allow:
        raise ModelNotAllowed(
            f"This key may not use the model {wanted!r}. GET /v1/models lists what it may use.",
            param="model",
        )


def tier_of(score: Score, tiers: Sequence[Tier]) -> str:
    """The tier's name: research where its own head passes its threshold, else the last tier whose
    threshold the score reaches; the first tier needs none."""
    for tier in tiers:
        is_research = tier.name == RESEARCH and tier.threshold is not None
        if is_research and score.p_research >= (tier.threshold or 0.0):
            return tier.name
    chosen = tiers[0].name
    for tier in tiers[1:]:
        if tier.name != RESEARCH and tier.threshold is not None and score.score >= tier.threshold:
            chosen = tier.name
    return chosen


def starting_tier(asked: Asked, score: Score | None) -> str | None:
    """The tier a request starts in; None for plain models and plain routes."""
    if asked.route is None or not asked.route.tiers:
        return None
    tiers = asked.route.tiers
    if asked.suffix == "floor":
        return tiers[0].name
    if asked.suffix == "max":
        return tiers[-1].name
    if score is None:  # nothing to judge (embeddings): the cheapest that can
        return tiers[0].name
    if asked.cut is not None:
        return tiers[0].name if score.score < asked.cut else tiers[-1].name
    return tier_of(score, tiers)


def ladder(asked: Asked, tier: str | None) -> tuple[Rung, ...]:
    """The models to try, in order: the starting tier's, then each dearer tier's, none twice.

    A route without tiers gives its models as listed, a plain model itself.
    """
    if asked.route is None:
        return (Rung(None, asked.name),)
    if not asked.route.tiers:
        return tuple(Rung(None, model) for model in asked.route.models)
    return _rungs(asked.route.tiers[_position(asked.route.tiers, tier) :])


def below(asked: Asked, tier: str | None) -> tuple[Rung, ...]:
    """The models under the starting tier, dearest first: for what nothing above may serve."""
    if asked.route is None or not asked.route.tiers:
        return ()
    tiers = asked.route.tiers
    position = _position(tiers, tier)
    above = {model for candidate in tiers[position:] for model in candidate.models}
    return tuple(rung for rung in _rungs(tiers[:position][::-1]) if rung.model not in above)


def _position(tiers: Sequence[Tier], name: str | None) -> int:
    return next((index for index, tier in enumerate(tiers) if tier.name == name), 0)


def _rungs(tiers: Sequence[Tier]) -> tuple[Rung, ...]:
    rungs: dict[str, Rung] = {}
    for tier in tiers:
        for model in tier.models:
            rungs.setdefault(model, Rung(tier.name, model))
    return tuple(rungs.values())


def balanced(deployments: Sequence[Model], pick: float) -> tuple[Model, ...]:
    """Deployments of one name, the first drawn by weight with `pick` in [0, 1), the rest after it
    as listed: what is tried next if the first fails."""
    if len(deployments) == 1:
        return tuple(deployments)
    mark = pick * sum(model.weight for model in deployments)
    first = deployments[-1]
    for model in deployments:
        mark -= model.weight
        if mark < 0:
            first = model
            break
    return (first, *(model for model in deployments if model is not first))


class Obstacle(StrEnum):
    ENDPOINT = "endpoint"
    CAPABILITY = "capability"
    CONTEXT = "context"
    CEILING = "ceiling"


@dataclass(frozen=True, slots=True)
class Exclusion:
    """Why a model cannot serve a request; `text` says it to people."""

    obstacle: Obstacle
    text: str


def exclusion(
    model: Model, *, endpoint: str, capabilities: frozenset[str], input_tokens: int | None
) -> Exclusion | None:
    """What keeps a model from serving a request; None where nothing does.

    `input_tokens` is an exact count, None where a bound already shows that the prompt fits.
    """
    if endpoint not in model.endpoints:
        return Exclusion(Obstacle.ENDPOINT, f"does not serve {endpoint}")
    if model.supports is not None and not capabilities <= model.supports:
        missing = ", ".join(sorted(capabilities - model.supports))
        return Exclusion(Obstacle.CAPABILITY, f"does not support {missing}")
    window = model.context_window
    if input_tokens is not None and window is not None and input_tokens > window:
        text = f"has a context window of {window} tokens, the prompt has {input_tokens}"
        return Exclusion(Obstacle.CONTEXT, text)
    return None


def thresholds(route: Route | None) -> Mapping[str, float]:
    """Threshold per tier, those that have one."""
    if route is None:
        return {}
    return {tier.name: tier.threshold for tier in route.tiers if tier.threshold is not None}
