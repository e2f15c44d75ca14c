"""Beta distributions of given mean and variance: intervals of an answer, and votes for it.

A cumulative answer is a product of Beta-distributed numbers, nearly Beta-distributed itself with
the moments that `gz2tree.votes.uncertainty` counts exactly (Fan 1991, Communications in
Statistics - Theory and Methods 20, 4043). How near is measured in benchmarks/results/votes.md.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from gz2tree.errors import InputError

Floats = NDArray[np.float64]
_NARROWEST = 1e-12
"""Relative to mean (1 - mean): variances below this are rounding, and intervals a point."""
_WIDEST = 1e12
"""Of spreads: beyond it, an answer is given by everyone or by nobody."""
_ROUNDING = 16 * np.finfo(np.float64).eps
"""Relative to the mean's square, of which a variance is the distance: no more than rounding."""


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
    mean, share = _share(mean, variance)
    scatters = share > 0
    strength = (1 - share) / np.where(scatters, share, 1.0)
    a, b = (np.where(scatters, strength * part, 1.0) for part in (mean, 1 - mean))
    tail = (1 - level) / 2
    low, high = (special.betaincinv(a, b, q) for q in (tail, 1 - tail))
    high = np.maximum(low, high)  # of quantiles that underflow one may be 0, one the least number
    return np.where(scatters, low, mean), np.where(scatters, high, mean)


def vote_probabilities(mean: ArrayLike, variance: ArrayLike, volunteers: int) -> Floats:
    """Probability of every number of votes for a cumulative answer.

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
        That of `beta_binomial`.
    """
    mean, variance = np.asarray(mean, np.float64), np.asarray(variance, np.float64)
    mean, share = _share(mean, variance)
    return beta_binomial(mean, share / (1 - share), volunteers)


def beta_binomial(mean: Floats, spread: Floats, volunteers: ArrayLike) -> Floats:
    """Probability of every number of votes for an answer whose probability is Beta-distributed.

    Parameters
    ----------
    mean : array, any shape, in [0, 1]
    spread : array that broadcasts to that shape, at least 0
        One over the strength of the Beta distribution, the sum of its two parameters; 0 if the
        probability is known, and the votes are binomial.
    volunteers : int or array of int that broadcasts to that shape
        How many are asked.

    Returns
    -------
    probability : array, shape (..., largest number of volunteers + 1), summing to 1
        0 for more votes than there are volunteers.

    Notes
    -----
    C(n, k) times the products of m + i r for i < k and of 1 - m + i r for i < n - k, divided by
    that of 1 + i r for i < n, where m is the mean and r the spread. Unlike a ratio of Beta
    functions, that loses nothing where the strength is large, r = 0 is a binomial, and answers
    that nobody or everyone gives are no special cases.
    """
    n = np.broadcast_to(np.asarray(volunteers, np.int64), mean.shape)[..., None]  # (..., 1)
    most = int(n.max(initial=0))
    steps = np.arange(most) * np.minimum(spread, _WIDEST)[..., None]  # (..., most)

    def products(start: Floats) -> Floats:
        """Logarithms of the products of the first 0, 1, …, most of start + i r."""
        with np.errstate(divide="ignore"):  # an answer that nobody gives: 0, exactly
            logs = np.log(start[..., None] + steps)
        return np.concatenate([np.zeros((*logs.shape[:-1], 1)), logs.cumsum(-1)], -1)

    votes = np.arange(most + 1)
    others = np.maximum(n - votes, 0)  # (..., most + 1)
    ways = -np.log1p(n) - special.betaln(votes + 1, others + 1)
    given = products(mean) + np.take_along_axis(products(1 - mean), others, -1)
    of_all = np.take_along_axis(products(np.ones_like(mean)), n, -1)
    return np.where(votes <= n, np.exp(ways + given - of_all), 0.0)


def _share(mean: Floats, variance: Floats) -> tuple[Floats, Floats]:
    """Means within [0, 1], and which part of their largest variance each has: below 1, 0 of none.

    Sums of probabilities, such as the reach of a question that all are asked, round beyond 1.
    """
    mean = np.clip(mean, 0.0, 1.0)
    largest = mean * (1 - mean)
    scatters = variance > np.maximum(_NARROWEST * largest, _ROUNDING * np.square(mean))
    scatters &= largest > 0
    share = np.clip(variance / np.where(scatters, largest, 1.0), _NARROWEST, 1 - _NARROWEST)
    return mean, np.where(scatters, share, 0.0)


def strength_of_scatter(mean: ArrayLike, fractions: ArrayLike) -> float:
    """Fit how fractions scatter about their means, as Beta distributions of one strength.

    Parameters
    ----------
    mean, fractions : array_like, shape (n,), in [0, 1]
        What is expected of each galaxy, and what was found.

    Returns
    -------
    strength : float, at least 0.1
        By the method of moments: a Beta distribution of mean m and strength s (the sum of its two
        parameters) has the variance m (1 - m) / (s + 1). Infinite if nothing scatters.
    """
    m, found = np.asarray(mean, np.float64), np.asarray(fractions, np.float64)
    scatter = np.square(found - m).sum()
    return max(float((m * (1 - m)).sum() / scatter - 1), 0.1) if scatter > 0 else np.inf
