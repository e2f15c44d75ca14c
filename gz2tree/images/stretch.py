"""Bands of a galaxy, in units of light, to the 8-bit colours that a network sees."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from numbers import Real
from typing import TYPE_CHECKING, Any, Literal, Self, get_args

from gz2tree.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ID = "{id}"
"""What stands for the galaxy's id in the name of a band's file."""

Mapped = Literal["lupton", "asinh"]
Layout = Literal["planes", "extensions", "files"]


@dataclass(frozen=True)
class Stretch:
    """Where the bands of a FITS image lie, and how they become red, green and blue.

    Before all else, ``factor * (value - minimum)`` is taken of every band.

    Lists are kept as tuples, so that equal stretches are equal and have one hash.

    Parameters
    ----------
    bands : tuple of 3 str, or of 1
        Red, green and blue in this order, or a single band, shown grey. Numbers are planes of a
        cube, counted from 0 (of an image with two axes, 0); names with ``{id}`` in them are files,
        one a band; other names are image extensions by EXTNAME.
    mapping : {"lupton", "asinh"}
        Lupton: astropy's `make_lupton_rgb`, by the mean of the bands, so that colours are kept.
        Asinh: astropy's `AsinhStretch` with ``a = 1 / q``, each band on its own.
    factors : tuple of 1 or 3 floats, above 0
        Of the bands.
    minimum : tuple of 1 or 3 floats, in units of the image
        What becomes black: the sky.
    stretch : float, above 0, in units of the image times `factors`
        Lupton: that of `make_lupton_rgb`. Asinh: what becomes white.
    q : float, above 0; at least 1 for asinh
        Softening: how much brighter the faint light becomes.
    missing : float, in [0, 1)
        Largest share of pixels without a value (NaN or infinite in a band) of those a cutout is
        made of; they become black. An image with more is left out.

    Raises
    ------
    InputError
        Anything else: text in the place of a sequence, numbers that are not finite.

    References
    ----------
    Lupton et al. 2004, PASP 116, 133.
    """

    bands: tuple[str, ...]
    mapping: Mapped = "lupton"
    factors: tuple[float, ...] = (1.0,)
    minimum: tuple[float, ...] = (0.0,)
    stretch: float = 5.0
    q: float = 8.0
    missing: float = 0.0

    def __post_init__(self) -> None:
        for name in ("bands", "factors", "minimum"):
            values = getattr(self, name)
            one_a_band = isinstance(values, Sequence) and not isinstance(values, str)
            _check(name, values, one_a_band, "a sequence")  # "irg" would be three bands
            object.__setattr__(self, name, tuple(values))
        text = all(isinstance(band, str) for band in self.bands)
        _check("bands", self.bands, text, "names, and numbers as text")
        _check("bands", self.bands, len(self.bands) in (1, 3), "red, green and blue, or one band")
        distinct = len(set(self.bands)) == len(self.bands) and all(self.bands)
        _check("bands", self.bands, distinct, "different names")
        layouts = {_layout(band) for band in self.bands}
        _check("bands", self.bands, len(layouts) == 1, "all planes, all extensions or all files")
        if self.layout == "files":
            fine = all(band.count(ID) == 1 and "/" not in band for band in self.bands)
            _check("bands", self.bands, fine, f"names of files with {ID} once, without a folder")
        _check("mapping", self.mapping, self.mapping in get_args(Mapped), "lupton or asinh")
        for name in ("factors", "minimum"):
            values = getattr(self, name)
            _check(name, values, len(values) in (1, len(self.bands)), "one number, or one a band")
            _check(name, values, all(map(_is_finite, values)), "finite numbers")
        _check("factors", self.factors, all(f > 0 for f in self.factors), "numbers above 0")
        for name in ("stretch", "q"):
            value = getattr(self, name)
            _check(name, value, _is_finite(value) and value > 0, "a finite number above 0")
        fine = self.mapping == "lupton" or self.q >= 1
        _check("q", self.q, fine, "a number of at least 1 for asinh")
        _check(
            "missing",
            self.missing,
            _is_finite(self.missing) and 0 <= self.missing < 1,
            "a share in [0, 1)",
        )

    @property
    def layout(self) -> Layout:
        """How the bands lie in files."""
        return _layout(self.bands[0])

    def looks_like(self, other: Stretch) -> bool:
        """Whether images come out alike, wherever their bands lie."""
        same_number = len(self.bands) == len(other.bands)
        return same_number and replace(self, bands=other.bands) == other

    def __str__(self) -> str:
        values = [f"{name} {_text(value)}" for name, value in self.to_dict().items()]
        return f"stretch ({', '.join(values)})"

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Build from `to_dict`."""
        given: Any = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        return cls(**given)

    def colours(self, planes: NDArray[np.float64]) -> NDArray[np.uint8]:
        """Stretch bands.

        Parameters
        ----------
        planes : array of float, shape (n_bands, H, W), in units of the image
            Pixels of which a band is NaN or infinite become black.

        Returns
        -------
        colours : array of uint8, shape (H, W, 3), in [0, 255]
        """
        import numpy as np
        from astropy.visualization import AsinhStretch, make_lupton_rgb

        column = (-1, 1, 1)
        light = np.reshape(self.factors, column) * (planes - np.reshape(self.minimum, column))
        light[:, ~np.isfinite(light).all(0)] = 0  # one band alone would be a colour
        red, green, blue = light if len(light) == 3 else (light[0],) * 3
        if self.mapping == "lupton":
            # It divides by light that is 0 before it puts black there.
            with np.errstate(divide="ignore", invalid="ignore"):
                return make_lupton_rgb(red, green, blue, stretch=self.stretch, Q=self.q)
        within = np.clip(np.stack([red, green, blue], axis=-1) / self.stretch, 0, 1)
        return np.rint(255 * AsinhStretch(1 / self.q)(within)).astype(np.uint8)


STRETCH_OPTIONS = tuple(field.name for field in fields(Stretch))
"""Names of the fields of `Stretch`."""


def _layout(band: str) -> Layout:
    if ID in band:
        return "files"
    return "planes" if band.isdecimal() else "extensions"


def _check(name: str, value: object, fine: bool, expected: str) -> None:
    if not fine:
        raise InputError(f"{name}: expected {expected}, found {_text(value)}")


def _is_finite(value: object) -> bool:
    return isinstance(value, Real) and math.isfinite(value)


def _text(value: object) -> str:
    several: Sequence[object] = value if isinstance(value, list | tuple) else [value]
    return ", ".join(f"{one:g}" if isinstance(one, float) else str(one) for one in several)
