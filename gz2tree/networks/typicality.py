"""How unlike a network's training galaxies an image is: the distance of its features from theirs.

The pooled features are projected by random signs, which a seed gives again: a few kB say where the
training galaxies lie, however many features a backbone has, and distances are kept (Achlioptas
2003, J. Comput. Syst. Sci. 66, 671). The distance is that of Mahalanobis from their mean (for
images unlike a network's training set: Lee et al. 2018, NeurIPS), its covariance shrunk as Ledoit &
Wolf (2004, J. Multivar. Anal. 88, 365) have it, so that few galaxies will do.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from gz2tree.errors import InputError

TAIL = 0.01
"""Share of galaxies like those of the training that are farther than 1."""

N_PROJECTED = 64
_SEED = 0
_LEAST = 1e-5  # distance, for galaxies that are all alike
_LEAST_SHRINKAGE = 1e-6
_LITTLE_ENDIAN = np.dtype("<f4")


@dataclass(frozen=True, eq=False)
class Typicality:
    """Where the features of a network's training galaxies lie.

    Parameters
    ----------
    n_features : int
        Of the network.
    n_galaxies : int
        On which it was fitted.
    mean : array of float32, shape (k,)
        Of their projected features.
    whitening : array of float32, shape (k, k), lower-triangular
        Makes of a difference from the mean a vector whose length is the score.
    median : float
        The score that half of such galaxies exceed.
    seed : int
        Of the projection.

    Raises
    ------
    InputError
        Arrays of other shapes, or with values that are not finite.
    """

    n_features: int
    n_galaxies: int
    mean: NDArray[np.float32]
    whitening: NDArray[np.float32]
    median: float
    seed: int = _SEED

    def __post_init__(self) -> None:
        k = len(self.mean)
        finite = np.isfinite(self.mean).all() and np.isfinite(self.whitening).all()
        if self.whitening.shape != (k, k) or not finite:
            raise InputError(
                f"typicality: expected finite numbers, {k} and {k} x {k}, found a matrix of shape "
                f"{self.whitening.shape}{'' if finite else ' and values that are not finite'}"
            )

    @cached_property
    def _map(self) -> tuple[Tensor, Tensor]:
        """Matrix and constant by which features become a vector as long as the score."""
        whitening = self.whitening.astype(np.float64)
        matrix = whitening @ signs(self.n_features, len(self.mean), self.seed).T
        return torch.from_numpy(matrix).float(), torch.from_numpy(whitening @ self.mean).float()

    def score(self, features: Tensor) -> Tensor:
        """Say how atypical galaxies are.

        Parameters
        ----------
        features : Tensor, shape (N, n_features)
            Pooled features, as `GalaxyNet.features` gives them.

        Returns
        -------
        atypical : Tensor, float32, shape (N,), at least 0
            Distance from the training galaxies' mean. 1 is that which one in a hundred galaxies of
            their sort exceeds.
        """
        matrix, constant = (part.to(features.device) for part in self._map)
        return torch.linalg.vector_norm(features.float() @ matrix.T - constant, dim=-1)

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as JSON values; the numbers in base64, little-endian float32."""
        lower = np.tril_indices(len(self.mean))
        return {
            "n_features": self.n_features,
            "n_galaxies": self.n_galaxies,
            "seed": self.seed,
            "median": self.median,
            "mean": _packed(self.mean),
            "whitening": _packed(self.whitening[lower]),
        }

    @classmethod
    def from_dict(cls, named: dict[str, Any], n_features: int) -> Self:
        """Read the result of `to_dict`, for a network of so many features.

        Raises
        ------
        InputError
            Something is missing or damaged, or it is of a network with other features.
        """
        try:
            mean, values = _unpacked(named["mean"]), _unpacked(named["whitening"])
            whitening = np.zeros((len(mean), len(mean)), dtype=np.float32)
            np.place(whitening, np.tri(len(mean), dtype=bool), values)
            if len(values) != len(mean) * (len(mean) + 1) // 2:
                raise ValueError(f"{len(values)} numbers for {len(mean)} dimensions")
            n_galaxies, median = named["n_galaxies"], float(named["median"])
            fitted = cls(named["n_features"], n_galaxies, mean, whitening, median, named["seed"])
        except (KeyError, TypeError, ValueError, binascii.Error) as error:
            raise InputError(f"typicality: incomplete or damaged: {error!r}") from error
        if fitted.n_features != n_features:
            raise InputError(
                f"typicality: expected that of {n_features} features, found {fitted.n_features}"
            )
        return fitted


