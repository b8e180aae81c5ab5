"""Fit a router with scikit-learn and export it as plain weights.

A gate tells the domain; each domain has a ridge on the gain and two logistic heads. Predicting the
gain matters: a router on "the cheap model is wrong" alone sends what both get wrong, and lost .07
APGR on MMLU in a prototype.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter

import numpy as np
import scipy.sparse  # type: ignore[import-untyped]  # it ships no types
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler

from gateway.core.features import TextFeatures
from gateway.offline.datasets import Row
from gateway.router_artifact import RouterWeights
from gateway.router_artifact.weights import GAIN_HEAD_SHARE, Floats

# Chosen by five-fold APGR on the shipped rows (MMLU, GSM8K): .03-.3, 2-16, .03-.3 tried.
_FIGURE_SCALE = 0.2
_GAIN_PENALTY = 8.0
_CHANCE_STRENGTH = 0.1
_GATE_STRENGTH = 5.0
_RESEARCH_STRENGTH = 5.0
# 20,000 terms pack into 1.6 MB.
_TERMS_MAX = 20_000
_TERM_ROWS_MIN = 3
_ITERATIONS_MAX = 1000
# Research rows are few; together they weigh this share of that head's training.
_RESEARCH_SHARE = 0.15


@dataclass(frozen=True, slots=True)
class Expert:
    gain: Ridge
    cheap: LogisticRegression
    strong: LogisticRegression


@dataclass(frozen=True, slots=True)
class Outputs:
    """scikit-learn's own output for some texts, one row a text."""

    gate: Floats
    gain: Floats
    p_cheap: Floats
    p_strong: Floats
    p_research: Floats


@dataclass(frozen=True, slots=True)
class FittedRouter:
    vectoriser: TfidfVectorizer
    scaler: StandardScaler
    domains: tuple[str, ...]
    gate: LogisticRegression
    experts: tuple[Expert, ...]
    research: LogisticRegression

    def outputs(self, features: Sequence[TextFeatures]) -> Outputs:
        inputs = _inputs(features, self.vectoriser, self.scaler)
        gate: Floats = self.gate.predict_proba(inputs)
        cheap = np.column_stack([one.cheap.predict_proba(inputs)[:, 1] for one in self.experts])
        strong = np.column_stack([one.strong.predict_proba(inputs)[:, 1] for one in self.experts])
        gains = np.column_stack([expert.gain.predict(inputs) for expert in self.experts])
        p_cheap, p_strong = (gate * cheap).sum(axis=1), (gate * strong).sum(axis=1)
        return Outputs(
            gate=gate,
            gain=GAIN_HEAD_SHARE * (gate * gains).sum(axis=1)
            + (1 - GAIN_HEAD_SHARE) * (p_strong - p_cheap),
            p_cheap=p_cheap,
            p_strong=p_strong,
            p_research=self.research.predict_proba(inputs)[:, 1],
        )

    def export(self, quantiles: Floats) -> RouterWeights:
        """The same router as arrays, figures' scaling folded into their weights."""
        gate_weights, gate_intercepts = self.gate.coef_, self.gate.intercept_
        if len(self.domains) == 2:  # noqa: PLR2004 - scikit-learn keeps one row for two classes
            gate_weights = np.vstack([np.zeros_like(gate_weights[0]), gate_weights[0]])
            gate_intercepts = np.array([0.0, gate_intercepts[0]])
        columns = [
            gate_weights,
            np.vstack([expert.gain.coef_ for expert in self.experts]),
            np.vstack([expert.cheap.coef_ for expert in self.experts]),
            np.vstack([expert.strong.coef_ for expert in self.experts]),
            self.research.coef_,
        ]
        intercepts = [
            gate_intercepts,
            [float(expert.gain.intercept_) for expert in self.experts],
            [float(expert.cheap.intercept_[0]) for expert in self.experts],
            [float(expert.strong.intercept_[0]) for expert in self.experts],
            self.research.intercept_,
        ]
        weights = np.vstack(columns).T
        terms = self.vectoriser.get_feature_names_out()
        figure_weights = weights[len(terms) :] * _FIGURE_SCALE / self.scaler.scale_[:, None]
        return RouterWeights(
            domains=self.domains,
            terms=tuple(map(str, terms)),
            idf=np.asarray(self.vectoriser.idf_, dtype=np.float64),
            term_weights=np.ascontiguousarray(weights[: len(terms)]),
            figure_weights=figure_weights,
            figure_means=np.asarray(self.scaler.mean_, dtype=np.float64),
            intercepts=np.concatenate(intercepts) - self.scaler.mean_ @ figure_weights,
            quantiles=quantiles,
        )


