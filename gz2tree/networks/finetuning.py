"""A trained network taken to another tree."""

from __future__ import annotations

import inspect
from typing import Any

from gz2tree.config import CutoutOptions
from gz2tree.networks.network import GalaxyNet
from gz2tree.tree import DecisionTree


def adapt(model: GalaxyNet, tree: DecisionTree, cutouts: CutoutOptions | None = None) -> GalaxyNet:
    """Build a network like a trained one, with its backbone, for another tree.

    Parameters
    ----------
    model : GalaxyNet
        It is left as it is.
    tree : DecisionTree
        If it asks the same questions with the same answers, whenever it asks them and whatever
        their columns are called, the heads are kept as well, and what was fitted to them;
        otherwise they begin anew.
    cutouts : CutoutOptions, optional
        Those of the model by default. What its training galaxies look like (`typicality`) is kept
        only with those.

    Returns
    -------
    adapted : GalaxyNet
        Of the model's class.

    Examples
    --------
    >>> from gz2tree import GZ2, GalaxyTreeNet, Question
    >>> model = GalaxyTreeNet("resnet10t", GZ2, pretrained=False)
    >>> rings = DecisionTree("rings", [Question("ring", ["yes", "no"])])
    >>> adapt(model, rings).tree
    <DecisionTree rings: 1 questions, 2 answers>
    """
    config = model.config()
    known = inspect.signature(type(model).__init__).parameters
    arguments = {name: value for name, value in config.items() if name in known}
    arguments |= {"tree": tree, "cutouts": cutouts or model.cutouts, "pretrained": False}
    same = _answers(model.tree) == _answers(tree)
    if same:
        arguments["training"] = _renamed(model.training_record, model.tree, tree)
    else:
        arguments |= {"kind": None, "training": None}
    # In the config its numbers go by the names of the questions' columns; here, by their order.
    arguments.pop("calibration", None)
    adapted = type(model)(**arguments)
    adapted.seen_images = model.seen_images
    if same:
        adapted.calibration = model.calibration
    if same and adapted.cutouts == model.cutouts:
        adapted.typicality = model.typicality
    weights = model.state_dict()
    if not same:
        weights = {name: w for name, w in weights.items() if name.startswith("backbone.")}
    # A head on the flattened feature map fits one size only; all else there is takes any.
    shapes = {name: weight.shape for name, weight in adapted.state_dict().items()}
    fitting = {name: w for name, w in weights.items() if shapes.get(name) == w.shape}
    adapted.load_state_dict(fitting, strict=False)
    return adapted


def _renamed(record: dict[str, Any], before: DecisionTree, now: DecisionTree) -> dict[str, Any]:
    """Name the answers of a training record as another tree of the same questions names them."""
    if "answers" not in record:
        return record
    name = dict(zip(before.columns, now.columns, strict=True))
    return record | {"answers": [name[column] for column in record["answers"]]}


def _answers(tree: DecisionTree) -> list[tuple[str, list[str]]]:
    return [(q.name, [answer.name for answer in q.answers]) for q in tree.questions]
