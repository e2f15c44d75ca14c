"""What is asked, and after which answers: the decision tree itself.

Pure Python: importing this module loads neither numpy nor torch. Everything that depends on the
tree (slices, masks, column names, plot labels) is derived from a :class:`DecisionTree`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from gz2tree.errors import InputError, shown, suggestion
from gz2tree.questions import NAME, Answer, Question, TreeError, check_texts
from gz2tree.treechecks import check_kinds, check_names, check_parents, questions_of
from gz2tree.treefields import read_declaration
from gz2tree.treetext import tree_difference, tree_lines
from gz2tree.treeyaml import read_yaml, write_yaml

Naming = Literal["kaggle", "catalogue"]


class DecisionTree:
    """Questions in the order in which they can be asked.

    Parameters
    ----------
    name : str
        Name of the tree, kept in saved models.
    questions : sequence of Question
        Every question comes after the questions whose answers lead to it, so that a cycle cannot
        be written.
    naming : {"catalogue", "kaggle"}
        Which convention `columns` follows.
    kinds : mapping of str to str, optional
        How the survey's catalogue ends the columns of a kind of label; by default an underscore
        and the kind, as in ``_fraction``.
    source : str, optional
        Where the tree was published.

    Raises
    ------
    TreeError
        A name used twice, a parent that is unknown or declared later, or two parents of one
        question that could both be answered for the same galaxy.

    Examples
    --------
    >>> tree = DecisionTree("toy", [
    ...     Question("shape", ["smooth", "disk"]),
    ...     Question("bar", ["barred", "unbarred"], asked_after=["disk"]),
    ... ])
    >>> len(tree)
    4
    >>> tree.columns
    ('shape_smooth', 'shape_disk', 'bar_barred', 'bar_unbarred')
    >>> tree == DecisionTree.from_dict(tree.to_dict())
    True
    """

    def __init__(
        self,
        name: str,
        questions: Sequence[Question],
        naming: Naming = "catalogue",
        kinds: Mapping[str, str] | None = None,
        source: str = "",
    ) -> None:
        if naming not in ("catalogue", "kaggle"):
            raise TreeError(f"naming is 'catalogue' or 'kaggle', found {shown(naming)}")
        check_texts("tree", name=name, source=source)
        check_kinds(kinds or {})
        self.name = name
        self.questions = questions_of(name, questions)
        self.naming: Naming = naming
        self.kinds = dict(kinds or {})
        self.source = source
        if not self.questions:
            raise TreeError(f"tree {name!r} has no questions; at least one is expected")
        check_names(self)
        check_parents(self)

    @cached_property
    def answers(self) -> tuple[Answer, ...]:
        """All answers, question by question; the order of every ``(..., n_answers)`` array."""
        return tuple(answer for question in self.questions for answer in question.answers)

    @cached_property
    def slices(self) -> tuple[slice, ...]:
        """Where each question's answers lie along an ``(..., n_answers)`` axis."""
        slices, start = [], 0
        for question in self.questions:
            slices.append(slice(start, start + len(question)))
            start += len(question)
        return tuple(slices)

    @cached_property
    def question_of(self) -> tuple[int, ...]:
        """For each answer, the position of its question."""
        return tuple(n for n, question in enumerate(self.questions) for _ in question.answers)

    @cached_property
    def parents(self) -> tuple[tuple[int, ...], ...]:
        """For each question, the positions of the answers that lead to it."""
        position = {answer.name: n for n, answer in enumerate(self.answers)}
        return tuple(tuple(position[name] for name in q.asked_after) for q in self.questions)

    @cached_property
    def levels(self) -> tuple[tuple[int, ...], ...]:
        """Positions of the questions by depth: a level's parents all lie in earlier levels."""
        depth: list[int] = []
        for parents in self.parents:
            depth.append(1 + max((depth[self.question_of[p]] for p in parents), default=-1))
        return tuple(
            tuple(n for n, d in enumerate(depth) if d == level) for level in range(max(depth) + 1)
        )

    @cached_property
    def catalogue_columns(self) -> tuple[str, ...]:
        """Columns without the kind: each answer's own, else ``<question>_<answer>``, as in GZ2."""
        return tuple(a.column or f"{q.name}_{a.name}" for q in self.questions for a in q.answers)

    @cached_property
    def kaggle_columns(self) -> tuple[str, ...]:
        """``Class<question>.<answer>``, counted from 1 in the order of declaration."""
        return tuple(
            f"Class{q}.{a}"
            for q, question in enumerate(self.questions, 1)
            for a in range(1, len(question) + 1)
        )

    def kind_columns(self, kind: str) -> tuple[str, ...]:
        """Columns of a kind of label in the survey's catalogue, e.g. ``…_fraction``."""
        ending = self.kinds.get(kind, f"_{kind}")
        return tuple(f"{stem}{ending}" for stem in self.catalogue_columns)

    @property
    def columns(self) -> tuple[str, ...]:
        """One column name for each answer, in the convention of `naming`."""
        return self.kaggle_columns if self.naming == "kaggle" else self.catalogue_columns

    @property
    def question_columns(self) -> tuple[str, ...]:
        """One name for each question, in the convention of `naming`."""
        if self.naming == "kaggle":
            return tuple(f"Class{number}" for number in range(1, len(self.questions) + 1))
        return tuple(question.name for question in self.questions)

    @property
    def id_column(self) -> str:
        """Name of the id column of a catalogue written for this tree."""
        return "GalaxyID" if self.naming == "kaggle" else "id"

    def answer_position(self, name: str) -> int:
        """Position of an answer given by its name or by a column name of either convention.

        Raises
        ------
        KeyError
            No answer is called so.
        """
        names = (tuple(a.name for a in self.answers), self.catalogue_columns, self.kaggle_columns)
        for known in names:
            if name in known:
                return known.index(name)
        raise KeyError(f"tree {self.name!r} has no answer called {name!r}")

    def find_answer(self, name: str) -> int:
        """Position of an answer as people name it: by name, column or label.

        Parameters
        ----------
        name : str
            As `answer_position` knows it, or a label: upper and lower case, spaces and
            punctuation do not matter in labels.

        Raises
        ------
        InputError
            No answer is called so (the nearest are named), or several are (all are named).

        Examples
        --------
        >>> shape = Question("shape", ["smooth", Answer("a2", "cigar-shaped")])
        >>> tree = DecisionTree("toy", [shape])
        >>> tree.find_answer("Cigar shaped")
        1
        """
        try:
            return self.answer_position(name)
        except KeyError:
            wanted = _plain(name)
        labels = [_plain(answer.label) for answer in self.answers]
        found = [position for position, label in enumerate(labels) if label == wanted != ""]
        if len(found) == 1:
            return found[0]
        if found:
            which = ", ".join(
                f"{self.columns[n]} = {self.answers[n].name} "
                f"({self.questions[self.question_of[n]].label})"
                for n in found
            )
            raise InputError(f"answer {name!r}: expected one answer, found {len(found)}: {which}")
        known = dict(zip(labels, (answer.label for answer in self.answers), strict=True))
        known |= {name: name for name in (*(a.name for a in self.answers), *self.columns)}
        near = [known[close] for close in difflib.get_close_matches(wanted, known, n=3)]
        near += difflib.get_close_matches(name, self.columns, n=1)
        raise InputError(f"answer {name!r}: tree {self.name} has no such answer{suggestion(near)}")

    def short_name(self, position: int) -> str:
        """Name an answer in a few letters, digits and underscores, for a column of a table.

        Its label if that makes a name and is no other answer's, its catalogue column otherwise.
        """
        labels = [_plain(answer.label) for answer in self.answers]
        label = labels[position]
        alone = labels.count(label) == 1 and NAME.match(label)
        return label if alone else self.catalogue_columns[position]

    def to_dict(self) -> dict[str, Any]:
        """Return the declaration as plain lists and strings, for JSON."""
        about = {"kinds": self.kinds, "source": self.source}
        return {
            "name": self.name,
            "naming": self.naming,
            **{field: value for field, value in about.items() if value},
            "questions": [question.to_dict() for question in self.questions],
        }

    @classmethod
    def from_dict(cls, declaration: dict[str, Any]) -> DecisionTree:
        """Declare a tree from the result of `to_dict`, or from the shorter form of tree files.

        Raises
        ------
        TreeError
            A field that is unknown or lacking, or a malformed tree; question and answer are named.
        """
        return cls(**read_declaration("the declaration", declaration))

    @classmethod
    def from_file(cls, path: str | Path) -> DecisionTree:
        """Read a tree from a YAML or JSON file.

        Raises
        ------
        TreeError
            No such file, no YAML, a field that is unknown or lacking, or a malformed tree; file,
            question and answer are named.
        """
        declared = read_yaml(path)
        try:
            return cls(**read_declaration("the file", declared))
        except TreeError as error:
            raise TreeError(f"{path}: {error}") from error

    def to_file(self, path: str | Path) -> None:
        """Write the tree as a YAML file that `from_file` reads back as the same tree.

        Raises
        ------
        TreeError
            A folder that does not exist.
        """
        write_yaml(self, path)

    def difference(self, other: DecisionTree) -> str:
        """Say in what another tree differs first, for messages; nothing if it is equal.

        As `gz2tree.treetext.tree_difference` describes: trees of one name may well be different.
        """
        return tree_difference(self, other)

    def __len__(self) -> int:
        return len(self.answers)

    def __eq__(self, other: object) -> bool:
        # Where a tree was published makes no other tree of it.
        return isinstance(other, DecisionTree) and (
            self.to_dict() | {"source": ""} == other.to_dict() | {"source": ""}
        )

    def __hash__(self) -> int:
        return hash((self.name, self.questions, self.naming))

    def __repr__(self) -> str:
        return f"<DecisionTree {self.name}: {len(self.questions)} questions, {len(self)} answers>"

    def __str__(self) -> str:
        title = f"{self.name}: {len(self.questions)} questions, {len(self)} answers"
        source = [f"Source: {self.source}"] if self.source else []
        return "\n".join([title, *tree_lines(self), *source])


def _plain(label: str) -> str:
    return re.sub(r"[\W_]+", "_", label.casefold()).strip("_")
