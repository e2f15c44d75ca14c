"""Flags: galaxies of which an answer is at least so probable.

A flag is always set by the cumulative probability, whatever else a catalogue holds: the conditional
one may be high where hardly anybody would be asked.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gz2tree.errors import InputError
from gz2tree.tree import DecisionTree


@dataclass(frozen=True)
class Flag:
    """One answer and the cumulative probability from which on a galaxy is flagged.

    Parameters
    ----------
    answer : int
        Its position in the tree.
    threshold : float, in (0, 1]
    column : str
        Name of the flag's column in a catalogue.
    """

    answer: int
    threshold: float
    column: str

    def of(self, cumulative: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Which galaxies are flagged: shape (n, n_answers) -> (n,)."""
        return cumulative[:, self.answer] >= self.threshold


def read_flags(texts: Iterable[str], tree: DecisionTree) -> list[Flag]:
    """Read flags as they are typed.

    Parameters
    ----------
    texts : iterable of str
        ``ANSWER=THRESHOLD``, the answer as `DecisionTree.find_answer` knows it: ``merger=0.4``.
    tree : DecisionTree

    Returns
    -------
    flags : list of Flag
        Called ``flag_`` and the answer's short name.

    Raises
    ------
    InputError
        Another form, an answer that is unknown or ambiguous, a threshold outside (0, 1], or a
        column that is there already, as when an answer is flagged twice.

    Examples
    --------
    >>> from gz2tree import GZ2_KAGGLE
    >>> read_flags(["merger=0.4"], GZ2_KAGGLE)
    [Flag(answer=23, threshold=0.4, column='flag_merger')]
    """
    flags: list[Flag] = []
    for text in texts:
        name, separator, number = text.rpartition("=")
        if not separator or not name.strip():
            raise InputError(f"flag: expected ANSWER=THRESHOLD, as in merger=0.4, found {text!r}")
        threshold = _threshold(text, number)
        answer = tree.find_answer(name.strip())
        column = f"flag_{tree.short_name(answer)}"
        if column in (*tree.columns, *(flag.column for flag in flags)):
            raise InputError(f"flag {text!r}: there is a column {column} already")
        flags.append(Flag(answer, threshold, column))
    return flags


def _threshold(text: str, number: str) -> float:
    try:
        threshold = float(number)
    except ValueError:
        threshold = np.nan
    if not 0 < threshold <= 1:
        raise InputError(f"flag {text!r}: expected a probability above 0, to 1, found {number!r}")
    return threshold
