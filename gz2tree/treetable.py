"""Answers of a tree in tables of tensors: where they lie, and how they are multiplied down it.

N galaxies lie side by side on the last axis, so that to gather an answer is to copy a row::

    answers (..., n_answers) -> slots (n_questions, width, N) -> table (n_slots + 2, N) -> answers

where `width` is the number of answers of the largest question, n_slots = n_questions x width, and
the last two rows of the table are *nobody*, 0, and *everyone*, 1. A question is a block of slots,
so activations and sums within questions are single operations whatever the number of questions.
The recursion is unrolled into few multiplications of whole tables, which `gz2tree.jumps` plans and
explains by an example.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from gz2tree.errors import InputError
from gz2tree.jumps import fill_up, jumps_to_the_roots, slots_of
from gz2tree.tree import DecisionTree


class TreeTable(nn.Module):
    """The indices by which `gz2tree.graph.DecisionGraph` gathers, adds and multiplies answers.

    They are buffers, so that they move with a module to another device, and are in no state dict.

    Parameters
    ----------
    tree : DecisionTree
    """

    # Buffers, for the type checker.
    slot_answer: Tensor
    slot_question: Tensor
    slot_empty: Tensor
    answer_slot: Tensor
    question_of: Tensor
    reach_parent: Tensor
    nobody_and_everyone: Tensor

    def __init__(self, tree: DecisionTree) -> None:
        super().__init__()
        self.tree = tree
        self.n_questions = len(tree.questions)
        self.width = max(len(question) for question in tree.questions)
        self._index("question_of", list(tree.question_of))
        self._lay_out_slots()
        self._plan_jumps()
        # Parents of every question as columns of the table [answers, nobody, everyone].
        self.max_parents = max(1, *(len(parents) for parents in tree.parents))
        filled = [fill_up(list(rows), self.max_parents, len(tree)) for rows in tree.parents]
        self._index("reach_parent", [row for of_question in filled for row in of_question])

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
        """Find the rows of the table [slots, nobody, everyone] that multiply each of its rows.

        ``jump_0``, ``jump_1``, … hold, for each step, `most` indices for each row of the table: the
        first of all rows, then the second of all rows, and so on.
        """
        of_slot = self.slot_question.tolist()  # an empty slot goes with its question
        parents = [[int(self.answer_slot[p]) for p in self.tree.parents[q]] for q in of_slot]
        jumps = jumps_to_the_roots([*parents, [], []])
        self.jump_widths = [max(map(len, jump)) for jump in jumps]
        for number, (jump, most) in enumerate(zip(jumps, self.jump_widths, strict=True)):
            filled = [fill_up(rows, most, len(of_slot)) for rows in jump]
            self._index(
                f"jump_{number}", [row for rows in zip(*filled, strict=True) for row in rows]
            )
        self.register_buffer("nobody_and_everyone", torch.tensor([[0.0], [1.0]]), persistent=False)

    def _index(self, name: str, values: list[int]) -> None:
        self.register_buffer(name, torch.tensor(values, dtype=torch.long), persistent=False)

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
        slots = columns_first(answers).index_select(0, self.slot_answer)
        return slots.view(self.n_questions, self.width, slots.shape[-1])

    def _answers(self, slots: Tensor, like: Tensor) -> Tensor:
        """(n_questions * width or more, N) -> (..., n_answers), the shape of `like`."""
        answers = slots.index_select(0, self.answer_slot).t().contiguous()
        return answers if like.ndim == 2 else answers.view(like.shape)

    def _multiply(self, conditional: Tensor, given_reach: Tensor | None = None) -> Tensor:
        """Multiply down the tree.

        Parameters
        ----------
        conditional : Tensor, shape (n_questions, width, N)
        given_reach : Tensor, shape (n_slots, N), optional
            NaN where none is given.

        Returns
        -------
        table : Tensor, shape (n_slots + 2, N)
            Cumulative probabilities of the slots; rows of nobody and everyone.
        """
        slots = conditional.flatten(0, 1)  # (n_slots, N)
        edges = self.nobody_and_everyone.to(slots.dtype).expand(2, slots.shape[-1])  # (2, N)
        complete = None  # (n_slots + 2, N), once there is a given reach
        if given_reach is not None:
            given = ~given_reach.isnan()  # (n_slots, N)
            slots = slots * given_reach.where(given, 1.0)
            complete = torch.cat([given, torch.zeros_like(edges, dtype=torch.bool)])
        table = torch.cat([slots, edges])  # (n_slots + 2, N)
        for number, most in enumerate(self.jump_widths):
            rows = getattr(self, f"jump_{number}")  # (most * (n_slots + 2),)
            factor = table.index_select(0, rows)  # (most * (n_slots + 2), N)
            if most > 1:
                factor = at_most_1(factor.view(most, *table.shape).sum(0))  # (n_slots + 2, N)
            if complete is not None:
                # A row whose reach is given has all its factors, though jumps of it are left. So
                # has, from now on, a row that has just been multiplied by such a one: what it
                # inherits are jumps to that one's ancestors. One with several parents has no jumps
                # left, whichever of them is looked at.
                factor = factor.masked_fill(complete, 1.0)
                complete = complete | complete.index_select(0, rows[: len(table)])
            table = table * factor
        return table


def at_most_1(total: Tensor) -> Tensor:
    """Cut what rounding adds to a sum of exclusive parents; a clamp would cut the gradient too."""
    return total - (total - 1.0).clamp(min=0.0).detach()


def columns_first(values: Tensor) -> Tensor:
    """(..., n) -> (n, N)."""
    if values.ndim != 2:
        values = values.reshape(math.prod(values.shape[:-1]), values.shape[-1])
    return values.t()


def full_precision(values: Tensor) -> Tensor:
    """Single precision, also under autocast; float64 stays."""
    return values if values.dtype == torch.float64 else values.float()
