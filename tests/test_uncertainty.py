"""Moments, intervals, votes and information of Dirichlets down a tree, against draws from them.

Draws are seeded; a mean of N draws is compared within 5 of its standard errors, and 8 / N of the
largest value for what is so rare that few of the draws, or none, have it.
"""

from __future__ import annotations

import tracemalloc
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from strategies import trees

from gz2tree import GZ2, DecisionGraph, DecisionTree, InputError, Question
from gz2tree.votes.betas import (
    beta_binomial,
    beta_interval,
    strength_of_scatter,
    vote_probabilities,
)
from gz2tree.votes.information import expected_information, information_of_votes
from gz2tree.votes.uncertainty import Mixture, TreeDirichlet

CHAIN = DecisionTree(
    "chain",
    [
        Question("a", ["a1", "a2", "a3"]),
        Question("b", ["b1", "b2"], ["a1"]),
        Question("c", ["c1", "c2"], ["b2"]),
    ],
)
TWO_PARENTS = DecisionTree(
    "two parents",
    [
        Question("a", ["a1", "a2", "a3"]),
        Question("b", ["b1", "b2"], ["a1"]),
        Question("c", ["c1", "c2", "c3"], ["a2", "b2"]),
    ],
)


def beliefs_of(
    tree: DecisionTree, n: int, seed: int, strengths: tuple[float, float] = (0.3, 300.0)
) -> TreeDirichlet:
    rng = np.random.default_rng(seed)
    conditional = np.concatenate(
        [rng.dirichlet(np.full(len(q), 1.0), n) for q in tree.questions], -1
    )
    strength = np.exp(rng.uniform(*np.log(strengths), (n, len(tree.questions))))
    return TreeDirichlet(tree, conditional, strength)


def drawn(beliefs: TreeDirichlet, draws: int, seed: int = 0) -> np.ndarray:
    """Cumulative answers of draws: (draws, n, n_answers)."""
    conditional = beliefs.sample(draws, np.random.default_rng(seed))
    return DecisionGraph(beliefs.tree).cumulative(torch.tensor(conditional)).numpy()


def agrees(draws: np.ndarray, expected: np.ndarray) -> bool:
    """Whether the mean over the first axis is as expected, within 5 standard errors."""
    error = draws.std(0) / np.sqrt(len(draws))
    rare = 8 * draws.max() / len(draws)
    return bool((np.abs(draws.mean(0) - expected) <= 5 * error + rare).all())


@settings(max_examples=20, deadline=None)
@given(trees(max_questions=6), st.integers(0, 2**31))
def test_moments_are_those_of_draws(tree: DecisionTree, seed: int) -> None:
    beliefs = beliefs_of(tree, 2, seed)
    cumulative = drawn(beliefs, 4000, seed)
    mean = DecisionGraph(tree).cumulative(torch.tensor(beliefs.conditional)).numpy()
    np.testing.assert_allclose(beliefs.mean, mean, atol=1e-12)
    pairs = cumulative[..., :, None] * cumulative[..., None, :]
    assert agrees(pairs, beliefs.covariance + mean[:, :, None] * mean[:, None, :])
    eigen = np.linalg.eigvalsh(beliefs.covariance)
    assert (eigen > -1e-9).all()
    diagonal = np.diagonal(beliefs.covariance, axis1=1, axis2=2)
    np.testing.assert_allclose(diagonal, beliefs.variance, atol=1e-12)


def test_parents_are_correlated_as_they_are() -> None:
    """The reach of a question after two answers has not the sum of their variances."""
    beliefs = beliefs_of(TWO_PARENTS, 3, 1, (1.0, 5.0))
    cumulative = drawn(beliefs, 50_000)
    reach = cumulative[..., [1, 4]].sum(-1)
    parents = [1, 4]
    by_hand = beliefs.covariance[:, parents][:, :, parents].sum((1, 2))
    np.testing.assert_allclose(reach.var(0), by_hand, rtol=0.05)
    apart = beliefs.variance[:, parents].sum(-1)
    assert (np.abs(apart / by_hand - 1) > 0.1).any()
    np.testing.assert_allclose(reach.mean(0), beliefs.reach[:, 2], rtol=0.02)


