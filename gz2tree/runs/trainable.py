"""What may be trained on what: networks, labels and losses that do not fit are refused."""

from __future__ import annotations

from typing import Any, get_args

from gz2tree.config import TrainConfig
from gz2tree.config.choices import CountLoss, Kind
from gz2tree.dataset import LabelledCutouts
from gz2tree.errors import InputError
from gz2tree.labels import Labels
from gz2tree.model import GalaxyTreeNet
from gz2tree.networks.network import GalaxyNet
from gz2tree.votes.counts import KINDS_OF_VOTES, check_votes

_NOT_ITS_ARCHITECTURE = (
    # What decides nothing, what training puts in, and the tree in all its words.
    "gz2tree_version", "pretrained", "kind", "training", "typicality", "calibration", "tree",
    "columns",
)  # fmt: skip


def architecture_of(model: GalaxyNet) -> dict[str, Any]:
    """Say of what a network is made, so that a resumed run can be known to be of the same one.

    Parameters
    ----------
    model : GalaxyNet

    Returns
    -------
    architecture : dict of JSON values
        The config of the network without what training puts into it; of its tree only the name,
        as the digest of the labels tells the rest.
    """
    config = model.config()
    own = {name: value for name, value in config.items() if name not in _NOT_ITS_ARCHITECTURE}
    return own | {"tree": model.tree.name}


def check_training(
    model: GalaxyNet, train: LabelledCutouts, valid: LabelledCutouts | None, config: TrainConfig
) -> None:
    """Refuse a training that could not do what was asked for.

    Raises
    ------
    InputError
        Cutouts or labels that do not fit the model, a loss that fits neither network nor labels,
        or options that need validation galaxies without any.
    """
    _check_data(model, train, valid)
    if config.loss == "cross_entropy" and not model.is_tree:
        raise InputError(
            "loss 'cross_entropy': expected a tree, whose answers compete within their "
            f"question, found a flat {type(model).__name__}, which would raise them all; "
            "'binary_cross_entropy' fits"
        )
    for data in (train, valid):
        if data is not None:
            check_loss(model, data.labels, config)
    if config.own_sigmoids and not has_own_sigmoids(model):
        raise InputError(
            "own_sigmoids: expected a GalaxyTreeNet with activation 'normalised_sigmoid', found a "
            f"{type(model).__name__} with {model.graph.activation!r}"
        )
    if config.own_sigmoids and config.loss in ("cross_entropy", *get_args(CountLoss)):
        raise InputError(
            f"own_sigmoids: expected another loss than {config.loss!r}, which would raise them "
            "all; 'binary_cross_entropy' fits"
        )
    if valid is None and (config.schedule == "plateau" or config.early_stopping is not None):
        raise InputError(
            "the plateau schedule and early stopping go by the validation RMSE: expected "
            "validation galaxies, found none"
        )


def has_own_sigmoids(model: GalaxyNet) -> bool:
    """Whether the conditional answers are sigmoids divided by their question's sum."""
    return isinstance(model, GalaxyTreeNet) and model.graph.activation == "normalised_sigmoid"


def _check_data(model: GalaxyNet, train: LabelledCutouts, valid: LabelledCutouts | None) -> None:
    for data in (train, valid):
        if data is None:
            continue
        if data.labels.tree != model.tree:
            raise InputError(
                "labels: expected those of the model's tree, found another: "
                f"{model.tree.difference(data.labels.tree)}"
            )
        if not data.options.matches(model.cutouts):
            raise InputError(f"cutouts: expected the model's {model.cutouts}, found {data.options}")
    if len(train) < 2:
        raise InputError("training: expected at least 2 galaxies, found 1")


def check_loss(model: GalaxyNet, labels: Labels, config: TrainConfig) -> None:
    """Refuse a loss on votes of a network or of labels that have none, and the other way round.

    Raises
    ------
    InputError
        As described; the message names the loss that fits.
    """
    if config.loss not in get_args(CountLoss):
        if model.dirichlet:
            raise InputError(
                f"loss {config.loss!r}: found a network with dirichlet=True, whose strengths only "
                "the loss 'dirichlet_multinomial' teaches"
            )
        return
    if not model.is_tree:
        raise InputError(
            f"loss {config.loss!r}: expected a tree, whose answers are conditional, found a flat "
            f"{type(model).__name__}; 'binary_cross_entropy' fits"
        )
    if model.dirichlet != (config.loss == "dirichlet_multinomial"):
        raise InputError(
            f"loss {config.loss!r}: expected a network with dirichlet={not model.dirichlet}, found "
            f"one with dirichlet={model.dirichlet}"
        )
    check_votes(labels.tree, labels.counts, config.loss, otherwise="binary_cross_entropy")
    others = [k for k in labels.kinds if k in get_args(Kind) and k not in KINDS_OF_VOTES]
    if others:
        raise InputError(
            f"loss {config.loss!r}: expected labels of kind {' or '.join(KINDS_OF_VOTES)}, the "
            f"votes as they were given, found kind {others[0]!r}: the network would learn one "
            "thing and be judged by another"
        )
