"""What commands are told of images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gz2tree.config.choices import OptionError, check_scales
from gz2tree.images.stretch import Mapped


@dataclass(frozen=True)
class ImageOptions:
    """What commands are told of images; see docs/images.md.

    Parameters
    ----------
    bands : str, optional
        Of FITS images: red, green and blue, with commas, or one band to be shown grey. Planes of a
        cube as 2,1,0; extensions as i,r,g; or files as {id}-i.fits,{id}-r.fits,{id}-g.fits.
    mapping : {"lupton", "asinh"}, optional
        How they become colours: Lupton's, which keeps colours (default), or each band on its own.
    factors : str, optional
        Of the bands, with commas; 1 by default.
    minimum : str, optional
        What becomes black in each band, with commas; 0 by default.
    stretch : float, optional
        Linear range, in units of the image; 5 by default.
    q : float, optional
        Softening; 8 by default.
    missing : float, optional
        Share of pixels that may be without a value, and become black; 0 by default.
    pixel_scale : float, optional
        Arcsec a pixel of these images.
    radii_per_pixel : float, optional
        Of images scaled to their galaxies: radii a pixel, 0.02 in those of Galaxy Zoo 2.
    radii : Path, optional
        Table of the galaxies' radii, for crops of as many radii whatever the pixel scale.
    radius_column : str, optional
        Its column of radii in arcsec, such as petroR90_r.
    radii_id_column : str, optional
        Its column of ids; found as in a table of labels by default.

    Raises
    ------
    OptionError
        Scales that are not above 0, both of them, or radii without their column.
    """

    bands: str | None = None
    mapping: Mapped | None = None
    factors: str | None = None
    minimum: str | None = None
    stretch: float | None = None
    q: float | None = None
    missing: float | None = None
    pixel_scale: float | None = None
    radii_per_pixel: float | None = None
    radii: Path | None = None
    radius_column: str | None = None
    radii_id_column: str | None = None

    def __post_init__(self) -> None:
        check_scales(self.pixel_scale, self.radii_per_pixel)
        if (self.radii is None) != (self.radius_column is None):
            raise OptionError("radii: expected --radii TABLE and --radius-column, found one alone")
