"""Which galaxies to ask about next: what one more volunteer would tell.

The expected information gain of a volunteer's answers is their mutual information with what is not
known: how uncertain the answers are, less how uncertain they would be if the probabilities were
known (Lindley 1956, Annals of Mathematical Statistics 27, 986; for networks Houlsby et al. 2011,
arXiv:1112.5745; for Galaxy Zoo Walmsley et al. 2020, MNRAS 491, 1554). A galaxy on which volunteers
are split, and known to be, tells nothing new. In bits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from gz2tree.probabilities import by_answer, sum_by_question
from gz2tree.tree import DecisionTree
from gz2tree.votes.betas import vote_probabilities
from gz2tree.votes.uncertainty import Mixture, TreeDirichlet

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Information:
    """Expected information of one more volunteer, in bits, question by question.

    Parameters
    ----------
    total : array, shape (n, n_questions)
        On the galaxy: on the probabilities of its answers.
    of_models : array, shape (n, n_questions)
        That part of it which is on the question which network is right; 0 of a single network.
    """

    total: Floats
    of_models: Floats


def expected_information(mixture: Mixture) -> Information:
    """Mutual information between the answers of one more volunteer and what is not known.

    Parameters
    ----------
    mixture : Mixture
        What one or several networks say of n galaxies.

    Returns
    -------
    information : Information

    Notes
    -----
    For question q, reached with probability R, answered with conditional probabilities p that
    network k expects to be m: total = R H(m) of the mixture - mean over networks of R_k E[H(p)],
    of_models = R H(m) of the mixture - mean over networks of R_k H(m_k), where H is the entropy
    and E[H(p)] = psi(s + 1) - sum m_i psi(s m_i + 1) for a Dirichlet of strength s.

    The sum over questions is exactly the information in a volunteer's whole way down the tree if
    there is one network. Of several it is exact for questions that follow each other, and an upper
    bound for questions side by side, whose answers may tell the same of the networks.
    """
    tree = mixture.tree
    members = mixture.members
    reach = np.mean([member.reach for member in members], 0)  # (n, n_questions)
    of_answer = by_answer(tree, reach)  # (n, n_answers)
    conditional = mixture.mean / np.where(of_answer > 0, of_answer, 1.0)
    marginal = reach * _entropy(tree, conditional)
    if_network = np.mean([m.reach * _entropy(tree, m.conditional) for m in members], 0)
    if_known = np.mean([m.reach * _mean_entropy(m) for m in members], 0)
    # Rounding may leave a difference of equal entropies just below 0.
    total, of_models = (np.clip(marginal - x, 0.0, None) for x in (if_known, if_network))
    return Information(total / np.log(2), of_models / np.log(2))


def information_of_votes(beliefs: TreeDirichlet, volunteers: int) -> Floats:
    """Count what many more volunteers would tell of the probabilities of a galaxy.

    Parameters
    ----------
    beliefs : TreeDirichlet
        What one network says of n galaxies.
    volunteers : int
        How many are asked the questions that everyone is asked.

    Returns
    -------
    information : array, shape (n, n_questions), bits
        That of one volunteer is `expected_information`; the next ones tell less and less.

    Notes
    -----
    If j have answered, c of them with answer k, the next one's answers have the probabilities
    (c + s m_k) / (j + s), and tell as much as the entropy of those exceeds E[H(p)]. The mean over
    c, which is Beta-binomial, is exact. So is the sum over questions, of which each is asked of as
    many as reach it; the distribution of their number is that of `vote_probabilities`.
    """
    tree = beliefs.tree
    known = np.isinf(beliefs.strength)  # (n, n_questions)
    strength = by_answer(tree, np.where(known, 1.0, beliefs.strength))[..., None]
    # (n, n_answers, 1)
    alpha = beliefs.conditional[:, :, None] * strength
    votes = np.arange(volunteers + 1)
    probability = (votes == 0) * np.ones_like(alpha)  # of c votes for an answer; (n, n_answers, c)
    learnt = [np.zeros(known.shape)]  # by how many answers to a question; (n, n_questions) each
    if_known = _mean_entropy(beliefs)
    for j in range(volunteers):
        next_one = np.clip((votes + alpha) / (j + strength), 0.0, 1.0)
        entropy = sum_by_question(tree, (probability * special.entr(next_one)).sum(-1))
        learnt.append(learnt[-1] + np.clip(entropy - if_known, 0.0, None))
        chosen = probability * next_one
        probability = probability - chosen
        probability[..., 1:] += chosen[..., :-1]
    asked = vote_probabilities(beliefs.reach, beliefs.reach_variance, volunteers)
    total = (asked * np.stack(learnt, -1)).sum(-1)
    return np.where(known, 0.0, total) / np.log(2)


def _entropy(tree: DecisionTree, conditional: Floats) -> Floats:
    """Entropy of each question, in nats; (n, n_questions)."""
    return sum_by_question(tree, special.entr(conditional))


def _mean_entropy(beliefs: TreeDirichlet) -> Floats:
    """Mean entropy of answers drawn from the Dirichlets, in nats; (n, n_questions)."""
    tree, mean = beliefs.tree, beliefs.conditional
    finite = np.isfinite(beliefs.strength)
    strength = np.where(finite, beliefs.strength, 1.0)
    alpha = mean * by_answer(tree, strength)
    drawn = special.digamma(strength + 1) - sum_by_question(tree, mean * special.digamma(alpha + 1))
    reachable = sum_by_question(tree, mean) > 0
    return np.where(finite, np.where(reachable, drawn, 0.0), _entropy(tree, mean))
