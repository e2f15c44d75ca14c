"""Whether votes fall where networks expect them: coverage of predictive intervals, likelihoods."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy import special

from gz2tree.calibrationcurve import calibration_curve, calibration_error
from gz2tree.errors import InputError
from gz2tree.graph import DecisionGraph
from gz2tree.probabilities import sum_by_question
from gz2tree.votes.betas import beta_binomial
from gz2tree.votes.likelihoods import (
    dirichlet_multinomial_log_likelihood,
    multinomial_log_likelihood,
)
from gz2tree.votes.uncertainty import Mixture, TreeDirichlet

Floats = NDArray[np.float64]
LEVELS = (0.5, 0.8, 0.95)
_CHUNK = 4096
"""Galaxies at once where there is a number for each possible number of votes: some 20 MB."""


def vote_coverage(
    mixture: Mixture, counts: Floats, levels: Sequence[float] = LEVELS
) -> pd.DataFrame:
    """How often votes fall into central predictive intervals, question by question.

    The votes for one answer, given how many were asked its question, are Beta-binomial if the
    answers follow a Dirichlet (binomial if their probabilities are taken as known), and a mixture
    of those for several networks. Whole numbers of votes have no intervals of exactly 80 %: a vote
    count that straddles an end is within by that share of its probability that is, the mean over
    all ways to break the tie at random (the randomised PIT; Czado, Gneiting & Held 2009,
    Biometrics 65, 1254). Predictions that are right therefore cover exactly the level.

    Parameters
    ----------
    mixture : Mixture, of n galaxies
    counts : array, shape (n, n_answers)
        Votes of the same galaxies; NaN where unknown.
    levels : sequence of float, in (0, 1)

    Returns
    -------
    coverage : DataFrame, one row for each question and one, ``"all"``, for their sum
        ``galaxies`` of which anybody was asked, their ``votes``; ``log_likelihood``, the mean over
        those galaxies of the logarithm of the probability of their votes; ``calibration_error``,
        see `calibration_error`, weighted by votes; and ``coverage_50`` … for each level,
        the mean over galaxies and answers. NaN where nobody was asked.

    Raises
    ------
    InputError
        Counts of another shape.
    """
    tree = mixture.tree
    expected = (len(mixture), len(tree))
    if counts.shape != expected:
        raise InputError(f"coverage: expected votes of shape {expected}, found {counts.shape}")
    likelihood = vote_log_likelihood(mixture, counts)
    asked = sum_by_question(tree, counts)  # (n, n_questions)
    questions = [
        _cells(mixture, counts, asked[:, number], likelihood[:, number], number, levels)
        for number in range(len(tree.questions))
    ]
    everything = _Cells(*(np.concatenate(part, -1) for part in zip(*questions, strict=True)))
    return pd.DataFrame(
        [_figures(cells, levels) for cells in (*questions, everything)],
        [*tree.question_columns, "all"],
    )


class _Cells(NamedTuple):
    """Galaxies (g) that somebody was asked about, and their answers (c, flat), of a question."""

    people: Floats  # (g,)
    likelihood: Floats  # (g,)
    predicted: Floats  # (c,)
    voted: Floats  # (c,)
    weight: Floats  # (c,)
    within: Floats  # (levels, c)


def _cells(
    mixture: Mixture,
    counts: Floats,
    asked: Floats,
    likelihood: Floats,
    number: int,
    levels: Sequence[float],
) -> _Cells:
    """Cells of a question, of which `asked` (n,) and `likelihood` (n,) are."""
    answers = mixture.tree.slices[number]
    rows = np.flatnonzero(asked > 0)  # (g,); False of NaN
    votes, people = counts[rows, answers], asked[rows, None]  # (g, k), (g, 1)
    of_network = mixture.reach_shares[:, rows, number, None]  # (members, g, 1)
    each = np.stack([member.conditional[rows, answers] for member in mixture.members])
    predicted = (of_network * each).sum(0)  # (g, k)
    within = np.empty((len(levels), *votes.shape))
    for start in range(0, len(rows), _CHUNK):
        chunk = slice(start, start + _CHUNK)
        within[:, chunk] = _within(mixture, number, rows[chunk], votes[chunk], levels)
    return _Cells(
        people[:, 0],
        likelihood[rows],
        predicted.ravel(),
        (votes / people).ravel(),
        np.broadcast_to(people, votes.shape).ravel(),
        within.reshape(len(levels), -1),
    )


def _figures(cells: _Cells, levels: Sequence[float]) -> dict[str, float]:
    curve = calibration_curve(cells.predicted, cells.voted, cells.weight)
    figures = {
        "galaxies": float(len(cells.people)),
        "votes": float(cells.people.sum()),
        "log_likelihood": _mean(cells.likelihood),
        "calibration_error": calibration_error(curve),
    }
    names = [f"coverage_{100 * level:g}" for level in levels]
    return figures | dict(zip(names, map(_mean, cells.within), strict=True))


def vote_log_likelihood(mixture: Mixture, counts: Floats) -> Floats:
    """Log-probability of the votes of each question, given how many were asked it.

    (n, n_questions), 0 where nobody was asked.
    """
    graph, votes = DecisionGraph(mixture.tree), torch.from_numpy(counts)
    each = [_log_likelihood(graph, member, votes).numpy() for member in mixture.members]
    return special.logsumexp(each, axis=0, b=mixture.reach_shares)


def _log_likelihood(
    graph: DecisionGraph, beliefs: TreeDirichlet, votes: torch.Tensor
) -> torch.Tensor:
    conditional = torch.from_numpy(beliefs.conditional)
    plain = multinomial_log_likelihood(graph, conditional, votes)
    known = torch.from_numpy(np.isinf(beliefs.strength))
    strength = torch.from_numpy(beliefs.strength).masked_fill(known, 1.0)
    spread = dirichlet_multinomial_log_likelihood(graph, conditional, strength, votes)
    return torch.where(known, plain, spread)


def _within(
    mixture: Mixture,
    number: int,
    rows: NDArray[np.intp],
    votes: Floats,
    levels: Sequence[float],
) -> Floats:
    """Share of each vote count within each interval; votes (rows, k) -> (levels, rows, k)."""
    answers = mixture.tree.slices[number]
    people = votes.sum(-1, keepdims=True)  # (rows, 1)
    each = [
        beta_binomial(
            member.conditional[rows, answers], 1 / member.strength[rows, number, None], people
        )
        for member in mixture.members
    ]
    of_network = mixture.reach_shares[:, rows, number, None, None]  # (members, rows, 1, 1)
    probability = (of_network * np.stack(each)).sum(0)  # (rows, k, largest number + 1)
    upper = np.cumsum(probability, -1)
    place = votes.astype(int)[..., None]
    high = np.take_along_axis(upper, place, -1)[..., 0]
    own = np.take_along_axis(probability, place, -1)[..., 0]
    low = high - own
    shares = []
    for level in levels:
        first, last = (1 - level) / 2, (1 + level) / 2
        inside = np.clip(np.minimum(high, last) - np.maximum(low, first), 0.0, None)
        point = (low >= first) & (high <= last)  # a count that was held to be impossible
        shares.append(np.where(own > 0, inside / np.where(own > 0, own, 1.0), point))
    return np.stack(shares)


def _mean(values: Floats) -> float:
    return float(values.mean()) if values.size else float("nan")
