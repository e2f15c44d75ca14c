"""Timings that alternate, and what is said of them: rows of ours against another."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from tqdm import tqdm

SKIPPED: list[str] = []
"""Contenders that could not be had in the section that runs, and why."""


class Skipped(Exception):  # noqa: N818 - a measurement that cannot be had here is no error
    """A contender that is not there; the message says why."""


@dataclass(frozen=True)
class Row:
    """One line of the table: what we measured, of us and of another, in the same rounds.

    Parameters
    ----------
    what : str
    ours, theirs : list of float
        One value a round: seconds, or `unit`.
    against : str
        Whom we are compared with.
    ratio : {"speed", "cost", ""}
        Their seconds by ours (the higher the better), ours by theirs, or no comparison.
    target : float, optional
        The least speed, the highest cost, or (without a comparison) the highest value of ours.
    images : int
        Images of a round; if given, images a second are shown.
    unit : str
    """

    what: str
    ours: list[float]
    against: str = ""
    theirs: list[float] = field(default_factory=list)
    ratio: Literal["speed", "cost", ""] = ""
    target: float | None = None
    images: int = 0
    unit: str = "s"

    def ratios(self) -> list[float]:
        """Return the ratio of every round."""
        pairs = zip(self.ours, self.theirs, strict=True)
        if self.ratio == "speed":
            return [theirs / ours for ours, theirs in pairs]
        return [ours / theirs for ours, theirs in pairs] if self.ratio else []

    def met(self) -> bool | None:
        """Whether the target is met, by the median; None without one."""
        if self.target is None:
            return None
        if self.ratio == "speed":
            return statistics.median(self.ratios()) >= self.target
        return statistics.median(self.ratios() or self.ours) <= self.target

    def to_dict(self) -> dict[str, Any]:
        """Return all of it, for JSON."""
        return asdict(self)


def timed(function: Callable[[], object]) -> float:
    """Seconds that a call takes."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def alternate(
    contenders: Mapping[str, Callable[[], float]], rounds: int, warm_ups: int = 1
) -> dict[str, list[float]]:
    """Let contenders take turns, ABC ABC ABC, each returning its own seconds.

    What is slow for a while, because the machine is, is slow for all of them.
    """
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for number in tqdm(range(-warm_ups, rounds), unit="round", leave=False, disable=None):
        for name, contender in contenders.items():
            taken = contender()
            if number >= 0:
                seconds[name].append(taken)
    return seconds


def repeated(function: Callable[[], object], at_least: float = 0.02) -> Callable[[], float]:
    """Time a fast function by calling it often: as often as fills `at_least` seconds."""
    for _ in range(3):
        function()
    once = min(timed(function) for _ in range(5))
    times = max(1, round(at_least / once))

    def mean_seconds() -> float:
        start = time.perf_counter()
        for _ in range(times):
            function()
        return (time.perf_counter() - start) / times

    return mean_seconds


class Child:
    """A contender in a process of its own, which waits its turn; see speed_protocol.py.

    Parameters
    ----------
    python : Path or str
        Interpreter of the environment that the contender lives in.
    script : str
        A file of this folder.
    arguments : sequence of str
    threads : int

    Attributes
    ----------
    last : dict
        What it answered last.
    """

    def __init__(
        self, python: Path | str, script: str, arguments: Sequence[str], threads: int
    ) -> None:
        here = Path(__file__).parent
        self._process = subprocess.Popen(
            [str(python), str(here / script), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": str(threads), "PYTHONWARNINGS": "ignore"},
        )
        self.last: dict[str, Any] = {}

    def wait(self) -> None:
        """Return when it is ready for its first turn.

        Raises
        ------
        Skipped
            It ends before that.
        """
        self.last = self._answer()

    def __call__(self) -> float:
        """Let it run one round; return its seconds."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        self.last = self._answer()
        return float(self.last["seconds"])

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("{"):  # libraries print, too
                return json.loads(line)
        command = " ".join(map(str, self._process.args))
        raise Skipped(f"{command} ended with {self._process.wait()}")

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


@contextmanager
def children(wanted: Mapping[str, Callable[[], Child]]) -> Iterator[dict[str, Child]]:
    """Start contenders; those that cannot be had are named and left out."""
    started: dict[str, Child] = {}
    ready: dict[str, Child] = {}
    try:
        for name, start in wanted.items():
            try:
                started[name] = start()
            except OSError as reason:
                SKIPPED.append(f"{name} ({reason})")
        for name, child in started.items():
            try:
                child.wait()
                ready[name] = child
            except Skipped as reason:
                SKIPPED.append(f"{name} ({reason})")
        yield ready
    finally:
        for child in started.values():
            child.close()


def compare(
    what: str, seconds: Mapping[str, list[float]], targets: Mapping[str, float | None], **row: Any
) -> list[Row]:
    """Rows of the first contender against each of the others; `targets` by their names."""
    ours, *others = seconds
    return [
        Row(what, seconds[ours], name, seconds[name], target=targets.get(name), **row)
        for name in others
    ]
