"""Galaxies in FITS files, in the forms in which people have them."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from astropy.io import fits

BANDS = ("i", "r", "g")


def galaxy(side: int = 48, step: float = 1.0, seed: int = 0) -> np.ndarray:
    """Red, green and blue of a lopsided disk of smooth light, shape (3, side, side).

    `step` is what a pixel spans; the galaxy is the same whatever the pixels. Rows from the top.
    """
    rng = np.random.default_rng(seed)
    axis = (np.arange(side) - (side - 1) / 2) * step
    x, y = axis[None, :], axis[:, None]
    planes = []
    for colour in rng.uniform(0.5, 1.5, 3):
        disk = np.exp(-np.hypot(x, y / 0.6) / 6)
        knot = 0.5 * np.exp(-((x - 7) ** 2 + (y + 9) ** 2) / 18)  # to the right, above
        planes.append(20 * colour * (disk + rng.uniform(0.5, 1.5) * knot))
    return np.stack(planes)


def in_bytes(hdus: fits.HDUList) -> bytes:
    buffer = io.BytesIO()
    hdus.writeto(buffer)
    return buffer.getvalue()


def upwards(planes: np.ndarray) -> np.ndarray:
    """Rows as FITS has them, from the bottom."""
    return planes[..., ::-1, :].astype(np.float32)


def cube(planes: np.ndarray) -> bytes:
    return in_bytes(fits.HDUList([fits.PrimaryHDU(upwards(planes))]))


def extensions(planes: np.ndarray, names: tuple[str, ...] = BANDS) -> bytes:
    pairs = zip(planes, names, strict=True)
    images = [fits.ImageHDU(upwards(plane), name=name) for plane, name in pairs]
    return in_bytes(fits.HDUList([fits.PrimaryHDU(), *images]))


def compressed(planes: np.ndarray, names: tuple[str, ...] = BANDS) -> bytes:
    """As ``fpack`` writes it, without loss."""
    pairs = zip(planes, names, strict=True)
    images = [
        fits.CompImageHDU(upwards(plane), name=name, compression_type="GZIP_2", quantize_level=0)
        for plane, name in pairs
    ]
    return in_bytes(fits.HDUList([fits.PrimaryHDU(), *images]))


def write_cubes(folder: Path, ids: list[str], side: int = 48, step: float = 1.0) -> Path:
    """Write a galaxy of each id as a cube; the galaxies differ."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed, name in enumerate(ids):
        (folder / f"{name}.fits").write_bytes(cube(galaxy(side, step, seed)))
    return folder
