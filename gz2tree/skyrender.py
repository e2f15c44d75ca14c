"""Simulated galaxies as a survey camera sees them.

What is left to the random numbers of :func:`render` (the phase of the arms, the stars in the
foreground, the noise) changes no answer; what does is in the
:class:`~gz2tree.population.Galaxy`.

The camera is the survey's: light is added up on native 0.396 arcsec pixels, blurred by the seeing,
given sky noise, stretched by the arcsinh recipe of Lupton et al. (2004) and only then enlarged to
the cutout. That is why the noise of small galaxies is coarse in the real cutouts, and here.

Sources: Lupton et al. 2004, PASP 116, 133 (colour pictures from CCD images).
Willett et al. 2013, MNRAS 435, 2835 (cutouts scaled to 0.02 petroR90 a pixel).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gz2tree.population import Galaxy

Light = NDArray[np.float32]

LENGTH = 1.65
"""Unit of length inside a galaxy, in petroR90: about how far the real cutouts show one."""
FRAME = 424 * 0.02 / LENGTH
"""Side of a cutout in units of `LENGTH`."""
NATIVE_PIXEL = 0.396
"""Side of a pixel of the survey camera, arcsec."""

_SCALE_LENGTH = 0.27  # of a face-on disk, in LENGTH
_HALF_LIGHT = 0.42  # radius, in LENGTH

# Flux in the bands (i, r, g), which become red, green and blue.
_OLD = np.array([1.23, 1.0, 0.63], np.float32)
_DISK_BLUE = np.array([0.86, 0.92, 1.20], np.float32)
_YOUNG = np.array([0.75, 0.9, 1.45], np.float32)
_BAND_NOISE = np.array([1.0, 1.0, 0.75], np.float32)
_EXTINCTION = np.array([0.65, 1.0, 1.35], np.float32)

# Stretch: levels of 255 = scale * arcsinh(light / softening), light in units of sky noise.
_GREY_SCALE = 52
_GREY_SOFTENING = 6.2


@dataclass(frozen=True)
class _Frame:
    """Native pixels of a cutout; lengths in units of `LENGTH`, angles in radians."""

    x: Light
    y: Light
    step: float
    seeing: float

    @classmethod
    def of(cls, galaxy: Galaxy) -> _Frame:
        """Frame of a galaxy's cutout, its major axis along x."""
        side = max(16, round(FRAME * LENGTH * galaxy.petro_r90 / NATIVE_PIXEL))
        axis = ((np.arange(side) + 0.5) / side - 0.5).astype(np.float32) * FRAME
        angle = math.radians(galaxy.position_angle)
        x = axis[None, :] * math.cos(angle) - axis[:, None] * math.sin(angle)
        y = axis[None, :] * math.sin(angle) + axis[:, None] * math.cos(angle)
        return cls(x, y, FRAME / side, galaxy.seeing / (LENGTH * galaxy.petro_r90))

    def moved(self, dx: float, dy: float, angle: float = 0.0) -> _Frame:
        """Look at the same pixels from a new origin turned by `angle`."""
        x, y = self.x - dx, self.y - dy
        cosine, sine = math.cos(angle), math.sin(angle)
        return _Frame(x * cosine + y * sine, y * cosine - x * sine, self.step, self.seeing)

    def deprojected(self, axis_ratio: float) -> _Frame:
        """Look at the plane of a disk from above."""
        return _Frame(self.x, self.y / axis_ratio, self.step, self.seeing)

    def radius(self, axis_ratio: float = 1.0, boxiness: float = 0.0) -> Light:
        """Elliptical radius along the major axis; box-shaped isophotes for a boxiness of 1."""
        if boxiness == 0:
            return np.hypot(self.x, self.y / axis_ratio)
        power = 2 + 3 * boxiness
        box = np.abs(self.x) ** power + np.abs(self.y / axis_ratio) ** power
        return np.asarray(box ** (1 / power), np.float32)


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
    frame = _Frame.of(galaxy)
    light = _blur(_galaxy_light(galaxy, frame, rng), frame, rng)
    _add_foreground(light, galaxy, rng)
    _add_artifact(light, galaxy, rng)
    light += _noise(light, rng)
    picture = Image.fromarray(_stretch(light))
    return np.asarray(picture.resize((size, size), Image.Resampling.BICUBIC))


