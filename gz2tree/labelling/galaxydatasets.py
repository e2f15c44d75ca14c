"""Catalogues in the conventions of galaxy-datasets, as Zoobot trains on them.

Ids are in ``id_str``, files in ``file_loc``; votes are in ``<question>-<campaign>_<answer>``, their
shares in ``…_fraction``. Names are as in galaxy-datasets 0.0.25, ``shared/label_metadata.py``; of
when a question is asked, only the trees of this package are believed.
"""

from __future__ import annotations

from collections.abc import Collection

from gz2tree.config.choices import Kind
from gz2tree.tree import DecisionTree

_ENDINGS: dict[str, str] = {"count": "", "fraction": "_fraction"}

# Campaigns whose questions and answers are called as in the published catalogue.
_CAMPAIGNS = {"GZ_DECALS_1_2": ("dr12",), "GZ_DECALS_5": ("dr5", "dr8")}

# Of other trees: for each question the name and the answers, in the order of the tree. What is left
# out, galaxy-datasets leaves out.
_SPIRAL = {
    "winding": "spiral-winding tight medium loose",
    "arms": "spiral-arm-count 1 2 3 4 5-plus cant-tell",
}
_CLUMPY = {
    "clumpy": "clumpy-appearance yes no",
    "edge_on": "disk-edge-on yes no",
    "bar": "bar yes no",
    "spiral": "has-spiral-arms yes no",
    "rounded": "how-rounded completely in-between cigar-shaped",
    "shape": "smooth-or-featured smooth features artifact",
}
_QUESTIONS: dict[str, tuple[str, dict[str, str]]] = {
    "GZ2": (
        "gz2",
        {
            "t01_smooth_or_features": "smooth-or-featured smooth featured-or-disk artifact",
            "t02_edgeon": "disk-edge-on yes no",
            "t03_bar": "bar yes no",
            "t04_spiral": "has-spiral-arms yes no",
            "t05_bulge_prominence": "bulge-size no just-noticeable obvious dominant",
            "t06_odd": "something-odd yes no",
            "t07_rounded": "how-rounded round in-between cigar",
            "t09_bulge_shape": "bulge-shape round boxy no-bulge",
            "t10_arms_winding": _SPIRAL["winding"],
            "t11_arms_number": "spiral-arm-count 1 2 3 4 more-than-4 cant-tell",
        },
    ),
    "GZ_HUBBLE": (
        "hubble",
        {
            "t01_smooth_or_features": _CLUMPY["shape"],
            "t12_clumpy": _CLUMPY["clumpy"],
            "t02_edgeon": _CLUMPY["edge_on"],
            "t03_bar": _CLUMPY["bar"],
            "t04_spiral": _CLUMPY["spiral"],
            "t05_bulge_prominence": "bulge-size none just-noticeable obvious dominant",
            "t07_rounded": _CLUMPY["rounded"],
            "t09_bulge_shape": "bulge-shape rounded boxy none",
            "t10_arms_winding": _SPIRAL["winding"],
            "t11_arms_number": _SPIRAL["arms"],
            "t17_clumps_symmetrical": "galaxy-symmetrical yes no",
            "t18_clumps_embedded": "clumps-embedded-larger-object yes no",
        },
    ),
    "GZ_CANDELS": (
        "candels",
        {
            "t00_smooth_or_featured": _CLUMPY["shape"],
            "t01_how_rounded": _CLUMPY["rounded"],
            "t02_clumpy_appearance": _CLUMPY["clumpy"],
            "t09_disk_edge_on": _CLUMPY["edge_on"],
            "t10_edge_on_bulge": "edge-on-bulge yes no",
            "t11_bar_feature": _CLUMPY["bar"],
            "t12_spiral_pattern": _CLUMPY["spiral"],
            "t13_spiral_arm_winding": _SPIRAL["winding"],
            "t14_spiral_arm_count": _SPIRAL["arms"],
            "t15_bulge_prominence": "bulge-size none obvious dominant",
            "t16_merging_tidal_debris": "merging merger tidal-debris both neither",
        },
    ),
}


def columns_of(tree: DecisionTree, kind: Kind, header: Collection[str]) -> list[str | None] | None:
    """Columns of a catalogue of galaxy-datasets.

    Parameters
    ----------
    tree : DecisionTree
    kind : str
    header : collection of str
        The catalogue's columns.

    Returns
    -------
    columns : list of (str or None), length n_answers
        One for each answer, None where galaxy-datasets leaves its question out; or None
        altogether, if this is no such catalogue, or one without this kind.
    """
    if kind not in _ENDINGS:
        return None
    for stems in _namings(tree):
        columns = [f"{stem}{_ENDINGS[kind]}" if stem else None for stem in stems]
        if all(column in header for column in columns if column):
            return columns
    return None


def possible_columns(tree: DecisionTree, kind: Kind) -> list[str]:
    """All columns of a kind of label that some catalogue of galaxy-datasets may have for a tree."""
    ending = _ENDINGS.get(kind)
    if ending is None:
        return []
    return [f"{stem}{ending}" for stems in _namings(tree) for stem in stems if stem]


def _namings(tree: DecisionTree) -> list[list[str | None]]:
    """All ways in which galaxy-datasets names the answers of a tree."""
    if tree.name in _QUESTIONS:
        campaign, questions = _QUESTIONS[tree.name]
        stems: list[str | None] = []
        for question in tree.questions:
            name, *answers = questions.get(question.name, "none").split()
            if len(answers) == len(question):
                stems += [f"{name}-{campaign}_{answer}" for answer in answers]
            else:
                stems += [None] * len(question)
        return [stems]
    named = [stem.partition("_") for stem in tree.catalogue_columns]
    return [
        [f"{question}-{campaign}_{answer}" for question, _, answer in named]
        for campaign in _CAMPAIGNS.get(tree.name, ())
    ]
