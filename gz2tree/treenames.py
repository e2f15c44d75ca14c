"""Trees by their names: those that come with the package, and files of others."""

from __future__ import annotations

from pathlib import Path

from gz2tree.errors import did_you_mean, shown
from gz2tree.questions import TreeError
from gz2tree.tree import DecisionTree
from gz2tree.trees import TREES

_FOLDER = Path(__file__).parent / "tree_files"


def tree_names() -> list[str]:
    """Names of the trees that come with the package."""
    return [*TREES, *sorted(file.stem for file in _FOLDER.glob("*.yaml"))]


def check_is_tree(given: object) -> None:
    """Refuse a tree's name, or the path of its file, where a tree is expected.

    Raises
    ------
    TreeError
        The message says how the tree is found.
    """
    if not isinstance(given, DecisionTree):
        raise TreeError(
            f"tree: expected a DecisionTree, found {shown(given)}; gz2tree.find_tree finds one by "
            "its name or reads it from a file"
        )


def find_tree(name: str | Path) -> DecisionTree:
    """Find a tree by its name, or read it from a file.

    Parameters
    ----------
    name : str or Path
        One of `tree_names`, or the path of a tree file.

    Raises
    ------
    TreeError
        Neither (the nearest name is given), or a file that declares no tree.

    Examples
    --------
    >>> find_tree("GZ_CANDELS")
    <DecisionTree GZ_CANDELS: 17 questions, 50 answers>
    """
    if str(name) in TREES:
        return TREES[str(name)]
    if str(name) in tree_names():
        return DecisionTree.from_file(_FOLDER / f"{name}.yaml")
    if not Path(name).is_file():
        hint = did_you_mean(str(name).upper(), tree_names())
        raise TreeError(
            f"tree: expected a file, or one of {', '.join(tree_names())}, found {str(name)!r}{hint}"
        )
    return DecisionTree.from_file(name)
