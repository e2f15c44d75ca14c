"""Whether votes fall where networks expect them: coverage of predictive intervals, likelihoods."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy import special, stats

from gz2tree.errors import InputError
from gz2tree.evaluation import expected_calibration_error
from gz2tree.graph import DecisionGraph
from gz2tree.votes.likelihoods import (
    dirichlet_multinomial_log_likelihood,
    multinomial_log_likelihood,
)
from gz2tree.votes.uncertainty import Mixture, TreeDirichlet

Floats = NDArray[np.float64]
LEVELS = (0.5, 0.8, 0.95)


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
        see `expected_calibration_error`, weighted by votes; and ``coverage_50`` … for each level,
        the mean over galaxies and answers. NaN where nobody was asked.

    Raises
    ------
    InputError
        Counts of another shape.
    """
    tree = mixture.tree
    if counts.shape != mixture.mean.shape:
        raise InputError(
            f"coverage: expected votes of shape {mixture.mean.shape}, found {counts.shape}"
        )
    likelihood = vote_log_likelihood(mixture, counts)
    questions = [
        _cells(mixture, counts, likelihood, number, levels) for number in range(len(tree.questions))
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
    mixture: Mixture, counts: Floats, likelihood: Floats, number: int, levels: Sequence[float]
) -> _Cells:
    answers = mixture.tree.slices[number]
    asked = counts[:, answers].sum(-1)
    rows = asked > 0
    votes, people = counts[rows, answers], asked[rows, None]
    of_network = mixture.reach_shares[:, rows, number, None]  # (members, rows, 1)
    each = np.stack([member.conditional[rows, answers] for member in mixture.members])
    predicted = (of_network * each).sum(0)
    within = _within(mixture, number, rows, votes, levels)
    return _Cells(
        people[:, 0],
        likelihood[rows, number],
        predicted.ravel(),
        (votes / people).ravel(),
        np.broadcast_to(people, votes.shape).ravel(),
        within.reshape(len(levels), -1),
    )


def _figures(cells: _Cells, levels: Sequence[float]) -> dict[str, float]:
    error = expected_calibration_error(cells.predicted, cells.voted, cells.weight)
    figures = {
        "galaxies": float(len(cells.people)),
        "votes": float(cells.people.sum()),
        "log_likelihood": _mean(cells.likelihood),
        "calibration_error": error,
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
    voted: NDArray[np.bool_],
    votes: Floats,
    levels: Sequence[float],
) -> Floats:
    """Share of each vote count within each interval; (levels, voted, k)."""
    answers = mixture.tree.slices[number]
    if not len(votes):
        return np.empty((len(levels), *votes.shape))
    people = votes.sum(-1, keepdims=True)  # (voted, 1)
    each = [
        _probabilities(member.conditional[voted, answers], member.strength[voted, number], people)
        for member in mixture.members
    ]
    of_network = mixture.reach_shares[:, voted, number, None, None]
    probability = (of_network * np.stack(each)).sum(0)  # (voted, k, largest number + 1)
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


def _probabilities(conditional: Floats, strength: Floats, people: Floats) -> Floats:
    """Probability of every number of votes for each answer; (n, k, largest number + 1)."""
    votes = np.arange(int(people.max()) + 1)
    sure = np.isinf(strength)[:, None, None]
    total = np.where(np.isinf(strength), 1.0, strength)[:, None]
    # An answer held to be impossible, or certain, has no Beta.
    mean = np.clip(conditional, 1e-9, 1 - 1e-9)
    a, b = mean * total, (1 - mean) * total
    n = people[..., None]
    spread = stats.betabinom.pmf(votes, n, a[..., None], b[..., None])
    if not sure.any():
        return spread
    return np.where(sure, stats.binom.pmf(votes, n, mean[..., None]), spread)


def _mean(values: Floats) -> float:
    return float(values.mean()) if values.size else float("nan")
