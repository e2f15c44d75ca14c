"""Tables of a simulated sky: labels as Kaggle has them, a catalogue as of Galaxy Zoo 2."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gz2tree.probabilities import cumulative_of, share_of_question, sum_by_question
from gz2tree.sky.population import Galaxy
from gz2tree.trees import GZ2, GZ2_KAGGLE

Counts = NDArray[np.int64]


def kaggle_labels(counts: Counts) -> NDArray[np.float64]:
    """Cumulative vote fractions as the Kaggle table holds them.

    Parameters
    ----------
    counts : ndarray of int, shape (..., n_answers)
        Votes, as from :func:`gz2tree.votes.counts.vote`.

    Returns
    -------
    ndarray of float, shape (..., n_answers), in [0, 1]
        In the order of ``GZ2_KAGGLE.columns``. "Anything odd?" sums to 1 for every galaxy; where
        all volunteers saw a star and nobody was asked, the answer is no.
    """
    fractions = _vote_fractions(counts)
    not_odd = GZ2.answer_position("a15_no")
    nobody = sum_by_question(GZ2, counts)[..., GZ2.question_of[not_odd]] == 0
    fractions[nobody, not_odd] = 1.0
    return cumulative_of(GZ2_KAGGLE, fractions)


def catalogue_table(counts: Counts, ids: pd.Index) -> pd.DataFrame:
    """Tabulate counts and conditional fractions of all kinds, which are all the same."""
    everyone = counts[:, GZ2.slices[0]].sum(-1)
    columns = {"total_classifications": everyone, "total_votes": counts.sum(-1)}
    fractions = _vote_fractions(counts)
    for position, stem in enumerate(GZ2.catalogue_columns):
        for kind in ("count", "weight"):
            columns[f"{stem}_{kind}"] = counts[:, position]
        for kind in ("fraction", "weighted_fraction", "debiased"):
            columns[f"{stem}_{kind}"] = fractions[:, position]
    return pd.DataFrame(columns, ids)


def _vote_fractions(counts: Counts) -> NDArray[np.float64]:
    """Share of each answer among the votes of its question; 0 where nobody was asked."""
    return np.nan_to_num(share_of_question(GZ2, counts))


def parameter_table(galaxies: Sequence[Galaxy], ids: pd.Index) -> pd.DataFrame:
    """Tabulate the physical quantities of every galaxy."""
    return pd.DataFrame([asdict(galaxy) for galaxy in galaxies], ids)
