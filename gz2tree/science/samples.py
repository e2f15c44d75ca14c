"""Clean samples: galaxies that clearly have an answer, and were asked its question often enough.

What Willett et al. (2013) do with votes, done with votes or predictions alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gz2tree.errors import InputError
from gz2tree.tree import DecisionTree

WELL_SAMPLED: Mapping[str, float] = MappingProxyType(
    {
        "a02_features_or_disk": 0.430,
        "a05_no": 0.715,
        "a04_yes": 0.602,
        "a08_spiral": 0.619,
        "a01_smooth": 0.469,
        "a14_yes": 0.420,
    }
)
"""Least fraction of each answer that leads to a question, for 20 votes or more: Willett et al.
2013, Table 3."""

SAMPLES: Mapping[str, str] = MappingProxyType(
    {
        "smooth": "a01_smooth",
        "featured": "a02_features_or_disk",
        "star": "a03_star_or_artifact",
        "edge-on": "a04_yes",
        "face-on": "a05_no",
        "barred": "a06_bar",
        "unbarred": "a07_no_bar",
        "spiral": "a08_spiral",
        "odd": "a14_yes",
        "round": "a16_completely_round",
        "cigar": "a18_cigar_shaped",
        "ring": "a19_ring",
        "merger": "a24_merger",
    }
)
"""Names of samples of Galaxy Zoo 2, and the answer that each is of."""


@dataclass(frozen=True)
class Cuts:
    """What makes a sample clean.

    Parameters
    ----------
    threshold : float, in (0, 1]
        Least fraction of the sample's own answer.
    votes : int
        Fewest votes that its question got, where votes are known.
    preceding : mapping of str to float
        Least fraction of answers that lead to its question, by answer name. An answer that is not
        named is not cut on; nor are answers that lead to the same question side by side, since a
        galaxy can have come by any of them.
    """

    threshold: float = 0.8
    votes: int = 20
    preceding: Mapping[str, float] = field(default_factory=lambda: WELL_SAMPLED)

    def __post_init__(self) -> None:
        if not 0 < self.threshold <= 1:
            raise InputError(f"threshold: expected above 0, to 1, found {self.threshold}")
        if self.votes < 0:
            raise InputError(f"votes: expected 0 or more, found {self.votes}")
        for name, least in self.preceding.items():
            if not 0 <= least <= 1:
                raise InputError(f"preceding: {name}: expected 0 to 1, found {least}")


def select(
    fractions: ArrayLike,
    tree: DecisionTree,
    sample: str,
    cuts: Cuts = Cuts(),
    *,
    votes: ArrayLike | None = None,
    preceding_fractions: ArrayLike | None = None,
) -> NDArray[np.bool_]:
    """Select a clean sample.

    Parameters
    ----------
    fractions : array_like, shape (n, n_answers), in [0, 1]
        Conditional fractions, as voted, as debiased (they need not sum to 1) or as predicted. NaN
        where a question was not asked; such a galaxy is in no sample of that question.
    tree : DecisionTree
    sample : str
        One of `SAMPLES`, or any answer as `DecisionTree.find_answer` knows it.
    cuts : Cuts
    votes : array_like, shape (n, n_questions), optional
        Votes that each question got. Predictions have none: only the fractions count then.
    preceding_fractions : array_like, shape (n, n_answers), optional
        Fractions for the cuts on the way to the question, if they are others: the flags of the
        published Stripe 82 table cut there on fractions that are not debiased.

    Returns
    -------
    selected : array of bool, shape (n,)

    Raises
    ------
    InputError
        A sample that the tree does not have; an answer that no galaxy has measured.

    References
    ----------
    Willett et al. 2013, MNRAS 435, 2835, section 3.3 and Table 3.
    """
    given = np.asarray(fractions, dtype=np.float64)
    before = given if preceding_fractions is None else np.asarray(preceding_fractions, np.float64)
    answer = tree.find_answer(SAMPLES.get(sample, sample))
    question = tree.question_of[answer]
    _refuse_unmeasured(given, tree, sample, answer)
    for position in answers_before(tree, question):
        if cuts.preceding.get(tree.answers[position].name, 0.0) > 0:
            _refuse_unmeasured(before, tree, sample, position)
    with np.errstate(invalid="ignore"):  # NaN is in no sample
        selected = given[:, answer] >= cuts.threshold
        for position in answers_before(tree, question):
            selected &= before[:, position] >= cuts.preceding.get(tree.answers[position].name, 0.0)
    if votes is not None:
        selected &= np.asarray(votes)[:, question] >= cuts.votes
    return selected


def _refuse_unmeasured(
    fractions: NDArray[np.float64], tree: DecisionTree, sample: str, answer: int
) -> None:
    if np.isnan(fractions[:, answer]).all():
        raise InputError(
            f"sample {sample!r}: expected fractions of {tree.columns[answer]}, found none measured"
        )


def answers_before(tree: DecisionTree, question: int) -> Iterator[int]:
    """Positions of the answers that every galaxy asked a question must have had, nearest first.

    Empty for a question that is asked of everyone, or after any of several answers.
    """
    parents = tree.parents[question]
    while len(parents) == 1:
        yield parents[0]
        parents = tree.parents[tree.question_of[parents[0]]]
