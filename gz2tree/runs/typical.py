"""Fit what a network's training galaxies look like to it, when the training ends."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from gz2tree.config import PredictOptions
from gz2tree.dataset import LabelledCutouts
from gz2tree.networks.network import GalaxyNet
from gz2tree.networks.predictor import Embedder, find_device
from gz2tree.networks.typicality import Typicality, fit_typicality
from gz2tree.runs.run import RunDirectory
from gz2tree.splits import sample_rows

MOST_GALAXIES = 5_000
"""Of more galaxies than these so many are taken, at random: fifty of them are farther than 1."""


def fit_to_galaxies(
    model: GalaxyNet, galaxies: LabelledCutouts, device: torch.device | None = None
) -> Typicality:
    """Fit where galaxies lie in the features of a network.

    Parameters
    ----------
    model : GalaxyNet
        It is put into evaluation mode, on the device.
    galaxies : LabelledCutouts
        That it was trained on.
    device : torch.device, optional
        A GPU if there is one, by default.

    Returns
    -------
    typicality : Typicality
        See `gz2tree.networks.typicality`; `model.typicality` is left to the caller.

    Raises
    ------
    InputError
        Fewer than 2 galaxies.
    """
    options = PredictOptions(precision="32")
    embed = Embedder(model, device or find_device(None), options)
    rows = sample_rows(len(galaxies), MOST_GALAXIES)

    def features() -> Iterator[Tensor]:
        for start in range(0, len(rows), options.batch_size):
            images = galaxies[rows[start : start + options.batch_size]].images  # (N, 3, H, W)
            yield embed(images.permute(0, 2, 3, 1))

    return fit_typicality(features())


def fit_after_training(
    kind: type[GalaxyNet], run: RunDirectory, train: LabelledCutouts, device: torch.device
) -> None:
    """Fit the best model of a run on its training galaxies, and store the result in it."""
    if len(train) < 2:
        return
    model = kind.from_pretrained(run.model)
    model.typicality = fit_to_galaxies(model, train, device)
    model.save_config(run.model)
