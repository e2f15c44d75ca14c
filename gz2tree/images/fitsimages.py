"""Bands out of FITS files: planes of a cube, image extensions, or one file a band."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gz2tree.errors import UnreadableImage
from gz2tree.images.stretch import Stretch

MOST_VALUES = 2**28
"""Of an image: about as many bytes, uncompressed, as Pillow decodes before it fears a bomb."""


def read_planes(files: Sequence[bytes], stretch: Stretch) -> NDArray[np.float64]:
    """Read the bands of one galaxy.

    FITS counts rows from the bottom, pictures from the top: the rows are turned round, so that an
    image whose north is up in an astronomer's viewer has it up here.

    Parameters
    ----------
    files : sequence of bytes
        One file, uncompressed or with compressed images in it; or one for each band.
    stretch : Stretch
        It says where the bands are.

    Returns
    -------
    planes : array of float64, shape (n_bands, H, W), in the unit of the files

    Raises
    ------
    UnreadableImage
        A band that is not there, none or several images where one is expected, bands of different
        shapes, or an image of more than `MOST_VALUES` values, the bands of a cube counted together,
        which is refused before it is unpacked.
    """
    if stretch.layout == "files":
        planes = [_only_plane(data) for data in files]
    elif stretch.layout == "extensions":
        planes = _extensions(files[0], stretch.bands)
    else:
        planes = _planes_of_cube(files[0], stretch.bands)
    shapes = list(dict.fromkeys(plane.shape for plane in planes))
    if len(shapes) > 1:
        raise UnreadableImage(f"expected bands of one shape, found {shapes[0]} and {shapes[1]}")
    return np.stack(planes).astype(np.float64)[:, ::-1]


def _only_plane(data: bytes) -> NDArray[Any]:
    with _opened(data) as hdus:
        return _plane(_first_image(hdus))


def _extensions(data: bytes, names: Sequence[str]) -> list[NDArray[Any]]:
    with _opened(data) as hdus:
        missing = [name for name in names if name not in hdus]
        if missing:
            found = ", ".join(hdu.name for hdu in hdus if hdu.name) or "none with a name"
            raise UnreadableImage(f"expected an image extension {missing[0]}, found {found}")
        return [_plane(hdus[name]) for name in names]


def _planes_of_cube(data: bytes, bands: Sequence[str]) -> list[NDArray[Any]]:
    numbers = [int(band) for band in bands]
    with _opened(data) as hdus:
        image = _first_image(hdus)
        cube = _cube(image)
        if max(numbers) >= len(cube):
            raise UnreadableImage(
                f"expected an image with plane {max(numbers)}, counted from 0; found one of "
                f"{_sides(image)}"
            )
        return [cube[number] for number in numbers]


def _opened(data: bytes) -> Any:
    from astropy.io import fits

    return fits.open(io.BytesIO(data), memmap=False)


def _first_image(hdus: Any) -> Any:
    for hdu in hdus:
        if hdu.is_image and len(hdu.shape) >= 2:
            return hdu
    raise UnreadableImage("expected an image in the FITS file, found none")


def _plane(hdu: Any) -> NDArray[Any]:
    cube = _cube(hdu)
    if len(cube) > 1:
        raise UnreadableImage(f"expected an image of one plane, found one of {_sides(hdu)}")
    return cube[0]


def _cube(hdu: Any) -> NDArray[Any]:
    """Return an image as (n, H, W), without axes of length 1."""
    outer = [side for side in hdu.shape[:-2] if side > 1]
    if not hdu.is_image or len(hdu.shape) < 2 or len(outer) > 1:
        raise UnreadableImage(f"expected an image or a cube, found {_sides(hdu)}")
    if int(np.prod(hdu.shape)) > MOST_VALUES:
        raise UnreadableImage(f"too large: an image of {_sides(hdu)} pixels")
    array: NDArray[Any] = hdu.data
    return array.reshape(-1, *hdu.shape[-2:])


def _sides(hdu: Any) -> str:
    return " x ".join(str(side) for side in reversed(hdu.shape)) or "no axes"
