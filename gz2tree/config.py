"""Options of cutouts and of training: plain dataclasses, torch-free, so that ``--help`` is instant."""

from __future__ import annotations

from dataclasses import dataclass

from gz2tree.errors import InputError


class OptionError(InputError):
    """An option outside its range; the message says what was expected and found."""


@dataclass(frozen=True)
class CutoutOptions:
    """How an image becomes a cutout.

    Parameters
    ----------
    crop : int, pixels of the original image
        Side of the central square that is kept.
    size : int, pixels of the cutout
        Side to which that square is scaled down.

    Raises
    ------
    OptionError
        A side below 1 pixel, or a cutout larger than its crop.
    """

    crop: int = 212
    size: int = 96

    def __post_init__(self) -> None:
        if not 1 <= self.size <= self.crop:
            raise OptionError(
                f"expected 1 <= size <= crop, found size {self.size} and crop {self.crop}"
            )
