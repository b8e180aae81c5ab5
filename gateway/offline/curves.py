"""How good a ranking of prompts by "send it to the strong model" is.

APGR (average performance gap recovered) and CPT(x) (share of strong calls, in percent, that buys x
of the gap) as defined by RouteLLM (arXiv 2406.18665): along a curve of accuracy over
the share sent to the strong model; 0.5 and 50 / 80 are a coin's.
"""

from dataclasses import dataclass

import numpy as np

from gateway.router_artifact.weights import Floats


@dataclass(frozen=True, slots=True)
class Figures:
    """`apgr` over every threshold, `apgr_10_bins`, `cpt50`, `cpt80` over ten quantile bins."""

    rows: int
    cheap_mean: float
    strong_mean: float
    apgr: float
    apgr_10_bins: float
    cpt50: float
    cpt80: float


def figures(score: Floats, cheap: Floats, strong: Floats) -> Figures | None:
    """None where the strong model is no better over these rows: there is no gap to recover."""
    floor, ceiling = float(cheap.mean()), float(strong.mean())
    if ceiling <= floor:
        return None
    shares, accuracy = _every_threshold(score, cheap, strong)
    bin_shares, bin_accuracy = _ten_bins(score, cheap, strong)
    needed = [floor + part * (ceiling - floor) for part in (0.5, 0.8)]
    cpt50, cpt80 = 100 * np.interp(needed, bin_accuracy, bin_shares)
    return Figures(
        rows=len(score),
        cheap_mean=floor,
        strong_mean=ceiling,
        apgr=_recovered(shares, accuracy, floor, ceiling),
        apgr_10_bins=_recovered(bin_shares, bin_accuracy, floor, ceiling),
        cpt50=float(cpt50),
        cpt80=float(cpt80),
    )


def _every_threshold(score: Floats, cheap: Floats, strong: Floats) -> tuple[Floats, Floats]:
    """Ties are one threshold: they are sent together."""
    order = np.argsort(-score, kind="stable")
    gains = np.concatenate([[0.0], np.cumsum((strong - cheap)[order])])
    steps = np.flatnonzero(np.diff(score[order])) + 1
    ends = np.concatenate([[0], steps, [len(score)]])
    return ends / len(score), cheap.mean() + gains[ends] / len(score)


def _ten_bins(score: Floats, cheap: Floats, strong: Floats) -> tuple[Floats, Floats]:
    """Everything at or above each decile goes to the strong model; above the last, nothing."""
    points = [(0.0, cheap.mean())]
    for edge in np.unique(np.quantile(score, np.linspace(0.0, 0.9, 10))):
        sent = score >= edge
        points.append((sent.mean(), np.where(sent, strong, cheap).mean()))
    points.sort()
    curve = np.array(points)
    return curve[:, 0], curve[:, 1]


def _recovered(shares: Floats, accuracy: Floats, floor: float, ceiling: float) -> float:
    area = float(np.trapezoid(accuracy - floor, shares))
    return area / ((ceiling - floor) * float(shares[-1] - shares[0]))
