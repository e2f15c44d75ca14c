"""Labels: cumulative probabilities, what was measured of them, and the counts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gz2tree.errors import InputError, first_few
from gz2tree.probabilities import by_answer, conditional_of, reach_of, share_of_question
from gz2tree.tree import DecisionTree

CUMULATIVE = "cumulative"
"""The kind of labels that were tabulated as cumulative probabilities, as Kaggle's are."""
_AND = ", "  # between the kinds of labels that were joined


def kinds_of(kind: str) -> tuple[str, ...]:
    """Take apart the kind of labels that were joined from several, or of a network they trained.

    Examples
    --------
    >>> kinds_of("debiased, fraction")
    ('debiased', 'fraction')
    """
    return tuple(kind.split(_AND))


@dataclass(frozen=True, eq=False)  # arrays are neither equal nor not: two labels are if identical
class Labels:
    """What volunteers said of some galaxies.

    Parameters
    ----------
    ids : array of str, shape (n,)
    cumulative : array of float64, shape (n, n_answers), in [0, 1]
        Cumulative probabilities; NaN where not measured.
    tree : DecisionTree
    kind : str
        What they were made from: a kind of the GZ2 catalogue, or ``"cumulative"``. Of labels that
        were joined from several, the kinds of all: see `kinds`.
    counts : array of float64, shape (n, n_answers), optional
        Votes, where the table has them.
    given_reach : array of float64, shape (n, n_questions), optional
        For training: reach of the questions of which only the conditional answers count, NaN for
        the others; see `only_conditional`.

    Raises
    ------
    InputError
        Ids that are no strings, or arrays of shapes that do not fit the tree and each other.

    Examples
    --------
    >>> from gz2tree.questions import Question
    >>> tree = DecisionTree("toy", [
    ...     Question("shape", ["smooth", "disk"]), Question("bar", ["bar", "none"], ["disk"])])
    >>> ids = np.array(["7", "8"], dtype=object)
    >>> cumulative = np.array([[0.2, 0.8, 0.6, 0.2], [1.0, 0.0, 0.0, 0.0]])
    >>> labels = Labels(ids, cumulative, tree, CUMULATIVE)
    >>> labels.reach[:, 1].tolist(), labels.conditional[0, 2:].round(2).tolist()
    ([0.8, 0.0], [0.75, 0.25])
    >>> labels.structural_null[1].tolist()  # nobody said disk: a bar was never asked about
    [False, False, True, True]
    """

    ids: NDArray[np.object_]
    cumulative: NDArray[np.float64]
    tree: DecisionTree
    kind: str
    counts: NDArray[np.float64] | None = None
    given_reach: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        n, answers, questions = len(self.ids), len(self.tree), len(self.tree.questions)
        for name, found, expected in (
            ("ids", self.ids, (n,)),
            ("cumulative", self.cumulative, (n, answers)),
            ("counts", self.counts, (n, answers)),
            ("given_reach", self.given_reach, (n, questions)),
        ):
            if found is not None and np.shape(found) != expected:
                raise InputError(
                    f"labels: expected {name} of shape {expected}, for {n} ids and the {answers} "
                    f"answers to {questions} questions of {self.tree.name}, found {np.shape(found)}"
                )
        wrong = [name for name in self.ids if not isinstance(name, str)]
        if wrong:
            raise InputError(
                f"labels: expected ids that are strings, found {wrong[0]!r} "
                f"({len(wrong)} of {n} are none)"
            )

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        return f"<Labels: {len(self)} galaxies, {self.tree.name}, {self.kind}>"

    @property
    def kinds(self) -> tuple[str, ...]:
        """What they were made from, one by one: several of labels that were joined."""
        return kinds_of(self.kind)

    @cached_property
    def measured(self) -> NDArray[np.bool_]:
        """Which cells are measured; shape (n, n_answers)."""
        return ~np.isnan(self.cumulative)

    @cached_property
    def reach(self) -> NDArray[np.float64]:
        """Probability that each question was asked; shape (n, n_questions), NaN if unknown."""
        reach = reach_of(self.tree, self.cumulative)
        if self.given_reach is None:
            return reach
        return np.where(np.isnan(self.given_reach), reach, self.given_reach)

    @cached_property
    def conditional(self) -> NDArray[np.float64]:
        """Conditional probabilities; shape (n, n_answers).

        NaN where not measured, where a question was not reached, and where its reach is not known.
        A given reach counts. Rounded labels may come out just above 1.
        """
        return conditional_of(self.tree, self.cumulative, self.reach)

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
        return by_answer(self.tree, self.reach)

    def digest(self) -> str:
        """SHA-256 of tree, kind, ids, labels and votes, in hexadecimal: that of the same data."""
        tree = self.tree.to_dict() | {"source": ""}  # as trees are compared
        said = json.dumps([tree, self.kind, list(self.ids)], sort_keys=True)
        sha256 = hashlib.sha256(said.encode())
        for name in ("cumulative", "given_reach", "counts"):
            if (values := getattr(self, name)) is not None:
                sha256.update(name.encode() + values.tobytes())
        return sha256.hexdigest()

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
        mean = share_of_question(self.tree, np.nansum(self.cumulative, 0))  # (n_answers,)
        sizes = np.array([len(question) for question in self.tree.questions])
        return np.where(np.isnan(mean), 1 / by_answer(self.tree, sizes), mean)

    @classmethod
    def join(cls, *several: Labels) -> Labels:
        """Put several samples of one tree together; counts are kept if all have them.

        Raises
        ------
        InputError
            No samples, or samples of different trees.
        """
        if not several:
            raise InputError("join: expected labels to put together, found none")
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
            _AND.join(dict.fromkeys(kind for labels in several for kind in labels.kinds)),
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
