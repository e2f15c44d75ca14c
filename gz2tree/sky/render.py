"""Simulated galaxies as a survey camera sees them.

What is left to the random numbers of :func:`render` (the phase of the arms, the stars in the
foreground, the noise) changes no answer; what does is in the
:class:`~gz2tree.sky.population.Galaxy`.

The camera is the survey's: light is added up on native 0.396 arcsec pixels, blurred by the seeing,
given sky noise, stretched by the arcsinh recipe of Lupton et al. (2004) and only then enlarged to
the cutout. That is why the noise of small galaxies is coarse in the real cutouts, and here.

Sources: Lupton et al. 2004, PASP 116, 133 (colour pictures from CCD images).
Willett et al. 2013, MNRAS 435, 2835 (cutouts scaled to 0.02 petroR90 a pixel).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gz2tree.sky.camera import add_artifact, add_foreground, blur, sky_noise, stretch
from gz2tree.sky.frame import Frame
from gz2tree.sky.galaxy import galaxy_light
from gz2tree.sky.population import Galaxy


def render(
    galaxy: Galaxy, size: int = 424, rng: np.random.Generator | None = None
) -> NDArray[np.uint8]:
    """Photograph a galaxy as the survey's image server would.

    Parameters
    ----------
    galaxy : Galaxy
        What to photograph.
    size : int, pixels
        Side of the cutout, which spans 8.48 petroR90 whatever its size.
    rng : numpy.random.Generator, optional
        For everything that decides no answer: noise, foreground, phases. Seed 0 by default.

    Returns
    -------
    ndarray of uint8, shape (size, size, 3)
        Red, green, blue: the bands i, r, g.
    """
    rng = rng if rng is not None else np.random.default_rng(0)
    frame = Frame.of(galaxy)
    light = blur(galaxy_light(galaxy, frame, rng), frame, rng)
    add_foreground(light, galaxy, rng)
    add_artifact(light, galaxy, rng)
    light += sky_noise(light, rng)
    picture = Image.fromarray(stretch(light))
    return np.asarray(picture.resize((size, size), Image.Resampling.BICUBIC))
