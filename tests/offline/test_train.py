import json

import pytest

from gateway.offline.train import TrainReport, train
from gateway.router_artifact import load_scorer
from tests.support.tiny_router import SEED, write_tiny_rows


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> TrainReport:
    folder = tmp_path_factory.mktemp("train")
    data = write_tiny_rows(folder / "rows.parquet")
    return train([data], folder / "one" / "tiny", seed=SEED, folds=2)


def test_training_twice_gives_the_same_bytes(report: TrainReport) -> None:
    data = report.out.parent.parent / "rows.parquet"

    again = train([data], report.out.parent.parent / "two" / "tiny", seed=SEED, folds=2)

    assert again.version == report.version
    for name in ("manifest.json", "terms.json", "weights.npz"):
        assert (again.out / name).read_bytes() == (report.out / name).read_bytes()


def test_trained_router_loads_under_the_version_reported(report: TrainReport) -> None:
    assert load_scorer(report.out).version == report.version


def test_figures_are_reported_and_kept_in_the_manifest(report: TrainReport) -> None:
    manifest = json.loads((report.out / "manifest.json").read_bytes())

    assert set(report.figures) == {"gsm8k", "llmrouter", "mmlu", "mmlupro_nonmmlu"}
    assert manifest["figures"]["mmlu"]["apgr"] == pytest.approx(
        report.figures["mmlu"].apgr, abs=1e-4
    )
    assert manifest["seed"] == SEED
    assert len(manifest["data_digest"]) == 64


def test_even_a_small_router_beats_a_coin_where_the_gap_is_wide(report: TrainReport) -> None:
    assert report.figures["llmrouter"].apgr > 0.6


def test_scores_spread_over_the_reference_mix(report: TrainReport) -> None:
    scorer = load_scorer(report.out)

    scores = [
        scorer.score(text).score
        for text in ("thanks", "Prove that every finite integral domain is a field.")
    ]

    assert scores[0] < 0.3
    assert scores[1] > 0.6
