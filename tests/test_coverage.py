"""Coverage of votes by predictive intervals: right predictions cover exactly what they say."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from test_likelihoods import votes_of
from test_uncertainty import CHAIN, TWO_PARENTS, beliefs_of

from gz2tree import GZ2, InputError
from gz2tree.probabilities import sum_by_question
from gz2tree.science.coverage import LEVELS, vote_coverage, vote_log_likelihood
from gz2tree.votes.uncertainty import Mixture, TreeDirichlet

COVERAGE = [f"coverage_{100 * level:g}" for level in LEVELS]


def voted(beliefs: TreeDirichlet, people: int = 25, seed: int = 0) -> np.ndarray:
    return beliefs.sample_votes(people, 1, np.random.default_rng(seed))[0].astype(float)


@pytest.mark.parametrize("strengths", [(1.0, 30.0), (np.inf, np.inf)])
def test_right_predictions_cover_exactly(strengths: tuple[float, float]) -> None:
    """3,000 galaxies: within 4 standard errors of a share of that many, 0.037 at most."""
    finite = strengths if np.isfinite(strengths[0]) else (1.0, 2.0)
    beliefs = beliefs_of(TWO_PARENTS, 3000, 1, finite)
    if not np.isfinite(strengths[0]):
        known = np.full_like(beliefs.strength, np.inf)
        beliefs = TreeDirichlet(TWO_PARENTS, beliefs.conditional, known)
    table = vote_coverage(Mixture([beliefs]), voted(beliefs))
    galaxies = table["galaxies"].to_numpy()
    assert galaxies[0] == 3000
    for name, level in zip(COVERAGE, LEVELS, strict=True):
        error = 4 * np.sqrt(level * (1 - level) / galaxies)
        assert (np.abs(table[name] - level) < error).all()


def test_overconfident_predictions_cover_too_little_and_timid_ones_too_much() -> None:
    beliefs = beliefs_of(CHAIN, 500, 2, (5.0, 5.01))
    counts = voted(beliefs)
    for factor, sign in ((100.0, -1), (0.1, 1)):
        other = TreeDirichlet(CHAIN, beliefs.conditional, factor * beliefs.strength)
        table = vote_coverage(Mixture([other]), counts)
        for name, level in zip(COVERAGE[:2], LEVELS[:2], strict=True):
            assert (sign * (table[name] - level) > 0.05).all()


def test_coverage_is_the_mean_over_random_ties() -> None:
    """Against ties broken at random, one by one, with SciPy's distribution."""
    beliefs = beliefs_of(CHAIN, 40, 3, (1.0, 50.0))
    counts = voted(beliefs)
    rng = np.random.default_rng(0)
    inside = []
    for row in range(40):
        n = counts[row, :3].sum()
        for answer in range(3):
            a = beliefs.conditional[row, answer] * beliefs.strength[row, 0]
            votes = stats.betabinom(int(n), a, beliefs.strength[row, 0] - a)
            k = counts[row, answer]
            u = rng.uniform(votes.cdf(k - 1), votes.cdf(k), 400)
            inside.append((np.abs(u - 0.5) < 0.4).mean())
    table = vote_coverage(Mixture([beliefs]), counts)
    assert table["coverage_80"].iloc[0] == pytest.approx(np.mean(inside), abs=0.01)


def test_likelihood_of_a_mixture_is_the_mean_of_its_members_by_their_reach() -> None:
    members = [beliefs_of(CHAIN, 5, seed) for seed in range(3)]
    counts = voted(members[0])
    each = [np.exp(vote_log_likelihood(Mixture([m]), counts)) for m in members]
    both = np.exp(vote_log_likelihood(Mixture(members), counts))
    reach = np.stack([m.reach for m in members])
    np.testing.assert_allclose(both, (reach * each).sum(0) / reach.sum(0))


def test_a_network_says_nothing_of_a_question_that_it_holds_never_to_be_asked() -> None:
    """Of those who were asked it, the other network is believed alone."""
    sure = np.array([[1.0, 0.0, 0.0, 0.5, 0.5, 0.0, 0.0]] * 50)
    never = np.array([[0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]] * 50)
    strength = np.full((50, 3), np.inf)
    right, other = (TreeDirichlet(CHAIN, means, strength) for means in (sure, never))
    counts = voted(right)
    alone = vote_coverage(Mixture([right]), counts)
    both = vote_coverage(Mixture([right, other]), counts)
    pd.testing.assert_series_equal(both.loc["b"], alone.loc["b"])


def test_questions_that_nobody_was_asked_have_no_figures() -> None:
    beliefs = beliefs_of(GZ2, 6, 4)
    counts = votes_of(GZ2, 6, 0)
    counts[:, GZ2.slices[2]] = 0
    counts[:, GZ2.slices[3]] = np.nan
    table = vote_coverage(Mixture([beliefs]), counts)
    nobody = table.loc[["t03_bar", "t04_spiral"]]
    assert (nobody[["galaxies", "votes"]] == 0).to_numpy().all()
    assert nobody[["log_likelihood", "calibration_error", *COVERAGE]].isna().to_numpy().all()
    assert table.loc["all", "galaxies"] == np.nansum(sum_by_question(GZ2, counts) > 0)
    others = table.drop(index=nobody.index)
    assert others[COVERAGE].notna().to_numpy().all()


def test_votes_for_the_impossible_are_not_covered() -> None:
    conditional = np.array([[1.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0]] * 2)
    beliefs = TreeDirichlet(CHAIN, conditional, np.full((2, 3), 50.0))
    counts = np.array([[0, 9, 0, 0, 0, 0, 0], [9, 0, 0, 9, 0, 0, 0]], dtype=float)
    table = vote_coverage(Mixture([beliefs]), counts)
    assert np.isfinite(table["log_likelihood"].iloc[0])
    assert table["coverage_95"].iloc[0] < 0.9


def test_votes_of_other_shape_are_refused() -> None:
    with pytest.raises(InputError, match="expected votes of shape"):
        vote_coverage(Mixture([beliefs_of(CHAIN, 3, 0)]), np.zeros((2, 7)))


def test_coverage_is_the_same_in_chunks_of_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    beliefs = [beliefs_of(GZ2, 23, seed) for seed in (6, 7)]
    rng = np.random.default_rng(0)
    counts = beliefs[0].sample_votes(rng.integers(5, 60, 23), 1, rng)[0].astype(float)
    whole = vote_coverage(Mixture(beliefs), counts)
    for chunk in (1, 5):
        monkeypatch.setattr("gz2tree.science.coverage._CHUNK", chunk)
        pd.testing.assert_frame_equal(vote_coverage(Mixture(beliefs), counts), whole)
