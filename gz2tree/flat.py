"""The flat rival of the tree: a network that guesses every answer on its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gz2tree.activations import FLOOR
from gz2tree.config import CutoutOptions
from gz2tree.config.choices import Head, Renormalised, check, check_choice
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
    backbone, tree, pretrained
        As in `GalaxyTreeNet`. The tree only names the answers here, unless `renormalised` is
        "to_parent".
    renormalised : bool or "to_parent"
        Divide each question's sigmoids by their sum: the student paper's renormalisation, which
        can be read in two ways. True: every question's answers sum to 1; such a head cannot
        represent a null label, nor reach the paper's score. "to_parent": they sum to the
        probability that the question was asked, which makes it a tree.
    head : {"pooled", "flatten", "attention"}
        A linear layer on the pooled features; the paper's, on the flattened feature map, for
        cutouts of ``cutouts.size``; or one for each question, on features pooled for it as in
        `GalaxyTreeNet` with ``pooling="attention"``.
    cutouts, kind, training, mean, std
        As in `GalaxyTreeNet`.

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
        check_choice("head", head, Head)
        fine = renormalised in (False, True, "to_parent")
        check("renormalised", renormalised, fine, "False, True or 'to_parent'")
        check_is_tree(tree)
        super().__init__(
            backbone, tree, pretrained, "normalised_sigmoid", cutouts, kind, training, mean, std
        )
        self.renormalised = renormalised
        self.head_name = head
        width = None
        if head == "flatten":
            blank = torch.zeros(1, 3, cutouts.size, cutouts.size)
            with torch.no_grad():
                # In training mode the blank image would enter the statistics of BatchNorm.
                width = self.eval().forward_features(blank).numel()
            self.train()
        self._add_heads("attention" if head == "attention" else "average", width)

    @property
    def is_tree(self) -> bool:
        """Whether the answers of each question sum to the probability that it was asked."""
        return self.renormalised == "to_parent"

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

    def _features_by_question(self, feature_map: Tensor) -> list[Tensor]:
        """Feature map -> for each question (N, its heads' in_features)."""
        if self.head_name == "flatten":
            return [feature_map.flatten(1)] * len(self.heads)  # of (N, num_features * h * w)
        return super()._features_by_question(feature_map)

    def cumulative(self, logits: Tensor, given_reach: Tensor | None = None) -> Tensor:
        """Turn logits of all answers into probabilities, meant as cumulative ones.

        Unless `renormalised` is "to_parent", the tree's sums hold only by accident.

        Parameters
        ----------
        logits : Tensor, shape (N, n_answers)
        given_reach : Tensor, shape (N, n_questions), in [0, 1] or NaN, optional
            Ignored unless `renormalised` is "to_parent": other flat networks have no conditional
            answers that a reach could multiply.

        Returns
        -------
        probabilities : Tensor, shape (N, n_answers), float32 (float64 of float64), in [0, 1]
        """
        if self.is_tree:
            return self.graph.cumulative(self.graph.conditional(logits), given_reach)
        if self.renormalised:
            return self.graph.conditional(logits)
        return torch.sigmoid(logits if logits.dtype == torch.float64 else logits.float())

    def start_at_mean(self, labels: Labels) -> None:
        """Set the biases to the mean cumulative answers; 1/2 where none is measured.

        Parameters
        ----------
        labels : Labels
            Of the network's tree.
        """
        mean = torch.from_numpy(labels.mean_cumulative()).clamp(FLOOR, 1 - FLOOR)  # (n_answers,)
        self.heads.set_biases(mean.logit())
