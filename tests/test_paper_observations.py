"""Looking for the correlations that somebody reports, in benchmarks/paper_observations.py."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import random_labels

from gz2tree import DecisionTree, Labels, Question
from gz2tree.analysis import correlations
from gz2tree.labels import CUMULATIVE

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))
from paper_observations import Observation, check_observations

N = 60
IDS = [str(number) for number in range(N)]


def test_observations_of_answers_that_a_tree_lacks_are_left_out() -> None:
    tree = DecisionTree("t", [Question("a", ["b", "c"])])
    shares = np.random.default_rng(0).random((N, 1))
    labels = Labels(np.array(IDS, dtype=object), np.hstack([shares, 1 - shares]), tree, CUMULATIVE)
    assert check_observations(labels, "own").empty


def test_observations_agree_within_a_tenth_or_by_their_sign() -> None:
    labels = random_labels(IDS)
    first, second = labels.tree.columns[:2]
    value = float(correlations(labels).iloc[0, 1])
    observations = [
        Observation(first, second, value + 0.09),
        Observation(first, second, value + 0.11),
        Observation(first, second),
        Observation(first, first),
    ]
    table = check_observations(labels, "noise", observations)
    assert list(table["agrees"]) == [True, False, value * np.sqrt(N) > 2, True]
    assert (table["sample"] == "noise").all()
    assert (table["n"] == N).all()
    assert table["cumulative"].iloc[0] == pytest.approx(value)
    assert np.isnan(table["reported"].iloc[2])
