"""One image to one cutout: its central square, scaled down, as unsigned 8-bit RGB."""

from __future__ import annotations

import gzip
import io
import math
import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, UnidentifiedImageError
from simplejpeg import decode_jpeg
from torch.nn import functional as F

from gz2tree.config import CutoutOptions
from gz2tree.errors import UnreadableImage
from gz2tree.images.fitsimages import MOST_VALUES, read_planes
from gz2tree.images.stretch import Stretch

_FORMATS = ("JPEG", "PNG", "TIFF", "WEBP", "BMP", "GIF")
_EIGHT_BIT_MODES = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr"})

# Of a file, and of what it unpacks to.
_MOST_BYTES = MOST_VALUES

_BEGIN_OF_FITS = b"SIMPLE  ="

# Antialiased and smooth, and the fastest such filter. On Galaxy Zoo 2's images, which oversample
# the seeing, the mean pixel differs by 0.6 of 255 from the bicubic filter's.
_RESAMPLE = Image.Resampling.BILINEAR


ImageFile = str | Path | bytes | bytearray | memoryview | BinaryIO
Box = tuple[float, float, float, float]


def read_cutout(
    source: ImageFile | Sequence[ImageFile], options: CutoutOptions, crop: float | None = None
) -> npt.NDArray[np.uint8]:
    """Return the central square of an image, scaled down.

    A JPEG is decoded at the smallest scale (1, 1/2, 1/4, 1/8) that leaves at least ``size`` pixels
    across the crop. If the image is an odd number of pixels larger than the crop, the crop's edges
    fall between pixels, so that the cutout of a mirrored image is the mirrored cutout. Of an
    animation the first frame is taken; transparency and EXIF orientation are ignored. Of 16 bits a
    channel the higher 8 are kept. Bands of FITS files are stretched to colours first, at their full
    resolution.

    Parameters
    ----------
    source : str, Path, bytes-like or binary file, or a list or tuple of these
        The path of an image file, or its bytes; several if each band has a file of its own.
    options : CutoutOptions
        Crop, in pixels of the original image, size, in pixels of the cutout, and the stretch of
        FITS images.
    crop : float, pixels of this image, optional
        Where it differs from ``options.crop``. It may be smaller than the cutout.

    Returns
    -------
    ndarray of uint8, shape (size, size, 3), in [0, 255]
        RGB; grey images have three equal channels.

    Raises
    ------
    UnreadableImage
        The file is missing, empty, truncated, not an image, smaller than the crop, suspiciously
        large (Pillow's limit against decompression bombs), has more than 16 bits a channel, or is a
        FITS image and there is no stretch, or the other way round.
    """
    several: Sequence[Any] = source if isinstance(source, list | tuple) else [source]
    files = [_bytes_of(one) for one in several]
    crop = options.crop if crop is None else crop
    with _decoding(files[0]):
        if options.stretch is not None:
            return _of_bands([_unpacked(data) for data in files], options.stretch, crop, options)
        return _of_picture(files[0], crop, options.size)


def _of_picture(data: bytes, crop: float, size: int) -> npt.NDArray[np.uint8]:
    if data.startswith(_BEGIN_OF_FITS):
        raise UnreadableImage("a FITS image: --bands says which bands are red, green and blue")
    image = Image.open(io.BytesIO(data), formats=_FORMATS)
    _check_size(image.size, crop)
    _check_mode(image)
    box = _draft(image, crop, size)
    if image.format == "JPEG" and image.mode == "RGB":
        cutout = _of_common_jpeg(data, image.size, box, size)
        if cutout is not None:
            return cutout
    # Palettes and bitmaps cannot be interpolated, and alpha would weight the colours.
    rgb = _eight_bits(image).convert("RGB") if image.mode != "RGB" else image
    return np.array(rgb.resize((size, size), _RESAMPLE, box=box))


def _of_bands(
    files: Sequence[bytes], stretch: Stretch, crop: float, options: CutoutOptions
) -> npt.NDArray[np.uint8]:
    """Stretch the bands where the cutout is, and no further than its interpolation reaches."""
    if not all(data.startswith(_BEGIN_OF_FITS) for data in files):
        raise UnreadableImage("expected a FITS image, as its bands are to be stretched")
    planes = read_planes(files, stretch)  # (n_bands, H, W)
    height, width = planes.shape[1:]
    _check_size((width, height), crop)
    reach = math.ceil(crop / options.size) + 1
    left, top = (width - crop) / 2, (height - crop) / 2
    x, y = max(0, math.floor(left) - reach), max(0, math.floor(top) - reach)
    across = math.ceil(crop) + 2 * reach + 1
    planes = planes[:, y : y + across, x : x + across]
    missing = float((~np.isfinite(planes)).any(0).mean())
    if missing > stretch.missing:
        raise UnreadableImage(
            f"{missing:.2%} of its pixels have no value, expected at most {stretch.missing:.2%} "
            "(--missing)"
        )
    rgb = Image.fromarray(stretch.colours(planes))
    box = left - x, top - y, left - x + crop, top - y + crop
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


def _unpacked(data: bytes) -> bytes:
    """Unpack gzip, and nothing that would fill the memory."""
    if not data.startswith(b"\x1f\x8b"):
        return data
    unpacked = gzip.GzipFile(fileobj=io.BytesIO(data)).read(_MOST_BYTES + 1)
    check_bytes(len(unpacked))
    return unpacked


def _bytes_of(source: ImageFile) -> bytes:
    if isinstance(source, str | Path):
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


def _check_size(sides: tuple[int, int], crop: float) -> None:
    width, height = sides
    if min(width, height) < crop:
        raise UnreadableImage(f"image is {width} x {height} px, the crop needs {crop:g}")


def _check_mode(image: Image.Image) -> None:
    if image.mode not in _EIGHT_BIT_MODES and not _is_sixteen_bits(image):
        raise UnreadableImage(
            f"expected 8 or 16 bits a channel, found an image of mode {image.mode}"
        )


def _is_sixteen_bits(image: Image.Image) -> bool:
    # Older versions of Pillow open grey PNG of 16 bits in mode I, as they do TIFF of 32 bits.
    return image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PNG")


def _eight_bits(image: Image.Image) -> Image.Image:
    """Keep the higher byte of grey levels of 16 bits, as Pillow does of 16-bit colours."""
    if not _is_sixteen_bits(image):
        return image
    return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))


def _draft(image: Image.Image, crop: float, size: int) -> Box:
    """Choose the scale at which to decode; return the crop's box in pixels of that scale."""
    width, height = image.size
    scale = next((scale for scale in (8, 4, 2) if scale * size <= crop), 1)
    draft = image.draft(None, (width // scale, height // scale))
    # A draft is rounded up to whole pixels; Pillow tells how far the image itself extends.
    right, bottom = draft[1][2:] if draft else (width, height)
    half = crop * right / width / 2
    return right / 2 - half, bottom / 2 - half, right / 2 + half, bottom / 2 + half


def _of_common_jpeg(
    data: bytes, image_size: tuple[int, int], box: Box, size: int
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
    if box != (left, top, right, bottom) or side < size:
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
