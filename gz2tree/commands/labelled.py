"""Predictions of labelled galaxies, for the commands that compare them with their labels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from gz2tree.config import PredictOptions
from gz2tree.cutouts import CutoutSource
from gz2tree.labels import Labels
from gz2tree.networks.network import GalaxyNet
from gz2tree.networks.predictor import Prediction
from gz2tree.networks.untrained import unknown_questions
from gz2tree.positions import positions_of
from gz2tree.prediction import predict_batches
from gz2tree.probabilities import by_answer
from gz2tree.votes.counts import KINDS_OF_VOTES


def predict_labelled(
    models: Sequence[GalaxyNet], images: CutoutSource, labels: Labels, options: PredictOptions
) -> tuple[list[Prediction], Labels]:
    """Predict labelled galaxies: what each network says, and the labels in the same order.

    Parameters
    ----------
    models : sequence of GalaxyNet
    images : CutoutSource
        With the images of all labelled galaxies; those that cannot be read are left out.
    labels : Labels
    options : PredictOptions
        Its gate is left to `gz2tree.networks.predictor.mean_answers`.

    Returns
    -------
    predictions : list of Prediction, one for each model
        Of n galaxies.
    labels : Labels, of the same n galaxies

    Raises
    ------
    InputError
        A labelled galaxy without an image, and as `gz2tree.prediction.predict_batches` raises.
    """
    positions = positions_of(images.ids, labels.ids, "images")
    ids, batches = [], []
    for of_batch, predictions in predict_batches(models, images, options, positions):
        ids.append(of_batch)
        batches.append(predictions)
    joined = []
    for of_model in zip(*batches, strict=True):
        strengths = [each.strength for each in of_model if each.strength is not None]
        joined.append(
            Prediction(
                torch.cat([each.cumulative for each in of_model]),  # (n, n_answers)
                torch.cat(strengths) if strengths else None,  # (n, n_questions)
            )
        )
    return joined, labels.take(positions_of(labels.ids, np.concatenate(ids), "labels"))


def catalogue_of(labels: Labels, cumulative: Tensor) -> pd.DataFrame:
    """Make a catalogue, as `gz2tree.predict` gives it, of the answers of labelled galaxies.

    Parameters
    ----------
    labels : Labels, of n galaxies
    cumulative : Tensor, shape (n, n_answers), in [0, 1]

    Returns
    -------
    catalogue : DataFrame, of n rows
    """
    catalogue = pd.DataFrame(cumulative.numpy(), columns=list(labels.tree.columns))
    catalogue.insert(0, labels.tree.id_column, labels.ids)
    return catalogue


def known_votes(
    model: GalaxyNet, labels: Labels, options: PredictOptions
) -> NDArray[np.float64] | None:
    """Votes with which predictions are compared.

    Parameters
    ----------
    model : GalaxyNet
    labels : Labels, of n galaxies
    options : PredictOptions

    Returns
    -------
    counts : array of float64, shape (n, n_answers), optional
        NaN in questions that the model was trained without, unless these are kept. None if the
        labels are no votes as they were given.
    """
    if labels.counts is None or not set(labels.kinds) <= set(KINDS_OF_VOTES):
        return None
    unknown = by_answer(model.tree, unknown_questions([model]))  # (n_answers,)
    return np.where(unknown & (not options.keep_untrained), np.nan, labels.counts)


def coverage_text(table: pd.DataFrame) -> str:
    """Set the result of `gz2tree.science.coverage.vote_coverage` as text."""
    whole = table.assign(galaxies=table["galaxies"].astype(int), votes=table["votes"].astype(int))
    return whole.to_string(float_format="%.3f", na_rep="-")
