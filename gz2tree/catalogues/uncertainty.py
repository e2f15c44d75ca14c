"""What networks leave open of galaxies, and the columns in which a catalogue says it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gz2tree.errors import InputError
from gz2tree.graph import DecisionGraph
from gz2tree.networks.network import GalaxyNet
from gz2tree.networks.predictor import Prediction
from gz2tree.probabilities import by_answer
from gz2tree.tables.columnnotes import ColumnNote
from gz2tree.votes.information import expected_information
from gz2tree.votes.uncertainty import Mixture, TreeDirichlet

OF_ANSWERS = {
    "_sd": ColumnNote("", "standard deviation"),
    "_low": ColumnNote("", "{within}, lower end"),
    "_high": ColumnNote("", "{within}, upper end"),
    "_sd_models": ColumnNote("", "standard deviation of the models"),
}
"""By its suffix, what there is of each answer; ``{within}`` stands for the interval's name."""

OF_QUESTIONS = {"_information": ColumnNote("bit", "what one more volunteer would tell")}
"""The same of each question."""

OF_GALAXY = {
    "information": ColumnNote("bit", "all questions: what one more volunteer would tell"),
    "information_models": ColumnNote(
        "bit", "what one more volunteer would tell of which model is right"
    ),
}
"""By its name, what there is of the galaxy as a whole."""

OF_SEVERAL = ("_sd_models", "information_models")
"""What there is of several networks only."""


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


def mixture_of(graph: DecisionGraph, predictions: Sequence[Prediction]) -> Mixture:
    """Join what several networks give.

    Parameters
    ----------
    graph : DecisionGraph
    predictions : sequence of Prediction, one for each network
        Of the same n galaxies. Without a strength the network's probabilities count as known.

    Returns
    -------
    mixture : Mixture, of n galaxies
    """
    members = []
    for cumulative, strength, _ in predictions:
        conditional = graph.condition(cumulative.double()).numpy()  # (n, n_answers)
        known = np.full((len(conditional), graph.n_questions), np.inf)
        given = known if strength is None else strength.double().numpy()  # (n, n_questions)
        members.append(TreeDirichlet(graph.tree, conditional, given))
    return Mixture(members)


def uncertainty_columns(mixture: Mixture, level: float, unknown: NDArray[np.bool_]) -> pd.DataFrame:
    """Make the columns in which a catalogue says how uncertain it is.

    Parameters
    ----------
    mixture : Mixture, of n galaxies
    level : float, in (0, 1)
    unknown : array of bool, shape (n_questions,)
        Questions of which nothing is said: NaN, and left out of the sums.

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
    between = np.sqrt(mixture.variance_between)
    parts = (np.sqrt(mixture.variance), low, high, between)  # of shape (n, n_answers)
    of_answers = {"": mixture.mean} | dict(zip(OF_ANSWERS, parts, strict=True))
    hidden = by_answer(tree, unknown)  # (n_answers,)
    columns = {
        f"{column}{ending}": np.where(hidden[answer], np.nan, values[:, answer])
        for answer, column in enumerate(tree.columns)
        for ending, values in of_answers.items()
        if several or ending not in OF_SEVERAL
    }
    told = expected_information(mixture)  # of shape (n, n_questions)
    of_questions = dict(zip(OF_QUESTIONS, (told.total,), strict=True))
    for number, column in enumerate(tree.question_columns):
        for ending, values in of_questions.items():
            columns[f"{column}{ending}"] = np.where(unknown[number], np.nan, values[:, number])
    sums = (told.total[:, ~unknown].sum(-1), told.of_models[:, ~unknown].sum(-1))  # of shape (n,)
    of_galaxy = dict(zip(OF_GALAXY, sums, strict=True))
    columns |= {n: values for n, values in of_galaxy.items() if several or n not in OF_SEVERAL}
    return pd.DataFrame(columns).astype(np.float32)
