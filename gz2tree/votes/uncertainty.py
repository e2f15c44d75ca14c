"""What a network leaves open: moments, intervals and votes of cumulative probabilities.

The conditional answers of each question follow a Dirichlet distribution, questions are independent
of each other given the image, and the tree multiplies: the cumulative probability of an answer is
the product of random numbers, and those of different answers are correlated, since they share the
questions before them. Mean and variance have a closed form, by recursion down the tree; intervals
are those of Beta distributions with the same mean and variance (`gz2tree.votes.betas`).

Several networks are a mixture, each as likely as the other: the variance is the mean of their
variances plus the variance of their means (the law of total variance; Lakshminarayanan, Pritzel &
Blundell 2017, NeurIPS).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gz2tree.errors import InputError
from gz2tree.probabilities import by_answer, cumulative_of, reach_of, share_of_question
from gz2tree.tree import DecisionTree
from gz2tree.votes.betas import beta_interval
from gz2tree.votes.counts import vote

Floats = NDArray[np.float64]
_CHUNK = 1024
"""Galaxies at once where there is a number for each pair of answers: 12 MB for 37 of them."""


@dataclass(frozen=True, eq=False)
class TreeDirichlet:
    """Independent Dirichlet distributions for the questions of a tree, for n galaxies.

    Parameters
    ----------
    tree : DecisionTree
    conditional : array, shape (n, n_answers), in [0, 1]
        Their means, summing to 1 within each question; NaN where a question cannot be reached.
    strength : array, shape (n, n_questions), above 0
        Sums of their concentrations; infinite if the answers' probabilities are taken as known.

    Raises
    ------
    InputError
        Shapes that do not fit the tree, strengths that are not above 0, or NaN in a question that
        can be reached.

    Examples
    --------
    >>> from gz2tree.questions import Question
    >>> from gz2tree.tree import DecisionTree
    >>> tree = DecisionTree("toy", [Question("q", ["yes", "no"])])
    >>> beliefs = TreeDirichlet(tree, np.array([[0.5, 0.5]]), np.array([[2.0]]))  # uniform
    >>> float(beliefs.variance[0, 0])
    0.0833...
    """

    tree: DecisionTree
    conditional: Floats
    strength: Floats

    def __post_init__(self) -> None:
        n = len(self.conditional)
        expected = (n, len(self.tree)), (n, len(self.tree.questions))
        if (self.conditional.shape, self.strength.shape) != expected:
            raise InputError(
                f"uncertainty: expected answers and strengths of shapes {expected}, found "
                f"{self.conditional.shape} and {self.strength.shape}"
            )
        if not (self.strength > 0).all():
            raise InputError("uncertainty: expected strengths above 0, found others")
        conditional = self.conditional.astype(np.float64)
        unknown = np.isnan(cumulative_of(self.tree, conditional))  # nothing where it is not reached
        if unknown.any():
            row, answer = np.argwhere(unknown)[0]
            raise InputError(
                "uncertainty: expected probabilities of all answers of a question that can be "
                f"reached, found NaN in galaxy {row}, answer {self.tree.columns[answer]} or one "
                "that leads to it"
            )
        object.__setattr__(self, "conditional", np.nan_to_num(conditional))
        object.__setattr__(self, "strength", self.strength.astype(np.float64))

    def __len__(self) -> int:
        return len(self.conditional)

    def _second_moments(self, rows: slice) -> Floats:
        """Expect the product of any two cumulative answers, of some galaxies.

        Of shape (rows, n_answers + 1, n_answers + 1). The last row and column are those of the
        constant 1, and so hold the means.

        Notes
        -----
        For answers i and j of one question, E[p_i p_j] = m_i m_j s / (s + 1) + m_i [i = j] / (s +
        1), for a Dirichlet of mean m and strength s (Mosimann 1962, Biometrika 49, 65). A question
        is independent of its reach R, the sum of the cumulative answers c that lead to it, and of
        all answers before it, hence E[c_i c_j] = E[R^2] E[p_i p_j] within a question, and E[c_a
        c_i] = E[c_a R] m_i for an answer a that came before.
        """
        one = len(self.tree)
        conditional = self.conditional[rows]  # (rows, n_answers)
        moments = np.zeros((len(conditional), one + 1, one + 1))
        moments[:, one, one] = 1.0
        share = 1 / (1 + self.strength[rows])  # of the largest variance that the mean allows
        for number, answers in enumerate(self.tree.slices):
            parents = list(self.tree.parents[number]) or [one]
            before = [*range(answers.start), one]
            mean = conditional[:, answers]  # (rows, k)
            with_reach = moments[:, before][:, :, parents].sum(-1)  # (rows, before)
            products = with_reach[:, :, None] * mean[:, None, :]
            moments[:, before, answers] = products
            moments[:, answers, before] = products.swapaxes(1, 2)
            reach_square = moments[:, parents][:, :, parents].sum((1, 2))  # (rows,)
            own = share[:, number, None, None]
            pairs = (1 - own) * mean[:, :, None] * mean[:, None, :]
            pairs += own * mean[:, :, None] * np.eye(mean.shape[1])
            moments[:, answers, answers] = reach_square[:, None, None] * pairs
        return moments

    def _chunks(self) -> Iterator[slice]:
        """Galaxies a chunk at a time, so that no more than a chunk has a number for each pair."""
        yield from (slice(start, start + _CHUNK) for start in range(0, len(self), _CHUNK))

    def _covariance(self, rows: slice) -> Floats:
        mean = self.mean[rows]
        return self._second_moments(rows)[:, :-1, :-1] - mean[:, :, None] * mean[:, None, :]

    @cached_property
    def mean(self) -> Floats:
        """Mean cumulative answers: those that the network gives; (n, n_answers)."""
        return cumulative_of(self.tree, self.conditional)

    @cached_property
    def covariance(self) -> Floats:
        """Covariance of the cumulative answers of a galaxy; (n, n_answers, n_answers)."""
        covariance = np.empty((len(self), len(self.tree), len(self.tree)))
        for rows in self._chunks():
            covariance[rows] = self._covariance(rows)
        return covariance

    @property
    def variance(self) -> Floats:
        """Variance of the cumulative answers; (n, n_answers)."""
        return self._variances[0]

    @cached_property
    def reach(self) -> Floats:
        """Mean reach of the questions; (n, n_questions)."""
        return reach_of(self.tree, self.mean)

    @property
    def reach_variance(self) -> Floats:
        """Variance of the reach of the questions; (n, n_questions), 0 if everyone is asked."""
        return self._variances[1]

    @cached_property
    def _variances(self) -> tuple[Floats, Floats]:
        """Of the answers (n, n_answers), and of the reach of the questions (n, n_questions)."""
        answers, reach = np.empty_like(self.mean), np.zeros_like(self.reach)
        for rows in self._chunks():
            covariance = self._covariance(rows)
            answers[rows] = np.diagonal(covariance, axis1=1, axis2=2)
            for number, parents in enumerate(map(list, self.tree.parents)):
                reach[rows, number] = covariance[:, parents][:, :, parents].sum((1, 2))
        return answers.clip(min=0.0), reach.clip(min=0.0)  # rounding may leave less

    def sample(self, draws: int, rng: np.random.Generator) -> Floats:
        """Draw conditional answers.

        Parameters
        ----------
        draws : int
        rng : numpy.random.Generator

        Returns
        -------
        conditional : array, shape (draws, n, n_answers), in [0, 1]
        """
        drawn = np.broadcast_to(self.conditional, (draws, *self.conditional.shape)).copy()
        for number, answers in enumerate(self.tree.slices):
            strength = self.strength[:, number, None]
            scatters = np.isfinite(strength[:, 0])
            alpha = strength[scatters] * self.conditional[scatters, answers]
            gamma = rng.standard_gamma(alpha, (draws, *alpha.shape))
            total = gamma.sum(-1, keepdims=True)
            # Concentrations so small that all draws underflow: one answer takes all.
            lost = np.broadcast_to(alpha.cumsum(-1), gamma.shape)
            place = rng.random((*gamma.shape[:-1], 1)) * lost[..., -1:]
            winner = np.eye(alpha.shape[-1])[(lost <= place).sum(-1).clip(max=alpha.shape[-1] - 1)]
            safe = np.where(total > 0, gamma / np.where(total > 0, total, 1.0), winner)
            drawn[:, scatters, answers] = safe
        return drawn

    def sample_votes(
        self, volunteers: ArrayLike, draws: int, rng: np.random.Generator
    ) -> NDArray[np.int64]:
        """Draw votes: probabilities from the Dirichlets, then volunteers who walk down the tree.

        Parameters
        ----------
        volunteers : int or array of int, shape (n,)
            How many are asked the questions that everyone is asked.
        draws : int
        rng : numpy.random.Generator

        Returns
        -------
        counts : array of int, shape (draws, n, n_answers)
        """
        share = share_of_question(self.tree, self.sample(draws, rng))
        # Questions that cannot be reached have no probabilities; whatever they are, 0 vote.
        sizes = np.array([len(question) for question in self.tree.questions])
        share = np.where(np.isnan(share), 1 / by_answer(self.tree, sizes), share)
        return vote(self.tree, share, np.asarray(volunteers), rng)


@dataclass(frozen=True, eq=False)
class Mixture:
    """What one or several networks say of the same n galaxies, each as likely as the other.

    Parameters
    ----------
    members : sequence of TreeDirichlet
        Of one tree.

    Raises
    ------
    InputError
        No members, or members of different trees or numbers of galaxies.
    """

    members: tuple[TreeDirichlet, ...]

    def __init__(self, members: Sequence[TreeDirichlet]) -> None:
        if not members:
            raise InputError("uncertainty: expected at least one network, found none")
        first = members[0]
        if any(m.tree != first.tree or len(m) != len(first) for m in members):
            raise InputError("uncertainty: expected networks of one tree and the same galaxies")
        object.__setattr__(self, "members", tuple(members))

    def __len__(self) -> int:
        return len(self.members[0])

    @property
    def tree(self) -> DecisionTree:
        """That of the networks."""
        return self.members[0].tree

    @cached_property
    def mean(self) -> Floats:
        """Mean cumulative answers; (n, n_answers)."""
        return np.mean([member.mean for member in self.members], 0)

    @cached_property
    def reach_shares(self) -> Floats:
        """Which network is how likely, given that a question was asked.

        By Bayes' theorem in proportion to the reach that each gives; (members, n, n_questions),
        summing to 1 over the members, equal where none holds the question to be asked.
        """
        reach = np.stack([member.reach for member in self.members])
        total = reach.sum(0)
        return np.where(total > 0, reach / np.where(total > 0, total, 1.0), 1 / len(reach))

    @cached_property
    def variance_within(self) -> Floats:
        """Mean of the variances that each network gives by itself; (n, n_answers)."""
        return np.mean([member.variance for member in self.members], 0)

    @cached_property
    def variance_between(self) -> Floats:
        """Variance of the means that the networks give; (n, n_answers), 0 of a single one."""
        return np.var([member.mean for member in self.members], 0)

    @property
    def variance(self) -> Floats:
        """Variance of the cumulative answers; (n, n_answers)."""
        return self.variance_within + self.variance_between

    def interval(self, level: float) -> tuple[Floats, Floats]:
        """Central intervals of the cumulative answers; see `beta_interval`."""
        return beta_interval(self.mean, self.variance, level)
