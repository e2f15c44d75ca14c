"""The decision tree as a layer: conditional probabilities in, cumulative probabilities out.

Notation: an answer's *conditional* probability is P(answer | its question was asked), the *reach*
of a question is P(it was asked), and an answer's *cumulative* probability is reach x conditional,
which is what the Kaggle Galaxy Challenge tabulates (Willett et al. 2013, MNRAS 435, 2835, section
3; https://www.kaggle.com/c/galaxy-zoo-the-galaxy-challenge "The Galaxy Zoo Decision Tree").
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gz2tree.activations import activate, check_activation, inverse
from gz2tree.config.choices import Activation
from gz2tree.errors import InputError
from gz2tree.jumps import fill_up, jumps_to_the_roots, slots_of
from gz2tree.tree import DecisionTree

# Rows before the answers in the table that `reach` sums up.
_NOBODY, _EVERYONE = 0, 1


class DecisionGraph(nn.Module):
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

    # Buffers, for the type checker.
    slot_answer: Tensor
    slot_question: Tensor
    slot_empty: Tensor
    answer_slot: Tensor
    question_of: Tensor
    reach_parent: Tensor
    nobody_and_everyone: Tensor

    def __init__(self, tree: DecisionTree, activation: Activation = "softmax") -> None:
        super().__init__()
        check_activation(activation)
        self.tree = tree
        self.activation: Activation = activation
        self.n_questions = len(tree.questions)
        self.width = max(len(question) for question in tree.questions)
        self._index("question_of", list(tree.question_of))
        self._lay_out_slots()
        self._plan_jumps()

        # Parents of every question as rows of the table [nobody, everyone, answers in tree order].
        self.max_parents = max(1, *(len(parents) for parents in tree.parents))
        rows = [[2 + parent for parent in parents] for parents in tree.parents]
        of_questions = [fill_up(row, self.max_parents, _NOBODY, _EVERYONE) for row in rows]
        self._index("reach_parent", [row for of_question in of_questions for row in of_question])

    def _lay_out_slots(self) -> None:
        """Put the questions below each other in a (n_questions, width) block of slots."""
        slot_answer, answer_slot = slots_of([len(q) for q in self.tree.questions], self.width)
        self._index("slot_answer", slot_answer)
        self._index("answer_slot", answer_slot)
        self._index("slot_question", [slot // self.width for slot in range(len(slot_answer))])
        empty = torch.ones(len(slot_answer), dtype=torch.bool)
        empty[self.answer_slot] = False
        # (n_questions, width, 1)
        self.register_buffer("slot_empty", empty.view(-1, self.width, 1), persistent=False)

    def _plan_jumps(self) -> None:
        """Find the rows of the table [slots, nobody, everyone] that multiply each of its rows."""
        of_slot = self.slot_question.tolist()
        nobody, everyone = len(of_slot), len(of_slot) + 1
        parents = [[int(self.answer_slot[p]) for p in self.tree.parents[q]] for q in of_slot]
        jumps = jumps_to_the_roots([*parents, [], []])
        self.jump_widths = [max(map(len, jump)) for jump in jumps]
        for number, (jump, most) in enumerate(zip(jumps, self.jump_widths, strict=True)):
            filled = [fill_up(rows, most, nobody, everyone) for rows in jump]
            self._index(
                f"jump_{number}", [row for rows in zip(*filled, strict=True) for row in rows]
            )
        self.register_buffer("nobody_and_everyone", torch.tensor([[0.0], [1.0]]), persistent=False)

    def _index(self, name: str, values: list[int]) -> None:
        self.register_buffer(name, torch.tensor(values, dtype=torch.long), persistent=False)

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

    def logits(self, conditional: Tensor) -> Tensor:
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
        self._check("logits", conditional, "answers", len(self.tree))
        return inverse(_full_precision(conditional), self.activation)

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
        slots = self._slots(_full_precision(conditional))
        if given_reach is not None:
            self._check("given_reach", given_reach, "questions", self.n_questions)
            given_reach = _columns(given_reach).index_select(0, self.slot_question).to(slots.dtype)
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
        answers = _full_precision(cumulative)
        nobody = answers.new_zeros(()).expand(*answers.shape[:-1], 1)
        table = torch.cat([nobody, nobody + 1.0, answers], -1)
        parents = table.index_select(-1, self.reach_parent)
        parents = parents.unflatten(-1, (self.n_questions, self.max_parents))
        return _at_most_1(parents.sum(-1))

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
        cumulative = _full_precision(cumulative)
        reach = self.reach(cumulative).index_select(-1, self.question_of)  # (..., n_answers)
        reached = reach > 0
        # Dividing by the reach itself where it is 0 would put NaN into the gradient of all answers.
        quotient = cumulative / torch.where(reached, reach, 1.0)
        return torch.where(reached, quotient, torch.nan)

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
        cumulative = _full_precision(cumulative)
        conditional = self.condition(cumulative).nan_to_num(0.0)
        slots = self._slots(conditional)
        best = slots.masked_fill(self.slot_empty, -1.0).argmax(1)  # (n_questions, N)
        best = F.one_hot(best, self.width).bool().transpose(1, 2)  # (n_questions, width, N)
        keep = (self._slots(cumulative) >= threshold) | best
        kept = (slots * keep).masked_fill(self.slot_empty, 0.0)
        total = kept.sum(1, keepdim=True)
        kept = kept / torch.where(total > 0, total, 1.0)
        return self._answers(self._multiply(kept), cumulative)

    def _check(self, what: str, values: Tensor, along: str, n: int) -> None:
        """Refuse what has another last axis: surplus columns would be left out without a word.

        Shapes are numbers of Python, so that it costs no kernel and is not in an exported graph.
        """
        if values.ndim == 0 or values.shape[-1] != n:
            raise InputError(
                f"{what}: expected the {n} {along} of {self.tree.name} along the last axis, "
                f"found shape {tuple(values.shape)}"
            )

    def _slots(self, answers: Tensor) -> Tensor:
        """(..., n_answers) -> (n_questions, width, N)."""
        self._check("answers", answers, "answers", len(self.tree))
        # Galaxies side by side: gathering answers, and all that follows, moves whole rows.
        slots = _columns(answers).index_select(0, self.slot_answer)
        return slots.view(self.n_questions, self.width, slots.shape[-1])

    def _answers(self, slots: Tensor, like: Tensor) -> Tensor:
        """(n_questions * width or more, N) -> (..., n_answers), the shape of `like`."""
        answers = slots.index_select(0, self.answer_slot).t().contiguous()
        return answers if like.ndim == 2 else answers.view(like.shape)

    def _activate(self, logits: Tensor) -> Tensor:
        """Logits to conditional probabilities in slots; 0 in empty ones."""
        slots = self._slots(_full_precision(logits))
        return activate(slots, self.slot_empty, self.activation)

    def _multiply(self, conditional: Tensor, given_reach: Tensor | None = None) -> Tensor:
        """Conditional (n_questions, width, N) to a table of cumulative probabilities.

        The table has a row for every slot, and those of nobody and everyone. given_reach, of shape
        (n_questions * width, N), is NaN where none is given.
        """
        slots = conditional.flatten(0, 1)
        edges = self.nobody_and_everyone.to(slots.dtype).expand(2, slots.shape[-1])
        known = None
        if given_reach is not None:
            known = ~given_reach.isnan()
            slots = slots * given_reach.where(known, 1.0)
            known = torch.cat([known, torch.zeros_like(edges, dtype=torch.bool)])
        table = torch.cat([slots, edges])
        for number, most in enumerate(self.jump_widths):
            rows = getattr(self, f"jump_{number}")
            factor = table.index_select(0, rows)
            if most > 1:
                factor = _at_most_1(factor.view(most, *table.shape).sum(0))
            if known is not None:
                factor = factor.masked_fill(known, 1.0)
                known = known | known.index_select(0, rows[: len(table)])
            table = table * factor
        return table

    def extra_repr(self) -> str:
        """Name the tree and the activation in ``print(module)``."""
        return f"tree={self.tree.name!r}, activation={self.activation!r}"


def _at_most_1(total: Tensor) -> Tensor:
    """Cut what rounding adds to a sum of exclusive parents; a clamp would cut the gradient too."""
    return total - (total - 1.0).clamp(min=0.0).detach()


def _columns(values: Tensor) -> Tensor:
    """(..., n) -> (n, N)."""
    if values.ndim != 2:
        values = values.reshape(math.prod(values.shape[:-1]), values.shape[-1])
    return values.t()


def _full_precision(values: Tensor) -> Tensor:
    return values if values.dtype == torch.float64 else values.float()
