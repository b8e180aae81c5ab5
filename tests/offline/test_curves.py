import numpy as np
import pytest

from gateway.offline.curves import figures

CHEAP = np.array([1.0, 0.0, 1.0, 0.0] * 25)
STRONG = np.array([1.0, 1.0, 1.0, 1.0] * 25)


def test_perfect_ranking_recovers_the_gap_with_half_the_calls() -> None:
    result = figures(STRONG - CHEAP, CHEAP, STRONG)

    # Half the rows gain: the curve climbs to the ceiling at a share of 0.5 and stays.
    # Area: 0.5 * 0.5 under the climb + 0.5 after it = 0.75.
    assert result is not None
    assert result.apgr == pytest.approx(0.75)


def test_ten_bins_give_hand_worked_figures() -> None:
    # 100 scores 0..99 with the 50 gains on top: each bin of ten climbs 0.2 of the gap.
    score = np.arange(100.0)
    cheap = np.concatenate([np.ones(50), np.zeros(50)])

    result = figures(score, cheap, np.ones(100))

    assert result is not None
    assert result.cpt50 == pytest.approx(25.0)
    assert result.cpt80 == pytest.approx(40.0)
    assert result.apgr_10_bins == pytest.approx(0.75)
    assert (result.rows, result.cheap_mean, result.strong_mean) == (100, 0.5, 1.0)


def test_constant_score_is_no_better_than_a_coin() -> None:
    result = figures(np.zeros(100), CHEAP, STRONG)

    assert result is not None
    assert result.apgr == pytest.approx(0.5)
    assert result.cpt50 == pytest.approx(50.0)
    assert result.cpt80 == pytest.approx(80.0)


def test_ranking_and_its_reverse_are_worth_one_together() -> None:
    # Any curve and its mirror image fill the square, whatever the scores.
    score = np.random.default_rng(1).normal(size=100)

    forward, backward = figures(score, CHEAP, STRONG), figures(-score, CHEAP, STRONG)

    assert forward is not None
    assert backward is not None
    assert forward.apgr + backward.apgr == pytest.approx(1.0)


def test_without_a_gap_there_is_nothing_to_recover() -> None:
    assert figures(np.arange(100.0), STRONG, CHEAP) is None
