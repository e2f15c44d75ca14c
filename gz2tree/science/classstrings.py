"""The catalogue's short class of a galaxy, such as ``SBc2m``, from the answers it got.

Grammar (Willett et al. 2013, appendix on the class strings)::

    class  = "A" | ("E" round | "S" disk) ["(" odd ")"]
    round  = "r" | "i" | "c"                completely round, in between, cigar-shaped
    disk   = "e" ("r" | "b" | "n")          edge-on: bulge rounded, boxy, none
           | ["B"] bulge [arms winding]     bar; the rest only if there are spiral arms
    bulge  = "d" | "c" | "b" | "a"          none, just noticeable, obvious, dominant
    arms   = "1" | "2" | "3" | "4" | "+" | "?"
    winding = "t" | "m" | "l"               tight, medium, loose
    odd    = "r" | "l" | "d" | "i" | "o" | "m" | "u"
                                            ring, lens or arc, disturbed, irregular, other,
                                            merger, dust lane

"A" is a star or artifact. A letter is left out where its question got no answer.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gz2tree.errors import InputError
from gz2tree.tree import DecisionTree
from gz2tree.trees import GZ2

_SPELLING = (
    {"a01_smooth": "E", "a02_features_or_disk": "S", "a03_star_or_artifact": "A"},
    {"a16_completely_round": "r", "a17_in_between": "i", "a18_cigar_shaped": "c"},
    {"a04_yes": "e"},
    {"a25_rounded": "r", "a26_boxy": "b", "a27_no_bulge": "n"},
    {"a06_bar": "B"},
    {"a10_no_bulge": "d", "a11_just_noticeable": "c", "a12_obvious": "b", "a13_dominant": "a"},
    {
        "a31_1": "1",
        "a32_2": "2",
        "a33_3": "3",
        "a34_4": "4",
        "a36_more_than_4": "+",
        "a37_cant_tell": "?",
    },
    {"a28_tight": "t", "a29_medium": "m", "a30_loose": "l"},
    {
        "a19_ring": "(r)",
        "a20_lens_or_arc": "(l)",
        "a21_disturbed": "(d)",
        "a22_irregular": "(i)",
        "a23_other": "(o)",
        "a24_merger": "(m)",
        "a38_dust_lane": "(u)",
    },
)
"""Letters of the answers, a question at a time, in the order in which they are written."""


def class_strings(fractions: ArrayLike, tree: DecisionTree = GZ2) -> NDArray[np.object_]:
    """Spell the classes of galaxies.

    The most common answer of the first question is taken, then that of each question asked after
    it. The catalogue's own strings are those of its debiased fractions.

    Parameters
    ----------
    fractions : array_like, shape (n, n_answers)
        Conditional fractions or votes, NaN where a question was not asked. Sums within a question
        do not matter.
    tree : DecisionTree
        `GZ2`, or `GZ2_KAGGLE`; "anything odd?" is not read of stars in either.

    Returns
    -------
    classes : array of str, shape (n,)

    Raises
    ------
    InputError
        A tree of other answers than Galaxy Zoo 2's.

    References
    ----------
    Willett et al. 2013, MNRAS 435, 2835.
    """
    if tree.catalogue_columns != GZ2.catalogue_columns:
        raise InputError(
            f"class strings: expected the answers of Galaxy Zoo 2, found tree {tree.name}"
        )
    given = np.nan_to_num(np.asarray(fractions, dtype=np.float64))
    chosen = np.zeros(given.shape, dtype=bool)
    for answers, parents in zip(GZ2.slices, GZ2.parents, strict=True):
        asked = given[:, answers].sum(-1) > 0
        if parents:
            asked &= chosen[:, list(parents)].any(-1)
        best = answers.start + given[:, answers].argmax(-1)
        chosen[asked, best[asked]] = True
    classes = np.full(len(given), "", dtype=object)
    for letters in _SPELLING:
        for name, letter in letters.items():
            classes[chosen[:, GZ2.answer_position(name)]] += letter
    return classes