def fit_typicality(batches: Iterable[Tensor]) -> Typicality:
    """Fit where galaxies lie; score 1 is the distance that one in a hundred exceeds.

    Parameters
    ----------
    batches : iterable of Tensor, shape (N, n_features)
        Pooled features of the galaxies a network was trained on, or of some of them. Only their
        projections are kept.

    Returns
    -------
    typicality : Typicality

    Raises
    ------
    InputError
        Fewer than 2 galaxies, or features that are not finite.

    Notes
    -----
    The distance that one in a hundred exceeds is that of each galaxy from all the others, as if it
    had been left out of the fit (Sherman & Morrison 1950, Ann. Math. Stat. 21, 124). It does not
    depend on the order of the galaxies. Of fewer than a hundred it is nearly the largest.
    """
    projected, n_features = [], 0
    for features in batches:
        n_features = features.shape[-1]
        projected.append(features.double().cpu().numpy() @ signs(n_features))
    values = np.concatenate(projected) if projected else np.empty((0, N_PROJECTED))
    if len(values) < 2 or not np.isfinite(values).all():
        raise InputError(
            f"typicality: expected finite features of at least 2 galaxies, found {len(values)} "
            f"galaxies, {int(np.isfinite(values).all(-1).sum())} of them finite"
        )
    mean = values.mean(0)
    covariance, left_out = _shrunk(values - mean)
    half, far = np.quantile(left_out, [0.5, 1 - TAIL]).clip(_LEAST)
    whitening = np.tril(np.linalg.inv(np.linalg.cholesky(covariance)) / far)
    return Typicality(
        n_features, len(values), mean.astype(np.float32), whitening.astype(np.float32),
        float(half / far),
    )  # fmt: skip


def signs(n_features: int, k: int = N_PROJECTED, seed: int = _SEED) -> NDArray[np.float64]:
    """Random signs by which features are projected, the same on every machine.

    Parameters
    ----------
    n_features, k, seed : int

    Returns
    -------
    signs : array, shape (n_features, k), each ±1 / sqrt(n_features)
    """
    words = np.random.PCG64(seed).random_raw(-(-n_features * k // 64))
    bits = np.unpackbits(words.astype("<u8").view(np.uint8))[: n_features * k]
    return (2.0 * bits.reshape(n_features, k) - 1) / np.sqrt(n_features)


def _shrunk(centred: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Covariance, shrunk, and the distance of each row from the others; (n, k) -> (k, k), (n,)."""
    n, k = centred.shape
    raw = centred.T @ centred / n
    # The intensity of Ledoit & Wolf (2004), section 3.3.
    size = np.trace(raw) / k
    if size < _LEAST**2:
        return _LEAST**2 * np.eye(k), np.zeros(n)
    away = np.square(raw - size * np.eye(k)).sum()
    noise = (np.square(np.square(centred).sum(-1)).sum() / n - np.square(raw).sum()) / n
    # At least a little: features of few directions have no covariance that can be inverted.
    shrinkage = min(max(noise / away, _LEAST_SHRINKAGE), 1.0) if away > 0 else 1.0
    covariance = (1 - shrinkage) * raw + shrinkage * size * np.eye(k)
    # Without one of n galaxies, but with the same shrinkage, see `fit_typicality`.
    others = (1 - shrinkage) * n / (n - 1) * raw + shrinkage * size * np.eye(k)
    square = np.einsum("nk,nk->n", centred, np.linalg.solve(others, centred.T).T)
    weight = (1 - shrinkage) * n / (n - 1) ** 2
    rest = np.maximum(1 - weight * square, np.finfo(float).tiny)
    return covariance, n / (n - 1) * np.sqrt(square / rest)


def _packed(values: ArrayLike) -> str:
    return base64.b64encode(np.asarray(values, dtype=_LITTLE_ENDIAN).tobytes()).decode()


def _unpacked(text: str) -> NDArray[np.float32]:
    return np.frombuffer(base64.b64decode(text, validate=True), _LITTLE_ENDIAN).astype(np.float32)
