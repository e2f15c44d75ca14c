"""Labels: cumulative probabilities, what was measured of them, and the counts."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from gz2tree.errors import InputError, first_few
from gz2tree.graph import DecisionGraph
from gz2tree.tree import DecisionTree

CUMULATIVE = "cumulative"
"""The kind of labels that were tabulated as cumulative probabilities, as Kaggle's are."""


@dataclass(frozen=True)
class Labels:
    """What volunteers said of some galaxies.

    Parameters
    ----------
    ids : array of str, shape (n,)
    cumulative : array of float64, shape (n, n_answers), in [0, 1]
        Cumulative probabilities; NaN where not measured.
    tree : DecisionTree
    kind : str
        What they were made from: a kind of the GZ2 catalogue, or ``"cumulative"``.
    counts : array of float64, shape (n, n_answers), optional
        Votes, where the table has them.
    given_reach : array of float64, shape (n, n_questions), optional
        For training: reach of the questions of which only the conditional answers count, NaN for
        the others; see `only_conditional`.
    """

    ids: NDArray[np.object_]
    cumulative: NDArray[np.float64]
    tree: DecisionTree
    kind: str
    counts: NDArray[np.float64] | None = None
    given_reach: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        return f"<Labels: {len(self)} galaxies, {self.tree.name}, {self.kind}>"

    @cached_property
    def measured(self) -> NDArray[np.bool_]:
        """Which cells are measured; shape (n, n_answers)."""
        return ~np.isnan(self.cumulative)

    @cached_property
    def reach(self) -> NDArray[np.float64]:
        """Probability that each question was asked; shape (n, n_questions), NaN if unknown."""
        reach = DecisionGraph(self.tree).reach(torch.from_numpy(self.cumulative)).numpy()
        if self.given_reach is None:
            return reach
        return np.where(np.isnan(self.given_reach), reach, self.given_reach)

    @cached_property
    def null(self) -> NDArray[np.bool_]:
        """Null labels: measured and exactly 0; shape (n, n_answers)."""
        return self.cumulative == 0

    @cached_property
    def structural_null(self) -> NDArray[np.bool_]:
        """Null labels of questions that were not reached; shape (n, n_answers)."""
        return self.null & (self._reach_of_answer == 0)

    @cached_property
    def voteless_null(self) -> NDArray[np.bool_]:
        """Null labels of questions that were reached; shape (n, n_answers)."""
        return self.null & (self._reach_of_answer > 0)

    @property
    def _reach_of_answer(self) -> NDArray[np.float64]:
        return self.reach[:, list(self.tree.question_of)]

    def digest(self) -> str:
        """SHA-256 of ids, labels and votes, in hexadecimal: the same for the same data."""
        text = "\n".join(self.ids).encode() + self.cumulative.tobytes()
        for part in (self.given_reach, self.counts):
            if part is not None:
                text += part.tobytes()
        return hashlib.sha256(text).hexdigest()

    def take(self, rows: ArrayLike) -> Labels:
        """Return the labels of some rows, by position or by mask."""
        rows = np.asarray(rows)
        if not rows.size:  # NumPy takes an empty list for numbers with a decimal point
            rows = rows.astype(np.intp)
        counts = None if self.counts is None else self.counts[rows]
        given = None if self.given_reach is None else self.given_reach[rows]
        return replace(
            self,
            ids=self.ids[rows],
            cumulative=self.cumulative[rows],
            counts=counts,
            given_reach=given,
        )

    def mean_cumulative(self) -> NDArray[np.float64]:
        """Mean of every answer over the galaxies that have it measured; 1/2 where none has."""
        n = self.measured.sum(0)
        return np.where(n > 0, np.nansum(self.cumulative, 0) / np.maximum(n, 1), 0.5)

    def mean_conditional(self) -> NDArray[np.float64]:
        """Mean conditional answers, weighted by reach; equal ones where nobody was asked."""
        total = np.nansum(self.cumulative, 0)
        mean = np.empty(len(self.tree))
        for answers in self.tree.slices:
            of_question = total[answers].sum()
            equal = 1 / len(total[answers])
            mean[answers] = total[answers] / of_question if of_question > 0 else equal
        return mean

    @classmethod
    def join(cls, *several: Labels) -> Labels:
        """Put several samples of one tree together; counts are kept if all have them.

        Raises
        ------
        InputError
            Samples of different trees.
        """
        tree = several[0].tree
        for labels in several:
            if labels.tree != tree:
                raise InputError(
                    f"join: expected labels of one tree, found {tree.difference(labels.tree)}"
                )
        own = np.nan  # the reach of a sample that has none given
        given = [
            labels.given_reach
            if labels.given_reach is not None
            else np.full((len(labels), len(tree.questions)), own)
            for labels in several
        ]
        counts = [labels.counts for labels in several if labels.counts is not None]
        return cls(
            np.concatenate([labels.ids for labels in several]),
            np.concatenate([labels.cumulative for labels in several]),
            tree,
            ", ".join(dict.fromkeys(labels.kind for labels in several)),
            np.concatenate(counts) if len(counts) == len(several) else None,
            np.concatenate(given) if any(s.given_reach is not None for s in several) else None,
        )

    def only_conditional(self, questions: Collection[str]) -> Labels:
        """Keep some questions, and of them only what was answered where they were asked.

        For galaxies whose answers further up are debiased otherwise than those of the other
        training galaxies. A tree network is then trained on reach x its conditional
        probability, the reach being that of the votes: weighted by reach, and without a say in
        the questions before. A flat network is trained on the cumulative answers.

        Parameters
        ----------
        questions : collection of str
            Their columns, for example ``{"Class3", "Class4"}``.

        Returns
        -------
        labels : Labels
            With NaN in all other questions.

        Raises
        ------
        InputError
            A question that the tree has not.
        """
        unknown = sorted(set(questions) - set(self.tree.question_columns))
        if unknown:
            raise InputError(
                f"questions: expected some of {', '.join(self.tree.question_columns)}, "
                f"found {first_few(unknown)}"
            )
        kept = np.isin(self.tree.question_columns, list(questions))
        of_answer = kept[list(self.tree.question_of)]
        return replace(
            self,
            cumulative=np.where(of_answer, self.cumulative, np.nan),
            counts=None if self.counts is None else np.where(of_answer, self.counts, np.nan),
            given_reach=np.where(kept, self.reach, np.nan),
        )


def multiply_down(tree: DecisionTree, conditional: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cumulative probabilities of conditional ones that were not all measured.

    Parameters
    ----------
    tree : DecisionTree
    conditional : array, shape (n, n_answers)
        NaN where a question got no votes.

    Returns
    -------
    cumulative : array of float64, shape (n, n_answers)
        0 where a question is not reached, whatever its conditional probabilities. NaN where a
        question was reached without being measured, and in all that follows from it.
    """
    graph = DecisionGraph(tree)
    given = torch.from_numpy(np.asarray(conditional, dtype=np.float64))
    reachable = graph.reach(graph.cumulative(given.nan_to_num(1.0))) > 0  # (n, n_questions)
    asked = reachable.index_select(-1, graph.question_of)  # (n, n_answers)
    return graph.cumulative(torch.where(asked, given, 0.0)).numpy()
