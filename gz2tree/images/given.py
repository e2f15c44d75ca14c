"""What is known of images beside their pixels: where their bands lie, what a pixel spans.

A network has learnt from crops of some angle on the sky, or of some number of Petrosian radii. Of
images whose pixels span something else, the crop is that many pixels more or fewer.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Any

from gz2tree.config import CutoutOptions, ImageOptions, OptionError
from gz2tree.config.choices import check_scales
from gz2tree.errors import InputError, UnreadableImage, first_few
from gz2tree.images.radii import Radii, read_radii
from gz2tree.images.stretch import STRETCH_OPTIONS, Stretch

GZ2_RADII_PER_PIXEL = 0.02
"""Petrosian radii that a pixel of Galaxy Zoo 2's images spans.

They were scaled by 0.02 petroR90_r arcsec a pixel, so that their 424 pixels are 8.48 radii of 90 %
of the Petrosian flux (Willett et al. 2013, MNRAS 435, 2835, section 2).
"""


@dataclass(frozen=True)
class GivenImages:
    """What is known of images beside their pixels.

    Parameters
    ----------
    stretch : Stretch, optional
        Where the bands lie and how they become colours; that of the cutouts by default.
    pixel_scale : float, arcsec / pixel, optional
    radii_per_pixel : float, radii / pixel, optional
        Of images that are scaled to their galaxies.
    radii : Radii, optional
        With `pixel_scale`: crops are a number of radii.

    Raises
    ------
    OptionError
        Scales that are not above 0, both of them, or radii without a pixel scale.
    """

    stretch: Stretch | None = None
    pixel_scale: float | None = None
    radii_per_pixel: float | None = None
    radii: Radii | None = None

    def __post_init__(self) -> None:
        check_scales(self.pixel_scale, self.radii_per_pixel)
        if self.radii is not None and self.pixel_scale is None:
            raise OptionError("radii: expected them with a pixel_scale in arcsec, found none")

    def __bool__(self) -> bool:
        return self != GivenImages()

    @property
    def knows_scale(self) -> bool:
        """Whether it is known what a pixel spans."""
        return (self.pixel_scale or self.radii_per_pixel) is not None

    def cutouts(self, crop: int, size: int) -> CutoutOptions:
        """Describe cutouts of these images for a network that is to learn from them.

        With radii, a pixel of `crop` is `GZ2_RADII_PER_PIXEL`; else it is one of the images.
        """
        if self.radii is not None:
            return CutoutOptions(
                crop, size, radii_per_pixel=GZ2_RADII_PER_PIXEL, stretch=self.stretch
            )
        return CutoutOptions(crop, size, self.pixel_scale, self.radii_per_pixel, self.stretch)

    def check(self, cutouts: CutoutOptions) -> None:
        """Refuse what contradicts the cutouts that a network expects.

        Raises
        ------
        InputError
            Another stretch, or a scale that cannot be compared with the network's.
        """
        wanted = cutouts.stretch
        if self.stretch is not None and wanted is not None and not self.stretch.looks_like(wanted):
            raise InputError(f"stretch: expected the model's {wanted}, found {self.stretch}")
        if not self.knows_scale:
            return
        if not cutouts.knows_scale:
            raise InputError(
                "pixel scale: expected a model that knows the scale of its training images, found "
                f"one that does not; without a scale its crop is {cutouts.crop} pixels"
            )
        in_radii = self.radii is not None or self.radii_per_pixel is not None
        if in_radii != (cutouts.radii_per_pixel is not None):
            raise InputError(
                "radii: expected none, as the model's crop is an angle"
                if in_radii
                else "pixel scale: expected --radii as well, as the model's crop is a number of "
                "radii of the galaxy"
            )

    def reading(self, cutouts: CutoutOptions) -> CutoutOptions:
        """Return the options by which these images are read: their own bands."""
        return cutouts if self.stretch is None else replace(cutouts, stretch=self.stretch)

    def crop(self, galaxy: str, cutouts: CutoutOptions) -> float:
        """Side of the crop in pixels of a galaxy's image.

        Raises
        ------
        UnreadableImage
            The radius of this galaxy is not known.
        """
        if not self.knows_scale:
            return cutouts.crop
        if self.radii is not None:
            if galaxy not in self.radii.of:
                raise UnreadableImage(f"expected a radius of it in {self.radii.source}, found none")
            radius = self.radii.of[galaxy]
            scales = cutouts.radii_per_pixel, (self.pixel_scale or 0) / radius
        elif self.pixel_scale is not None:
            scales = cutouts.pixel_scale, self.pixel_scale
        else:
            scales = cutouts.radii_per_pixel, self.radii_per_pixel or 0
        wanted, own = scales
        assert wanted is not None, "check() refuses it"
        # Rounded, as two equal scales should give whole pixels, which are read faster.
        return round(cutouts.crop * wanted / own, 3)

    def describe(self) -> dict[str, Any]:
        """Return what is known, as JSON values."""
        said: dict[str, Any] = {}
        if self.stretch is not None:
            said["stretch"] = self.stretch.to_dict()
        for name in ("pixel_scale", "radii_per_pixel"):
            if getattr(self, name) is not None:
                said[name] = getattr(self, name)
        if self.radii is not None:
            said["radii"] = {"source": self.radii.source, "sha256": self.radii.digest()}
        return said


def given_images(
    options: ImageOptions,
    model: CutoutOptions | None = None,
    image_ids: Callable[[Stretch | None], Collection[str]] | None = None,
) -> GivenImages:
    """Say what is known of the images of a command.

    Parameters
    ----------
    options : ImageOptions
    model : CutoutOptions, optional
        What a trained network expects: the rest of a stretch of which only some is told.
    image_ids : callable, optional
        From the images' stretch to ids of some of them, by which the column of ids of a table of
        radii is chosen; asked only where there is such a table.

    Returns
    -------
    given : GivenImages

    Raises
    ------
    InputError
        Options that make no sense, or a table without these radii.
    """
    stretch = _told_stretch(options, None if model is None else model.stretch)
    radii = None
    if options.radii is not None and options.radius_column is not None:
        known = image_ids(stretch) if image_ids and options.radii_id_column is None else None
        radii = read_radii(options.radii, options.radius_column, options.radii_id_column, known)
    return GivenImages(stretch, options.pixel_scale, options.radii_per_pixel, radii)


def _told_stretch(options: ImageOptions, model: Stretch | None) -> Stretch | None:
    told = {name: getattr(options, name) for name in STRETCH_OPTIONS}
    told = {name: value for name, value in told.items() if value is not None}
    for name in {"bands", "factors", "minimum"} & told.keys():
        told[name] = _list_of(name, told[name])
    if not told:
        return None
    if model is not None:
        return replace(model, **told)
    if "bands" not in told:
        raise OptionError(f"{first_few(sorted(told))}: expected together with --bands")
    return Stretch(**told)


def _list_of(name: str, text: str) -> tuple[Any, ...]:
    parts = [part.strip() for part in text.split(",")]
    if name == "bands":
        return tuple(parts)
    try:
        return tuple(float(part) for part in parts)
    except ValueError as error:
        raise OptionError(f"{name}: expected numbers with commas, found {text!r}") from error
