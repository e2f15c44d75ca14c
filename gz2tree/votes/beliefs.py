"""From what networks give to what they leave open, and its columns in a catalogue."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from torch import Tensor

from gz2tree.errors import InputError
from gz2tree.graph import DecisionGraph
from gz2tree.networks.network import GalaxyNet
from gz2tree.votes.information import expected_information
from gz2tree.votes.uncertainty import Mixture, TreeDirichlet


def check_together(models: Sequence[GalaxyNet]) -> None:
    """Refuse networks that cannot predict together.

    Raises
    ------
    InputError
        None, or networks of different trees or cutouts.
    """
    if not models:
        raise InputError("expected a model to predict with, found none")
    first = models[0]
    for model in models[1:]:
        if model.tree != first.tree:
            raise InputError(
                f"models: expected one tree, found {first.tree.name} and {model.tree.name}"
            )
        if not model.cutouts.fits(first.cutouts):
            raise InputError(
                f"models: expected one crop and size of cutouts, found {first.cutouts} and "
                f"{model.cutouts}"
            )


def check_uncertain(models: Sequence[GalaxyNet]) -> None:
    """Refuse networks that leave nothing open.

    Raises
    ------
    InputError
        A flat network, or a single one without strengths.
    """
    for model in models:
        if not model.is_tree:
            raise InputError(
                f"columns: this {type(model).__name__} has no uncertainty, only a tree has, whose "
                "answers sum to the reach of their question"
            )
    calibrations = [model.calibration for model in models]
    calibrated = any(c is not None and c.strength is not None for c in calibrations)
    dirichlet = any(model.dirichlet for model in models)
    if len(models) == 1 and not (dirichlet or calibrated):
        raise InputError(
            "columns 'uncertainty': expected a network that gives strengths (trained with --loss "
            "dirichlet_multinomial, or calibrated on votes by gz2tree calibrate) or several "
            "networks, found one without"
        )


def mixture_of(graph: DecisionGraph, outputs: Sequence[tuple[Tensor, Tensor | None]]) -> Mixture:
    """Join what several networks give.

    Parameters
    ----------
    graph : DecisionGraph
    outputs : sequence of (cumulative, strength)
        Of shapes (n, n_answers) and (n, n_questions). Without a strength the network's
        probabilities count as known.

    Returns
    -------
    mixture : Mixture, of n galaxies
    """
    members = []
    for cumulative, strength in outputs:
        conditional = graph.condition(cumulative.double()).numpy()
        known = np.full((len(conditional), graph.n_questions), np.inf)
        given = known if strength is None else strength.double().numpy()
        members.append(TreeDirichlet(graph.tree, conditional, given))
    return Mixture(members)


def uncertainty_columns(mixture: Mixture, level: float) -> pd.DataFrame:
    """Make the columns in which a catalogue says how uncertain it is.

    Parameters
    ----------
    mixture : Mixture, of n galaxies
    level : float, in (0, 1)

    Returns
    -------
    columns : DataFrame of float32, n rows
        For each answer its mean cumulative probability, under the name of the answer; ``_sd``, its
        standard deviation; ``_low`` and ``_high``, its central interval; and of several networks
        ``_sd_models``, the standard deviation of their means, which is part of ``_sd``. For each
        question ``_information``, the expected information of one more volunteer, in bits;
        ``information``, their sum; and of several networks ``information_models``, that part of it
        which is on the question which network is right.
    """
    tree, several = mixture.tree, len(mixture.members) > 1
    low, high = mixture.interval(level)
    parts = {"": mixture.mean, "_sd": np.sqrt(mixture.variance), "_low": low, "_high": high}
    if several:
        parts["_sd_models"] = np.sqrt(mixture.variance_between)
    columns = {
        f"{column}{kind}": values[:, answer]
        for answer, column in enumerate(tree.columns)
        for kind, values in parts.items()
    }
    information = expected_information(mixture)
    for number, question in enumerate(tree.question_columns):
        columns[f"{question}_information"] = information.total[:, number]
    columns["information"] = information.total.sum(-1)
    if several:
        columns["information_models"] = information.of_models.sum(-1)
    return pd.DataFrame(columns).astype(np.float32)
