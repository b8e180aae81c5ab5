"""What every Scorer promises: figures in [0, 1] for any text, the same for the same."""

from dataclasses import replace

import pytest

from gateway.flow.ports import Scorer

TEXTS = ("", " ", "What is the capital of France?", "\ud800\0\u202e", "word " * 20_000)


class ScorerContract:
    """A subclass gives the fixture `scorer`."""

    @pytest.mark.parametrize("text", TEXTS)
    def test_figures_are_shares_of_one(self, scorer: Scorer, text: str) -> None:
        score = scorer.score(text)

        for figure in (score.score, score.p_research, score.p_ok_cheap, score.p_ok_strong):
            assert 0.0 <= figure <= 1.0

    @pytest.mark.parametrize("text", TEXTS)
    def test_same_text_has_the_same_score(self, scorer: Scorer, text: str) -> None:
        assert scorer.score(text) == scorer.score(text)

    def test_reasons_are_for_people(self, scorer: Scorer) -> None:
        score = scorer.score("Prove that there are infinitely many primes.")

        assert all(reason and reason == reason.strip() for reason in score.reasons)

    @pytest.mark.parametrize("text", TEXTS)
    def test_brief_score_lacks_the_reasons_alone(self, scorer: Scorer, text: str) -> None:
        assert scorer.brief_score(text) == replace(scorer.score(text), reasons=())

    def test_version_is_named(self, scorer: Scorer) -> None:
        assert scorer.version
