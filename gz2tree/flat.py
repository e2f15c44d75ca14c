"""The flat rival of the tree: a network that guesses every answer on its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import torch
from torch import Tensor, nn

from gz2tree.activations import LEAST
from gz2tree.config import CutoutOptions
from gz2tree.config.choices import Head, Renormalised
from gz2tree.errors import InputError
from gz2tree.labels import Labels
from gz2tree.networks.network import GalaxyNet
from gz2tree.tree import DecisionTree
from gz2tree.treenames import check_is_tree
from gz2tree.trees import GZ2_KAGGLE


class FlatNet(GalaxyNet):
    """A backbone and a flat head: every answer a sigmoid of its own.

    Parameters
    ----------
    backbone, tree, pretrained, cutouts, kind, training, mean, std
        As in `GalaxyTreeNet`. The tree only names the answers here.
    renormalised : bool or "to_parent"
        Divide each question's sigmoids by their sum: the student paper's renormalisation, which
        can be read in two ways. True: every question's answers sum to 1; such a head cannot
        represent a null label, nor reach the paper's score. "to_parent": they sum to the
        probability that the question was asked, which makes it a tree.
    head : {"pooled", "flatten", "attention"}
        A linear layer on the pooled features; the paper's, on the flattened feature map, for
        cutouts of ``cutouts.size``; or one for each question, on features pooled for it as in
        `GalaxyTreeNet` with ``pooling="attention"``.

    Raises
    ------
    InputError
        As in `GalaxyTreeNet`; an unknown head; images of another size with ``head="flatten"``.

    Examples
    --------
    >>> FlatNet("resnet18", pretrained=False).eval()(torch.rand(2, 3, 96, 96)).shape
    torch.Size([2, 37])
    """

    def __init__(
        self,
        backbone: str = "resnet50",
        tree: DecisionTree = GZ2_KAGGLE,
        pretrained: bool | str | Path = True,
        renormalised: Renormalised = False,
        head: Head = "pooled",
        cutouts: CutoutOptions = CutoutOptions(),
        kind: str | None = None,
        training: dict[str, Any] | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
    ) -> None:
        if head not in get_args(Head):
            raise InputError(f"head: expected one of {', '.join(get_args(Head))}, found {head!r}")
        if renormalised not in (False, True, "to_parent"):
            raise InputError(
                f"renormalised: expected False, True or 'to_parent', found {renormalised!r}"
            )
        check_is_tree(tree)
        super().__init__(
            backbone, tree, pretrained, "normalised_sigmoid", cutouts, kind, training, mean, std
        )
        self.renormalised = renormalised
        self.head_name = head
        if head == "attention":
            self._add_heads("attention")
            return
        width = self.head_hidden_size
        if head == "flatten":
            blank = torch.zeros(1, 3, cutouts.size, cutouts.size)
            with torch.no_grad():
                # In training mode the blank image would enter the statistics of BatchNorm.
                width = self.eval().forward_features(blank).numel()
            self.train()
        self.head = nn.Linear(width, len(tree))

    def config(self) -> dict[str, Any]:
        """Return all that is needed to build the network again, as JSON values."""
        config = super().config() | {"renormalised": self.renormalised, "head": self.head_name}
        del config["activation"]
        return config

    def outputs(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """Logits of all answers; no strengths. See `GalaxyNet.outputs`."""
        size = self.cutouts.size
        if self.head_name == "flatten" and images.shape[-2:] != (size, size):
            height, width = images.shape[-2:]
            raise InputError(
                f"images: expected {size} x {size} pixels, found {height} x {width}: a flattened "
                "feature map fits one size only"
            )
        return super().outputs(images)

    def outputs_of(self, feature_map: Tensor) -> tuple[Tensor, None]:
        """Logits of all answers of a feature map; no strengths."""
        if self.head_name == "attention":
            return self.heads(self._features_by_question(feature_map)), None
        if self.head_name == "pooled":
            return self.head(self.pooled(feature_map)), None
        return self.head(feature_map.flatten(1)), None  # of (N, num_features * h * w)

    def forward(self, images: Tensor, given_reach: Tensor | None = None) -> Tensor:
        """Probabilities, meant as cumulative ones.

        Unless `renormalised` is "to_parent", the tree's sums hold only by accident.

        Parameters
        ----------
        images : Tensor, shape (N, 3, H, W), RGB in [0, 1]
        given_reach : Tensor, optional
            Ignored unless `renormalised` is "to_parent": other flat networks have no conditional
            answers that a reach could multiply.

        Returns
        -------
        probabilities : Tensor, shape (N, n_answers), float32 (float64 of float64), in [0, 1]
        """
        return self.cumulative(self.logits(images), given_reach)

    def cumulative(self, logits: Tensor, given_reach: Tensor | None = None) -> Tensor:
        """Turn logits of all answers into probabilities; shapes as in `forward`."""
        if self.renormalised == "to_parent":
            return self.graph.cumulative(self.graph.conditional(logits), given_reach)
        if self.renormalised:
            return self.graph.conditional(logits)
        return torch.sigmoid(logits if logits.dtype == torch.float64 else logits.float())

    def start_at_mean(self, labels: Labels) -> None:
        """Set the biases to the mean cumulative answers; 1/2 where none is measured."""
        mean = torch.from_numpy(labels.mean_cumulative()).clamp(LEAST, 1 - LEAST)
        if self.head_name == "attention":
            self.heads.set_biases(mean.logit())
            return
        with torch.no_grad():
            self.head.bias.copy_(mean.logit())

    def gate(self, probabilities: Tensor, threshold: float) -> Tensor:
        """Set answers below the threshold to 0, each on its own."""
        return torch.where(probabilities < threshold, 0.0, probabilities)