def test_first_question_is_the_dirichlet_itself() -> None:
    beliefs = beliefs_of(GZ2, 5, 2)
    for row in range(5):
        alpha = beliefs.conditional[row, :3] * beliefs.strength[row, 0]
        dirichlet = stats.dirichlet(alpha)
        np.testing.assert_allclose(beliefs.variance[row, :3], dirichlet.var(), rtol=1e-9)
        np.testing.assert_allclose(beliefs.covariance[row, :3, :3], dirichlet.cov(), atol=1e-12)
        beta = stats.beta(alpha[0], alpha.sum() - alpha[0])
        low, high = Mixture([beliefs]).interval(0.8)
        assert (low[row, 0], high[row, 0]) == pytest.approx(beta.interval(0.8), rel=1e-6)


def test_known_probabilities_do_not_scatter() -> None:
    beliefs = beliefs_of(GZ2, 4, 3)
    known = TreeDirichlet(GZ2, beliefs.conditional, np.full_like(beliefs.strength, np.inf))
    assert known.variance.max() < 1e-15
    low, high = Mixture([known]).interval(0.95)
    np.testing.assert_array_equal(low, known.mean)
    np.testing.assert_array_equal(high, known.mean)
    np.testing.assert_array_equal(
        known.sample(2, np.random.default_rng(0)), [known.conditional] * 2
    )


def test_unreachable_questions_are_exactly_zero() -> None:
    beliefs = beliefs_of(GZ2, 1, 4)
    conditional = beliefs.conditional.copy()
    conditional[:, :3] = [1.0, 0.0, 0.0]  # smooth: nobody is asked about bars
    conditional[:, GZ2.slices[2]] = np.nan
    sure = TreeDirichlet(GZ2, conditional, beliefs.strength)
    low, high = Mixture([sure]).interval(0.95)
    bar = GZ2.slices[2]
    for value in (sure.mean, sure.variance, low, high):
        assert (value[:, bar] == 0).all()
    votes = sure.sample_votes(40, 50, np.random.default_rng(0))
    assert (votes[..., bar] == 0).all()
    assert np.isfinite(expected_information(Mixture([sure])).total).all()


@pytest.mark.parametrize("level", [0.5, 0.8, 0.95])
def test_intervals_hold_what_they_say(level: float) -> None:
    """Beta of the same moments: on average within a point, for 95 % within 8.

    40 galaxies x 37 answers, answers that are ever likely; 4,000 draws, whose own error is 0.8
    points. Of strengths from 2 to 300, where networks on real votes lie.
    """
    beliefs = beliefs_of(GZ2, 40, 5, (2.0, 300.0))
    cumulative = drawn(beliefs, 4000)
    low, high = Mixture([beliefs]).interval(level)
    covered = ((cumulative >= low) & (cumulative <= high)).mean(0)
    likely = beliefs.mean > 0.01
    assert abs(covered[likely].mean() - level) < 0.01
    assert np.quantile(np.abs(covered[likely] - level), 0.95) < 0.08


# Whatever is answered first, the second question is asked: its reach is 1, give or take rounding.
ALL_LEAD_ON = DecisionTree(
    "all lead on",
    [
        Question("shape", ["smooth", "featured", "artifact"]),
        Question("odd", ["yes", "no"], ["smooth", "featured", "artifact"]),
        Question("what", ["ring", "merger"], ["yes"]),
    ],
)


@pytest.mark.parametrize("tree", [GZ2, ALL_LEAD_ON], ids=lambda tree: tree.name)
@pytest.mark.parametrize("size", [1.0, 5.0, 30.0, 1e4])
def test_nothing_is_ever_nan(size: float, tree: DecisionTree) -> None:
    """Of any logits and strengths, exact zeros among the answers included."""
    n, n_questions = 500, len(tree.questions)
    generator = torch.Generator().manual_seed(0)
    logits = size * torch.randn(n, len(tree), generator=generator)
    conditional = DecisionGraph(tree).conditional(logits)
    rng = np.random.default_rng(0)
    strength = np.exp(rng.uniform(*np.log([0.2, 2000.0]), (n, n_questions)))
    strength[rng.random(strength.shape) < 0.1] = np.inf
    beliefs = TreeDirichlet(tree, conditional.numpy(), strength)
    mixture = Mixture([beliefs, beliefs_of(tree, n, 1)])
    for network in (Mixture([beliefs]), mixture):
        for level in (1e-6, 0.5, 1 - 1e-6):
            low, high = network.interval(level)
            assert ((low >= 0) & (low <= high) & (high <= 1)).all()
        probability = vote_probabilities(network.mean, network.variance, 20)
        np.testing.assert_allclose(probability.sum(-1), 1, atol=1e-6)
    information = expected_information(mixture)
    for values in (information.total, information.of_models, beliefs.sample(3, rng)):
        assert np.isfinite(values).all()
    assert np.isfinite(information_of_votes(beliefs, 5)).all()
    votes = beliefs.sample_votes(9, 3, rng)
    assert (votes[..., tree.slices[0]].sum(-1) == 9).all()


