"""The decision tree as a layer: conditional probabilities in, cumulative probabilities out.

Notation: an answer's *conditional* probability is P(answer | its question was asked), the *reach*
of a question is P(it was asked), and an answer's *cumulative* probability is reach x conditional,
which is what the Kaggle Galaxy Challenge tabulates (Willett et al. 2013, MNRAS 435, 2835, section
3; https://www.kaggle.com/c/galaxy-zoo-the-galaxy-challenge "The Galaxy Zoo Decision Tree").

With conditional probabilities p, and the answers P(q) that lead to question q, ::

    reach(q) = sum over a in P(q) of cumulative(a), or 1 if P(q) is empty;
    cumulative(a) = reach(q) p(a), for an answer a of question q.

How they are laid out in tables, and multiplied in few steps, is in `gz2tree.treetable`.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from gz2tree.activations import activate, check_activation, inverse
from gz2tree.config.choices import Activation
from gz2tree.errors import InputError
from gz2tree.tree import DecisionTree
from gz2tree.treetable import TreeTable, at_most_1, columns_first, full_precision


class DecisionGraph(TreeTable):
    """Multiply branch probabilities down a decision tree; a module without parameters.

    All results are float32 whatever the autocast or half-precision input, float64 for float64
    input: an answer is zero exactly when its branch is not taken, values lie in [0, 1] and the
    answers of a question sum to its reach within rounding.

    Parameters
    ----------
    tree : DecisionTree
    activation : str
        How the logits of one question become probabilities that sum to 1; see
        `gz2tree.activations.activate`.

    Raises
    ------
    InputError
        An unknown activation, or one whose package is not installed. By all methods: a last axis
        of another length than the tree has answers (or questions).

    Examples
    --------
    >>> from gz2tree.trees import GZ2_KAGGLE
    >>> graph = DecisionGraph(GZ2_KAGGLE)
    >>> graph(torch.zeros(2, len(GZ2_KAGGLE))).shape
    torch.Size([2, 37])
    """

    def __init__(self, tree: DecisionTree, activation: Activation = "softmax") -> None:
        super().__init__(tree)
        check_activation(activation)
        self.activation: Activation = activation

    def forward(self, logits: Tensor) -> Tensor:
        """Cumulative probabilities of logits.

        Parameters
        ----------
        logits : Tensor, shape (..., n_answers)

        Returns
        -------
        cumulative : Tensor, shape (..., n_answers), in [0, 1]
        """
        return self._answers(self._multiply(self._activate(logits)), logits)

    def conditional(self, logits: Tensor) -> Tensor:
        """Conditional probabilities of logits: each question's answers sum to 1.

        Parameters
        ----------
        logits : Tensor, shape (..., n_answers)

        Returns
        -------
        conditional : Tensor, shape (..., n_answers), in [0, 1]
        """
        return self._answers(self._activate(logits).flatten(0, 1), logits)

    def logits_of(self, conditional: Tensor) -> Tensor:
        """Logits of conditional probabilities: what `conditional` maps back to them.

        Parameters
        ----------
        conditional : Tensor, shape (..., n_answers), in [0, 1]
            Summing to 1 within each question. Probabilities of 0 become very low ones under
            activations that cannot give 0.

        Returns
        -------
        logits : Tensor, shape (..., n_answers)
        """
        self._check("logits_of", conditional, "answers", len(self.tree))
        return inverse(full_precision(conditional), self.activation)

    def cumulative(self, conditional: Tensor, given_reach: Tensor | None = None) -> Tensor:
        """Multiply conditional probabilities down the tree.

        Parameters
        ----------
        conditional : Tensor, shape (..., n_answers), in [0, 1]
        given_reach : Tensor, shape (..., n_questions), in [0, 1], optional
            Reach of each question where it is known otherwise, from votes for example; NaN where
            it is that of the answers before. An answer of such a question gets no gradient from
            its parents.

        Returns
        -------
        cumulative : Tensor, shape (..., n_answers), in [0, 1]
        """
        slots = self._slots(full_precision(conditional))
        if given_reach is not None:
            self._check("given_reach", given_reach, "questions", self.n_questions)
            of_slots = columns_first(given_reach).index_select(0, self.slot_question)
            given_reach = of_slots.to(slots.dtype)  # (n_slots, N)
        return self._answers(self._multiply(slots, given_reach), conditional)

    def reach(self, cumulative: Tensor) -> Tensor:
        """Probability that each question was asked.

        Parameters
        ----------
        cumulative : Tensor, shape (..., n_answers), in [0, 1]

        Returns
        -------
        reach : Tensor, shape (..., n_questions), in [0, 1]
        """
        self._check("reach", cumulative, "answers", len(self.tree))
        answers = full_precision(cumulative)
        nobody = answers.new_zeros(()).expand(*answers.shape[:-1], 1)  # (..., 1)
        table = torch.cat([answers, nobody, nobody + 1.0], -1)  # (..., n_answers + 2)
        parents = table.index_select(-1, self.reach_parent)  # (..., n_questions * max_parents)
        parents = parents.unflatten(-1, (self.n_questions, self.max_parents))
        return at_most_1(parents.sum(-1))  # (..., n_questions)

    def condition(self, cumulative: Tensor) -> Tensor:
        """Recover conditional from cumulative probabilities; the inverse of `cumulative`.

        Parameters
        ----------
        cumulative : Tensor, shape (..., n_answers), in [0, 1]

        Returns
        -------
        conditional : Tensor, shape (..., n_answers)
            NaN in questions that are not reached, or of unknown (NaN) reach.
        """
        cumulative = full_precision(cumulative)
        reach = self.reach(cumulative).index_select(-1, self.question_of)  # (..., n_answers)
        reached = reach > 0
        # Dividing by the reach itself where it is 0 would put NaN into the gradient of all answers.
        quotient = cumulative / torch.where(reached, reach, 1.0)
        return torch.where(reached, quotient, torch.nan)

    def sum_by_question(self, values: Tensor) -> Tensor:
        """Sum over the answers of each question.

        Parameters
        ----------
        values : Tensor, shape (..., n_answers)

        Returns
        -------
        total : Tensor, shape (..., n_questions)
        """
        self._check("sum_by_question", values, "answers", len(self.tree))
        total = values.new_zeros(*values.shape[:-1], self.n_questions)
        return total.index_add(-1, self.question_of, values)

    def gate(self, cumulative: Tensor, threshold: float) -> Tensor:
        """Set improbable answers, and all that follows from them, to exactly 0.

        An answer whose cumulative probability is below `threshold` becomes 0; the survivors of its
        question are rescaled to the question's remaining reach. A question that is still reached
        keeps at least its most probable answer, so that the tree's sums hold. The set of zeros
        grows with the threshold.

        Parameters
        ----------
        cumulative : Tensor, shape (..., n_answers), in [0, 1]
        threshold : float, in [0, 1]

        Returns
        -------
        gated : Tensor, shape (..., n_answers), in [0, 1]

        Raises
        ------
        InputError
            A threshold outside [0, 1].
        """
        if not 0.0 <= threshold <= 1.0:
            raise InputError(f"gate: expected a probability in [0, 1], found {threshold}")
        cumulative = full_precision(cumulative)
        conditional = self.condition(cumulative).nan_to_num(0.0)  # (..., n_answers)
        slots = self._slots(conditional)  # (n_questions, width, N)
        best = slots.masked_fill(self.slot_empty, -1.0).argmax(1)  # (n_questions, N)
        best = F.one_hot(best, self.width).bool().transpose(1, 2)  # (n_questions, width, N)
        keep = (self._slots(cumulative) >= threshold) | best  # (n_questions, width, N)
        kept = (slots * keep).masked_fill(self.slot_empty, 0.0)  # (n_questions, width, N)
        total = kept.sum(1, keepdim=True)  # (n_questions, 1, N)
        kept = kept / torch.where(total > 0, total, 1.0)
        return self._answers(self._multiply(kept), cumulative)

    def _activate(self, logits: Tensor) -> Tensor:
        """Logits to conditional probabilities in slots; 0 in empty ones."""
        slots = self._slots(full_precision(logits))
        return activate(slots, self.slot_empty, self.activation)

    def extra_repr(self) -> str:
        """Name the tree and the activation in ``print(module)``."""
        return f"tree={self.tree.name!r}, activation={self.activation!r}"
