"""What sky and camera make of light: seeing, foreground, noise, artifacts, stretch."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from gz2tree.sky.frame import FRAME, LENGTH, NATIVE_PIXEL, OLD, YOUNG, Frame, Light, coloured, mixed
from gz2tree.sky.population import Galaxy

_BAND_NOISE = np.array([1.0, 1.0, 0.75], np.float32)
# Stretch: levels of 255 = scale * arcsinh(light / softening), light in units of sky noise.
_GREY_SCALE = 52
_GREY_SOFTENING = 6.2


def blur(light: Light, frame: Frame, rng: np.random.Generator) -> Light:
    """Convolve with the seeing, the bands off by a fraction of a pixel as in the real pictures."""
    width = frame.seeing / frame.step / 2.355
    reach = math.ceil(3 * width) + 1
    offsets = np.arange(-reach, reach + 1)
    shifts = rng.normal(0, 0.14, (len(light), 2))
    blurred = np.empty_like(light)
    for band, plane in enumerate(light):
        for axis in range(2):
            kernel = np.exp(-(((offsets - shifts[band, axis]) / width) ** 2) / 2)
            plane = _convolve(plane, (kernel / kernel.sum()).astype(np.float32), axis)
        blurred[band] = plane
    return blurred


def _convolve(plane: Light, kernel: Light, axis: int) -> Light:
    """Correlate along an axis; beyond the edges it is dark.

    As ``scipy.ndimage.correlate1d``, which is no faster and adds up in double precision: one image
    in a hundred would be another, and the skies of published figures could not be made again.
    """
    reach, side = len(kernel) // 2, plane.shape[axis]
    padding = [(reach, reach) if a == axis else (0, 0) for a in range(2)]
    padded = np.pad(plane, padding)
    result = np.zeros_like(plane)
    for start, weight in enumerate(kernel):
        window = slice(start, start + side)
        result += weight * (padded[window] if axis == 0 else padded[:, window])
    return result


def add_foreground(light: Light, galaxy: Galaxy, rng: np.random.Generator) -> None:
    """Stars and small galaxies of the field, and the one on top of an overlapped galaxy."""
    side = light.shape[1]
    area = (FRAME * LENGTH * galaxy.petro_r90 / 60) ** 2  # square arcmin
    for _ in range(rng.poisson(8 * area)):
        flux = min(70 * rng.random() ** (-1 / 0.8), 1e5)
        is_star = rng.random() < 0.45 or flux > 3000
        colour = mixed(YOUNG, OLD * OLD, rng.beta(1.5, 1.0))
        width = galaxy.seeing if is_star else galaxy.seeing + rng.uniform(0.4, 1.6)
        _add_blob(light, rng.uniform(0, side, 2), flux, width, colour)
    if galaxy.overlap:
        direction, distance = rng.uniform(0, 2 * math.pi), rng.uniform(0.2, 0.5)
        at = side * (0.5 + distance / FRAME * np.array([math.sin(direction), math.cos(direction)]))
        flux = 12 * galaxy.overlap * galaxy.signal_to_noise * (galaxy.seeing / NATIVE_PIXEL) ** 2
        _add_blob(light, at, flux, galaxy.seeing, mixed(YOUNG, OLD * OLD, rng.random()))


def _add_blob(
    light: Light, at: NDArray[np.float64], flux: float, width: float, colour: Light
) -> None:
    """Add a point-like object: a Moffat profile of the given full width at half maximum, arcsec."""
    side = light.shape[1]
    core = width / NATIVE_PIXEL / 2 / math.sqrt(2 ** (1 / 3) - 1)
    peak = flux * 2 / (math.pi * core**2)
    reach = min(math.ceil(core * max(peak / 0.3, 1) ** (1 / 6)) + 1, side)
    rows = np.arange(max(0, int(at[0]) - reach), min(side, int(at[0]) + reach + 1))
    columns = np.arange(max(0, int(at[1]) - reach), min(side, int(at[1]) + reach + 1))
    y, x = (rows - at[0])[:, None] / core, (columns - at[1])[None, :] / core
    profile = peak * (1 + x**2 + y**2) ** -3.0
    box = (slice(None), slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    light[box] += coloured(profile, colour)


def sky_noise(light: Light, rng: np.random.Generator) -> Light:
    """Noise of the sky and of the object itself.

    Most of it is common to the bands: the image server's own compression leaves little of what
    differs between them.
    """
    common = rng.standard_normal(light.shape[1:], np.float32)
    own = rng.standard_normal(light.shape, np.float32)
    noise = coloured(0.8**0.5 * common, _BAND_NOISE) + 0.2**0.5 * own
    return np.asarray(noise * np.sqrt(1 + np.maximum(light, 0) / 30), np.float32)


def add_artifact(light: Light, galaxy: Galaxy, rng: np.random.Generator) -> None:
    """Replace or spoil the picture of the galaxy in one of the ways volunteers complain about."""
    side = light.shape[1]
    rows, columns = np.indices((side, side), np.float32) - side / 2
    if galaxy.artifact == "star":
        colour = mixed(YOUNG, OLD, rng.random())
        middle = np.full(2, side / 2)
        _add_blob(light, middle, 3e5, galaxy.seeing, colour)
        spikes = sum(
            np.exp(-((across / 1.2) ** 2) / 2 - np.abs(along) / (0.1 * side))
            for along, across in ((rows, columns), (columns, rows))
        )
        light += coloured(80 * np.asarray(spikes), colour)
    elif galaxy.artifact == "trail":
        angle, offset = rng.uniform(0, math.pi), rng.normal(0, 0.03 * side)
        across = rows * math.cos(angle) - columns * math.sin(angle)
        trail = np.exp(-(((across - offset) / 1.5) ** 2) / 2)
        light += coloured(30 * trail, np.eye(3, dtype=np.float32)[rng.integers(3)] + 0.05)
    elif galaxy.artifact == "defect":
        angle = rng.uniform(0, 2 * math.pi)
        slope = (rows * math.sin(angle) + columns * math.cos(angle)) / side
        glare = 7 * np.exp(4 * slope)
        light += coloured(glare, np.array([1.6, 0.6, 0.25], np.float32))


def stretch(light: Light) -> NDArray[np.uint8]:
    """Bands to colours: arcsinh of their mean (Lupton et al. 2004); hue holds up to saturation."""
    mean = np.maximum(light.mean(0), 1e-3)
    brightness = _GREY_SCALE * np.arcsinh(mean / _GREY_SOFTENING)
    colours = np.maximum(light, 0) * (brightness / mean)
    return np.asarray(np.minimum(colours, 255).astype(np.uint8).transpose(1, 2, 0))