@pytest.mark.parametrize("mean", [1.0, 1 + 2e-16, 1 - 1e-16, 0.0, -1e-17])
@pytest.mark.parametrize("variance", [0.0, 1e-17, 3e-16])
def test_what_rounding_leaves_of_a_certain_answer_is_a_point(mean: float, variance: float) -> None:
    moments = np.array([mean]), np.array([variance])
    np.testing.assert_allclose(beta_interval(*moments, 0.8), np.clip(mean, 0, 1), atol=1e-15)
    expected = [1, 0, 0] if mean < 0.5 else [0, 0, 1]
    np.testing.assert_allclose(vote_probabilities(*moments, 2)[0], expected, atol=1e-14)


def test_interval_of_an_impossible_level_is_refused() -> None:
    with pytest.raises(InputError, match="expected a level between 0 and 1, found 1"):
        beta_interval(np.array([0.5]), np.array([0.01]), 1.0)


@settings(max_examples=15, deadline=None)
@given(trees(max_questions=5), st.integers(0, 2**31))
def test_votes_are_those_of_volunteers(tree: DecisionTree, seed: int) -> None:
    beliefs = beliefs_of(tree, 2, seed)
    people = np.array([7, 30])
    votes = beliefs.sample_votes(people, 4000, np.random.default_rng(seed)).astype(float)
    expected = people[:, None] * beliefs.mean
    assert agrees(votes, expected)
    n, mean = people[:, None], beliefs.mean
    # That of a binomial, and what the scatter of the probability adds.
    variance = n * mean * (1 - mean) + n * (n - 1) * beliefs.variance
    assert agrees(np.square(votes - expected), variance)


def test_number_of_votes_follows_its_distribution() -> None:
    beliefs = beliefs_of(TWO_PARENTS, 3, 8, (2.0, 100.0))
    votes = beliefs.sample_votes(12, 20_000, np.random.default_rng(0))
    probability = vote_probabilities(beliefs.mean, beliefs.variance, 12)
    np.testing.assert_allclose(probability.sum(-1), 1)
    for row, answer in product(range(3), range(len(TWO_PARENTS))):
        share = np.bincount(votes[:, row, answer], minlength=13) / len(votes)
        distance = np.abs(np.cumsum(share) - np.cumsum(probability[row, answer])).max()
        first = answer < 3  # exact: the distance is that of 20,000 draws
        assert distance < (0.015 if first else 0.05)
    alpha = beliefs.conditional[0, 0] * beliefs.strength[0, 0]
    oracle = stats.betabinom.pmf(np.arange(13), 12, alpha, beliefs.strength[0, 0] - alpha)
    np.testing.assert_allclose(probability[0, 0], oracle, rtol=1e-8, atol=1e-12)


def test_mixture_follows_the_law_of_total_variance() -> None:
    members = [beliefs_of(GZ2, 6, seed, (1.0, 50.0)) for seed in range(3)]
    mixture = Mixture(members)
    cumulative = np.concatenate([drawn(m, 5000, seed) for seed, m in enumerate(members)])
    assert agrees(cumulative, mixture.mean)
    assert agrees(np.square(cumulative - mixture.mean), mixture.variance)
    alone = Mixture(members[:1])
    assert (alone.variance_between == 0).all()
    np.testing.assert_array_equal(alone.variance, members[0].variance)


def test_what_does_not_fit_together_is_refused() -> None:
    one = beliefs_of(CHAIN, 2, 0)
    with pytest.raises(InputError, match="at least one network"):
        Mixture([])
    with pytest.raises(InputError, match="of one tree and the same galaxies"):
        Mixture([one, beliefs_of(TWO_PARENTS, 2, 0)])
    with pytest.raises(InputError, match="expected answers and strengths of shapes"):
        TreeDirichlet(CHAIN, one.conditional, one.strength[:, :2])
    with pytest.raises(InputError, match="expected strengths above 0"):
        TreeDirichlet(CHAIN, one.conditional, 0 * one.strength)


