"""The network: one softmax head for each question, joined by the tree; and loading any network.

``GalaxyTreeNet`` has one softmax head for each question and multiplies down the decision tree;
`gz2tree.flat.FlatNet` guesses every answer on its own, which is what it is compared with.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from huggingface_hub.constants import CONFIG_NAME, SAFETENSORS_SINGLE_FILE
from numpy.typing import NDArray
from torch import Tensor

from gz2tree.config import CutoutOptions
from gz2tree.config.choices import Activation, Pooling, check_choice
from gz2tree.errors import InputError, shown
from gz2tree.flat import FlatNet
from gz2tree.labels import Labels
from gz2tree.networks.network import GalaxyNet
from gz2tree.networks.saved import DEFAULT_MODEL, DEFAULT_NAME
from gz2tree.networks.seenimages import read_seen_images, were_seen
from gz2tree.networks.strength import StrengthHeads
from gz2tree.store import CutoutStore
from gz2tree.storeformat import HEADER
from gz2tree.tree import DecisionTree
from gz2tree.treenames import check_is_tree
from gz2tree.trees import GZ2_KAGGLE
from gz2tree.votes.calibration import Calibration


class GalaxyTreeNet(GalaxyNet):
    """A shared backbone, one head for each question, and the decision tree that joins them.

    Parameters
    ----------
    backbone : str
        Any backbone of timm by name, or ``"resnet50_v1"``.
    tree : DecisionTree
    pretrained : bool or path
        True: timm's ImageNet weights from the hub. False: random weights. A path: a state dict of
        the backbone, ``.safetensors`` or ``.pth``.
    activation : str
        How a question's logits become probabilities; see `DecisionGraph`. The default, sigmoids
        divided by their sum, is the softmax of the log-sigmoids; trained as `TrainConfig` does by
        default, it did best of all in benchmarks/RESULTS.md.
    cutouts : CutoutOptions
        Crop and size of the cutouts the network is made for.
    kind : str, optional
        Kind of label it is trained on; set by training.
    training : dict, optional
        How it was trained; set by training.
    mean, std : sequence of 3 floats, optional
        Normalisation of the RGB channels; the backbone's own by default.
    pooling : {"average", "attention"}
        One average of the feature map for all heads, or `QuestionPooling`.
    dirichlet : bool
        Give each question a strength as well (`StrengthHeads`): the conditional answers are then
        the mean of a Dirichlet distribution with concentrations strength x conditional, and what
        is said of cumulative probabilities does not change. See docs/votes.md.
    calibration : Calibration or dict, optional
        What was fitted after training; see `gz2tree.votes.calibration`.

    Raises
    ------
    InputError
        An unknown backbone or activation, weights that cannot be had or do not fit, or a
        calibration of another number of questions.

    Examples
    --------
    >>> model = GalaxyTreeNet("resnet18", pretrained=False).eval()
    >>> cumulative = model(torch.rand(2, 3, 96, 96))
    >>> cumulative.shape
    torch.Size([2, 37])
    >>> bool(((cumulative >= 0) & (cumulative <= 1)).all())
    True
    """

    def __init__(
        self,
        backbone: str = "resnet50",
        tree: DecisionTree = GZ2_KAGGLE,
        pretrained: bool | str | Path = True,
        activation: Activation = "normalised_sigmoid",
        cutouts: CutoutOptions = CutoutOptions(),
        kind: str | None = None,
        training: dict[str, Any] | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        pooling: Pooling = "average",
        dirichlet: bool = False,
        calibration: Calibration | dict[str, Any] | None = None,
    ) -> None:
        check_is_tree(tree)
        super().__init__(backbone, tree, pretrained, activation, cutouts, kind, training, mean, std)
        check_choice("pooling", pooling, Pooling)
        self._add_heads(pooling)
        if dirichlet:
            self.strengths = StrengthHeads(self.heads.n_features, len(tree.questions))
        if isinstance(calibration, dict):
            calibration = Calibration.from_dict(calibration, tree)
        if calibration is not None:
            calibration.check_fits(tree)
        self.calibration = calibration

    @property
    def is_tree(self) -> bool:
        """Always: it multiplies down the tree."""
        return True

    def config(self) -> dict[str, Any]:
        """Return all that is needed to build the network again, as JSON values."""
        calibrated = self.calibration.to_dict(self.tree) if self.calibration else None
        return super().config() | {
            "pooling": "average" if self.attention is None else "attention",
            "dirichlet": self.dirichlet,
            "calibration": calibrated,
        }

    def conditional(self, images: Tensor) -> Tensor:
        """Conditional probabilities: P(answer | its question was asked).

        Parameters
        ----------
        images : Tensor, shape (N, 3, H, W), RGB in [0, 1]

        Returns
        -------
        conditional : Tensor, shape (N, n_answers), in [0, 1]
        """
        return self._calibrated_conditional(self.logits(images))

    def _calibrated_conditional(self, logits: Tensor) -> Tensor:
        conditional = self.graph.conditional(logits)
        return self.calibration.temper(self.graph, conditional) if self.calibration else conditional

    def cumulative(self, logits: Tensor, given_reach: Tensor | None = None) -> Tensor:
        """Turn logits of all answers into cumulative probabilities; shapes as in `forward`."""
        return self.graph.cumulative(self._calibrated_conditional(logits), given_reach)

    def start_at_mean(self, labels: Labels) -> None:
        """Set the biases to the mean conditional answers, weighted by reach.

        Parameters
        ----------
        labels : Labels
            Of the network's tree.
        """
        mean = torch.from_numpy(labels.mean_conditional())  # (n_answers,)
        self.heads.set_biases(self.graph.logits_of(mean))


def load_model(folder: str | Path) -> GalaxyNet:
    """Load a saved network, of whichever class it is.

    Parameters
    ----------
    folder : str or Path
        A folder written by ``save_pretrained``, a run directory (its ``model`` folder is read), or
        ``"default"``, the model in the box.

    Raises
    ------
    InputError
        Neither, or a model of a class this version does not know.

    Examples
    --------
    >>> model = load_model("default")
    >>> type(model).__name__, model.tree.name
    ('GalaxyTreeNet', 'GZ2_KAGGLE')
    """
    folder = DEFAULT_MODEL if str(folder) == DEFAULT_NAME else Path(folder)
    if not (folder / CONFIG_NAME).is_file() and (folder / "model" / CONFIG_NAME).is_file():
        folder = folder / "model"
    if not (folder / CONFIG_NAME).is_file():
        raise InputError(
            f"{folder}: expected a run directory or a folder with {CONFIG_NAME} and "
            f"{SAFETENSORS_SINGLE_FILE}, found neither"
        )
    try:
        name = json.loads((folder / CONFIG_NAME).read_text()).get("model")
    except (ValueError, AttributeError, RecursionError) as error:
        raise InputError(f"{folder / CONFIG_NAME}: expected a JSON object: {error}") from error
    classes = {cls.__name__: cls for cls in (GalaxyTreeNet, FlatNet)}
    if not isinstance(name, str) or name not in classes:
        raise InputError(
            f"{folder / CONFIG_NAME}: expected a model of {' or '.join(classes)}, "
            f"found {shown(name)}"
        )
    return classes[name].from_pretrained(folder)


def seen_by(model: str | Path, hashes: Sequence[str]) -> NDArray[np.bool_]:
    """Say which images a saved network or a run has seen, as far as it is known.

    Parameters
    ----------
    model : str or Path
        As of `load_model`: a run directory, the folder of a saved network, or ``"default"``.
    hashes : sequence of str, length n
        SHA-256 of the image files in hexadecimal.

    Returns
    -------
    seen : array of bool, shape (n,)
        Of a run, the images in the store that it prepared, of whichever part of its split.
    """
    folder = DEFAULT_MODEL if str(model) == DEFAULT_NAME else Path(model)
    known = np.zeros(len(hashes), dtype=bool)
    if (seen := read_seen_images(folder)) is not None:
        known |= were_seen(seen, hashes)
    if (folder / "cutouts" / HEADER).is_file():
        known |= np.isin(hashes, CutoutStore(folder / "cutouts").hashes.astype(str))
    return known