def _galaxy_light(galaxy: Galaxy, frame: _Frame, rng: np.random.Generator) -> Light:
    """Light of the galaxy before the atmosphere, shape (3, side, side), in units of sky noise."""
    flux = galaxy.signal_to_noise * 2 * math.pi * _HALF_LIGHT**2
    if galaxy.artifact == "star":
        return np.zeros((3, *frame.x.shape), np.float32)
    warped = _disturb(frame, galaxy, rng)
    light = _spheroid(galaxy, warped, flux * galaxy.bulge_fraction)
    light = light + _disk(galaxy, warped, flux * (1 - galaxy.bulge_fraction), rng)
    if galaxy.ring:
        light = light + _ring(galaxy, warped, flux)
    if galaxy.lens_arc:
        light = light + _lens_arc(galaxy, frame, flux, rng)
    if galaxy.merger:
        light = light + _companion(galaxy, frame, flux, rng)
    if galaxy.disturbed or galaxy.merger:
        light = light + _tidal_tails(galaxy, frame, flux, rng)
    if galaxy.dust_lane:
        light = light * _dust(galaxy, warped)
    return light


def _sersic(radius: Light, scale: float, index: float, flux: float, step: float) -> Light:
    """Profile of Sersic (1968) that holds `flux` on round isophotes; its cusp is softened."""
    b = 2 * index - 1 / 3 + 0.009876 / index
    total = 2 * math.pi * index * scale**2 * math.exp(b) * b ** (-2 * index)
    softened = np.sqrt(radius**2 + ((step / 2) ** 2)) / scale
    profile = np.exp(-b * (softened ** (1 / index) - 1))
    return np.asarray(profile * (flux / (total * math.gamma(2 * index))), np.float32)


def _mixed(first: Light, second: Light, share: float) -> Light:
    return np.asarray(first + share * (second - first), np.float32)


def _coloured(plane: NDArray[np.floating[Any]], colour: Light) -> Light:
    return np.asarray(colour[:, None, None] * plane, np.float32)


def _rough(rng: np.random.Generator, side: int, cells: int) -> Light:
    """Smooth random field of unit variance with about `cells` bumps across."""
    coarse = Image.fromarray(rng.standard_normal((cells, cells), np.float32))
    return np.asarray(coarse.resize((side, side), Image.Resampling.BICUBIC), np.float32)


def _disturb(frame: _Frame, galaxy: Galaxy, rng: np.random.Generator) -> _Frame:
    """Bend the coordinates, and with them every component, of a disturbed galaxy."""
    if not galaxy.disturbed:
        return frame
    bend = 0.8 * galaxy.disturbed * float(rng.choice([-1.0, 1.0]))
    lopsided = 0.5 * galaxy.disturbed
    x, y = frame.x, frame.y
    inside = np.exp(-((x**2 + y**2) / 2))
    return _Frame(x + lopsided * x**2 * inside, y + bend * x**2 * inside, frame.step, frame.seeing)


def _spheroid(galaxy: Galaxy, frame: _Frame, flux: float) -> Light:
    share = galaxy.bulge_fraction
    axis_ratio = galaxy.bulge_axis_ratio
    radius = frame.radius(axis_ratio, galaxy.boxiness)
    scale = (0.05 + 0.28 * share) / math.sqrt(axis_ratio)
    index = (1.2 + 2.3 * share) * (1 - 0.4 * galaxy.boxiness)  # boxes have no cusp
    plane = _sersic(radius, scale, index, flux, frame.step)
    return _coloured(plane, _mixed(_DISK_BLUE, _OLD, 0.5 + 0.5 * galaxy.redness))


