"""Flags as they are typed, and their purity and completeness against plain loops."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from conftest import random_labels
from hypothesis import given
from hypothesis import strategies as st

from gz2tree import GZ2, GZ2_KAGGLE, Answer, DecisionTree, InputError, Labels, Question
from gz2tree.catalogues.flags import Flag, read_flags
from gz2tree.science.purity import purity_completeness

TOY = DecisionTree("toy", [Question("flag", ["merger", "other", Answer("x", "fl*g")])])


def test_flags_are_read() -> None:
    flags = read_flags(["merger=0.4", "t06_odd_a14_yes = 1", "Class7.3=.5"], GZ2)
    assert [GZ2.answers[flag.answer].name for flag in flags] == [
        "a24_merger", "a14_yes", "a18_cigar_shaped",
    ]  # fmt: skip
    assert [flag.threshold for flag in flags] == [0.4, 1.0, 0.5]
    assert [flag.column for flag in flags] == [
        "flag_merger", "flag_t06_odd_a14_yes", "flag_cigar_shaped",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["merger"], "expected ANSWER=THRESHOLD"),
        (["=0.4"], "expected ANSWER=THRESHOLD"),
        (["merger=much"], "found 'much'"),
        (["merger=0"], "a probability above 0"),
        (["merger=1.1"], "a probability above 0"),
        (["merger=nan"], "a probability above 0"),
        (["mergr=0.4"], "did you mean merger"),
        (["no bulge=0.4"], "expected one answer, found 2"),
        (["merger=0.4", "Class8.6=0.5"], "there is a column flag_merger already"),
    ],
)
def test_flags_are_refused(texts: list[str], said: str) -> None:
    with pytest.raises(InputError, match=said):
        read_flags(texts, GZ2_KAGGLE)


def test_flag_never_takes_the_column_of_an_answer() -> None:
    assert "flag_merger" in TOY.columns
    with pytest.raises(InputError, match="there is a column flag_merger already"):
        read_flags(["merger=0.4"], TOY)


def test_flag_includes_its_threshold() -> None:
    cumulative = np.array([[0.4, 0.39999], [0.1, 0.9]], dtype=np.float32)
    assert Flag(0, 0.4, "f").of(cumulative).tolist() == [True, False]
    assert Flag(1, 0.4, "f").of(cumulative).tolist() == [False, True]


# purity and completeness


def scored(scores: list[float], votes: list[float]) -> tuple[pd.DataFrame, Labels]:
    """Galaxies with these probabilities of a merger, predicted and voted."""
    labels = random_labels([f"0{number}" for number in range(len(votes))])
    column = GZ2_KAGGLE.columns.index("Class8.6")
    labels.cumulative[:, column] = votes
    predictions = pd.DataFrame(0.5, index=range(len(votes)), columns=list(GZ2_KAGGLE.columns))
    predictions["Class8.6"] = scores
    predictions.insert(0, "GalaxyID", labels.ids)
    return predictions.iloc[::-1], labels


def slowly(
    scores: list[float], votes: list[float], threshold: float, voted: float
) -> tuple[float, float, int]:
    hits = flagged = true = 0
    for score, vote in zip(scores, votes, strict=True):
        if math.isnan(vote):
            continue
        flagged += score >= threshold
        true += vote >= voted
        hits += score >= threshold and vote >= voted
    return (
        hits / flagged if flagged else math.nan,
        hits / true if true else math.nan,
        flagged,
    )


GALAXIES = st.tuples(
    st.sampled_from([0.0, 0.1, 0.4, 0.7, 1.0]) | st.floats(0, 1),
    st.sampled_from([0.0, 0.4, 1.0, math.nan]) | st.floats(0, 1),
)


@given(st.lists(GALAXIES, min_size=1, max_size=30), st.floats(0.05, 1))
def test_curve_is_that_of_plain_loops(galaxies: list[tuple[float, float]], voted: float) -> None:
    scores, votes = (list(column) for column in zip(*galaxies, strict=True))
    predictions, labels = scored(scores, votes)
    if all(map(math.isnan, votes)):
        with pytest.raises(InputError, match="expected votes to compare with"):
            purity_completeness(predictions, labels, "merger", voted)
        return
    curve = purity_completeness(predictions, labels, "merger", voted)
    assert list(curve.columns) == ["threshold", "purity", "completeness", "n_flagged"]
    known = {s for s, vote in galaxies if not math.isnan(vote)}
    assert curve["threshold"].tolist() == sorted(known)
    wanted = purity_completeness(predictions, labels, "merger", voted, thresholds=[0.4, 1.0])
    for _, row in pd.concat([curve, wanted]).iterrows():
        expected = slowly(scores, votes, row["threshold"], voted)
        found = (row["purity"], row["completeness"], row["n_flagged"])
        assert found == pytest.approx(expected, nan_ok=True)


def test_perfect_predictions_are_pure_and_complete() -> None:
    votes = [0.0, 0.2, 0.5, 0.9]
    curve = purity_completeness(*scored(votes, votes), "merger", thresholds=[0.4])
    assert curve.iloc[0].tolist() == [0.4, 1.0, 1.0, 2.0]


def test_unknown_answer_is_refused() -> None:
    with pytest.raises(InputError, match="did you mean"):
        purity_completeness(*scored([0.1], [0.2]), "mergers")
