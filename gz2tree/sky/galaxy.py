"""The light of a simulated galaxy: bulge, disk, bar, arms, and what is odd about it."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image

from gz2tree.sky.frame import OLD, YOUNG, Frame, Light, coloured, mixed
from gz2tree.sky.population import Galaxy

_SCALE_LENGTH = 0.27  # of a face-on disk, in LENGTH
_HALF_LIGHT = 0.42  # radius, in LENGTH

# Flux in the bands (i, r, g).
_DISK_BLUE = np.array([0.86, 0.92, 1.20], np.float32)
_EXTINCTION = np.array([0.65, 1.0, 1.35], np.float32)


def galaxy_light(galaxy: Galaxy, frame: Frame, rng: np.random.Generator) -> Light:
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


def _rough(rng: np.random.Generator, side: int, cells: int) -> Light:
    """Smooth random field of unit variance with about `cells` bumps across."""
    coarse = Image.fromarray(rng.standard_normal((cells, cells), np.float32))
    return np.asarray(coarse.resize((side, side), Image.Resampling.BICUBIC), np.float32)


def _disturb(frame: Frame, galaxy: Galaxy, rng: np.random.Generator) -> Frame:
    """Bend the coordinates, and with them every component, of a disturbed galaxy."""
    if not galaxy.disturbed:
        return frame
    bend = 0.8 * galaxy.disturbed * float(rng.choice([-1.0, 1.0]))
    lopsided = 0.5 * galaxy.disturbed
    x, y = frame.x, frame.y
    inside = np.exp(-((x**2 + y**2) / 2))
    return Frame(x + lopsided * x**2 * inside, y + bend * x**2 * inside, frame.step, frame.seeing)


def _spheroid(galaxy: Galaxy, frame: Frame, flux: float) -> Light:
    share = galaxy.bulge_fraction
    axis_ratio = galaxy.bulge_axis_ratio
    radius = frame.radius(axis_ratio, galaxy.boxiness)
    scale = (0.05 + 0.28 * share) / math.sqrt(axis_ratio)
    index = (1.2 + 2.3 * share) * (1 - 0.4 * galaxy.boxiness)  # boxes have no cusp
    plane = _sersic(radius, scale, index, flux, frame.step)
    return coloured(plane, mixed(_DISK_BLUE, OLD, 0.5 + 0.5 * galaxy.redness))


def _disk(galaxy: Galaxy, frame: Frame, flux: float, rng: np.random.Generator) -> Light:
    """Disk with its bar, arms, knots and patches."""
    axis_ratio = galaxy.disk_axis_ratio
    face_on = frame.deprojected(axis_ratio)
    radius = face_on.radius()
    # Seen from the side, the same light comes from less of the sky; dust holds some of it back.
    plane = _sersic(radius, 1.68 * _SCALE_LENGTH / axis_ratio**0.08, 0.9, flux, frame.step)
    plane = plane / axis_ratio**0.5
    colour = mixed(_DISK_BLUE, OLD, galaxy.redness)
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
    light = coloured(plane, colour) + coloured(young, mixed(YOUNG, colour, galaxy.redness))
    if galaxy.bar:
        light += coloured(_bar(galaxy, face_on, flux / axis_ratio, bar_angle), OLD)
    return light


def _bar_length(galaxy: Galaxy) -> float:
    return 0.15 + 0.35 * galaxy.bar


def _arms_start(galaxy: Galaxy) -> float:
    """Radius at which arms begin: the end of the bar if there is one."""
    return _bar_length(galaxy) if galaxy.bar else 0.14


def _bar(galaxy: Galaxy, face_on: Frame, flux: float, angle: float) -> Light:
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
    galaxy: Galaxy, face_on: Frame, radius: Light, bar_angle: float, rng: np.random.Generator
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


def _patches(galaxy: Galaxy, frame: Frame, rng: np.random.Generator) -> Light:
    """Lognormal patchiness; that of irregulars is coarse and strong."""
    side = len(frame.x)
    fine = 0.45 * galaxy.clumps * _rough(rng, side, 40)
    coarse = 1.15 * galaxy.irregular * _rough(rng, side, 22)
    return np.asarray(np.exp(fine + coarse - 0.4 * galaxy.irregular), np.float32)


def _knots(galaxy: Galaxy, frame: Frame, where: Light, rng: np.random.Generator) -> Light:
    """Point-like star-forming regions, more of them where there is more light."""
    density = np.cumsum(where.ravel() ** 0.8 * (np.hypot(frame.x, frame.y).ravel() > 0.2))
    number = rng.poisson(45 * galaxy.clumps)
    pixels = np.searchsorted(density, rng.random(number) * density[-1])
    knots = np.zeros(where.size, np.float32)
    brightness = 0.012 * where.sum() * rng.pareto(2.0, number).clip(max=4) / (1 + number**0.5)
    np.add.at(knots, pixels.clip(max=where.size - 1), brightness.astype(np.float32))
    return knots.reshape(where.shape)


def _ring(galaxy: Galaxy, frame: Frame, flux: float) -> Light:
    spheroid = galaxy.bulge_fraction * (galaxy.bulge_axis_ratio - galaxy.disk_axis_ratio)
    axis_ratio = max(galaxy.disk_axis_ratio + spheroid, 0.25)
    at, width = 0.75, 0.09
    profile = np.exp(-(((frame.radius(axis_ratio) - at) / width) ** 2) / 2)
    height = 0.3 * galaxy.ring * flux / (2 * math.pi * at * width * 2.5 * axis_ratio)
    colour = mixed(_DISK_BLUE, OLD, 0.7 * galaxy.redness)
    return coloured(profile * height, colour)


def _lens_arc(galaxy: Galaxy, frame: Frame, flux: float, rng: np.random.Generator) -> Light:
    """Thin blue arc around the centre, an image of a galaxy behind."""
    around = frame.moved(0, 0, rng.uniform(0, 2 * math.pi))
    angle = np.arctan2(around.y, around.x)
    at, width, half_opening = 0.65, 0.05, 0.8
    profile = np.exp(-(((around.radius() - at) / width) ** 2) / 2 - (angle / half_opening) ** 4)
    height = 0.09 * galaxy.lens_arc * flux / (2 * half_opening * at * width * 2.5)
    return coloured(profile * height, YOUNG)


def _companion(galaxy: Galaxy, frame: Frame, flux: float, rng: np.random.Generator) -> Light:
    """Other galaxy of a merger, close enough to touch."""
    direction, distance = rng.uniform(0, 2 * math.pi), rng.uniform(0.55, 0.95)
    other = frame.moved(
        distance * math.cos(direction), distance * math.sin(direction), rng.uniform(0, math.pi)
    )
    profile = _sersic(other.radius(rng.uniform(0.5, 0.9)), 0.2, 1.8, flux, frame.step)
    colour = mixed(_DISK_BLUE, OLD, galaxy.redness)
    return coloured(profile * (0.15 + 0.7 * galaxy.merger), colour)


def _tidal_tails(galaxy: Galaxy, frame: Frame, flux: float, rng: np.random.Generator) -> Light:
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
    colour = mixed(_DISK_BLUE, OLD, 0.6 * galaxy.redness)
    return coloured(tails * (0.2 * strength * flux), colour)


def _dust(galaxy: Galaxy, frame: Frame) -> Light:
    """Transmission of a thin dark lane along the major axis."""
    lane = np.exp(-(((frame.y - 0.025) / 0.045) ** 2) - (frame.x / 0.9) ** 4)
    return np.asarray(np.exp(coloured(lane, -1.8 * galaxy.dust_lane * _EXTINCTION)), np.float32)
