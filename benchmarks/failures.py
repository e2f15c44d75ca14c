"""Images as they go wrong, made of real ones: for `bench_atypical.py`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

Pixels = NDArray[np.uint8]  # (side, side, 3), RGB
Failure = Callable[[Pixels, np.random.Generator], Pixels]


def as_it_is(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    return pixels


def black(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    return np.zeros_like(pixels)


def empty_sky(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Draw the image's own frame without the galaxy: its median, and noise of its scatter."""
    frame = np.concatenate([pixels[:8].reshape(-1, 3), pixels[-8:].reshape(-1, 3)]).astype(float)
    sky, scatter = np.median(frame, axis=0), 1.48 * np.median(np.abs(frame - np.median(frame, 0)))
    noise = rng.normal(sky, max(scatter, 1.0), pixels.shape)
    return _to_bytes(noise)


def uniform_noise(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    return rng.integers(0, 256, pixels.shape, dtype=np.uint8)


def saturated(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Six times as bright, clipped."""
    return _to_bytes(6.0 * pixels)


def half_scale(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Pixels of twice the angle: the galaxy half as large; reflected sky around it."""
    side = len(pixels)
    small = np.asarray(Image.fromarray(pixels).resize((side // 2, side // 2), _SMOOTH))
    before = (side - len(small)) // 2
    after = side - len(small) - before
    return np.pad(small, [(before, after), (before, after), (0, 0)], mode="reflect")


def double_scale(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Pixels of half the angle: the galaxy twice as large."""
    side, quarter = len(pixels), len(pixels) // 4
    middle = Image.fromarray(pixels[quarter : side - quarter, quarter : side - quarter])
    return np.asarray(middle.resize((side, side), _SMOOTH))


def satellite_trail(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Draw a bright straight line, 6 pixels wide, within a tenth of the side of the middle."""
    side = len(pixels)
    angle = rng.uniform(0, np.pi)
    offset = rng.uniform(-0.1, 0.1) * side
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    distance = x * np.sin(angle) - y * np.cos(angle) - offset
    trail = 220 * np.exp(-0.5 * (distance / 3) ** 2)
    return _to_bytes(pixels + trail[..., None])


def off_centre(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Move by 80 pixels in any direction: the galaxy is there, but not in the middle."""
    angle = rng.uniform(0, 2 * np.pi)
    return _moved(pixels, round(80 * np.sin(angle)), round(80 * np.cos(angle)))


def off_the_image(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Move by half a side, down or up and to a side: the galaxy's rim in a corner, then sky."""
    half = len(pixels) // 2
    return _moved(pixels, half * int(rng.choice([-1, 1])), half * int(rng.choice([-1, 1])))


def half_missing(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Black beyond the middle, as at the edge of a frame."""
    cut = pixels.copy()
    cut[len(pixels) // 2 :] = 0
    return np.rot90(cut, int(rng.integers(4))).copy()


def inverted(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    return 255 - pixels


def channels_reversed(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """BGR, as some libraries read images."""
    return pixels[..., ::-1].copy()


def one_band(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Grey, as of a survey in one filter."""
    return np.asarray(Image.fromarray(pixels).convert("L").convert("RGB"))


def poor_seeing(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Blurred by a Gaussian of 6 pixels."""
    return np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(6)))


def deeper_survey(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Another stretch and stronger colours, in the manner of DECaLS: faint light is lifted."""
    unit = pixels / 255.0
    brightness = unit.mean(-1, keepdims=True)
    stretched = np.arcsinh(12 * brightness) / np.arcsinh(12) / np.maximum(brightness, 1e-3)
    coloured = brightness + 1.8 * (unit - brightness)
    return _to_bytes(255 * stretched * coloured)


FAILURES: Mapping[str, Failure] = {
    "as it is": as_it_is,
    "black": black,
    "empty sky": empty_sky,
    "uniform noise": uniform_noise,
    "saturated": saturated,
    "half the scale": half_scale,
    "twice the scale": double_scale,
    "satellite trail": satellite_trail,
    "80 pixels off centre": off_centre,
    "off the image": off_the_image,
    "half missing": half_missing,
    "inverted": inverted,
    "channels reversed": channels_reversed,
    "one band": one_band,
    "poor seeing": poor_seeing,
    "another stretch and colours": deeper_survey,
}

_SMOOTH = Image.Resampling.BILINEAR


def _to_bytes(values: NDArray[np.floating]) -> Pixels:
    return values.round().clip(0, 255).astype(np.uint8)


def _moved(pixels: Pixels, down: int, right: int) -> Pixels:
    """Move an image; what comes in is the reflection of its frame's outer sky."""
    most = max(abs(down), abs(right))
    padded = np.pad(pixels, [(most, most), (most, most), (0, 0)], mode="symmetric")
    side = len(pixels)
    return padded[most - down : most - down + side, most - right : most - right + side].copy()
