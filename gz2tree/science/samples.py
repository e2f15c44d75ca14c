"""Clean samples: galaxies that clearly have an answer, and were asked its question often enough.

What Willett et al. (2013) do with votes, done with votes or predictions alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gz2tree.config.samples import SAMPLES as SAMPLES
from gz2tree.config.samples import WELL_SAMPLED as WELL_SAMPLED
from gz2tree.errors import InputError
from gz2tree.tree import DecisionTree
from gz2tree.treetext import answer_name


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


@dataclass(frozen=True)
class Step:
    """One cut of a clean sample, and what it leaves.

    Parameters
    ----------
    cut : str
        In words, such as ``"bar >= 0.8"``.
    n : int
        Galaxies that pass this cut and all cuts before it.
    largest : float
        Largest value among the galaxies that the cuts before had left; NaN if there was none.
    option : str
        The option of ``gz2tree select`` that changes the cut.
    """

    cut: str
    n: int
    largest: float
    option: str


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

    Examples
    --------
    >>> import numpy as np
    >>> from gz2tree.questions import Question
    >>> tree = DecisionTree("toy", [
    ...     Question("shape", ["smooth", "disk"]), Question("bar", ["bar", "none"], ["disk"])])
    >>> fractions = np.array([[0.2, 0.8, 0.9, 0.1], [0.9, 0.1, 0.9, 0.1]])
    >>> select(fractions, tree, "bar", Cuts(threshold=0.8, preceding={"disk": 0.5})).tolist()
    [True, False]
    """
    selected = np.ones(len(np.asarray(fractions)), dtype=bool)
    with np.errstate(invalid="ignore"):  # NaN is in no sample
        for _, values, least, _ in _cuts(fractions, tree, sample, cuts, votes, preceding_fractions):
            selected &= values >= least
    return selected


def funnel(
    fractions: ArrayLike,
    tree: DecisionTree,
    sample: str,
    cuts: Cuts = Cuts(),
    *,
    votes: ArrayLike | None = None,
    preceding_fractions: ArrayLike | None = None,
) -> list[Step]:
    """Count how many galaxies each cut of a sample leaves; parameters and refusals as `select`.

    Returns
    -------
    steps : list of Step
        From the first question down to the sample's own answer, and last the votes, if they are
        known. What the last step leaves is the sample.

    Examples
    --------
    >>> from gz2tree import DecisionTree, Question
    >>> tree = DecisionTree("bars", [
    ...     Question("disc", ["yes", "no"]), Question("bar", ["bar", "none"], asked_after=["yes"])])
    >>> for step in funnel([[0.9, 0.1, 0.7, 0.3]], tree, "bar", Cuts(preceding={"yes": 0.5})):
    ...     print(step.cut, step.n, step.largest)
    yes >= 0.5 1 0.9
    bar >= 0.8 0 0.7
    """
    left = np.ones(len(np.asarray(fractions)), dtype=bool)
    steps = []
    for cut, values, least, option in _cuts(
        fractions, tree, sample, cuts, votes, preceding_fractions
    ):
        known = values[left & ~np.isnan(values)]
        with np.errstate(invalid="ignore"):
            left = left & (values >= least)
        steps.append(
            Step(cut, int(left.sum()), float(known.max()) if len(known) else np.nan, option)
        )
    return steps


def _cuts(
    fractions: ArrayLike,
    tree: DecisionTree,
    sample: str,
    cuts: Cuts,
    votes: ArrayLike | None,
    preceding_fractions: ArrayLike | None,
) -> Iterator[tuple[str, NDArray[np.float64], float, str]]:
    """Each cut of a sample: in words, the galaxies' values, the least of them, and its option."""
    given = np.asarray(fractions, dtype=np.float64)
    before = given if preceding_fractions is None else np.asarray(preceding_fractions, np.float64)
    answer = tree.find_answer(SAMPLES.get(sample, sample))
    question = tree.question_of[answer]
    _refuse_unmeasured(given, tree, sample, answer)
    for position in answers_before(tree, question):
        if cuts.preceding.get(tree.answers[position].name, 0.0) > 0:
            _refuse_unmeasured(before, tree, sample, position)
    for position in reversed(list(answers_before(tree, question))):
        least = cuts.preceding.get(tree.answers[position].name, 0.0)
        yield (
            f"{answer_name(tree, position)} >= {least:g}", before[:, position], least,
            "--preceding",
        )  # fmt: skip
    yield (
        f"{answer_name(tree, answer)} >= {cuts.threshold:g}", given[:, answer], cuts.threshold,
        "--threshold",
    )  # fmt: skip
    if votes is not None:
        got = np.asarray(votes, dtype=np.float64)[:, question]
        yield (
            f"votes on {tree.questions[question].label} >= {cuts.votes}",
            got,
            cuts.votes,
            "--votes",
        )


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