# information


def ways(tree: DecisionTree, conditional: np.ndarray) -> dict[tuple[int, ...], float]:
    """Probability of every set of answers that one volunteer can give; plain recursion."""
    found: dict[tuple[int, ...], float] = {(): 1.0}
    for answers, parents in zip(tree.slices, tree.parents, strict=True):
        longer: dict[tuple[int, ...], float] = {}
        for way, probability in found.items():
            if parents and not set(parents) & set(way):
                longer[way] = probability
                continue
            for answer in range(answers.start, answers.stop):
                longer[(*way, answer)] = probability * conditional[answer]
        found = longer
    return found


def entropy(probabilities: dict[tuple[int, ...], float]) -> float:
    return float(stats.entropy(list(probabilities.values()), base=2))


@settings(max_examples=15, deadline=None)
@given(trees(max_questions=4), st.integers(0, 2**31))
def test_information_of_one_network_is_that_of_its_ways(tree: DecisionTree, seed: int) -> None:
    """Exact for any tree, with questions side by side and after two parents."""
    beliefs = beliefs_of(tree, 1, seed)
    information = expected_information(Mixture([beliefs]))
    draws = beliefs.sample(300, np.random.default_rng(seed))[:, 0]
    known = np.array([entropy(ways(tree, conditional)) for conditional in draws])
    before = entropy(ways(tree, beliefs.conditional[0]))
    error = known.std() / np.sqrt(len(known))
    total = information.total.sum()
    assert abs(before - known.mean() - total) <= 5 * error + 8 * known.max() / len(known)
    assert information.of_models.max() < 1e-12


def test_information_of_several_networks_down_a_chain_is_exact() -> None:
    members = [beliefs_of(CHAIN, 1, seed) for seed in range(4)]
    sure = [TreeDirichlet(CHAIN, m.conditional, np.full_like(m.strength, np.inf)) for m in members]
    each = [ways(CHAIN, m.conditional[0]) for m in members]
    mean = {way: float(np.mean([p[way] for p in each])) for way in each[0]}
    expected = entropy(mean) - np.mean([entropy(p) for p in each])
    for mixture in (Mixture(members), Mixture(sure)):
        assert expected_information(mixture).of_models.sum() == pytest.approx(expected)
    known = expected_information(Mixture(sure))
    np.testing.assert_allclose(known.total, known.of_models)


def test_questions_side_by_side_tell_no_more_than_their_sum() -> None:
    members = [beliefs_of(GZ2, 1, seed) for seed in range(3)]
    each = [ways(GZ2, m.conditional[0]) for m in members]
    mean = {way: float(np.mean([p[way] for p in each])) for way in each[0]}
    exact = entropy(mean) - np.mean([entropy(p) for p in each])
    bound = expected_information(Mixture(members)).of_models.sum()
    assert exact <= bound < 2 * exact


def test_one_volunteer_of_many_tells_as_much_as_one_more() -> None:
    beliefs = beliefs_of(GZ2, 20, 3)
    expected = expected_information(Mixture([beliefs])).total
    np.testing.assert_allclose(information_of_votes(beliefs, 1), expected, atol=1e-9)
    several = [information_of_votes(beliefs, n) for n in range(5)]
    gains = np.diff([several[0] * 0, *several[1:]], axis=0)
    assert (several[0] == 0).all()
    assert (gains > -1e-12).all()
    assert (np.diff(gains, axis=0) < 1e-9).all()  # less and less


@pytest.mark.parametrize("n", [2, 5])
def test_information_of_votes_is_that_of_their_counts(n: int) -> None:
    """One question: entropy of all counts less their mean entropy given what was drawn."""
    tree = DecisionTree("one", [Question("q", ["a", "b", "c"])])
    beliefs = beliefs_of(tree, 1, 4, (1.0, 3.0))
    alpha = beliefs.conditional[0] * beliefs.strength[0]
    counts = [c for c in product(range(n + 1), repeat=3) if sum(c) == n]
    before = stats.entropy([stats.dirichlet_multinomial.pmf(c, alpha, n) for c in counts], base=2)
    drawn_p = beliefs.sample(4000, np.random.default_rng(0))[:, 0]
    after = stats.entropy(stats.multinomial.pmf(np.array(counts)[:, None], n, drawn_p), base=2)
    error = after.std() / np.sqrt(len(after))
    found = information_of_votes(beliefs, n).item()
    assert abs(before - after.mean() - found) < 5 * error


