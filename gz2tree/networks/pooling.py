"""From a feature map to features: for each question, an average of its own."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gz2tree.errors import InputError


class QuestionPooling(nn.Module):
    """Average a feature map for each question, weighted by where that question looks.

    The weight of a place is the softmax, over all places, of a linear function of its features and
    of its distance from the centre, where the galaxy is: attention with one query a question
    (Touvron et al. 2021, arXiv:2112.13692, use one for all). All weights begin equal, which is the
    plain average.

    Parameters
    ----------
    n_features, n_questions : int
    channels_last : bool
        The feature maps come as (N, h, w, n_features), as those of a Swin transformer do.
    """

    def __init__(self, n_features: int, n_questions: int, channels_last: bool = False) -> None:
        super().__init__()
        self.channels_last = channels_last
        self.query = nn.Conv2d(n_features, n_questions, kernel_size=1, bias=False)
        # Coefficients of the distance from the centre and of its square.
        self.radial = nn.Parameter(torch.zeros(n_questions, 2))
        nn.init.zeros_(self.query.weight)

    def no_weight_decay(self) -> set[str]:
        """Names of the parameters that weight decay must leave alone, as timm's networks say it.

        Coefficients of the distance: decay would pull every question back to a plain average.
        """
        return {"radial"}

    def forward(self, feature_map: Tensor) -> Tensor:
        """Features for each question.

        Parameters
        ----------
        feature_map : Tensor, shape (N, n_features, h, w); (N, h, w, n_features) if `channels_last`

        Returns
        -------
        features : Tensor, shape (N, n_questions, n_features)

        Raises
        ------
        InputError
            A backbone whose features are no such map (a vision transformer's tokens).
        """
        if self.channels_last and feature_map.ndim == 4:
            feature_map = feature_map.permute(0, 3, 1, 2)  # (N, n_features, h, w)
        if feature_map.ndim != 4 or feature_map.shape[1] != self.query.in_channels:
            raise InputError(
                f"pooling 'attention': expected a feature map of shape (N, "
                f"{self.query.in_channels}, h, w), found {tuple(feature_map.shape)}: the "
                "backbone gives no map; its average serves (--pooling average, or --head pooled of "
                "a flat network)"
            )
        h, w = feature_map.shape[-2:]
        y = torch.linspace(-1 + 1 / h, 1 - 1 / h, h, device=feature_map.device)
        x = torch.linspace(-1 + 1 / w, 1 - 1 / w, w, device=feature_map.device)
        square = y.square()[:, None] + x.square()[None, :]  # (h, w), 1 at the middle of a side
        distance = torch.stack([square.sqrt(), square], -1)  # (h, w, 2)
        bias = (distance @ self.radial.T.float()).permute(2, 0, 1)  # (n_questions, h, w)
        scores = self.query(feature_map).float() + bias  # (N, n_questions, h, w)
        weights = scores.flatten(2).softmax(-1).to(feature_map.dtype)
        return weights @ feature_map.flatten(2).transpose(1, 2)  # (N, n_questions, n_features)
