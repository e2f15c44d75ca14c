"""Files that people have among their images, and what becomes of each."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from astropy.io import fits
from PIL import Image


def pixels(side: int = 48, channels: int = 3, seed: int = 0) -> np.ndarray:
    """Noise, uint8 (side, side, channels)."""
    return np.random.default_rng(seed).integers(0, 256, (side, side, channels), np.uint8)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def jpeg(mode: str = "RGB", side: int = 48) -> bytes:
    return encoded(Image.fromarray(pixels(side)).convert(mode), "JPEG")


def png(mode: str = "RGB", side: int = 48) -> bytes:
    return encoded(Image.fromarray(pixels(side)).convert(mode), "PNG")


def truncated(percent: int) -> bytes:
    whole = jpeg()
    return whole[: len(whole) * percent // 100]


def sixteen_bit() -> bytes:
    return encoded(Image.fromarray(np.arange(48 * 48, dtype=np.uint16).reshape(48, 48)), "PNG")


def thirty_two_bit() -> bytes:
    return encoded(Image.fromarray(np.zeros((48, 48), np.float32)), "TIFF")


def fits_image() -> bytes:
    buffer = io.BytesIO()
    fits.PrimaryHDU(np.zeros((48, 48), np.float32)).writeto(buffer)
    return buffer.getvalue()


def animated() -> bytes:
    first, second = (Image.fromarray(pixels(seed=seed)) for seed in (0, 1))
    return encoded(first, "GIF", save_all=True, append_images=[second])


def png_of_claimed_size(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header promises many pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = (b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 1000)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(kind, data) for kind, data in parts)


@dataclass(frozen=True)
class ImageCase:
    """One file among good images: how it is made, and what is said of it (None: it is read)."""

    name: str
    make: Callable[[], bytes]
    said: str | None
    file_name: str = "bad.jpg"


IMAGE_CASES = [
    ImageCase("empty", lambda: b"", "empty file"),
    ImageCase("cut off at 10 %", lambda: truncated(10), "not an image|truncated or damaged"),
    ImageCase("cut off at 50 %", lambda: truncated(50), "truncated or damaged"),
    ImageCase("cut off at 90 %", lambda: truncated(90), "truncated or damaged"),
    ImageCase("text", lambda: b"<html>404 not found</html>", "not an image: expected JPEG"),
    ImageCase("PNG called .jpg", png, None),
    ImageCase("JPEG called .png", jpeg, None, "bad.png"),
    ImageCase("greyscale", lambda: jpeg("L"), None),
    ImageCase("RGBA", lambda: png("RGBA"), None, "bad.png"),
    ImageCase("CMYK", lambda: jpeg("CMYK"), None),
    ImageCase("palette", lambda: png("P"), None, "bad.png"),
    ImageCase("bitmap of one bit", lambda: png("1"), None, "bad.png"),
    ImageCase("animated", animated, None, "bad.gif"),
    ImageCase("16 bits, grey", sixteen_bit, None, "bad.png"),
    ImageCase("32 bits, grey", thirty_two_bit, "expected 8 or 16 bits a channel", "bad.tif"),
    ImageCase("FITS called .jpg", fits_image, "a FITS image: --bands says which"),
    ImageCase("one pixel", lambda: png(side=1), "image is 1 x 1 px, the crop needs 40", "bad.png"),
    ImageCase(
        "smaller than the crop", lambda: jpeg(side=39), "image is 39 x 39 px, the crop needs 40"
    ),
    ImageCase(
        "20,000 x 20,000 pixels", lambda: png_of_claimed_size(20_000, 20_000), "too large",
        "bad.png",
    ),
    ImageCase("id with leading zeros", jpeg, None, "000123.jpg"),
    ImageCase("id beyond 2^53", jpeg, None, "587722981742084097.jpg"),
    ImageCase("name with spaces and accents", jpeg, None, "NGC 1300 – café.jpg"),
    ImageCase("name that is markup", jpeg, None, "<script>alert(1)<⁄script>.jpg"),
    ImageCase("name with a line break", jpeg, None, "two\nlines.jpg"),
    ImageCase("name in upper case", jpeg, None, "BAD.JPEG"),
]  # fmt: skip
