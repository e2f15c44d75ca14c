"""Where the light of a simulated galaxy falls, and what colour it has."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gz2tree.sky.population import Galaxy

Light = NDArray[np.float32]

LENGTH = 1.65
"""Unit of length inside a galaxy, in petroR90: about how far the real cutouts show one."""
FRAME = 424 * 0.02 / LENGTH
"""Side of a cutout in units of `LENGTH`."""
NATIVE_PIXEL = 0.396
"""Side of a pixel of the survey camera, arcsec."""

# Flux in the bands (i, r, g), which become red, green and blue.
OLD = np.array([1.23, 1.0, 0.63], np.float32)
YOUNG = np.array([0.75, 0.9, 1.45], np.float32)


@dataclass(frozen=True, eq=False)
class Frame:
    """Native pixels of a cutout; lengths in units of `LENGTH`, angles in radians."""

    x: Light
    y: Light
    step: float
    seeing: float

    @classmethod
    def of(cls, galaxy: Galaxy) -> Frame:
        """Frame of a galaxy's cutout, its major axis along x."""
        side = max(16, round(FRAME * LENGTH * galaxy.petro_r90 / NATIVE_PIXEL))
        axis = ((np.arange(side) + 0.5) / side - 0.5).astype(np.float32) * FRAME
        angle = math.radians(galaxy.position_angle)
        x = axis[None, :] * math.cos(angle) - axis[:, None] * math.sin(angle)
        y = axis[None, :] * math.sin(angle) + axis[:, None] * math.cos(angle)
        return cls(x, y, FRAME / side, galaxy.seeing / (LENGTH * galaxy.petro_r90))

    def moved(self, dx: float, dy: float, angle: float = 0.0) -> Frame:
        """Look at the same pixels from a new origin turned by `angle`."""
        x, y = self.x - dx, self.y - dy
        cosine, sine = math.cos(angle), math.sin(angle)
        return Frame(x * cosine + y * sine, y * cosine - x * sine, self.step, self.seeing)

    def deprojected(self, axis_ratio: float) -> Frame:
        """Look at the plane of a disk from above."""
        return Frame(self.x, self.y / axis_ratio, self.step, self.seeing)

    def radius(self, axis_ratio: float = 1.0, boxiness: float = 0.0) -> Light:
        """Elliptical radius along the major axis; box-shaped isophotes for a boxiness of 1."""
        if boxiness == 0:
            return np.hypot(self.x, self.y / axis_ratio)
        power = 2 + 3 * boxiness
        box = np.abs(self.x) ** power + np.abs(self.y / axis_ratio) ** power
        return np.asarray(box ** (1 / power), np.float32)


def mixed(first: Light, second: Light, share: float) -> Light:
    """Mix two colours, or two of anything."""
    return np.asarray(first + share * (second - first), np.float32)


def coloured(plane: NDArray[np.floating[Any]], colour: Light) -> Light:
    """Give a plane of light a colour; shape (3, side, side)."""
    return np.asarray(colour[:, None, None] * plane, np.float32)
