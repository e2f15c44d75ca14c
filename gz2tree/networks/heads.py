"""From features to logits: a linear head for each question."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from gz2tree.tree import DecisionTree


class QuestionHeads(nn.ModuleList):
    """A linear head for each question, in the order of the tree.

    Parameters
    ----------
    tree : DecisionTree
    n_features : int
    """

    def __init__(self, tree: DecisionTree, n_features: int) -> None:
        super().__init__(nn.Linear(n_features, len(question)) for question in tree.questions)
        self.n_features = n_features
        self.slices = tree.slices

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Logits of all answers.

        Parameters
        ----------
        features : sequence of Tensor, n_questions of shape (N, n_features)
            For each question those that its answers are read from.

        Returns
        -------
        logits : Tensor, shape (N, n_answers)
        """
        return torch.cat([head(f) for head, f in zip(self, features, strict=True)], -1)

    def set_biases(self, biases: Tensor) -> None:
        """Set the biases; (n_answers,)."""
        with torch.no_grad():
            for head, answers in zip(self, self.slices, strict=True):
                cast(nn.Linear, head).bias.copy_(biases[answers])
