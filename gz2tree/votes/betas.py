"""Beta distributions of given mean and variance: intervals of an answer, and votes for it.

A cumulative answer is a product of Beta-distributed numbers, nearly Beta-distributed itself with
the moments that `gz2tree.votes.uncertainty` counts exactly (Fan 1991, Communications in
Statistics - Theory and Methods 20, 4043). How near is measured in benchmarks/results/votes.md.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

from gz2tree.errors import InputError

Floats = NDArray[np.float64]
_NARROWEST = 1e-12
"""Relative to mean (1 - mean): variances below this are rounding, and intervals a point."""


def beta_interval(mean: Floats, variance: Floats, level: float) -> tuple[Floats, Floats]:
    """Central intervals of the Beta distributions of a mean and a variance.

    Exact for questions that everyone is asked and a single network; an approximation to products
    of Betas and to mixtures.

    Parameters
    ----------
    mean : array, any shape, in [0, 1]
    variance : array of that shape, from 0 to mean (1 - mean)
    level : float, in (0, 1)
        Probability within the interval; what lies outside is equal on both sides.

    Returns
    -------
    low, high : array of that shape, in [0, 1]
        Both the mean where nothing scatters.

    Raises
    ------
    InputError
        A level outside (0, 1).
    """
    if not 0 < level < 1:
        raise InputError(f"interval: expected a level between 0 and 1, found {level}")
    a, b, scatters = _beta(mean, variance)
    tail = (1 - level) / 2
    low, high = (special.betaincinv(a, b, q) for q in (tail, 1 - tail))
    return np.where(scatters, low, mean), np.where(scatters, high, mean)


def vote_variance(mean: Floats, variance: Floats, volunteers: ArrayLike) -> Floats:
    """Variance of how many of some volunteers give each answer; exact.

    Parameters
    ----------
    mean, variance : array, shape (n, n_answers)
        Of the cumulative answers.
    volunteers : int or array of int, shape (n, 1)
        How many are asked the questions that everyone is asked.

    Returns
    -------
    variance : array, shape (n, n_answers)
        Of the votes, whose mean is ``volunteers * mean``: n m (1 - m) + n (n - 1) v, that of a
        binomial and what the scatter v of the probability adds.
    """
    people = np.asarray(volunteers)
    return people * mean * (1 - mean) + people * (people - 1) * variance


def vote_probabilities(mean: ArrayLike, variance: ArrayLike, volunteers: int) -> Floats:
    """Probability of every number of votes for an answer: a Beta-binomial distribution.

    Exact for questions that everyone is asked and a single network, else as close as
    `beta_interval`.

    Parameters
    ----------
    mean, variance : array, any shape
        Of the cumulative answer.
    volunteers : int
        How many are asked the questions that everyone is asked.

    Returns
    -------
    probability : array, shape (..., volunteers + 1), summing to 1
    """
    mean, variance = np.asarray(mean, np.float64), np.asarray(variance, np.float64)
    a, b, scatters = _beta(mean, variance)
    votes = np.arange(volunteers + 1)
    spread = stats.betabinom.pmf(votes, volunteers, a[..., None], b[..., None])
    plain = stats.binom.pmf(votes, volunteers, mean[..., None])
    return np.where(scatters[..., None], spread, plain)


def _beta(mean: Floats, variance: Floats) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Parameters of the Beta distributions of these moments, and where there is any scatter."""
    largest = mean * (1 - mean)
    scatters = variance > _NARROWEST * largest
    share = np.clip(variance / np.where(scatters, largest, 1.0), _NARROWEST, 1 - _NARROWEST)
    strength = (1 - share) / share
    a, b = mean * strength, (1 - mean) * strength
    return np.where(scatters, a, 1.0), np.where(scatters, b, 1.0), scatters
