"""Apply a router's weights to a text: numpy and dicts, the same figures as scikit-learn's own."""

from collections import Counter
from dataclasses import dataclass
from math import log, sqrt

import numpy as np
from numpy.typing import NDArray

from gateway.core.features import FEATURE_NAMES, TextFeatures, extract
from gateway.core.routing import Score
from gateway.router_artifact.weights import GAIN_HEAD_SHARE, Floats, RouterWeights

_REASONS = 3
# A capped text has at most some 8,000 terms; a table spares a logarithm over an array.
_COUNT_MAX = 10_000
_SUBLINEAR = (0.0, *(1.0 + log(count) for count in range(1, _COUNT_MAX + 1)))


@dataclass(frozen=True, slots=True, eq=False)
class Heads:
    """What the heads say of one text, before anything is cut. Arrays run over domains."""

    gate: Floats
    gain: float
    p_cheap: float
    p_strong: float
    p_research: float


@dataclass(frozen=True, slots=True, eq=False)
class _Reading:
    """A text's known terms (rows, tf-idf values, weights a row) and its figures."""

    rows: NDArray[np.intp]
    values: Floats
    weights: Floats
    figures: Floats


class ArtifactScorer:
    """A loaded router; see flow/ports.Scorer. Safe to share: scoring changes nothing."""

    def __init__(self, weights: RouterWeights, *, version: str) -> None:
        weights.check(figures=len(FEATURE_NAMES))
        self.version = version
        self.domains = weights.domains
        self._weights = weights
        self._rows = {term: row for row, term in enumerate(weights.terms)}
        self._quantiles = np.linspace(0.0, 1.0, len(weights.quantiles))

    def score(self, text: str) -> Score:
        reading = self._read(extract(text))
        heads = self._heads(reading)
        return self._score(heads, self._reasons(reading, heads.gate))

    def brief_score(self, text: str) -> Score:
        """The same without reasons, a tenth cheaper: for files of many prompts."""
        return self._score(self.heads(text), ())

    def heads(self, text: str) -> Heads:
        """The figures behind a score: gate over domains, gain in [-1, 1], probabilities."""
        return self._heads(self._read(extract(text)))

    def _read(self, features: TextFeatures) -> _Reading:
        """Known terms with tf-idf values as TfidfVectorizer computes them (sublinear_tf, smooth
        idf, norm l2)."""
        known = self._rows
        counts = Counter([known[term] for term in features.terms if term in known])
        rows = np.array([*counts], dtype=np.intp)
        values = np.array([_SUBLINEAR[min(count, _COUNT_MAX)] for count in counts.values()])
        if counts:
            values *= self._weights.idf.take(rows)
            values /= sqrt(values @ values)
        return _Reading(rows, values, self._weights.term_weights[rows], np.array(features.figures))

    def _heads(self, reading: _Reading) -> Heads:
        weights = self._weights
        count = len(self.domains)
        outputs = weights.intercepts + reading.figures @ weights.figure_weights
        outputs += reading.values @ reading.weights
        gate = np.exp(outputs[:count] - outputs[:count].max())
        gate /= gate.sum()
        right = 1.0 / (1.0 + np.exp(-outputs[2 * count :]))
        p_cheap = float(gate @ right[:count])
        p_strong = float(gate @ right[count : 2 * count])
        own = float(gate @ outputs[count : 2 * count])
        gain = GAIN_HEAD_SHARE * own + (1 - GAIN_HEAD_SHARE) * (p_strong - p_cheap)
        return Heads(gate, gain, p_cheap, p_strong, float(right[-1]))

    def _score(self, heads: Heads, reasons: tuple[str, ...]) -> Score:
        return Score(
            score=float(np.interp(heads.gain, self._weights.quantiles, self._quantiles)),
            p_research=heads.p_research,
            p_ok_cheap=heads.p_cheap,
            p_ok_strong=heads.p_strong,
            reasons=reasons,
        )

    def _reasons(self, reading: _Reading, gate: Floats) -> tuple[str, ...]:
        """The likeliest domain, then what moved the gain most, against what is usual."""
        weights = self._weights
        gains = slice(len(gate), 2 * len(gate))
        unusual = reading.figures - weights.figure_means
        by_figure = unusual * (weights.figure_weights[:, gains] @ gate)
        by_term = reading.values * (reading.weights[:, gains] @ gate)
        pushes = np.concatenate([by_figure, by_term])
        domain = int(gate.argmax())
        reasons = [f"reads like {self.domains[domain]} ({gate[domain]:.0%})"]
        for place in np.abs(pushes).argsort()[: -_REASONS - 1 : -1].tolist():
            if place < len(unusual):
                name = FEATURE_NAMES[place][0 if unusual[place] > 0 else 1]
            else:
                name = f"the words '{weights.terms[reading.rows[place - len(unusual)]]}'"
            reasons.append(f"{name} {'raises' if pushes[place] > 0 else 'lowers'} it")
        return tuple(reasons)
