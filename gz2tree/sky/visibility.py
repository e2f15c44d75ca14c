"""What there is to be seen of a simulated galaxy, whose seeing and noise hide some of it."""

from __future__ import annotations

import math

from scipy.special import expit

from gz2tree.sky.population import Galaxy


def visibility(galaxy: Galaxy, extent: float) -> float:
    """How well structure of a given extent is seen, in (0, 1).

    Parameters
    ----------
    galaxy : Galaxy
        Its seeing and its surface brightness hide the structure.
    extent : float
        Size of the structure in units of petroR90.
    """
    resolved = logistic(2.2 * math.log(extent * galaxy.petro_r90 / (0.5 * galaxy.seeing)))
    detected = logistic(1.8 * math.log(galaxy.signal_to_noise / 4.0))
    return resolved * detected


def confusion(galaxy: Galaxy) -> float:
    """Share of the structure of a galaxy that blur and noise hide from volunteers, in (0, 1)."""
    return 1 - visibility(galaxy, 0.3)


def seen_axis_ratio(galaxy: Galaxy) -> float:
    """Axis ratio of spheroid and disk together, rounded off by the seeing."""
    share = galaxy.bulge_fraction**1.5
    ratio = share * galaxy.bulge_axis_ratio + (1 - share) * galaxy.disk_axis_ratio
    blur = 0.42 * galaxy.seeing / (0.65 * galaxy.petro_r90)
    return math.sqrt((ratio**2 + blur**2) / (1 + blur**2))


def _face_on(galaxy: Galaxy) -> float:
    """How much of what lies in the disk can be seen: 0 from the side, 1 from above."""
    return logistic((galaxy.disk_axis_ratio - 0.33) / 0.07)


def seen_arms(galaxy: Galaxy) -> float:
    """How much of spiral arms is seen; more if they are far apart."""
    spacing = math.sin(math.radians(galaxy.pitch)) * 3.3 / max(galaxy.arms, 1) ** 0.7
    disk = (1 - galaxy.bulge_fraction) ** 0.5
    return galaxy.arm_contrast * disk * _face_on(galaxy) * visibility(galaxy, 0.4 * spacing)


def seen_bar(galaxy: Galaxy) -> float:
    """How much of a bar is seen."""
    return galaxy.bar * _face_on(galaxy) * visibility(galaxy, 0.2 + 0.2 * galaxy.bar)


def seen_thin(galaxy: Galaxy) -> float:
    """How much the galaxy looks like a thin disk from the side."""
    disk = (1 - galaxy.bulge_fraction) ** 0.5
    return disk * logistic((0.33 - seen_axis_ratio(galaxy)) / 0.05)


def seen_oddities(galaxy: Galaxy) -> dict[str, float]:
    """Strength with which each odd feature is seen."""
    large, small = visibility(galaxy, 0.45), visibility(galaxy, 0.25)
    return {
        "a19_ring": galaxy.ring * small,
        "a20_lens_or_arc": galaxy.lens_arc * small,
        "a21_disturbed": galaxy.disturbed * large,
        "a22_irregular": galaxy.irregular * large,
        "a23_other": galaxy.overlap * 0.8,
        "a24_merger": galaxy.merger * large**0.5,
        "a38_dust_lane": galaxy.dust_lane * small,
    }


def logistic(x: float) -> float:
    """Rise from 0 to 1, through 1/2 at 0."""
    return float(expit(x))  # which overflows nowhere