def _disk(galaxy: Galaxy, frame: _Frame, flux: float, rng: np.random.Generator) -> Light:
    """Disk with its bar, arms, knots and patches."""
    axis_ratio = galaxy.disk_axis_ratio
    face_on = frame.deprojected(axis_ratio)
    radius = face_on.radius()
    # Seen from the side, the same light comes from less of the sky; dust holds some of it back.
    plane = _sersic(radius, 1.68 * _SCALE_LENGTH / axis_ratio**0.08, 0.9, flux, frame.step)
    plane = plane / axis_ratio**0.5
    colour = _mixed(_DISK_BLUE, _OLD, galaxy.redness)
    young = np.zeros_like(plane)
    bar_angle = rng.uniform(0, math.pi)
    if galaxy.clumps or galaxy.irregular:
        plane = plane * _patches(galaxy, frame, rng)
    if galaxy.arms:
        crest = _arms(galaxy, face_on, radius, bar_angle, rng)
        # Arms take light from between them; what they add is young and blue.
        contrast = galaxy.arm_contrast**0.75
        young += plane * crest * contrast
        plane = plane * (1 - contrast * 0.75 * (1 - crest) * _outside(galaxy, radius))
    if galaxy.clumps:
        young += _knots(galaxy, frame, plane + 2 * young, rng)
    light = _coloured(plane, colour) + _coloured(young, _mixed(_YOUNG, colour, galaxy.redness))
    if galaxy.bar:
        light += _coloured(_bar(galaxy, face_on, flux / axis_ratio, bar_angle), _OLD)
    return light


def _bar_length(galaxy: Galaxy) -> float:
    return 0.15 + 0.35 * galaxy.bar


def _arms_start(galaxy: Galaxy) -> float:
    """Radius at which arms begin: the end of the bar if there is one."""
    return _bar_length(galaxy) if galaxy.bar else 0.14


def _bar(galaxy: Galaxy, face_on: _Frame, flux: float, angle: float) -> Light:
    along = face_on.moved(0, 0, angle)
    length = _bar_length(galaxy)
    inside = 1 - (along.x / length) ** 2 - (along.y / (0.24 * length)) ** 2
    area = math.pi * 0.24 * float(length) ** 2
    height = 0.45 * (0.1 + 0.25 * galaxy.bar) * flux / area
    return np.asarray(height * np.sqrt(np.maximum(inside, 0)) * 1.5, np.float32)


def _outside(galaxy: Galaxy, radius: Light) -> Light:
    """Where arms live, smoothly from 0 to 1."""
    return np.asarray(1 / (1 + (_arms_start(galaxy) / np.maximum(radius, 1e-3)) ** 6), np.float32)


def _arms(
    galaxy: Galaxy, face_on: _Frame, radius: Light, bar_angle: float, rng: np.random.Generator
) -> Light:
    """Height of logarithmic spiral arms, from 0 between them to 1 on their crests."""
    winding = 1 / math.tan(math.radians(galaxy.pitch))
    hand = float(rng.choice([-1.0, 1.0]))
    angle = hand * (np.arctan2(face_on.y, face_on.x) - bar_angle)
    spiral = winding * np.log(np.maximum(radius, 0.02) / _arms_start(galaxy))
    wobble = (0.25 + 0.1 * galaxy.arms) * _rough(rng, len(radius), 14)
    phase = galaxy.arms * (angle - spiral) + wobble
    sharpness = 3.0 if galaxy.arms > 1 else 6.0
    crest = np.exp(sharpness * (np.cos(phase) - 1))
    return np.asarray(crest * _outside(galaxy, radius), np.float32)


def _patches(galaxy: Galaxy, frame: _Frame, rng: np.random.Generator) -> Light:
    """Lognormal patchiness; that of irregulars is coarse and strong."""
    side = len(frame.x)
    fine = 0.45 * galaxy.clumps * _rough(rng, side, 40)
    coarse = 1.15 * galaxy.irregular * _rough(rng, side, 22)
    return np.asarray(np.exp(fine + coarse - 0.4 * galaxy.irregular), np.float32)


def _knots(galaxy: Galaxy, frame: _Frame, where: Light, rng: np.random.Generator) -> Light:
    """Point-like star-forming regions, more of them where there is more light."""
    density = np.cumsum(where.ravel() ** 0.8 * (np.hypot(frame.x, frame.y).ravel() > 0.2))
    number = rng.poisson(45 * galaxy.clumps)
    pixels = np.searchsorted(density, rng.random(number) * density[-1])
    knots = np.zeros(where.size, np.float32)
    brightness = 0.012 * where.sum() * rng.pareto(2.0, number).clip(max=4) / (1 + number**0.5)
    np.add.at(knots, pixels.clip(max=where.size - 1), brightness.astype(np.float32))
    return knots.reshape(where.shape)


