"""What every network here shares: its backbone, how images enter it, saving and loading."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gz2tree.config import CutoutOptions
from gz2tree.config.choices import Activation, Pooling, check
from gz2tree.graph import DecisionGraph
from gz2tree.labels import Labels
from gz2tree.networks.backbones import create_backbone, name_without_hub
from gz2tree.networks.heads import QuestionHeads
from gz2tree.networks.imagechecks import channel_values, check_images
from gz2tree.networks.pooling import QuestionPooling
from gz2tree.networks.saved import SavedNetwork
from gz2tree.networks.strength import StrengthHeads
from gz2tree.networks.typicality import Typicality
from gz2tree.tree import DecisionTree
from gz2tree.version import __version__
from gz2tree.votes.calibration import Calibration


class GalaxyNet(SavedNetwork):
    """Base of `GalaxyTreeNet` and `FlatNet`; its parameters are described there.

    Attributes
    ----------
    tree : DecisionTree
    graph : DecisionGraph
    cutouts : CutoutOptions
        Crop and size of the cutouts the network was made for.
    kind : str or None
        Which kind of label it was trained on; None before training.
    training_record : dict
        How it was trained: options, data, versions, as JSON values.
    typicality : Typicality or None
        Where the features of its training galaxies lie; None where that was never fitted.
    calibration : Calibration or None
        What was fitted to its answers after training; see `gz2tree.votes.calibration`.
    backbone : nn.Module
        timm's network, with all that timm promises of it: ``feature_info``, ``group_matcher``,
        ``set_grad_checkpointing``, ``forward_intermediates``.
    head_hidden_size : int
        Width of its pooled features, as timm calls it; some backbones pool and then have a layer.
    attention : QuestionPooling or None
        What pools the feature map for each question; None where one average serves all.
    heads : QuestionHeads
        From the features of each question to the logits of its answers.
    strengths : StrengthHeads or None
        From the features of each question to its strength; None of a network that gives none.
    """

    backbone: Any  # timm promises more of its networks than nn.Module does
    head_hidden_size: int
    mean: Tensor
    std: Tensor
    attention: QuestionPooling | None
    heads: QuestionHeads
    strengths: StrengthHeads | None

    def __init__(
        self,
        backbone: str,
        tree: DecisionTree,
        pretrained: bool | str | Path,
        activation: Activation,
        cutouts: CutoutOptions,
        kind: str | None,
        training: dict[str, Any] | None,
        mean: Sequence[float] | None,
        std: Sequence[float] | None,
    ) -> None:
        super().__init__()
        self.tree = tree
        self.graph = DecisionGraph(tree, activation)
        self.cutouts = cutouts
        self.kind = kind
        self.training_record = dict(training or {})
        self.typicality: Typicality | None = None
        self.calibration: Calibration | None = None
        self.backbone = create_backbone(backbone, pretrained, cutouts.size)
        self.backbone_name = name_without_hub(backbone, self.backbone, cutouts.size)
        pooled = getattr(self.backbone, "head_hidden_size", self.backbone.num_features)
        self.head_hidden_size = pooled
        for name, given in (("mean", mean), ("std", std)):
            values = self.backbone.pretrained_cfg[name] if given is None else given
            self.register_buffer(name, channel_values(name, values), persistent=False)

    @property
    def num_features(self) -> int:
        """Channels of what `forward_features` gives, as timm calls them."""
        return int(self.backbone.num_features)

    @property
    @abstractmethod
    def is_tree(self) -> bool:
        """Whether the answers of each question sum to the probability that it was asked."""

    @property
    def dirichlet(self) -> bool:
        """Whether the network gives each question a strength."""
        return self.strengths is not None

    def forward_features(self, images: Tensor) -> Tensor:
        """Last feature map of the backbone.

        Parameters
        ----------
        images : Tensor, shape (N, 3, H, W), RGB in [0, 1]

        Returns
        -------
        features : Tensor, as the backbone gives it; (N, num_features, h, w) for a ResNet

        Raises
        ------
        InputError
            Images of another shape or of an integer dtype.
        """
        check_images(images)
        return self.backbone.forward_features((images - self.mean) / self.std)

    def features(self, images: Tensor) -> Tensor:
        """Pooled features of the backbone.

        Parameters
        ----------
        images : Tensor, shape (N, 3, H, W), RGB in [0, 1]

        Returns
        -------
        features : Tensor, shape (N, head_hidden_size)
        """
        return self.pooled(self.forward_features(images))

    def pooled(self, feature_map: Tensor) -> Tensor:
        """Pool what `forward_features` gives; (N, head_hidden_size)."""
        return self.backbone.forward_head(feature_map)

    def _add_heads(self, pooling: Pooling, width: int | None = None) -> None:
        """Add what follows the feature map; heads read `width` features, by default the pooled."""
        width = width or self.head_hidden_size
        self.attention = self.strengths = None
        if pooling == "attention":
            width = self.num_features
            channels_last = getattr(self.backbone, "output_fmt", "NCHW") == "NHWC"
            self.attention = QuestionPooling(width, len(self.tree.questions), channels_last)
        self.heads = QuestionHeads(self.tree, width)

    def _features_by_question(self, feature_map: Tensor) -> list[Tensor]:
        """Feature map -> for each question (N, its heads' in_features)."""
        if self.attention is None:
            return [self.pooled(feature_map)] * len(self.heads)  # of (N, head_hidden_size)
        return list(self.attention(feature_map).unbind(1))  # of (N, num_features)

    def forward(self, images: Tensor, given_reach: Tensor | None = None) -> Tensor:
        """Cumulative probabilities: P(question was asked and answered so).

        Those of a flat network are only meant as such: see `FlatNet`.

        Parameters
        ----------
        images : Tensor, shape (N, 3, H, W), RGB in [0, 1]
        given_reach : Tensor, shape (N, n_questions), in [0, 1] or NaN, optional
            See `DecisionGraph.cumulative`.

        Returns
        -------
        cumulative : Tensor, shape (N, n_answers), float32 (float64 of float64), in [0, 1]

        Raises
        ------
        InputError
            Images of another shape or of an integer dtype.
        """
        return self.cumulative(self.logits(images), given_reach)

    def logits(self, images: Tensor) -> Tensor:
        """Logits of all answers.

        Parameters
        ----------
        images : Tensor, shape (N, 3, H, W), RGB in [0, 1]

        Returns
        -------
        logits : Tensor, shape (N, n_answers)
        """
        return self.outputs(images)[0]

    def outputs(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """Logits of all answers, and the strength of each question.

        Parameters
        ----------
        images : Tensor, shape (N, 3, H, W), RGB in [0, 1]

        Returns
        -------
        logits : Tensor, shape (N, n_answers)
        strength : Tensor, shape (N, n_questions), or None
            As trained, before any calibration; None of a network that gives none.
        """
        return self.outputs_of(self.forward_features(images))

    def outputs_of(self, feature_map: Tensor) -> tuple[Tensor, Tensor | None]:
        """Give what `outputs` gives, of the feature map of images.

        Parameters
        ----------
        feature_map : Tensor, as `forward_features` gives it
            (N, num_features, h, w) for a ResNet.

        Returns
        -------
        logits : Tensor, shape (N, n_answers)
        strength : Tensor, shape (N, n_questions), or None
        """
        features = self._features_by_question(feature_map)
        strength = None if self.strengths is None else self.strengths(features)
        return self.heads(features), strength

    def calibrated_strength(self, logits: Tensor, strength: Tensor | None) -> Tensor | None:
        """Strengths after calibration; None if there are none at all.

        Parameters
        ----------
        logits : Tensor, shape (N, n_answers)
        strength : Tensor, shape (N, n_questions), or None
            Both as `outputs` gives them.

        Returns
        -------
        strength : Tensor, shape (N, n_questions), above 0, or None
        """
        if self.calibration is None:
            return strength
        return self.calibration.strengthen(strength, logits.to(torch.float32))

    @abstractmethod
    def cumulative(self, logits: Tensor, given_reach: Tensor | None = None) -> Tensor:
        """Turn logits of all answers into cumulative probabilities; shapes as in `forward`."""

    @abstractmethod
    def start_at_mean(self, labels: Labels) -> None:
        """Set the biases of the heads so that training begins near the mean of the labels.

        Parameters
        ----------
        labels : Labels
            Of the network's tree.
        """

    def gate(self, cumulative: Tensor, threshold: float) -> Tensor:
        """Set improbable answers to exactly 0.

        In a tree with all that follows from them (`DecisionGraph.gate`), else each on its own.

        Parameters
        ----------
        cumulative : Tensor, shape (..., n_answers), in [0, 1]
        threshold : float, in [0, 1]

        Returns
        -------
        gated : Tensor, shape (..., n_answers), in [0, 1]

        Raises
        ------
        OptionError
            A threshold outside [0, 1].
        """
        check("gate", threshold, 0 <= threshold <= 1, "a probability from 0 to 1")
        if self.is_tree:
            return self.graph.gate(cumulative, threshold)
        return torch.where(cumulative < threshold, 0.0, cumulative)

    def config(self) -> dict[str, Any]:
        """Return all that is needed to build the network again, as JSON values."""
        return {
            "model": type(self).__name__,
            "gz2tree_version": __version__,
            "backbone": self.backbone_name,
            "pretrained": False,
            "tree": self.tree.to_dict(),
            "columns": list(self.tree.columns),
            "activation": self.graph.activation,
            "cutouts": self.cutouts.to_dict(),
            "mean": self.mean.flatten().tolist(),
            "std": self.std.flatten().tolist(),
            "kind": self.kind,
            "training": self.training_record,
            "typicality": self.typicality.to_dict() if self.typicality else None,
        }
