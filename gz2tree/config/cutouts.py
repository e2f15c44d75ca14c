"""How an image becomes a cutout."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from numbers import Integral
from typing import Any, Self

from gz2tree.config.choices import OptionError, check_scales
from gz2tree.images.stretch import Stretch


@dataclass(frozen=True)
class CutoutOptions:
    """How an image becomes a cutout.

    Parameters
    ----------
    crop : int, pixels of the original image
        Side of the central square that is kept. Where `pixel_scale` or `radii_per_pixel` says what
        such a pixel spans, images of another scale are cropped to the same angle, or number of
        radii, see `gz2tree.images.given.GivenImages.crop`.
    size : int, pixels of the cutout
        Side to which that square is scaled down.
    pixel_scale : float, arcsec / pixel, optional
        What a pixel that `crop` counts spans on the sky, if it is the same for all galaxies and
        known.
    radii_per_pixel : float, radii / pixel, optional
        The same, if images are scaled to their galaxies: in Petrosian radii. See
        `gz2tree.images.given`.
    stretch : Stretch, optional
        How bands become colours. None of images that are pictures already.

    Raises
    ------
    OptionError
        A side that is no whole number or below 1 pixel, a cutout larger than its crop, scales that
        are not above 0, or both.

    Examples
    --------
    >>> CutoutOptions(crop=212, size=128).size
    128
    """

    crop: int = 256
    size: int = 96
    pixel_scale: float | None = None
    radii_per_pixel: float | None = None
    stretch: Stretch | None = None

    def __post_init__(self) -> None:
        whole = isinstance(self.size, Integral) and isinstance(self.crop, Integral)
        if not (whole and 1 <= self.size <= self.crop):
            raise OptionError(
                f"expected 1 <= size <= crop, found size {self.size} and crop {self.crop}"
            )
        check_scales(self.pixel_scale, self.radii_per_pixel)

    @property
    def knows_scale(self) -> bool:
        """Whether it is known what a pixel of `crop` spans."""
        return (self.pixel_scale or self.radii_per_pixel) is not None

    def matches(self, other: CutoutOptions) -> bool:
        """Whether these cutouts are what was asked for; a scale that is not known fits any."""
        alike = (self.crop, self.size, self.stretch) == (other.crop, other.size, other.stretch)
        if not (alike and self.knows_scale and other.knows_scale):
            return alike
        scales = (
            (self.pixel_scale, other.pixel_scale),
            (self.radii_per_pixel, other.radii_per_pixel),
        )
        return any(a is not None and b is not None and math.isclose(a, b) for a, b in scales)

    def __str__(self) -> str:
        said = [f"crop {self.crop}", f"size {self.size}"]
        if self.pixel_scale is not None:
            said.append(f"{self.pixel_scale:g} arcsec a pixel")
        if self.radii_per_pixel is not None:
            said.append(f"{self.radii_per_pixel:g} radii a pixel")
        return ", ".join([*said, *([] if self.stretch is None else [str(self.stretch)])])

    def to_dict(self) -> dict[str, Any]:
        """Return what there is, as JSON values."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        values["stretch"] = None if self.stretch is None else self.stretch.to_dict()
        return {name: value for name, value in values.items() if value is not None}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Build from `to_dict`."""
        stretch = values.get("stretch")
        return cls(**{**values, "stretch": None if stretch is None else Stretch.from_dict(stretch)})