def _ring(galaxy: Galaxy, frame: _Frame, flux: float) -> Light:
    spheroid = galaxy.bulge_fraction * (galaxy.bulge_axis_ratio - galaxy.disk_axis_ratio)
    axis_ratio = max(galaxy.disk_axis_ratio + spheroid, 0.25)
    at, width = 0.75, 0.09
    profile = np.exp(-(((frame.radius(axis_ratio) - at) / width) ** 2) / 2)
    height = 0.3 * galaxy.ring * flux / (2 * math.pi * at * width * 2.5 * axis_ratio)
    colour = _mixed(_DISK_BLUE, _OLD, 0.7 * galaxy.redness)
    return _coloured(profile * height, colour)


def _lens_arc(galaxy: Galaxy, frame: _Frame, flux: float, rng: np.random.Generator) -> Light:
    """Thin blue arc around the centre, an image of a galaxy behind."""
    around = frame.moved(0, 0, rng.uniform(0, 2 * math.pi))
    angle = np.arctan2(around.y, around.x)
    at, width, half_opening = 0.65, 0.05, 0.8
    profile = np.exp(-(((around.radius() - at) / width) ** 2) / 2 - (angle / half_opening) ** 4)
    height = 0.09 * galaxy.lens_arc * flux / (2 * half_opening * at * width * 2.5)
    return _coloured(profile * height, _YOUNG)


def _companion(galaxy: Galaxy, frame: _Frame, flux: float, rng: np.random.Generator) -> Light:
    """Other galaxy of a merger, close enough to touch."""
    direction, distance = rng.uniform(0, 2 * math.pi), rng.uniform(0.55, 0.95)
    other = frame.moved(
        distance * math.cos(direction), distance * math.sin(direction), rng.uniform(0, math.pi)
    )
    profile = _sersic(other.radius(rng.uniform(0.5, 0.9)), 0.2, 1.8, flux, frame.step)
    colour = _mixed(_DISK_BLUE, _OLD, galaxy.redness)
    return _coloured(profile * (0.15 + 0.7 * galaxy.merger), colour)


def _tidal_tails(galaxy: Galaxy, frame: _Frame, flux: float, rng: np.random.Generator) -> Light:
    """One tail of a disturbed galaxy, two of a merger, bending outwards."""
    strength = max(galaxy.disturbed, galaxy.merger)
    direction, hand = rng.uniform(0, 2 * math.pi), float(rng.choice([-1.0, 1.0]))
    tails = np.zeros_like(frame.x)
    for half_turn in range(2 if galaxy.merger else 1):
        around = frame.moved(0, 0, direction + half_turn * math.pi)
        radius = around.radius()
        ridge = hand * np.arctan2(around.y, around.x) - 0.9 * (radius - 0.4)
        off = radius * np.sin(np.arctan2(np.sin(ridge), np.cos(ridge)).clip(-1.5, 1.5))
        window = np.exp(-(((radius - 0.9) / 0.55) ** 4))
        tails += np.asarray(np.exp(-((off / 0.14) ** 2)) * window, np.float32)
    colour = _mixed(_DISK_BLUE, _OLD, 0.6 * galaxy.redness)
    return _coloured(tails * (0.2 * strength * flux), colour)


def _dust(galaxy: Galaxy, frame: _Frame) -> Light:
    """Transmission of a thin dark lane along the major axis."""
    lane = np.exp(-(((frame.y - 0.025) / 0.045) ** 2) - (frame.x / 0.9) ** 4)
    return np.asarray(np.exp(_coloured(lane, -1.8 * galaxy.dust_lane * _EXTINCTION)), np.float32)


