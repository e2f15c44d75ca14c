"""Votes as they were counted: whether they agree down the tree, and when fractions give them."""

from __future__ import annotations

import logging

import numpy as np
from numpy.typing import NDArray

from gz2tree.errors import InputError
from gz2tree.probabilities import by_answer, sum_by_question
from gz2tree.tree import DecisionTree

Floats = NDArray[np.float64]
KINDS_OF_VOTES = ("count", "fraction")
"""Kinds of label that are the votes as they were given; the others are other targets."""

_log = logging.getLogger("gz2tree")


def disagreement(tree: DecisionTree, counts: Floats) -> Floats:
    """How many more votes a question got than the answers that lead to it.

    In published tables they differ by a vote or two: volunteers left, or votes were discarded. The
    likelihoods of `gz2tree.votes.likelihoods` take each question's own votes for how many were
    asked.

    Parameters
    ----------
    tree : DecisionTree
    counts : array, shape (..., n_answers), at least 0
        NaN where unknown.

    Returns
    -------
    difference : array of float64, shape (..., n_questions)
        0 for questions that everyone is asked; NaN where unknown.
    """
    difference = sum_by_question(tree, counts)  # (..., n_questions)
    for number, parents in enumerate(tree.parents):
        leading = counts[..., list(parents)].sum(-1) if parents else difference[..., number]
        difference[..., number] -= leading
    return difference


def log_disagreement(what: str, tree: DecisionTree, counts: Floats) -> None:
    """Count, in a log line, the rows in which parents and children disagree."""
    difference = np.abs(np.nan_to_num(disagreement(tree, counts)))  # (n, n_questions)
    rows = int((difference > 0).any(-1).sum())
    if rows:
        worst = int((difference > 0).sum(0).argmax())
        _log.info(
            "%s: in %d of %d rows a question got more or fewer votes than the answers that lead to "
            "it, most often %s (in %d rows), by at most %g votes. This is usual: volunteers leave. "
            "Of each question its own votes are used",
            what, rows, len(counts), tree.questions[worst].name,
            int((difference[:, worst] > 0).sum()), difference.max(),
        )  # fmt: skip


def recover_counts(fractions: Floats, total: Floats, tolerance: float = 0.01) -> Floats:
    """Votes of a question from its fractions, where they give whole numbers.

    Parameters
    ----------
    fractions : array, shape (n, k), in [0, 1]
        Of all answers of one question, neither weighted nor debiased.
    total : array, shape (n,)
        Votes of that question.
    tolerance : float
        How far from a whole number of votes rounding in the table may have led.

    Returns
    -------
    counts : array of float64, shape (n, k)
        NaN in rows in which the fractions give no whole votes, or others than `total` in all.
    """
    votes = fractions * total[:, None]
    whole = np.round(votes)
    exact = (np.abs(votes - whole) <= tolerance).all(-1) & (whole.sum(-1) == total)
    return np.where(exact[:, None], whole, np.nan)


def vote(
    tree: DecisionTree,
    conditional: Floats,
    volunteers: int | NDArray[np.int64],
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Let volunteers walk down a tree.

    Parameters
    ----------
    tree : DecisionTree
    conditional : array, shape (..., n_answers), in [0, 1]
        Probability of each answer, given that its question is asked; summing to 1 within each.
    volunteers : int or array of int, shape (...)
        How many look at each galaxy.
    rng : numpy.random.Generator
        Decides for them.

    Returns
    -------
    counts : array of int, shape (..., n_answers)
        Votes. A question has exactly as many as the answers that lead to it.
    """
    counts = np.zeros(conditional.shape, np.int64)
    # Level by level, not as declared: the order in which random numbers are drawn is part of a sky.
    for question in (question for level in tree.levels for question in level):
        parents, answers = list(tree.parents[question]), tree.slices[question]
        asked = counts[..., parents].sum(-1) if parents else volunteers
        counts[..., answers] = rng.multinomial(asked, conditional[..., answers])
    return counts


def check_votes(tree: DecisionTree, counts: Floats | None, loss: str, otherwise: str) -> None:
    """Refuse what are no votes.

    Parameters
    ----------
    tree : DecisionTree
    counts : array, shape (n, n_answers), optional
    loss : str
        The loss on votes that was asked for.
    otherwise : str
        The loss that fits fractions.

    Raises
    ------
    InputError
        No counts, counts that are not whole (fractions, or weighted votes), or nobody asked.
    """
    expected = f"loss {loss!r}: expected whole numbers of votes, found"
    fits = f"{otherwise!r} fits vote fractions"
    if counts is None:
        raise InputError(f"{expected} labels without counts; {fits}")
    broken = counts[~np.isnan(counts) & (counts != np.round(counts))]
    if len(broken):
        raise InputError(f"{expected} {broken[0]:g} ({len(broken)} such cells); {fits}")
    if not (sum_by_question(tree, counts) > 0).any():
        raise InputError(f"{expected} no votes in any of {len(counts)} rows; {fits}")


def vote_variance(tree: DecisionTree, cumulative: Floats, counts: Floats | None) -> Floats:
    """Variance of each label from the number of votes, c (1 - c) / (n - 1).

    A cumulative probability is the share, of those asked the first question on the way to it, who
    followed that way; the binomial variance of that share is estimated without bias by dividing by
    n - 1.

    Parameters
    ----------
    tree : DecisionTree
    cumulative : array of float64, shape (n, n_answers), in [0, 1]
    counts : array of float64, shape (n, n_answers), optional

    Returns
    -------
    variance : array of float64, shape (n, n_answers), at least 0
        NaN where it is not known: of fewer than two votes, or where none were counted.
    """
    if counts is None:
        return np.full_like(cumulative, np.nan)
    of_root = sum_by_question(tree, counts)[:, _roots(tree)]  # (n, n_questions)
    votes = by_answer(tree, of_root)  # (n, n_answers)
    return np.where(votes > 1, cumulative * (1 - cumulative) / np.maximum(votes - 1, 1), np.nan)


def _roots(tree: DecisionTree) -> list[int]:
    """For each question, the question asked of everyone through which it is reached."""
    roots: list[int] = []
    for number, parents in enumerate(tree.parents):
        roots.append(roots[tree.question_of[parents[0]]] if parents else number)
    return roots
