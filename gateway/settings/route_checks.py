"""Rules of routes: what they refer to, and that every tier can be reached."""

import re
from collections.abc import Callable, Iterator

from gateway.settings.models import RESEARCH, RouteSettings, TierSettings
from gateway.settings.names import Names
from gateway.settings.problems import KeyPath, Problem
from gateway.settings.root import Settings

_SUFFIXED = re.compile(r"(?P<route>.+):(?:floor|max|[0-9]*\.?[0-9]+)")


def route_problems(
    settings: Settings, names: Names, is_damaged: Callable[[KeyPath], bool]
) -> list[Problem]:
    return [*_check_routes(settings, names), *_check_orders(settings, is_damaged)]


def check_suffix(name: str, path: KeyPath, names: Names) -> Iterator[Problem]:
    match = _SUFFIXED.fullmatch(name)
    if match and match["route"] in names.routes.names:
        yield Problem(
            path,
            f'"{name}" already means the route {match["route"]} with a suffix'
            " (ROUTE:floor, ROUTE:max, ROUTE:0.7); choose another name",
        )


def _check_routes(settings: Settings, names: Names) -> Iterator[Problem]:
    for name, route in settings.routes.items():
        path: KeyPath = ("routes", name)
        if name in names.models.names:
            yield Problem(path, "is also the name of a model; a client could not tell them apart")
        yield from check_suffix(name, path, names)
        for where, model in _referenced_models(route, path):
            if text := names.models.missing(model):
                yield Problem(where, text)
        yield from _check_shape(route, path)


def _check_orders(settings: Settings, is_damaged: Callable[[KeyPath], bool]) -> Iterator[Problem]:
    for name, route in settings.routes.items():
        path: KeyPath = ("routes", name, "tiers")
        if not is_damaged(path):  # without a tier, its neighbours' thresholds would look wrong
            yield from _check_order(route, path)


def _referenced_models(route: RouteSettings, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    for index, model in enumerate(route.models):
        yield (*path, "models", index), model
    for tier_name, tier in route.tiers.items():
        for index, model in enumerate(tier.models):
            yield (*path, "tiers", tier_name, "models", index), model
    if route.baseline is not None:
        yield (*path, "baseline"), route.baseline


def _check_shape(route: RouteSettings, path: KeyPath) -> Iterator[Problem]:
    if route.tiers and route.models:
        yield Problem((*path, "models"), "stands beside tiers; a route has one or the other")
    if not route.tiers and not route.models:
        yield Problem(path, "has neither tiers nor models; name what answers")
    if route.router is not None and not route.tiers:
        yield Problem((*path, "router"), "needs tiers to choose from; without them leave it out")
    if len(set(route.models)) < len(route.models):
        yield Problem((*path, "models"), "names a model twice; the second could never be reached")
    for tier_name, tier in route.tiers.items():
        where = (*path, "tiers", tier_name, "models")
        if not tier.models:
            yield Problem(where, "is empty: the tier could never answer")
        if len(set(tier.models)) < len(tier.models):
            yield Problem(where, "names a model twice; the second could never be reached")


def _check_order(route: RouteSettings, path: KeyPath) -> Iterator[Problem]:
    """Thresholds cut [0, 1] from the cheapest tier up; `research` is looked at first, alone."""
    research = route.tiers.get(RESEARCH)
    ordinary = [(name, tier) for name, tier in route.tiers.items() if name != RESEARCH]
    if research is not None:
        where = (*path, RESEARCH, "threshold")
        if research.threshold is None:
            yield Problem(where, "is required: the p_research at or above which the tier is taken")
        elif research.threshold == 0:
            yield Problem(where, "is 0: every request would go here and no other tier be reached")
        if not ordinary:
            yield Problem(path, f"has only {RESEARCH}; add at least one tier before it")
    if not ordinary or route.policy == "quality":
        return
    first_name, first = ordinary[0]
    if first.threshold is not None:
        where = (*path, first_name, "threshold")
        yield Problem(
            where, "stands on the first tier, which takes every lower score; leave it out"
        )
    yield from _check_rising(ordinary[1:], path, first_name)


def _check_rising(
    tiers: list[tuple[str, TierSettings]], path: KeyPath, before: str
) -> Iterator[Problem]:
    previous = 0.0
    for name, tier in tiers:
        where = (*path, name, "threshold")
        if tier.threshold is None:
            yield Problem(where, "is required: the score at or above which the tier starts")
            continue
        if tier.threshold <= previous:
            yield Problem(
                where,
                f"is {tier.threshold:g}, so {before} could never be reached; tiers stand cheapest"
                f" first and their thresholds rise: more than {previous:g}",
            )
        previous, before = tier.threshold, name
