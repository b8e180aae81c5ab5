import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.features import extract
from gateway.router_artifact import ArtifactScorer, load_scorer, write_artifact
from tests.support.tiny_router import tiny_features, tiny_fit, tiny_rows

QUANTILES = np.linspace(-0.5, 0.9, 11)


@pytest.fixture(scope="module")
def scorer(tmp_path_factory: pytest.TempPathFactory) -> ArtifactScorer:
    folder = tmp_path_factory.mktemp("router") / "tiny"
    write_artifact(folder, tiny_fit().export(QUANTILES), facts={})
    return load_scorer(folder)


def test_served_heads_equal_scikit_learns_own_output(scorer: ArtifactScorer) -> None:
    own = tiny_fit().outputs(tiny_features())

    served = [scorer.heads(row.prompt) for row in tiny_rows()]

    for name in ("gate", "gain", "p_cheap", "p_strong", "p_research"):
        np.testing.assert_allclose(
            np.array([getattr(one, name) for one in served]), getattr(own, name), rtol=0, atol=1e-6
        )


def test_score_is_the_quantile_of_the_gain(scorer: ArtifactScorer) -> None:
    text = "Write a business plan for a bakery"
    gain = tiny_fit().outputs([extract(text)]).gain[0]

    # The table runs evenly from -0.5 to 0.9, so the quantile is the place between its ends.
    assert scorer.score(text).score == pytest.approx((gain + 0.5) / 1.4, abs=1e-6)


@given(st.text(st.characters(exclude_categories=()), max_size=200))
def test_any_text_gets_a_score_in_bounds(scorer: ArtifactScorer, text: str) -> None:
    score = scorer.score(text)

    assert 0 <= score.score <= 1
    assert 0 <= score.p_research <= 1
    assert 0 <= score.p_ok_cheap <= 1
    assert 0 <= score.p_ok_strong <= 1


def test_reasons_name_the_domain_and_what_weighed_most(scorer: ArtifactScorer) -> None:
    reasons = scorer.score("Prove that there are infinitely many primes.").reasons

    assert reasons[0].startswith("reads like ")
    assert any("proof" in reason and reason.endswith("raises it") for reason in reasons[1:])
    assert 2 <= len(reasons) <= 4


def test_brief_score_differs_by_its_reasons_alone(scorer: ArtifactScorer) -> None:
    full, brief = scorer.score("How do tides work?"), scorer.brief_score("How do tides work?")

    assert brief.reasons == ()
    assert (brief.score, brief.p_research) == (full.score, full.p_research)
    assert (brief.p_ok_cheap, brief.p_ok_strong) == (full.p_ok_cheap, full.p_ok_strong)


def test_serving_imports_no_training_library() -> None:
    program = (
        "import sys, gateway.router_artifact as artifact\n"
        "from pathlib import Path\n"
        "artifact.load_scorer(Path('router_models/default')).score('hello')\n"
        "print([name for name in ('sklearn', 'scipy', 'pandas', 'pyarrow') if name in sys.modules])"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "[]"
