"""Apply a router's weights to a text: numpy and dicts, the same figures as scikit-learn's own."""

from dataclasses import dataclass

import numpy as np

from gateway.core.features import FEATURE_NAMES, TextFeatures, extract
from gateway.core.routing import Score
from gateway.router_artifact.weights import Floats, RouterWeights

_REASONS = 3
# Below this share of a gain a term or figure explains nothing to a person.
_REASON_MINIMUM = 0.005


@dataclass(frozen=True, slots=True, eq=False)
class Heads:
    """What the heads say of one text, before anything is cut. Arrays run over domains."""

    gate: Floats
    gain: float
    p_cheap: float
    p_strong: float
    p_research: float


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
        features = extract(text)
        rows, values = self._term_vector(features)
        figures = np.array(features.figures)
        heads = self._heads(rows, values, figures)
        return Score(
            score=float(np.interp(heads.gain, self._weights.quantiles, self._quantiles)),
            p_research=heads.p_research,
            p_ok_cheap=heads.p_cheap,
            p_ok_strong=heads.p_strong,
            reasons=self._reasons(rows, values, figures, heads.gate),
        )

    def heads(self, text: str) -> Heads:
        """The figures behind a score: gate over domains, gain in [-1, 1], probabilities."""
        features = extract(text)
        rows, values = self._term_vector(features)
        return self._heads(rows, values, np.array(features.figures))

    def _term_vector(self, features: TextFeatures) -> tuple[list[int], Floats]:
        """Rows of the known terms and their tf-idf values, as TfidfVectorizer computes them
        (sublinear_tf, smooth idf, norm l2)."""
        known = self._rows
        counts: dict[int, float] = {}
        for row in [known[term] for term in features.terms if term in known]:
            counts[row] = counts.get(row, 0.0) + 1.0
        rows = list(counts)
        if not rows:
            return rows, np.zeros(0)
        values = (1.0 + np.log(np.array(list(counts.values())))) * self._weights.idf[rows]
        return rows, values / np.sqrt(values @ values)

    def _heads(self, rows: list[int], values: Floats, figures: Floats) -> Heads:
        weights = self._weights
        outputs = weights.intercepts + figures @ weights.figure_weights
        if rows:
            outputs = outputs + values @ weights.term_weights[rows]
        count = len(weights.domains)
        shifted = np.exp(outputs[:count] - outputs[:count].max())
        gate = shifted / shifted.sum()
        right = 1.0 / (1.0 + np.exp(-outputs[2 * count :]))
        p_cheap = float(gate @ right[:count])
        p_strong = float(gate @ right[count : 2 * count])
        # Two estimates of one thing, each better on some domain; their mean beats both.
        gain = (float(gate @ outputs[count : 2 * count]) + p_strong - p_cheap) / 2
        return Heads(gate, gain, p_cheap, p_strong, float(right[-1]))

    def _reasons(
        self, rows: list[int], values: Floats, figures: Floats, gate: Floats
    ) -> tuple[str, ...]:
        """The likeliest domain, then what moved the gain most, against what is usual."""
        weights = self._weights
        count = len(self.domains)
        reasons = [f"reads like {self.domains[int(gate.argmax())]} ({gate.max():.0%})"]
        by_figure = (figures - weights.figure_means) * (
            weights.figure_weights[:, count : 2 * count] @ gate
        )
        pushes = [
            (float(by_figure[place]), FEATURE_NAMES[place])
            for place in np.abs(by_figure).argsort()[-_REASONS:]
        ]
        if rows:
            by_term = values * (weights.term_weights[rows, count : 2 * count] @ gate)
            pushes += [
                (float(by_term[place]), f"the words '{weights.terms[rows[place]]}'")
                for place in np.abs(by_term).argsort()[-_REASONS:]
            ]
        pushes.sort(key=lambda push: -abs(push[0]))
        for push, name in pushes[:_REASONS]:
            if abs(push) >= _REASON_MINIMUM:
                reasons.append(f"{name} ({'+' if push > 0 else '-'})")
        return tuple(reasons)
