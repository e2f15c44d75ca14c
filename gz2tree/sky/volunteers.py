"""Simulated volunteers: what they see of a simulated galaxy, and what they answer.

They follow signal detection: each perceives a quantity (how flattened, how tightly wound, how much
of a bar) with scatter, and answers by thresholds. Structure smaller than the seeing or fainter than
the sky fades from view and the scatter grows, so that neighbouring answers are confused more in
small and faint galaxies. The probabilities are functions of what is drawn and of nothing else: a
network can learn them from the images, down to the noise of the votes.

The thresholds were set so that the means and the shares of exact zeros of the real tables come out;
``benchmarks/bench_sky.py`` compares.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from gz2tree.sky.population import Galaxy
from gz2tree.sky.visibility import (
    confusion,
    logistic,
    seen_arms,
    seen_axis_ratio,
    seen_bar,
    seen_oddities,
    seen_thin,
    visibility,
)
from gz2tree.trees import GZ2

Floats = NDArray[np.float64]


def _any_of(strengths: Iterable[float]) -> float:
    """Chance that at least one of several independent features is noticed."""
    return 1 - math.prod(1 - min(strength, 1.0) for strength in strengths)


def graded(value: float, thresholds: Iterable[float], scatter: float) -> Floats:
    """Probabilities of answers that cut a perceived quantity at thresholds.

    Parameters
    ----------
    value : float
        The quantity; what a volunteer perceives scatters around it, logistically.
    thresholds : iterable of float, ascending
        Where one answer ends and the next begins.
    scatter : float, > 0
        Scale of the logistic distribution, in the units of `value`.

    Returns
    -------
    ndarray of float, shape (number of thresholds + 1,)
        From the answer for the lowest values to that for the highest; sums to 1.

    Examples
    --------
    >>> graded(2.0, [1.0, 3.0], scatter=0.1).round(3)
    array([0., 1., 0.])
    """
    below = [logistic((threshold - value) / scatter) for threshold in thresholds]
    return np.diff([0.0, *below, 1.0])


def _smooth_or_features(galaxy: Galaxy, blurred: float) -> Floats:
    odd = seen_oddities(galaxy)
    structure = _any_of(
        [
            1.3 * seen_arms(galaxy),
            0.7 * seen_bar(galaxy),
            0.8 * seen_thin(galaxy),
            0.5 * galaxy.clumps * visibility(galaxy, 0.3),
            0.35 * (1 - galaxy.bulge_fraction) * visibility(galaxy, 0.6),
            0.8 * odd["a38_dust_lane"],
            0.8 * odd["a22_irregular"],
            0.6 * odd["a19_ring"],
            0.5 * odd["a21_disturbed"],
            0.3 * odd["a24_merger"],
        ]
    )
    smooth, features = graded(structure, [0.365], 0.17 + 0.10 * blurred)
    spoilt = {"none": 0.014 + 0.027 * blurred, "star": 0.85, "trail": 0.5, "defect": 0.45}
    artifact = spoilt[galaxy.artifact]
    return np.array([smooth * (1 - artifact), features * (1 - artifact), artifact])


def _edge_on(galaxy: Galaxy, blurred: float) -> Floats:
    return graded(seen_axis_ratio(galaxy), [0.33], 0.05 + 0.03 * blurred)


def _bar(galaxy: Galaxy, blurred: float) -> Floats:
    return graded(seen_bar(galaxy), [0.25], 0.09 + 0.05 * blurred)[::-1]


def _spiral(galaxy: Galaxy, blurred: float) -> Floats:
    return graded(seen_arms(galaxy), [0.12], 0.04 + 0.03 * blurred)[::-1]


def _bulge_prominence(galaxy: Galaxy, blurred: float) -> Floats:
    seen = math.sqrt(galaxy.bulge_fraction)
    return graded(seen, [0.10, 0.46, 0.86], 0.07 + 0.06 * blurred)


def _odd(galaxy: Galaxy, blurred: float) -> Floats:
    seen = _any_of(seen_oddities(galaxy).values())
    return graded(seen, [0.585], 0.21 + 0.05 * blurred)[::-1]


def _rounded(galaxy: Galaxy, blurred: float) -> Floats:
    return graded(seen_axis_ratio(galaxy), [0.41, 0.77], 0.05 + 0.05 * blurred)[::-1]


def _odd_feature(galaxy: Galaxy, blurred: float) -> Floats:
    """Shares of attention; where little is seen, what the galaxy resembles decides."""
    disk, blue = 1 - galaxy.bulge_fraction, 1 - galaxy.redness
    resemblance = {
        "a19_ring": 0.01 + 0.10 * seen_arms(galaxy),
        "a20_lens_or_arc": 0.02,
        "a21_disturbed": 0.01 + 0.06 * disk,
        "a22_irregular": 0.005 + 0.09 * disk * blue,
        "a23_other": 0.04 + 0.10 * galaxy.bulge_fraction,
        "a24_merger": 0.02,
        "a38_dust_lane": 0.001 + 0.02 * seen_thin(galaxy),
    }
    seen = seen_oddities(galaxy)
    # Neighbours: what one takes for a merger, the next one calls disturbed or irregular.
    seen["a21_disturbed"] += 0.15 * seen["a24_merger"] + 0.1 * seen["a22_irregular"]
    seen["a22_irregular"] += 0.15 * seen["a21_disturbed"]
    seen["a24_merger"] += 0.2 * seen["a23_other"]
    attention = np.array([resemblance[name] * (1 + blurred) + seen[name] for name in resemblance])
    return attention / attention.sum()


def _bulge_shape(galaxy: Galaxy, blurred: float) -> Floats:
    none, bulge = graded(math.sqrt(galaxy.bulge_fraction), [0.20], 0.07 + 0.05 * blurred)
    seen = galaxy.boxiness * visibility(galaxy, 0.2)
    rounded, boxy = graded(seen, [0.45], 0.16 + 0.05 * blurred)
    return np.array([bulge * rounded, bulge * boxy, none])


def _arms_winding(galaxy: Galaxy, blurred: float) -> Floats:
    return graded(galaxy.pitch, [17.0, 25.0], 2.0 + 3.0 * blurred)


def _arms_number(galaxy: Galaxy, blurred: float) -> Floats:
    arms = galaxy.arms or 2  # who sees arms where there are none expects two
    number = graded(arms, [1.3, 2.6, 3.5, 4.5], 0.2 + 0.2 * blurred)
    uncounted = logistic((0.12 + 0.03 * arms - seen_arms(galaxy)) / 0.09)
    return np.array([*(number * (1 - uncounted)), uncounted])


_ANSWERING: dict[str, Callable[[Galaxy, float], Floats]] = {
    "t01_smooth_or_features": _smooth_or_features,
    "t02_edgeon": _edge_on,
    "t03_bar": _bar,
    "t04_spiral": _spiral,
    "t05_bulge_prominence": _bulge_prominence,
    "t06_odd": _odd,
    "t07_rounded": _rounded,
    "t08_odd_feature": _odd_feature,
    "t09_bulge_shape": _bulge_shape,
    "t10_arms_winding": _arms_winding,
    "t11_arms_number": _arms_number,
}

_LAPSES = 0.016  # share of clicks that have nothing to do with the galaxy


def true_conditionals(galaxy: Galaxy) -> Floats:
    """Probability of every answer of Galaxy Zoo 2, given that its question is asked.

    Parameters
    ----------
    galaxy : Galaxy
        What is to be seen.

    Returns
    -------
    ndarray of float, shape (n_answers,), in (0, 1)
        Sums to 1 within every question.
    """
    blurred = confusion(galaxy)
    conditional = np.empty(len(GZ2))
    for question, where in zip(GZ2.questions, GZ2.slices, strict=True):
        attentive = _ANSWERING[question.name](galaxy, blurred)
        conditional[where] = (1 - _LAPSES) * attentive + _LAPSES / len(question)
    return conditional