def test_information_of_votes_down_the_tree_is_that_of_their_counts() -> None:
    """Two volunteers and every way their votes can fall; the number asked is approximate."""
    beliefs = beliefs_of(CHAIN, 1, 6, (1.0, 5.0))
    draws = beliefs.sample(300, np.random.default_rng(0))[:, 0]
    pairs = list(product(ways(CHAIN, draws[0]), repeat=2))

    def both(conditional: np.ndarray) -> np.ndarray:
        way = ways(CHAIN, conditional)
        return np.array([way[one] * way[other] for one, other in pairs])

    each = np.array([both(p) for p in draws])
    exact = stats.entropy(each.mean(0), base=2) - stats.entropy(each, axis=1, base=2).mean()
    # The entropy of a mean of 300 draws falls short by a few hundredths of a bit.
    assert information_of_votes(beliefs, 2).sum() == pytest.approx(exact, abs=0.08)


def test_known_disagreement_of_volunteers_tells_nothing() -> None:
    tree = DecisionTree("coin", [Question("q", ["yes", "no"])])
    split = np.array([[0.5, 0.5]])
    strong, weak = (
        expected_information(Mixture([TreeDirichlet(tree, split, np.array([[s]]))])).total.item()
        for s in (1e6, 0.5)
    )
    assert strong < 1e-5
    assert 0.5 < weak < 1


@pytest.mark.parametrize("of_question", [[np.nan, 0.5], [np.nan, np.nan]])
def test_nan_in_a_question_that_can_be_reached_is_refused(of_question: list[float]) -> None:
    tree = DecisionTree("t", [Question("q", ["yes", "no"])])
    with pytest.raises(InputError, match=r"found NaN in galaxy 1, answer q_"):
        TreeDirichlet(tree, np.array([[0.5, 0.5], of_question]), np.ones((2, 1)))


def test_moments_are_the_same_in_chunks_of_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    def moments() -> list[np.ndarray]:
        beliefs = beliefs_of(GZ2, 11, 5)
        return [beliefs.variance, beliefs.covariance, beliefs.reach_variance]

    whole = moments()
    for chunk in (1, 4, 11):
        monkeypatch.setattr("gz2tree.votes.uncertainty._CHUNK", chunk)
        for ours, theirs in zip(moments(), whole, strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_variances_need_little_memory() -> None:
    """Of 20,000 galaxies, in which all pairs of answers of all at once are 231 MB."""
    beliefs = beliefs_of(GZ2, 20_000, 6)
    tracemalloc.start()
    try:
        assert beliefs.variance.shape == (20_000, 37)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 100e6


def test_votes_of_each_number_of_volunteers_are_beta_binomial() -> None:
    """As SciPy has it, where its Betas exist; binomial of known probabilities; none impossible."""
    mean = np.array([[0.2, 0.8, 0.0], [0.5, 0.1, 0.4], [0.25, 0.75, 0.0]])
    strength = np.array([[3.0], [200.0], [np.inf]])
    people = np.array([[7], [0], [4]])
    found = beta_binomial(mean, 1 / strength, people)
    assert found.shape == (3, 3, 8)
    votes = np.arange(8)
    expected = stats.betabinom.pmf(votes, 7, 0.6, 2.4)
    np.testing.assert_allclose(found[0, 0], expected, rtol=1e-12)
    np.testing.assert_allclose(found[0, 1], expected[::-1], rtol=1e-12)
    np.testing.assert_allclose(found[2, 0], stats.binom.pmf(votes, 4, 0.25), rtol=1e-12)
    nobody = np.eye(8)[0]
    for row, answer in ((0, 2), (1, 0), (1, 1), (2, 2)):
        np.testing.assert_allclose(found[row, answer], nobody, atol=1e-15)


def test_strength_of_scatter_is_that_of_the_draws() -> None:
    rng = np.random.default_rng(0)
    mean = rng.uniform(0.1, 0.9, 20_000)
    for strength in (0.5, 5.0, 50.0):
        drawn = rng.beta(strength * mean, strength * (1 - mean))
        assert strength_of_scatter(mean, drawn) == pytest.approx(strength, rel=0.03)
    assert strength_of_scatter(mean, mean) == np.inf
