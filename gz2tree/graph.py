"""The decision tree as a layer: conditional probabilities in, cumulative probabilities out.

Notation: an answer's *conditional* probability is P(answer | its question was asked), the *reach*
of a question is P(it was asked), and an answer's *cumulative* probability is reach x conditional,
which is what the Kaggle Galaxy Challenge tabulates (Willett et al. 2013, MNRAS 435, 2835, section
3; https://www.kaggle.com/c/galaxy-zoo-the-galaxy-challenge "The Galaxy Zoo Decision Tree").
"""

from __future__ import annotations

from typing import get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gz2tree.config import Activation
from gz2tree.errors import InputError
from gz2tree.tree import DecisionTree

# Rows before the answers in the table of cumulative probabilities that `cumulative` builds up.
_NOBODY, _EVERYONE = 0, 1
LEAST = 1e-4
"""Probabilities nearer to 0 (and 1) have logits from which no training would come back."""


class DecisionGraph(nn.Module):
    """Multiply branch probabilities down a decision tree; a module without parameters.

    All results are float32 whatever the autocast or half-precision input, float64 for float64
    input: an answer is zero exactly when its branch is not taken, values lie in [0, 1] and the
    answers of a question sum to its reach within rounding.

    Parameters
    ----------
    tree : DecisionTree
    activation : str
        How the logits of one question become probabilities that sum to 1:

        ``"softmax"``
            The default.
        ``"normalised_sigmoid"``
            Sigmoids divided by the question's sum, computed as the softmax of logsigmoid, which is
            the same and survives any logit.
        ``"divisive_relu"``
            Rectified logits divided by the question's sum (Dieleman, Willett & Dambre 2015, MNRAS
            450, 1441, section 6.4). A question without a positive logit gets equal probabilities,
            and no gradient.
        ``"entmax15"``, ``"sparsemax"``
            Softmax-like, with exact zeros (Peters, Niculae & Martins 2019, ACL; Martins & Astudillo
            2016, ICML). They need the extra ``gz2tree[entmax]``.

    Raises
    ------
    InputError
        An unknown activation, or one whose package is not installed.

    Examples
    --------
    >>> from gz2tree.trees import GZ2_KAGGLE
    >>> graph = DecisionGraph(GZ2_KAGGLE)
    >>> graph(torch.zeros(2, len(GZ2_KAGGLE))).shape
    torch.Size([2, 37])
    """

    # Buffers, for the type checker.
    slot_answer: Tensor
    slot_valid: Tensor
    answer_slot: Tensor
    question_of: Tensor
    reach_parent: Tensor
    in_order: Tensor

    def __init__(self, tree: DecisionTree, activation: Activation = "softmax") -> None:
        super().__init__()
        if activation not in get_args(Activation):
            raise InputError(
                f"activation: expected one of {', '.join(get_args(Activation))}, "
                f"found {activation!r}"
            )
        self.tree = tree
        self.activation: Activation = activation
        if activation in ("entmax15", "sparsemax"):
            _import_entmax()
        self.n_questions = len(tree.questions)
        self.width = max(len(question) for question in tree.questions)

        # Questions side by side in a (n_questions, width) block; short ones have empty slots.
        slot_answer = [s.start for s in tree.slices for _ in range(self.width)]
        answer_slot = []
        for number, of_question in enumerate(tree.slices):
            for place, answer in enumerate(range(of_question.start, of_question.stop)):
                slot = number * self.width + place
                slot_answer[slot] = answer
                answer_slot.append(slot)
        self._index("slot_answer", slot_answer)
        self._index("answer_slot", answer_slot)
        self._index("question_of", list(tree.question_of))
        valid = torch.zeros(self.n_questions * self.width, dtype=torch.bool)
        valid[self.answer_slot] = True
        self.register_buffer(
            "slot_valid", valid.view(self.n_questions, self.width), persistent=False
        )

        # Parents of every question as rows of the table [nobody, everyone, answers in tree order].
        self.max_parents = max(1, *(len(parents) for parents in tree.parents))
        rows_in_tree_order = list(range(2, 2 + len(tree)))
        self._index("reach_parent", self._parent_rows(range(self.n_questions), rows_in_tree_order))

        # The same level by level, as rows of the table in the order in which levels are appended.
        row_of: list[int] = [0] * len(tree)
        appended = 2
        self.n_levels = len(tree.levels)
        for level, questions in enumerate(tree.levels):
            self._index(f"level_parent_{level}", self._parent_rows(questions, row_of))
            self._index(f"question_of_level_{level}", list(questions))
            answers = [
                a for q in questions for a in range(tree.slices[q].start, tree.slices[q].stop)
            ]
            self._index(f"level_answer_{level}", answers)
            self._index(
                f"level_question_{level}", [questions.index(tree.question_of[a]) for a in answers]
            )
            for answer in answers:
                row_of[answer] = appended
                appended += 1
        self._index("in_order", row_of)

    def _index(self, name: str, values: list[int]) -> None:
        self.register_buffer(name, torch.tensor(values, dtype=torch.long), persistent=False)

    def _parent_rows(self, questions: range | tuple[int, ...], row_of: list[int]) -> list[int]:
        rows = []
        for question in questions:
            parents = [row_of[p] for p in self.tree.parents[question]] or [_EVERYONE]
            rows += parents + [_NOBODY] * (self.max_parents - len(parents))
        return rows

    def forward(self, logits: Tensor) -> Tensor:
        """Cumulative probabilities of logits.

        Parameters
        ----------
        logits : Tensor, shape (..., n_answers)

        Returns
        -------
        cumulative : Tensor, shape (..., n_answers), in [0, 1]
        """
        return self.cumulative(self.conditional(logits))

    def conditional(self, logits: Tensor) -> Tensor:
        """Conditional probabilities of logits: each question's answers sum to 1.

        Parameters
        ----------
        logits : Tensor, shape (..., n_answers)

        Returns
        -------
        conditional : Tensor, shape (..., n_answers), in [0, 1]
        """
        slots = self._by_question(_full_precision(logits))  # (..., n_questions, width)
        valid = self.slot_valid
        if self.activation == "softmax":
            probability = slots.masked_fill(~valid, -torch.inf).softmax(-1)
        elif self.activation == "normalised_sigmoid":
            # ONNX has no logsigmoid: the log of its sigmoid is -inf at low logits, softplus exact.
            log_sigmoid = -F.softplus(-slots, threshold=40.0)
            probability = log_sigmoid.masked_fill(~valid, -torch.inf).softmax(-1)
        elif self.activation == "divisive_relu":
            probability = _divisive_relu(slots.masked_fill(~valid, 0.0), valid)
        else:
            # An empty slot must lie below the threshold of its question; -inf would make NaN.
            below_highest = slots - slots.amax(-1, keepdim=True).detach()
            entmax = _import_entmax()
            mapping = entmax.entmax15 if self.activation == "entmax15" else entmax.sparsemax
            probability = mapping(below_highest.masked_fill(~valid, -10.0), dim=-1)
            probability = probability / probability.sum(-1, keepdim=True)
        return probability.flatten(-2).index_select(-1, self.answer_slot)  # (..., n_answers)

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

        Notes
        -----
        The inverses: log p of the softmax, log(p / (1 - p)) of normalised sigmoids, p of the
        divisive ReLU and of sparsemax, and 2 sqrt(p) of entmax-1.5, whose map is
        p = max(z / 2 - tau, 0) ** 2 (Peters, Niculae & Martins 2019, ACL, equation 9).
        """
        conditional = _full_precision(conditional)
        if self.activation == "softmax":
            return conditional.clamp(min=LEAST).log()
        if self.activation == "normalised_sigmoid":
            return conditional.clamp(LEAST, 1 - LEAST).logit()
        if self.activation == "entmax15":
            return 2 * conditional.sqrt()
        return conditional

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
        conditional = _full_precision(conditional)
        table = self._table(conditional[..., :0])  # (..., 2)
        for level in range(self.n_levels):
            reach = self._sum_of_parents(table, getattr(self, f"level_parent_{level}"))
            if given_reach is not None:
                given = given_reach.index_select(-1, getattr(self, f"question_of_level_{level}"))
                reach = torch.where(given.isnan(), reach, given.to(reach.dtype))
            answers = conditional.index_select(-1, getattr(self, f"level_answer_{level}"))
            asked = reach.index_select(-1, getattr(self, f"level_question_{level}"))
            table = torch.cat([table, asked * answers], -1)  # (..., 2 + answers so far)
        return table.index_select(-1, self.in_order)  # (..., n_answers)

    def reach(self, cumulative: Tensor) -> Tensor:
        """Probability that each question was asked.

        Parameters
        ----------
        cumulative : Tensor, shape (..., n_answers), in [0, 1]

        Returns
        -------
        reach : Tensor, shape (..., n_questions), in [0, 1]
        """
        return self._sum_of_parents(self._table(_full_precision(cumulative)), self.reach_parent)

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
        slots = self._by_question(conditional).masked_fill(~self.slot_valid, -1.0)
        best = F.one_hot(slots.argmax(-1), self.width).bool()  # (..., n_questions, width)
        keep = (cumulative >= threshold) | best.flatten(-2).index_select(-1, self.answer_slot)
        kept = self._by_question(conditional * keep) * self.slot_valid
        total = kept.sum(-1, keepdim=True)
        kept = kept / torch.where(total > 0, total, 1.0)
        return self.cumulative(kept.flatten(-2).index_select(-1, self.answer_slot))

    def _by_question(self, answers: Tensor) -> Tensor:
        """(..., n_answers) -> (..., n_questions, width); empty slots repeat a first answer."""
        slots: Tensor = answers.index_select(-1, self.slot_answer)
        return slots.view(*answers.shape[:-1], self.n_questions, self.width)

    def _table(self, answers: Tensor) -> Tensor:
        """Put the probabilities of nobody (0) and everyone (1) before those of the answers."""
        nobody = answers.new_zeros(()).expand(*answers.shape[:-1], 1)
        return torch.cat([nobody, nobody + 1.0, answers], -1)

    def _sum_of_parents(self, table: Tensor, rows: Tensor) -> Tensor:
        n_questions = len(rows) // self.max_parents  # -1 is ambiguous for an empty batch
        parents = table.index_select(-1, rows).unflatten(-1, (n_questions, self.max_parents))
        total = parents.sum(-1)  # (..., questions)
        # Rounding can lift a sum of exclusive parents above 1. A clamp would cut the gradient too.
        return total - (total - 1.0).clamp(min=0.0).detach()

    def extra_repr(self) -> str:
        """Name the tree and the activation in ``print(module)``."""
        return f"tree={self.tree.name!r}, activation={self.activation!r}"


def _full_precision(values: Tensor) -> Tensor:
    return values if values.dtype == torch.float64 else values.float()


def _divisive_relu(slots: Tensor, valid: Tensor) -> Tensor:
    positive = slots.relu()
    total = positive.sum(-1, keepdim=True)  # (..., n_questions, 1)
    # A denormal sum counts as none: its reciprocal, and so the gradient, would overflow.
    alive = total > torch.finfo(total.dtype).tiny
    equal = valid.to(slots.dtype) / valid.sum(-1, keepdim=True)
    return torch.where(alive, positive / torch.where(alive, total, 1.0), equal)


def _import_entmax():  # type: ignore[no-untyped-def]
    try:
        import entmax
    except ModuleNotFoundError as error:
        raise InputError(
            "activations entmax15 and sparsemax need the entmax package, which is not installed: "
            "pip install 'gz2tree[entmax]'"
        ) from error
    return entmax
