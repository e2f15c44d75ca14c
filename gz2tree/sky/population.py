"""Simulated galaxies: the physical quantities that decide their answers, and where they come from.

A :class:`Galaxy` holds everything about a galaxy that people classify it by;
:func:`draw_galaxy` draws one from a population that is classified much like that of Galaxy Zoo 2.
:mod:`gz2tree.sky.render` photographs it, :mod:`gz2tree.sky.volunteers` answers for it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from gz2tree.errors import InputError, shown

Artifact = Literal["none", "star", "trail", "defect"]
_ARTIFACTS: tuple[Artifact, ...] = ("none", "star", "trail", "defect")

SKY_NOISE = 23.8
"""Surface brightness (r, mag / arcsec^2) at which a native pixel holds as much light as noise."""

_DISK_THICKNESS = 0.13
_SHARES = (
    "redness", "bulge_fraction", "boxiness", "bar", "arm_contrast", "clumps", "dust_lane", "ring",
    "lens_arc", "disturbed", "irregular", "merger", "overlap",
)  # fmt: skip


@dataclass(frozen=True)
class Galaxy:
    """The physical quantities of one galaxy, those that decide its answers.

    Strengths run from 0 (absent) to 1 (as strong as it gets).

    Parameters
    ----------
    petro_r90 : float, arcsec, above 0
        Radius of 90 % of the Petrosian flux; sets the scale of the cutout.
    seeing : float, arcsec, above 0
        Full width at half maximum of the point-spread function.
    surface_brightness : float, mag / arcsec^2
        Mean in the r band within the half-light radius.
    redness : float, in [0, 1]
        Colour of the disk, from star-forming blue to the yellow of old stars.
    bulge_fraction : float, in [0, 1]
        Share of the light that is in the spheroid.
    bulge_axis_ratio : float, in (0, 1]
        Apparent flattening of the spheroid.
    inclination : float, degrees, in [0, 90]
        Of the disk: 0 is face-on, 90 edge-on.
    position_angle : float, degrees
        Of the major axis.
    boxiness : float
        Strength: how square the spheroid's isophotes are.
    bar, arm_contrast, clumps, dust_lane : float
        Strengths of bar, spiral arms, star-forming knots and dust lane.
    arms : int
        Number of spiral arms, 0 for none.
    pitch : float, degrees, in (0, 90)
        Angle of the arms to a circle: small is tightly wound.
    ring, lens_arc, disturbed, irregular, merger, overlap : float
        Strengths of the odd features; `overlap` is a foreground star or galaxy on top.
    artifact : {"none", "star", "trail", "defect"}
        What is seen instead of a galaxy, or spoils its picture.

    Raises
    ------
    InputError
        A quantity outside its domain.
    """

    petro_r90: float
    seeing: float
    surface_brightness: float
    redness: float
    bulge_fraction: float
    bulge_axis_ratio: float
    inclination: float
    position_angle: float = 0.0
    boxiness: float = 0.0
    bar: float = 0.0
    arms: int = 0
    arm_contrast: float = 0.0
    pitch: float = 20.0
    clumps: float = 0.0
    dust_lane: float = 0.0
    ring: float = 0.0
    lens_arc: float = 0.0
    disturbed: float = 0.0
    irregular: float = 0.0
    merger: float = 0.0
    overlap: float = 0.0
    artifact: Artifact = "none"

    def __post_init__(self) -> None:
        for name, (fine, expected) in self._checks().items():
            if not fine:
                found = shown(getattr(self, name))
                raise InputError(f"galaxy: {name}: expected {expected}, found {found}")

    def _checks(self) -> dict[str, tuple[bool, str]]:
        """Whether each field is within its domain, and what that is; NaN is within none."""
        checks = {
            name: (0 < getattr(self, name) < math.inf, "a number above 0")
            for name in ("petro_r90", "seeing")
        }
        for name in ("surface_brightness", "position_angle"):
            checks[name] = math.isfinite(getattr(self, name)), "a finite number"
        for name in _SHARES:
            checks[name] = 0 <= getattr(self, name) <= 1, "a number from 0 to 1"
        ratio = self.bulge_axis_ratio
        return checks | {
            "bulge_axis_ratio": (0 < ratio <= 1, "a number above 0 and at most 1"),
            "inclination": (0 <= self.inclination <= 90, "degrees from 0 to 90"),
            "pitch": (0 < self.pitch < 90, "degrees between 0 and 90"),
            "arms": (self.arms in range(100), "a whole number of arms, 0 for none"),
            "artifact": (self.artifact in _ARTIFACTS, f"one of {', '.join(_ARTIFACTS)}"),
        }

    @property
    def disk_axis_ratio(self) -> float:
        """Apparent axis ratio of the disk, which has a thickness of its own."""
        cosine = math.cos(math.radians(self.inclination))
        return math.sqrt(_DISK_THICKNESS**2 + (1 - _DISK_THICKNESS**2) * cosine**2)

    @property
    def signal_to_noise(self) -> float:
        """Mean over the native pixels within the half-light radius."""
        return float(10 ** (0.4 * (SKY_NOISE - self.surface_brightness)))


def draw_galaxy(rng: np.random.Generator) -> Galaxy:
    """Draw a galaxy from a population that is classified much like that of Galaxy Zoo 2."""
    kind = rng.choice(["early", "disk", "irregular"], p=[0.42, 0.51, 0.07])
    early, disk, irregular = kind == "early", kind == "disk", kind == "irregular"
    bulge_fraction = {
        "early": rng.uniform(0.55, 1.0),
        "disk": rng.beta(1.1, 3.6),
        "irregular": 0.1 * rng.random(),
    }[kind]
    cosine = rng.random()  # of the inclination: disks lie every way in space
    inclination = math.degrees(math.acos(cosine))
    thickness = rng.uniform(0.35, 1.0) if early else 0.6  # of the spheroid, which is oblate
    redness = rng.beta(*{"early": (6, 1), "disk": (2.6, 1.6), "irregular": (1, 5)}[kind])

    def sometimes(probability: float, low: float = 0.25) -> float:
        """Draw a strength that most galaxies have none of."""
        present, strength = rng.random() < probability, rng.uniform(low, 1.0)
        return float(strength) if present else 0.0

    barred = sometimes(0.42 if disk else 0.0, low=0.1)
    spiral = sometimes(0.9 if disk else 0.0, low=0.2)
    arms = int(rng.choice([1, 2, 3, 4, 5, 6], p=[0.03, 0.68, 0.12, 0.05, 0.05, 0.07]))
    return Galaxy(
        petro_r90=float(np.clip(5.7 * rng.lognormal(sigma=0.45), 3.0, 22.0)),
        seeing=float(np.clip(rng.normal(1.3, 0.15), 0.9, 1.9)),
        surface_brightness=float(rng.normal(20.15 if early else 20.7, 0.5)),
        redness=float(redness),
        bulge_fraction=float(bulge_fraction),
        # At most 1, but for rounding.
        bulge_axis_ratio=min(math.hypot(thickness, cosine * math.sqrt(1 - thickness**2)), 1.0),
        inclination=inclination,
        position_angle=float(rng.uniform(0, 180)),
        boxiness=sometimes(0.15),
        bar=barred,
        arms=arms if spiral else 0,
        arm_contrast=spiral,
        pitch=float(np.clip(rng.normal(17, 7), 6, 40)),
        clumps=float(rng.random() * (1 - redness)) if not early else 0.0,
        dust_lane=sometimes(0.15 if disk and inclination > 75 else 0.0),
        ring=sometimes(0.09),
        lens_arc=sometimes(0.015),
        disturbed=sometimes(0.05),
        irregular=float(rng.uniform(0.4, 1)) if irregular else 0.0,
        merger=sometimes(0.07),
        overlap=sometimes(0.10),
        artifact=_ARTIFACTS[rng.choice(4, p=[0.997, 0.001, 0.001, 0.001])],
    )
