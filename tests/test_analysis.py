"""How answers go together, against slow independent versions."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from conftest import random_labels
from scipy import stats

from gz2tree import GZ2, GZ2_KAGGLE, DecisionTree, Labels, Question
from gz2tree.analysis import correlate, correlations, pair_counts
from gz2tree.config.choices import Probability
from gz2tree.errors import InputError
from gz2tree.labels import CUMULATIVE

N = 60
IDS = [str(number) for number in range(N)]


def _with_cumulative(labels: Labels, cumulative: np.ndarray) -> Labels:
    return Labels(labels.ids, cumulative, labels.tree, kind="cumulative")


@pytest.mark.parametrize("tree", [GZ2_KAGGLE, GZ2], ids=lambda tree: tree.name)
def test_cumulative_correlations_are_those_of_pandas(tree: DecisionTree) -> None:
    labels = random_labels(IDS, tree)
    table = pd.DataFrame(labels.cumulative, columns=list(tree.columns))
    found = correlations(labels)
    assert list(found.index) == list(found.columns) == list(tree.columns)
    np.testing.assert_allclose(found, table.corr(min_periods=2), atol=1e-12)


def test_conditional_correlations_weigh_galaxies_by_the_smaller_reach() -> None:
    labels = random_labels(IDS)
    tree = labels.tree
    found = correlations(labels, "conditional").to_numpy()
    counts = pair_counts(labels, "conditional").to_numpy()
    for first in range(0, len(tree), 3):
        for second in range(1, len(tree), 4):
            x, y, weights = [], [], []
            for row in range(N):
                one = labels.reach[row, tree.question_of[first]]
                other = labels.reach[row, tree.question_of[second]]
                if one > 0 and other > 0:
                    x.append(labels.cumulative[row, first] / one)
                    y.append(labels.cumulative[row, second] / other)
                    weights.append(min(one, other))
            assert counts[first, second] == len(x)
            covariance = np.cov(x, y, aweights=weights)
            expected = covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1])
            assert found[first, second] == pytest.approx(expected, abs=1e-9)


def test_the_first_question_weighs_all_galaxies_alike() -> None:
    labels = random_labels(IDS)
    expected = stats.pearsonr(labels.cumulative[:, 0], labels.cumulative[:, 1]).statistic
    assert correlations(labels, "conditional").iloc[0, 1] == pytest.approx(expected)


def test_what_does_not_vary_correlates_with_nothing() -> None:
    labels = random_labels(IDS)
    constant = np.tile(labels.cumulative[:1], (N, 1))
    assert correlations(_with_cumulative(labels, constant)).isna().all(axis=None)


def test_quotients_that_differ_by_rounding_alone_do_not_vary() -> None:
    tree = DecisionTree("t", [Question("a", ["b", "c"]), Question("d", ["e", "f"], ["b"])])
    given = np.random.default_rng(0).random(N)
    cumulative = np.stack([given, 1 - given, 0.3 * given, 0.7 * given], -1)
    labels = Labels(np.array(IDS, dtype=object), cumulative, tree, CUMULATIVE)
    assert correlations(labels, "conditional").iloc[2:].isna().all(axis=None)


def test_what_was_not_measured_is_nan_and_counts_no_galaxy() -> None:
    labels = random_labels(IDS)
    cumulative = labels.cumulative.copy()
    last = labels.tree.slices[-1]
    cumulative[:, last] = np.nan
    labels = _with_cumulative(labels, cumulative)
    found, counts = correlations(labels).to_numpy(), pair_counts(labels).to_numpy()
    assert np.isnan(found[last]).all()
    assert np.isnan(found[:, last]).all()
    assert (counts[last] == 0).all()
    assert counts[0, 0] == N


def test_another_sort_of_probability_is_refused() -> None:
    with pytest.raises(InputError, match="expected one of cumulative, conditional, found 'odd'"):
        correlations(random_labels(IDS), "odd")  # type: ignore[arg-type]


@pytest.mark.parametrize("what", ["cumulative", "conditional"])
def test_two_answers_correlate_as_among_all(what: Probability) -> None:
    labels = random_labels(IDS)
    coefficients, counts = correlations(labels, what), pair_counts(labels, what)
    for first, second in ((0, 1), (7, 30), (36, 5)):
        found = correlate(labels, first, second, what)
        assert found == (coefficients.iloc[first, second], counts.iloc[first, second])
