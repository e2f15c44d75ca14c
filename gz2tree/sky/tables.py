"""Tables of a simulated sky: labels as Kaggle has them, a catalogue as of Galaxy Zoo 2."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import pandas as pd

from gz2tree.sky.population import Galaxy
from gz2tree.sky.volunteers import Counts, Floats, down_the_tree, vote_fractions
from gz2tree.trees import GZ2, GZ2_KAGGLE


def kaggle_labels(counts: Counts) -> Floats:
    """Cumulative vote fractions as the Kaggle table holds them.

    Parameters
    ----------
    counts : ndarray of int, shape (..., n_answers)
        Votes, as from :func:`gz2tree.sky.volunteers.vote`.

    Returns
    -------
    ndarray of float, shape (..., n_answers), in [0, 1]
        In the order of ``GZ2_KAGGLE.columns``. "Anything odd?" sums to 1 for every galaxy; where
        all volunteers saw a star and nobody was asked, the answer is no.
    """
    fractions = vote_fractions(counts)
    not_odd = GZ2.answer_position("a15_no")
    odd = GZ2.slices[GZ2.question_of[not_odd]]
    fractions[counts[..., odd].sum(-1) == 0, not_odd] = 1.0
    return down_the_tree(fractions, GZ2_KAGGLE)


def catalogue_table(counts: Counts, ids: pd.Index) -> pd.DataFrame:
    """Tabulate counts and conditional fractions of all kinds, which are all the same."""
    everyone = counts[:, GZ2.slices[0]].sum(-1)
    columns = {"total_classifications": everyone, "total_votes": counts.sum(-1)}
    fractions = vote_fractions(counts)
    for position, stem in enumerate(GZ2.catalogue_columns):
        for kind in ("count", "weight"):
            columns[f"{stem}_{kind}"] = counts[:, position]
        for kind in ("fraction", "weighted_fraction", "debiased"):
            columns[f"{stem}_{kind}"] = fractions[:, position]
    return pd.DataFrame(columns, ids)


def parameter_table(galaxies: Sequence[Galaxy], ids: pd.Index) -> pd.DataFrame:
    """Tabulate the physical quantities of every galaxy."""
    return pd.DataFrame([asdict(galaxy) for galaxy in galaxies], ids)
