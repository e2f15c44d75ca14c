"""Random rotations, flips, zooms and shifts of a batch, in one interpolation.

A galaxy has no up: every orientation of an image is as good a view of it as any other.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gz2tree.config import AugmentOptions
from gz2tree.errors import InputError


class RandomView(nn.Module):
    """Turn, flip, zoom and shift every image of a batch differently.

    The parameters come from a generator of the caller's, not from torch's global one, so that a
    training can be resumed in the middle of an epoch. What comes in from beyond the edge is the
    image's own reflection.

    Parameters
    ----------
    options : AugmentOptions

    Examples
    --------
    >>> images = torch.rand(4, 3, 32, 32)
    >>> RandomView(AugmentOptions())(images, torch.Generator().manual_seed(0)).shape
    torch.Size([4, 3, 32, 32])
    """

    def __init__(self, options: AugmentOptions) -> None:
        super().__init__()
        self.options = options

    def forward(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Draw a random view of every image.

        Parameters
        ----------
        images : Tensor, shape (N, 3, H, W), RGB in [0, 1]
        generator : torch.Generator, on the CPU

        Returns
        -------
        views : Tensor, shape (N, 3, H, W), in [0, 1]
        """
        return warp(images, self._draw(len(images), generator))

    def _draw(self, n: int, generator: torch.Generator) -> Tensor:
        """Draw one affine map for each of n images; (n, 2, 3)."""

        def uniform(low: float, high: float) -> Tensor:
            return low + (high - low) * torch.rand(n, generator=generator)

        options = self.options
        angle = uniform(0.0, 2 * math.pi) if options.rotate else torch.zeros(n)
        mirror = torch.ones(n)
        if options.flip:
            mirror = 1 - 2 * torch.randint(2, (n,), generator=generator).float()
        zoom = uniform(-1.0, 1.0).mul(math.log1p(options.zoom)).exp()
        shift = torch.stack([uniform(-1.0, 1.0), uniform(-1.0, 1.0)], -1) * options.shift * 2
        return affine(angle, mirror, zoom, shift)


def orientations(images: Tensor, number: int, angle: float = 0.0) -> list[Tensor]:
    """Evenly spread orientations of a batch, for averaging predictions.

    Parameters
    ----------
    images : Tensor, shape (N, 3, H, W)
    number : {1, 8, 16}
        1: as it is. 8: the quarter turns and their mirror images. 16: those at 0 and at 45 degrees.
    angle : float, radian
        By which all are turned further. At 0, what needs no interpolation gets none.

    Returns
    -------
    views : list of Tensor, `number` of shape (N, 3, H, W)

    Raises
    ------
    InputError
        Another number.
    """
    if number not in (1, 8, 16):
        raise InputError(f"orientations: expected 1, 8 or 16, found {number!r}")
    tilted = [_turned(images, angle)]
    if number == 1:
        return tilted
    if number == 16:
        tilted.append(_turned(images, angle + math.pi / 4))
    return [
        torch.rot90(mirrored, turn, (-2, -1))
        for tilt in tilted
        for mirrored in (tilt, tilt.flip(-1))
        for turn in range(4)
    ]


def _turned(images: Tensor, angle: float) -> Tensor:
    if angle == 0.0:
        return images
    n = len(images)
    unmoved = torch.ones(n), torch.ones(n), torch.zeros(n, 2)
    return warp(images, affine(torch.full((n,), angle), *unmoved))


def affine(angle: Tensor, mirror: Tensor, zoom: Tensor, shift: Tensor) -> Tensor:
    """Build maps from output to input coordinates, for ``torch.nn.functional.affine_grid``.

    Parameters
    ----------
    angle : Tensor, shape (N,), radian
    mirror : Tensor, shape (N,), 1 or -1
    zoom : Tensor, shape (N,)
        Above 1 the galaxy gets larger.
    shift : Tensor, shape (N, 2)
        In units of half the image.

    Returns
    -------
    theta : Tensor, shape (N, 2, 3)
    """
    cos, sin = angle.cos() / zoom, angle.sin() / zoom
    rows = torch.stack([cos * mirror, -sin, sin * mirror, cos], -1).view(-1, 2, 2)
    return torch.cat([rows, shift.unsqueeze(-1)], -1)


def warp(images: Tensor, theta: Tensor) -> Tensor:
    """Resample images through affine maps, bilinearly, reflecting at the edges.

    Parameters
    ----------
    images : Tensor, shape (N, 3, H, W)
    theta : Tensor, shape (N, 2, 3)
        As `affine` gives them.

    Returns
    -------
    warped : Tensor, shape (N, 3, H, W)
    """
    theta = theta.to(images.device, images.dtype)
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)  # (N, H, W, 2)
    return F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)
