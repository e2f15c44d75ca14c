"""How large a galaxy appears on its image: SExtractor's half-light radius, by the library sep.

Galaxy Zoo 2's images are colour composites, their light compressed for the eye, and each was scaled
to its galaxy. The radius is therefore one on the image as volunteers saw it, not one on the sky.
"""

from __future__ import annotations

import logging

import numpy as np
from numpy.typing import ArrayLike, NDArray
from tqdm import tqdm

from gz2tree.cutouts import CutoutSource, log_unreadable
from gz2tree.positions import chosen_positions

_log = logging.getLogger("gz2tree")

_BORDER = 16  # the sky is measured in a frame as wide as this part of the side
_DETECTION = 2.0  # times the noise of the sky
_QUANTISATION = 12**-0.5  # noise of rounding to whole levels, the least that 8 bits have


def half_light_radius(image: ArrayLike) -> float:
    """Radius of the circle that holds half of the light of the object in the middle.

    Half of what lies within 2.5 Kron radii, with neighbours masked: the FLUX_RADIUS of SExtractor.
    Of an exponential disk that ellipse holds 96 % of the light, so that the radius comes out 5 %
    smaller than the one of all its light.

    Parameters
    ----------
    image : array_like, shape (H, W, 3) or (H, W), in [0, 255]
        With sky at its border; channels are averaged.

    Returns
    -------
    radius : float, pixels of `image`
        NaN if nothing in the middle is brighter than the sky, or sep cannot tell objects apart.

    References
    ----------
    Kron 1980, ApJS 43, 305; Bertin & Arnouts 1996, A&AS 117, 393; Barbary 2016, JOSS 1, 58.
    """
    light = np.asarray(image, dtype=np.float64)
    light = light.mean(-1) if light.ndim == 3 else light
    sky, noise = _sky_and_noise(light)
    try:
        return _flux_radius(np.ascontiguousarray(light - sky), noise)
    except Exception as error:
        # All that sep raises, of noise without a galaxy; one image must not end a run over 300,000.
        _log.debug("an image is not measured: %s", error)
        return float("nan")


def _flux_radius(light: NDArray[np.float64], noise: float) -> float:
    """Radius of half of the light; the sky is subtracted."""
    import sep

    objects, segments = sep.extract(light, _DETECTION, err=noise, segmentation_map=True)
    height, width = light.shape
    number = segments[height // 2, width // 2]
    if number == 0:
        return float("nan")
    x, y, a, b, theta = (objects[name][[number - 1]] for name in ("x", "y", "a", "b", "theta"))
    theta = theta.clip(-np.pi / 2, np.pi / 2)  # of round objects it may be rounded beyond
    alone = {"seg_id": np.array([number], dtype=np.int32), "segmap": segments}
    kron, _ = sep.kron_radius(light, x, y, a, b, theta, 6.0, **alone)
    total, _, _ = sep.sum_ellipse(light, x, y, a, b, theta, 2.5 * kron, **alone)
    radius, _ = sep.flux_radius(light, x, y, 2.5 * kron * a, 0.5, normflux=total, **alone)
    return float(radius[0])


def _sky_and_noise(light: NDArray[np.float64]) -> tuple[float, float]:
    """Median of the frame and the standard deviation about it, from the median deviation."""
    width = max(1, min(light.shape) // _BORDER)
    of_frame = np.ones(light.shape, dtype=bool)
    of_frame[width:-width, width:-width] = False
    sky = float(np.median(light[of_frame]))
    noise = 1.4826 * float(np.median(np.abs(light[of_frame] - sky)))
    return sky, max(noise, _QUANTISATION)


def apparent_sizes(
    images: CutoutSource, positions: ArrayLike | None = None, *, progress: bool = True
) -> NDArray[np.float64]:
    """Half-light radii of galaxies, measured on their cutouts.

    Parameters
    ----------
    images : CutoutStore or ImageFiles
    positions : array_like of int or bool, optional
        Which of the images, as positions in ``images.ids`` or as a mask; all by default.
    progress : bool

    Returns
    -------
    sizes : array of float64, shape (n,), pixels that the crop of the cutouts counts
        In the order of `positions`; NaN where an image cannot be read, or shows nothing in its
        middle. Such a pixel is one of the original image, unless a pixel scale or radii were given
        of the images: then it spans ``images.options.pixel_scale`` arcsec, or
        ``images.options.radii_per_pixel`` radii of the galaxy, whatever the image's own pixels do.

    Raises
    ------
    InputError
        Positions that are none of these images.
    """
    chosen = chosen_positions(positions, len(images))
    radius_at: dict[int, float] = {}
    problems: list[tuple[str, str]] = []
    with tqdm(total=len(chosen), unit="galaxy", disable=not progress) as bar:
        for batch in images.batches(chosen):
            for position, cutout in zip(batch.positions, batch.cutouts, strict=True):
                radius_at[int(position)] = half_light_radius(cutout)
            problems += [(images.ids[position], text) for position, text in batch.problems]
            bar.update(len(batch.positions) + len(batch.problems))
    log_unreadable(problems, len(chosen))
    of_cutout = np.array([radius_at.get(int(position), np.nan) for position in chosen])
    return of_cutout * (images.options.crop / images.options.size)
