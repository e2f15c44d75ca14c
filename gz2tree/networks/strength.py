"""How much a network trusts its answers: the strength of each question's Dirichlet distribution."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

WEAKEST, STRONGEST = 0.2, 2000.0
"""Range of the strengths: from votes that nearly always agree on one answer, whichever it is, to
votes that scatter like those of independent volunteers, for any number of votes in the catalogues.
"""


class StrengthHeads(nn.Module):
    """A strength for each question: the sum of the concentrations of its Dirichlet.

    The strength is ``WEAKEST * (STRONGEST / WEAKEST) ** sigmoid(x)`` of a linear function x of the
    features; all begin in the middle of the range, at its geometric mean of 20. Walmsley et al.
    2022 (MNRAS 509, 3966; Zoobot) bound each concentration to 1 ... 101 instead: then no answer of
    two is less probable than 1 %, and votes that nearly all fall on one answer of a galaxy, but on
    another one of the next that looks the same, cannot be described.

    Parameters
    ----------
    n_features, n_questions : int
    """

    def __init__(self, n_features: int, n_questions: int) -> None:
        super().__init__()
        self.heads = nn.ModuleList(nn.Linear(n_features, 1) for _ in range(n_questions))
        for parameter in self.parameters():
            nn.init.zeros_(parameter)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Strengths of all questions.

        Parameters
        ----------
        features : sequence of Tensor, n_questions of shape (N, n_features)
            For each question those that its answers are read from.

        Returns
        -------
        strength : Tensor, float32 (float64 of float64), shape (N, n_questions)
            In [WEAKEST, STRONGEST].
        """
        raw = torch.cat([h(f) for h, f in zip(self.heads, features, strict=True)], -1)
        raw = raw.to(torch.promote_types(raw.dtype, torch.float32))
        span = math.log(STRONGEST / WEAKEST)
        return WEAKEST * (span * raw.sigmoid()).exp()
