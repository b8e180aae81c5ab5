"""Which model answers: tiers from a score, candidates from what a request needs."""

from dataclasses import dataclass


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
