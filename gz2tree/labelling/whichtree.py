"""Which tree a table was made with, as its columns tell."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import get_args

from gz2tree.config.choices import Kind
from gz2tree.labelling import galaxydatasets
from gz2tree.tables.columnnotes import recognised
from gz2tree.tree import DecisionTree
from gz2tree.treenames import find_tree, tree_names
from gz2tree.trees import GZ2_KAGGLE


def conditional_columns(tree: DecisionTree) -> list[str]:
    """Columns that ``gz2tree predict --columns conditional`` writes for a tree's answers."""
    return [f"{column}_conditional" for column in tree.columns]


def reach_columns(tree: DecisionTree) -> list[str]:
    """Columns that ``gz2tree predict --columns reach`` writes for a tree's questions."""
    return [f"{column}_reach" for column in tree.question_columns]


def tree_of_columns(header: Collection[str]) -> DecisionTree:
    """Find the tree that a table was made with.

    Parameters
    ----------
    header : collection of str
        The table's columns.

    Returns
    -------
    tree : DecisionTree
        Of those that come with the package, the one of whose answers the table has the largest
        share. Kaggle's if it has none of any; and of a catalogue of Galaxy Zoo 2, whose columns
        are the same under both of its trees.

    Examples
    --------
    >>> from gz2tree import GZ2
    >>> tree_of_columns(["id", *GZ2.columns]).name
    'GZ2'
    >>> tree_of_columns(["GalaxyID", "Class1.1", "Class1.2"]).name
    'GZ2_KAGGLE'
    """
    others = [find_tree(name) for name in tree_names() if name != GZ2_KAGGLE.name]
    return max([GZ2_KAGGLE, *others], key=lambda tree: answers_known(header, tree) / len(tree))


def answers_known(header: Collection[str], tree: DecisionTree) -> int:
    """Count the answers of a tree that a table has columns of, under the naming that fits best."""
    return max(
        len(set(columns) & set(recognised(header, columns))) for columns in _namings(header, tree)
    )


def likeness(header: Collection[str], tree: DecisionTree) -> str:
    """Say which other tree, or which other columns, a table without answers of a tree has.

    Parameters
    ----------
    header : collection of str
    tree : DecisionTree
        Of whose answers nothing was found.

    Returns
    -------
    hint : str
        Empty if there is nothing to say.
    """
    reach = reach_columns(tree)
    if set(reach) <= set(recognised(header, reach)):
        return (
            "these are reach probabilities, of questions without their answers: predict again "
            "without --columns reach"
        )
    other = tree_of_columns(header)
    known = answers_known(header, other)
    if other == tree or not known:
        return ""
    return f"it has {known} of the {len(other)} answers of another tree: --tree {other.name}"


def _namings(header: Collection[str], tree: DecisionTree) -> Iterator[list[str]]:
    """All ways in which the answers of a tree may be called in a table."""
    yield list(tree.columns)
    yield conditional_columns(tree)
    for kind in get_args(Kind):
        yield list(tree.kind_columns(kind))
        yield [c for c in galaxydatasets.columns_of(tree, kind, header) or () if c is not None]
