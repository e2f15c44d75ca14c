"""What a simulated sky is like."""

from __future__ import annotations

from dataclasses import dataclass

from gz2tree.config.choices import check

_MOST_GALAXIES = 900_000  # ids have six digits


@dataclass(frozen=True)
class SkyOptions:
    """What decides a sky.

    Parameters
    ----------
    n : int
        Number of galaxies.
    seed : int
        Non-negative; every galaxy has random numbers of its own derived from it.
    size : int, pixels
        Side of the cutouts.
    volunteers : (int, int)
        Fewest and most volunteers a galaxy; uniform between them, both included.

    Raises
    ------
    OptionError
        An option outside its range.
    """

    n: int
    seed: int = 0
    size: int = 424
    volunteers: tuple[int, int] = (28, 60)

    def __post_init__(self) -> None:
        low, high = self.volunteers
        check("n", self.n, 1 <= self.n <= _MOST_GALAXIES, f"1 to {_MOST_GALAXIES} galaxies")
        check("seed", self.seed, self.seed >= 0, "0 or more")
        check("size", self.size, self.size >= 32, "at least 32 pixels")
        check("volunteers", self.volunteers, 1 <= low <= high, "1 <= fewest <= most")
