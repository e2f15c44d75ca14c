"""Likelihoods of votes: how probable the counts of each question are, and the losses they make.

The counts of one question are multinomial if everyone who is asked gives its answers with the same
probabilities. If those probabilities are themselves drawn from a Dirichlet distribution they are
Dirichlet-multinomial, which allows for more scatter than independent volunteers have (Mosimann
1962, Biometrika 49, 65; for Galaxy Zoo Walmsley et al. 2020, MNRAS 491, 1554 and 2022, MNRAS 509,
3966). Questions are independent of each other given the image and how many were asked.

A question that nobody was asked, or whose counts are unknown (NaN), contributes exactly 0 to a
likelihood and to its gradient.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from gz2tree.config.choices import CountLoss
from gz2tree.graph import DecisionGraph

FLOOR = 1e-12
"""Probabilities below this count as this, so that votes for the impossible have a finite cost."""


def multinomial_log_likelihood(graph: DecisionGraph, conditional: Tensor, counts: Tensor) -> Tensor:
    """Log-probability of the counts of each question, given how many were asked.

    Parameters
    ----------
    graph : DecisionGraph
    conditional : Tensor, shape (N, n_answers), in [0, 1]
        Summing to 1 within each question.
    counts : Tensor, shape (N, n_answers), at least 0
        Votes; NaN where unknown. A question counts if those of all its answers are known.

    Returns
    -------
    log_likelihood : Tensor, float64, shape (N, n_questions)
        With the multinomial coefficient, so that values of different likelihoods compare; exactly
        0 where nobody was asked.

    Notes
    -----
    log n! - sum of log c_k! + sum of c_k log p_k, for n votes of which c_k are for answer k.
    """
    votes, asked = _known_votes(graph, counts)
    # Counted in float64, whatever the network's precision: factorials differ by little.
    log_p = conditional.double().clamp(min=FLOOR).log()
    cells = votes * log_p - torch.lgamma(votes + 1)
    return graph.sum_by_question(cells) + torch.lgamma(asked + 1)


def dirichlet_multinomial_log_likelihood(
    graph: DecisionGraph, conditional: Tensor, strength: Tensor, counts: Tensor
) -> Tensor:
    """Log-probability of the counts of each question whose answers follow a Dirichlet.

    Parameters
    ----------
    graph, conditional, counts
        As in `multinomial_log_likelihood`; `conditional` is the mean of the Dirichlet.
    strength : Tensor, shape (N, n_questions), above 0
        Sum of the concentrations of each question; concentrations are strength x conditional.

    Returns
    -------
    log_likelihood : Tensor, float64, shape (N, n_questions)
        Exactly 0 where nobody was asked.

    Notes
    -----
    With concentrations a_k of sum s: log n! + log G(s) - log G(n + s) + sum over k of
    log G(c_k + a_k) - log G(a_k) - log c_k! (Mosimann 1962, G the gamma function). An answer
    without votes contributes 0 whatever its concentration.
    """
    votes, asked = _known_votes(graph, counts)
    total = strength.double()
    mean = conditional.double().clamp(min=FLOOR)
    alpha = mean * total.index_select(-1, graph.question_of)  # (N, n_answers)
    rising = torch.lgamma(votes + alpha) - torch.lgamma(alpha)
    cells = torch.where(votes > 0, rising - torch.lgamma(votes + 1), 0.0)
    whole = torch.lgamma(asked + 1) + torch.lgamma(total) - torch.lgamma(asked + total)
    return torch.where(asked > 0, graph.sum_by_question(cells) + whole, 0.0)


def multinomial(
    graph: DecisionGraph, conditional: Tensor, strength: Tensor | None, counts: Tensor
) -> Tensor:
    """Loss of everyone answering with the same probabilities; `strength` does not matter.

    Parameters
    ----------
    graph, conditional, strength, counts
        As in `dirichlet_multinomial_log_likelihood`.

    Returns
    -------
    loss : Tensor, scalar, float64
        Negative log-likelihood: the mean over the questions that somebody was asked.
    """
    likelihood = multinomial_log_likelihood(graph, conditional, counts)
    return _mean_over_asked(graph, likelihood, counts)


def dirichlet_multinomial(
    graph: DecisionGraph, conditional: Tensor, strength: Tensor | None, counts: Tensor
) -> Tensor:
    """Loss of answers that follow a Dirichlet distribution.

    Parameters
    ----------
    graph, conditional, strength, counts
        As in `dirichlet_multinomial_log_likelihood`. No strength: infinite, the multinomial.

    Returns
    -------
    loss : Tensor, scalar, float64
        Negative log-likelihood: the mean over the questions that somebody was asked.
    """
    if strength is None:
        return multinomial(graph, conditional, strength, counts)
    likelihood = dirichlet_multinomial_log_likelihood(graph, conditional, strength, counts)
    return _mean_over_asked(graph, likelihood, counts)


COUNT_LOSSES: dict[CountLoss, Callable[..., Tensor]] = {
    "multinomial": multinomial,
    "dirichlet_multinomial": dirichlet_multinomial,
}


def known_votes_by_question(graph: DecisionGraph, counts: Tensor) -> Tensor:
    """How many votes each question got; 0 where they are unknown.

    Parameters
    ----------
    graph, counts
        As in `multinomial_log_likelihood`.

    Returns
    -------
    votes : Tensor, float64, shape (N, n_questions)
    """
    return _known_votes(graph, counts)[1]


def _known_votes(graph: DecisionGraph, counts: Tensor) -> tuple[Tensor, Tensor]:
    """Votes (N, n_answers) and how many were asked (N, n_questions); 0 in unknown questions."""
    unknown = graph.sum_by_question(counts.isnan().double())  # (N, n_questions)
    unknown = unknown.index_select(-1, graph.question_of)  # (N, n_answers)
    votes = torch.where(unknown > 0, 0.0, counts.double())
    return votes, graph.sum_by_question(votes)


def _mean_over_asked(graph: DecisionGraph, likelihood: Tensor, counts: Tensor) -> Tensor:
    n = (known_votes_by_question(graph, counts) > 0).sum()
    return -likelihood.sum() / n.clamp(min=1)
