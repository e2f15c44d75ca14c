"""One image to one cutout: its central square, scaled down, as unsigned 8-bit RGB."""

from __future__ import annotations

import io
import math
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, UnidentifiedImageError
from simplejpeg import decode_jpeg
from torch.nn import functional as F

from gz2tree.config import CutoutOptions
from gz2tree.errors import InputError

_FORMATS = ("JPEG", "PNG", "TIFF", "WEBP", "BMP", "GIF")
_EIGHT_BIT_MODES = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr"})

# Uncompressed, about as many pixels as Pillow decodes before it takes them for a bomb.
_MOST_BYTES = 2**28

# Antialiased and smooth, and the fastest such filter. On Galaxy Zoo 2's images, which oversample
# the seeing, the mean pixel differs by 0.6 of 255 from the bicubic filter's.
_RESAMPLE = Image.Resampling.BILINEAR


class UnreadableImage(InputError):  # noqa: N818 - it is the image that is named
    """An image no cutout can be made of; the message says what was expected and found."""


def read_cutout(
    source: Path | bytes | bytearray | memoryview | BinaryIO, options: CutoutOptions
) -> npt.NDArray[np.uint8]:
    """Return the central square of an image, scaled down.

    A JPEG is decoded at the smallest scale (1, 1/2, 1/4, 1/8) that leaves at least ``size`` pixels
    across the crop. If the image is an odd number of pixels larger than the crop, the crop's edges
    fall between pixels, so that the cutout of a mirrored image is the mirrored cutout. Of an
    animation the first frame is taken; transparency and EXIF orientation are ignored.

    Parameters
    ----------
    source : Path, bytes-like or binary file
        An image file or its bytes.
    options : CutoutOptions
        Crop, in pixels of the original image, and size, in pixels of the cutout.

    Returns
    -------
    ndarray of uint8, shape (size, size, 3), in [0, 255]
        RGB; grey images have three equal channels.

    Raises
    ------
    UnreadableImage
        The file is missing, empty, truncated, not an image, smaller than the crop, suspiciously
        large (Pillow's limit against decompression bombs), or has more than 8 bits a channel.
    """
    data = _bytes_of(source)
    with _decoding(data):
        image = Image.open(io.BytesIO(data), formats=_FORMATS)
        _check_size_and_mode(image, options.crop)
        box = _draft(image, options)
        if image.format == "JPEG" and image.mode == "RGB":
            cutout = _of_common_jpeg(data, image.size, box, options.size)
            if cutout is not None:
                return cutout
        # Palettes and bitmaps cannot be interpolated, and alpha would weight the colours.
        rgb = image.convert("RGB") if image.mode != "RGB" else image
        return np.array(rgb.resize((options.size, options.size), _RESAMPLE, box=box))


def file_bytes(path: Path | str) -> bytes:
    """Return the bytes of a file.

    Raises
    ------
    UnreadableImage
        There is no such file, it may not be read, or it is far too large.
    """
    try:
        with open(path, "rb") as file:
            check_bytes(os.fstat(file.fileno()).st_size)
            return file.read()
    except OSError as error:
        raise UnreadableImage(f"cannot be read: {error.strerror}") from error


def check_bytes(n: int) -> None:
    """Refuse, with an UnreadableImage, a file too large to be an image that is decoded.

    Without this a small zip file could fill the memory before anything is known of the image.
    """
    if n > _MOST_BYTES:
        raise UnreadableImage(f"too large: expected at most {_MOST_BYTES:,} bytes, found {n:,}")


def _bytes_of(source: Path | bytes | bytearray | memoryview | BinaryIO) -> bytes:
    if isinstance(source, Path):
        return file_bytes(source)
    return bytes(source if isinstance(source, bytes | bytearray | memoryview) else source.read())


@contextmanager
def _decoding(data: bytes) -> Iterator[None]:
    """Turn whatever Pillow raises over these bytes into an UnreadableImage."""
    if not data:
        raise UnreadableImage("empty file: expected an image, found 0 bytes")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd metadata is no concern of ours
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            yield
    except UnreadableImage:
        raise
    except UnidentifiedImageError as error:
        raise UnreadableImage(
            f"not an image: expected {', '.join(_FORMATS)}; "
            f"found {len(data):,} bytes that begin with {data[:8]!r}"
        ) from error
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise UnreadableImage(f"too large: {error}") from error
    except Exception as error:
        # Pillow's plugins raise whatever malformed bytes make them trip over (SyntaxError,
        # struct.error, zlib.error ...), and one bad file must not end a run over 300,000.
        raise UnreadableImage(f"truncated or damaged: {error}") from error


def _check_size_and_mode(image: Image.Image, crop: int) -> None:
    if image.mode not in _EIGHT_BIT_MODES:
        raise UnreadableImage(f"expected 8 bits a channel, found an image of mode {image.mode}")
    width, height = image.size
    if min(width, height) < crop:
        raise UnreadableImage(f"image is {width} x {height} px, the crop needs {crop}")


def _draft(image: Image.Image, options: CutoutOptions) -> tuple[float, float, float, float]:
    """Choose the scale at which to decode; return the crop's box in pixels of that scale."""
    width, height = image.size
    scale = next(scale for scale in (8, 4, 2, 1) if scale * options.size <= options.crop)
    draft = image.draft(None, (width // scale, height // scale))
    # A draft is rounded up to whole pixels; Pillow tells how far the image itself extends.
    right, bottom = draft[1][2:] if draft else (width, height)
    half = options.crop * right / width / 2
    return right / 2 - half, bottom / 2 - half, right / 2 + half, bottom / 2 + half


def _of_common_jpeg(
    data: bytes, image_size: tuple[int, int], box: tuple[float, float, float, float], size: int
) -> npt.NDArray[np.uint8] | None:
    """Make the cutout that Pillow makes, faster; None where only Pillow can.

    simplejpeg decodes with the same libjpeg-turbo and spares Pillow's copy. torch interpolates
    8-bit images as Pillow does, within rounding (exactly at the default crop and size), but knows
    no box: so what is interpolated is larger than the crop by as many pixels as the filter reaches
    beyond it, and as become whole pixels of the cutout.
    """
    width, height = image_size
    left, top, right, bottom = map(int, box)
    side = right - left
    if box != (left, top, right, bottom):
        return None
    whole = math.gcd(side, size)
    margin = math.ceil((side / size + 1) / (side // whole)) * (side // whole)
    if width == height == side:
        margin = 0  # Pillow's filter, too, ends at the edge of the image
    if min(left, top, width - right, height - bottom) < margin:
        return None
    try:
        pixels = decode_jpeg(data, min_height=height, min_width=width, min_factor=1)
    except ValueError:
        return None  # Pillow knows better what is wrong with it
    if pixels.shape != (height, width, 3):
        return None
    crop = pixels[top - margin : bottom + margin, left - margin : right + margin]
    edge = margin * size // side
    scaled = F.interpolate(
        torch.from_numpy(crop.copy()).permute(2, 0, 1)[None],
        2 * [size + 2 * edge],
        mode="bilinear",
        antialias=True,
    )[0].permute(1, 2, 0)
    return scaled[edge : edge + size, edge : edge + size].numpy()