def _blur(light: Light, frame: _Frame, rng: np.random.Generator) -> Light:
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
    reach, side = len(kernel) // 2, plane.shape[axis]
    padding = [(reach, reach) if a == axis else (0, 0) for a in range(2)]
    padded = np.pad(plane, padding)
    result = np.zeros_like(plane)
    for start, weight in enumerate(kernel):
        window = slice(start, start + side)
        result += weight * (padded[window] if axis == 0 else padded[:, window])
    return result


def _add_foreground(light: Light, galaxy: Galaxy, rng: np.random.Generator) -> None:
    """Stars and small galaxies of the field, and the one on top of an overlapped galaxy."""
    side = light.shape[1]
    area = (FRAME * LENGTH * galaxy.petro_r90 / 60) ** 2  # square arcmin
    for _ in range(rng.poisson(8 * area)):
        flux = min(70 * rng.random() ** (-1 / 0.8), 1e5)
        is_star = rng.random() < 0.45 or flux > 3000
        colour = _mixed(_YOUNG, _OLD * _OLD, rng.beta(1.5, 1.0))
        width = galaxy.seeing if is_star else galaxy.seeing + rng.uniform(0.4, 1.6)
        _add_blob(light, rng.uniform(0, side, 2), flux, width, colour)
    if galaxy.overlap:
        direction, distance = rng.uniform(0, 2 * math.pi), rng.uniform(0.2, 0.5)
        at = side * (0.5 + distance / FRAME * np.array([math.sin(direction), math.cos(direction)]))
        flux = 12 * galaxy.overlap * galaxy.signal_to_noise * (galaxy.seeing / NATIVE_PIXEL) ** 2
        _add_blob(light, at, flux, galaxy.seeing, _mixed(_YOUNG, _OLD * _OLD, rng.random()))


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
    light[box] += _coloured(profile, colour)


def _noise(light: Light, rng: np.random.Generator) -> Light:
    """Noise of the sky and of the object itself.

    Most of it is common to the bands: the image server's own compression leaves little of what
    differs between them.
    """
    common = rng.standard_normal(light.shape[1:], np.float32)
    own = rng.standard_normal(light.shape, np.float32)
    noise = _coloured(0.8**0.5 * common, _BAND_NOISE) + 0.2**0.5 * own
    return np.asarray(noise * np.sqrt(1 + np.maximum(light, 0) / 30), np.float32)


def _add_artifact(light: Light, galaxy: Galaxy, rng: np.random.Generator) -> None:
    """Replace or spoil the picture of the galaxy in one of the ways volunteers complain about."""
    side = light.shape[1]
    rows, columns = np.indices((side, side), np.float32) - side / 2
    if galaxy.artifact == "star":
        colour = _mixed(_YOUNG, _OLD, rng.random())
        middle = np.full(2, side / 2)
        _add_blob(light, middle, 3e5, galaxy.seeing, colour)
        spikes = sum(
            np.exp(-((across / 1.2) ** 2) / 2 - np.abs(along) / (0.1 * side))
            for along, across in ((rows, columns), (columns, rows))
        )
        light += _coloured(80 * np.asarray(spikes), colour)
    elif galaxy.artifact == "trail":
        angle, offset = rng.uniform(0, math.pi), rng.normal(0, 0.03 * side)
        across = rows * math.cos(angle) - columns * math.sin(angle)
        trail = np.exp(-(((across - offset) / 1.5) ** 2) / 2)
        light += _coloured(30 * trail, np.eye(3, dtype=np.float32)[rng.integers(3)] + 0.05)
    elif galaxy.artifact == "defect":
        angle = rng.uniform(0, 2 * math.pi)
        slope = (rows * math.sin(angle) + columns * math.cos(angle)) / side
        glare = 7 * np.exp(4 * slope)
        light += _coloured(glare, np.array([1.6, 0.6, 0.25], np.float32))


def _stretch(light: Light) -> NDArray[np.uint8]:
    """Bands to colours: arcsinh of their mean (Lupton et al. 2004); hue holds up to saturation."""
    mean = np.maximum(light.mean(0), 1e-3)
    brightness = _GREY_SCALE * np.arcsinh(mean / _GREY_SOFTENING)
    colours = np.maximum(light, 0) * (brightness / mean)
    return np.asarray(np.minimum(colours, 255).astype(np.uint8).transpose(1, 2, 0))
