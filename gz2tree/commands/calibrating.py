"""Calibrate a trained network on galaxies it was not trained on."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor

from gz2tree.catalogues.uncertainty import mixture_of
from gz2tree.commands.inputs import open_labelled
from gz2tree.commands.labelled import coverage_text, predict_labelled
from gz2tree.commands.models import check_storable, store_model
from gz2tree.config import LabelOptions, PredictOptions
from gz2tree.errors import InputError
from gz2tree.graph import DecisionGraph
from gz2tree.labels import Labels
from gz2tree.model import GalaxyTreeNet
from gz2tree.networks.predictor import Prediction
from gz2tree.networks.strength import STRONGEST, WEAKEST
from gz2tree.science.coverage import vote_coverage
from gz2tree.votes.calibration import Calibration, tempered
from gz2tree.votes.counts import KINDS_OF_VOTES
from gz2tree.votes.likelihoods import (
    dirichlet_multinomial_log_likelihood,
    multinomial_log_likelihood,
)

_log = logging.getLogger("gz2tree")
_PRIOR = 2.0  # standard deviation of the logarithms: tells where no votes do
TYPICAL_STRENGTH = (WEAKEST * STRONGEST) ** 0.5


def fit_calibration(
    graph: DecisionGraph, conditional: Tensor, strength: Tensor | None, labels: Labels
) -> Calibration:
    """Fit a temperature and a strength for each question, by maximum likelihood.

    Parameters
    ----------
    graph : DecisionGraph
    conditional : Tensor, shape (n, n_answers), in [0, 1]
        What the network says of galaxies that did not train it.
    strength : Tensor, shape (n, n_questions), optional
        Its strengths, if it gives any.
    labels : Labels, of the same n galaxies
        With counts, the Dirichlet-multinomial likelihood of the votes is maximised. Without,
        the cross-entropy of the fractions is minimised, weighted by reach, by temperatures alone.

    Returns
    -------
    calibration : Calibration

    Notes
    -----
    The logarithms have normal priors of standard deviation 2 around 1 (around 20, the middle of
    their range, for the strengths of a network without): as good as none where there are votes,
    and what holds questions that nobody was asked where they are.
    """
    counted = labels.counts is not None
    votes = torch.from_numpy(labels.cumulative if labels.counts is None else labels.counts)
    conditional = conditional.double()
    own = torch.full((len(votes), graph.n_questions), TYPICAL_STRENGTH, dtype=torch.float64)
    own = own if strength is None else strength.double()
    logs = torch.zeros(2, graph.n_questions, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([logs], max_iter=200, line_search_fn="strong_wolfe")

    def cost() -> Tensor:
        optimizer.zero_grad()
        answers = tempered(graph, conditional, logs[0].exp())
        if counted:
            strengths = own * logs[1].exp()
            likelihood = dirichlet_multinomial_log_likelihood(graph, answers, strengths, votes)
        else:
            likelihood = multinomial_log_likelihood(graph, answers, votes)
        total = -likelihood.sum() + (logs / _PRIOR).square().sum() / 2
        total.backward()
        return total

    optimizer.step(cost)
    temperature, factor = logs.detach().exp()
    if strength is None:
        factor = factor * TYPICAL_STRENGTH
    return Calibration(tuple(temperature.tolist()), tuple(factor.tolist()) if counted else None)


def apply_calibration(
    graph: DecisionGraph, calibration: Calibration, prediction: Prediction
) -> Prediction:
    """Calibrate what a network says without a calibration; shapes as given."""
    conditional = graph.condition(prediction.cumulative.double()).nan_to_num(0.0)
    return prediction._replace(
        cumulative=graph.cumulative(calibration.temper(graph, conditional)),
        strength=calibration.strengthen(prediction.strength, conditional),
    )


def calibrate_model(
    model_path: str,
    labels_table: Path,
    images: Path,
    out: Path | None,
    *,
    part: str | None,
    label_options: LabelOptions,
    options: PredictOptions,
) -> None:
    """Fit a calibration, show what it does to the galaxies it was fitted on, and store it.

    Parameters
    ----------
    model_path : str
        A run directory, a saved model or ``"default"``.
    labels_table, images : Path
        Labelled galaxies that did not train the model, and their images.
    out : Path, optional
        Folder for the calibrated model; by default the calibration is added to the model.
    part : str, optional
        Which galaxies of the run's split.
    label_options : LabelOptions
    options : PredictOptions
        Without a gate and of one view.

    Raises
    ------
    InputError
        The model in the box without `out`, a gate, several views, a flat network, and as
        `gz2tree.commands.inputs.open_labelled` raises.
    """
    check_storable(model_path, out)
    if options.gate > 0:
        raise InputError("calibrate: expected no gate, which would set probabilities to 0")
    if options.views != 1:  # of several, `predict` averages what is calibrated already
        raise InputError(f"calibrate: expected one view, found {options.views}")
    model, source, labels = open_labelled(
        model_path, labels_table, images, tree=None, part=part, label_options=label_options
    )
    if not isinstance(model, GalaxyTreeNet):
        raise InputError(
            f"calibrate: expected a GalaxyTreeNet, found a {type(model).__name__}, whose answers "
            "are not conditional"
        )
    model.calibration = None
    (prediction,), labels = predict_labelled([model], source, labels, options)
    if labels.counts is not None and not set(labels.kinds) <= set(KINDS_OF_VOTES):
        _log.warning(
            "labels of kind %r are another target than the votes: temperatures are fitted to "
            "them, no strengths; --kind count calibrates on the votes", labels.kind,
        )  # fmt: skip
        labels = replace(labels, counts=None)
    graph = DecisionGraph(model.tree)
    conditional = graph.condition(prediction.cumulative.double()).nan_to_num(0.0)
    model.calibration = fit_calibration(graph, conditional, prediction.strength, labels)
    calibrated = apply_calibration(graph, model.calibration, prediction)
    print(pd.DataFrame(model.calibration.to_dict(model.tree)).to_string(float_format="%.3f"))
    if labels.counts is not None:
        for text, given in (("before", prediction), ("after", calibrated)):
            table = vote_coverage(mixture_of(graph, [given]), labels.counts)
            print("", f"votes {text} calibration", coverage_text(table), sep="\n")
    folder = store_model(model, model_path, out)
    print(f"calibrated on {len(labels):,} galaxies; the model is in {folder}")