def fit(rows: Sequence[Row], features: Sequence[TextFeatures], *, seed: int) -> FittedRouter:
    """Equal rows and seed give an equal router."""
    vectoriser = TfidfVectorizer(
        analyzer=attrgetter("terms"),
        sublinear_tf=True,
        min_df=_TERM_ROWS_MIN,
        max_features=_TERMS_MAX,
    ).fit(features)
    scaler = StandardScaler().fit(np.array([one.figures for one in features]))
    inputs = _inputs(features, vectoriser, scaler)
    weight = np.array([row.weight for row in rows])
    domain = np.array([row.domain for row in rows])
    gate = LogisticRegression(C=_GATE_STRENGTH, max_iter=_ITERATIONS_MAX, random_state=seed)
    gate.fit(inputs, domain, sample_weight=weight)
    cheap = np.array([row.cheap for row in rows])
    strong = np.array([row.strong for row in rows])
    experts = []
    for name in gate.classes_:
        of = domain == name
        gain = Ridge(alpha=_GAIN_PENALTY, solver="sparse_cg", tol=1e-5, random_state=seed)
        gain.fit(inputs[of], (strong - cheap)[of], sample_weight=weight[of])
        experts.append(
            Expert(
                gain,
                _fit_chance(inputs[of], cheap[of], weight[of], seed=seed),
                _fit_chance(inputs[of], strong[of], weight[of], seed=seed),
            )
        )
    domains = tuple(map(str, gate.classes_))
    research = _fit_research(rows, inputs, weight, seed=seed)
    return FittedRouter(vectoriser, scaler, domains, gate, tuple(experts), research)


def _inputs(
    features: Sequence[TextFeatures], vectoriser: TfidfVectorizer, scaler: StandardScaler
) -> scipy.sparse.csr_matrix:
    figures = scaler.transform(np.array([one.figures for one in features])) * _FIGURE_SCALE
    return scipy.sparse.hstack(
        [vectoriser.transform(features), scipy.sparse.csr_matrix(figures)]
    ).tocsr()


def _fit_chance(
    inputs: scipy.sparse.csr_matrix, chance: Floats, weight: Floats, *, seed: int
) -> LogisticRegression:
    """A logistic head on chances: a row with chance p counts p times as right, 1 - p as wrong."""
    if chance.min() == chance.max():
        chance = chance.clip(0.01, 0.99)  # a head needs to see both outcomes
    right, wrong = np.flatnonzero(chance > 0), np.flatnonzero(chance < 1)
    head = LogisticRegression(C=_CHANCE_STRENGTH, max_iter=_ITERATIONS_MAX, random_state=seed)
    head.fit(
        scipy.sparse.vstack([inputs[right], inputs[wrong]]),
        np.concatenate([np.ones(len(right)), np.zeros(len(wrong))]),
        sample_weight=np.concatenate(
            [(weight * chance)[right], (weight * (1 - chance))[wrong]],
        ),
    )
    return head


def _fit_research(
    rows: Sequence[Row], inputs: scipy.sparse.csr_matrix, weight: Floats, *, seed: int
) -> LogisticRegression:
    clear = np.array([row.is_research is not None for row in rows])
    label = np.array([bool(row.is_research) for row in rows])
    balance = weight.copy()
    odds = _RESEARCH_SHARE / (1 - _RESEARCH_SHARE)
    balance[label] *= odds * weight[clear & ~label].sum() / weight[label].sum()
    head = LogisticRegression(C=_RESEARCH_STRENGTH, max_iter=_ITERATIONS_MAX, random_state=seed)
    head.fit(inputs[clear], label[clear], sample_weight=balance[clear])
    return head
