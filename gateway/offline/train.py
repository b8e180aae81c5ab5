"""`fareway train`: rows in, a router_models/ folder out, measured on questions it had not seen."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import Progress
from sklearn.model_selection import GroupKFold

from gateway.core.features import TextFeatures, extract
from gateway.offline.curves import Figures, figures
from gateway.offline.datasets import EVERYDAY, Row, load, normalised_question
from gateway.offline.fitting import FittedRouter, fit
from gateway.router_artifact import write_artifact
from gateway.router_artifact.weights import Floats

_LIBRARIES = ("numpy", "scikit-learn", "scipy")
_QUANTILE_POINTS = 401

# The mix that scores are quantiles of: what share of traffic each part stands for. A guess at the
# traffic of a gateway, to be replaced by measured shares; measured rows keep their own proportions.
_REFERENCE_MIX: Mapping[str, float] = {
    "measured": 0.38,
    "simple": 0.28,
    "moderate": 0.15,
    "complex": 0.13,
    "research": 0.06,
}


@dataclass(frozen=True, slots=True)
class TrainReport:
    """`figures`: cross-validated, by benchmark, each row scored by a router that never saw its
    question."""

    version: str
    rows: int
    figures: Mapping[str, Figures]
    out: Path


def train(
    data_paths: Sequence[Path],
    out: Path,
    *,
    seed: int = 20261122,
    folds: int = 5,
    console: Console | None = None,
) -> TrainReport:
    """Train on the rows of the files and our everyday prompts, and write the router to `out`.

    Raises ConfigError for rows that cannot be used. Deterministic: equal files, seed and libraries
    give equal weights. `console` shows the progress.
    """
    dataset = load(data_paths, seed=seed)
    rows = dataset.rows
    with Progress(console=console, disable=console is None, transient=True) as progress:
        task = progress.add_task("Reading prompts", total=folds + 2)
        features = [extract(row.prompt) for row in rows]
        progress.update(task, advance=1, description="Cross-validating")
        gain = np.zeros(len(rows))
        for held_out, router in _cross_validate(rows, features, folds=folds, seed=seed):
            gain[held_out] = router.outputs([features[place] for place in held_out]).gain
            progress.update(task, advance=1)
        progress.update(task, description="Fitting on everything")
        router = fit(rows, features, seed=seed)
        progress.update(task, advance=1)
    measured = _figures_by_benchmark(rows, gain)
    name = write_artifact(
        out,
        router.export(_reference_quantiles(rows, gain)),
        facts={
            "seed": seed,
            "rows": len(rows),
            "data_digest": dataset.digest,
            "libraries": {library: version(library) for library in _LIBRARIES},
            "figures": {
                benchmark: {
                    key: round(value, 4) if isinstance(value, float) else value
                    for key, value in asdict(result).items()
                }
                for benchmark, result in measured.items()
            },
        },
    )
    return TrainReport(version=name, rows=len(rows), figures=measured, out=out)


def _cross_validate(
    rows: Sequence[Row], features: Sequence[TextFeatures], *, folds: int, seed: int
) -> Iterator[tuple[list[int], FittedRouter]]:
    """Held-out places and the router fitted on the rest; a question is never on both sides."""
    questions = np.unique([normalised_question(row.prompt) for row in rows], return_inverse=True)[1]
    splitter = GroupKFold(folds, shuffle=True, random_state=seed)
    for kept, held_out in splitter.split(questions, groups=questions):
        router = fit(
            [rows[place] for place in kept], [features[place] for place in kept], seed=seed
        )
        yield [int(place) for place in held_out], router


def _figures_by_benchmark(rows: Sequence[Row], gain: Floats) -> dict[str, Figures]:
    results = {}
    for benchmark in sorted({row.benchmark for row in rows if row.benchmark}):
        places = [place for place, row in enumerate(rows) if row.benchmark == benchmark]
        result = figures(
            gain[places],
            np.array([rows[place].cheap for place in places]),
            np.array([rows[place].strong for place in places]),
        )
        if result is not None:
            results[benchmark] = result
    return results


def _reference_quantiles(rows: Sequence[Row], gain: Floats) -> Floats:
    """The gain at evenly spaced quantiles of the reference mix, from held-out predictions."""
    parts = np.array([_part(row) for row in rows])
    weight = np.zeros(len(rows))
    for part, share in _REFERENCE_MIX.items():
        of = parts == part
        if of.any():
            weight[of] = share / of.sum()
    order = np.argsort(gain, kind="stable")
    order = order[weight[order] > 0]
    # Midpoints of the weights: the usual quantile where all weigh the same.
    reached = (np.cumsum(weight[order]) - weight[order] / 2) / weight.sum()
    return np.interp(np.linspace(0.0, 1.0, _QUANTILE_POINTS), reached, gain[order])


def _part(row: Row) -> str:
    """Which part of the reference mix a row stands for; none for expert questions and contest
    maths, whose place among everyday traffic is unknown."""
    if row.benchmark is not None:
        return "measured"
    return str(row.tier) if row.domain == EVERYDAY and row.weight >= 1 else "none"
