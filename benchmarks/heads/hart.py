"""The arms on the Hart galaxies: a few, with all 37 answers, alone or beside Kaggle's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from heads.arms import ARMS, Arm, Output


@dataclass(frozen=True)
class HartArm:
    """An arm on the Hart galaxies.

    Parameters
    ----------
    arm : Arm
    labels : {"alone", "deep answers", "deep conditional answers", "all"}
        Alone; or with the Kaggle galaxies, of which they add only the deep questions, cumulative
        or conditional, or all their labels, although those are debiased otherwise.
    """

    arm: Arm
    labels: Literal["alone", "deep answers", "deep conditional answers", "all"]

    @property
    def on_tree(self) -> bool:
        """As of `Arm`."""
        return self.arm.on_tree

    @property
    def output(self) -> Output:
        """As of `Arm`."""
        return self.arm.output

    @property
    def read_out_otherwise(self) -> bool:
        """As of `Arm`; few galaxies alone do not tell where to cut."""
        return self.labels != "alone" and self.arm.read_out_otherwise


def _hart_arms() -> dict[str, HartArm]:
    arms: dict[str, HartArm] = {}
    for name, arm in (
        ("flat", ARMS["flat sigmoid, BCE"]),
        ("tree softmax", ARMS["tree softmax, BCE"]),
        ("tree normalised sigmoids", ARMS["tree normalised sigmoids, BCE"]),
        ("tree own sigmoids too", ARMS["tree normalised sigmoids, BCE, own sigmoids too"]),
    ):
        arms[f"{name}, alone"] = HartArm(arm, "alone")
        deep: Literal["deep answers", "deep conditional answers"] = (
            "deep conditional answers" if arm.on_tree else "deep answers"
        )
        arms[f"{name}, {deep}"] = HartArm(arm, deep)
        arms[f"{name}, all"] = HartArm(arm, "all")
    return arms


HART_ARMS = _hart_arms()
"""All arms of the stage ``hart``."""
