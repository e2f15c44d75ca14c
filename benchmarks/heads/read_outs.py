"""What is made of trained heads when they are read out: projections, gates, temperatures."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gz2tree.graph import DecisionGraph
from gz2tree.labels import Labels
from gz2tree.votes.calibration import tempered
from heads.arms import Arm, project
from heads.hart import HartArm
from heads.measures import Predicted, pooled

THRESHOLDS = np.geomspace(1e-4, 0.1, 31)
TEMPERATURES = np.geomspace(0.5, 2, 17)
FLOOR = "true probabilities"

Answers = np.ndarray
Change = Callable[[Answers], Answers]


@dataclass
class ReadOut:
    """A row of the comparison: predictions of a head, as it is or changed when it is read out.

    Parameters
    ----------
    name : str
    head : str
        ``output`` of the arm, or "none" of what no network says.
    on_tree : bool
        Whether its answers obey the tree.
    tests : dict
        Seed -> part, "valid" or "test" -> predictions.
    """

    name: str
    head: str
    on_tree: bool
    tests: dict[int, dict[str, Predicted]] = field(default_factory=dict)

    @property
    def flat(self) -> bool:
        """Whether a flat head is behind it."""
        return self.head.startswith("flat")

    @property
    def plain(self) -> bool:
        """Whether it is a flat head without a tree, not even one at read-out."""
        return self.flat and not self.on_tree

    def changed(self, name: str, on_tree: bool, change: Callable[[Predicted], Change]) -> ReadOut:
        """Read it out in another way, chosen for each seed on its validation galaxies."""
        tests = {}
        for seed, parts in self.tests.items():
            of_seed = change(parts["valid"])
            tests[seed] = {
                part: Predicted(t.labels, of_seed(t.cumulative)) for part, t in parts.items()
            }
        return ReadOut(f"{self.name} + {name}", self.head, on_tree, tests)


def collect(
    folder: Path, labels: Labels, arms: Mapping[str, Arm | HartArm]
) -> tuple[list[ReadOut], list[dict[str, Any]]]:
    """Read all results of a stage, and how each was had."""
    row_of = {galaxy: row for row, galaxy in enumerate(labels.ids)}
    found: dict[str, ReadOut] = {}
    records = []
    for file in sorted(folder.glob("*/seed*.json")):
        record = json.loads(file.read_text())
        name, arrays, parts = record["name"], np.load(file.with_suffix(".npz")), {}
        for part in ("valid", "test"):
            rows = [row_of[galaxy] for galaxy in arrays[f"{part}_ids"]]
            parts[part] = Predicted(labels.take(rows), arrays[part].astype(float))
        arm = arms[name]
        read_out = found.setdefault(name, ReadOut(name, arm.output, arm.on_tree))
        read_out.tests[record["seed"]] = parts
        records.append(record)
    return list(found.values()), records


def with_read_outs(
    trained: list[ReadOut], arms: Mapping[str, Arm | HartArm], truth: Labels | None
) -> list[ReadOut]:
    """Add the mean, the truth, and what can be made of a trained head at read-out."""
    some = max((read_out.tests for read_out in trained), key=len)
    graph = DecisionGraph(next(iter(some.values()))["test"].labels.tree)
    mean = ReadOut("mean of the validation galaxies", "none", on_tree=False)
    for seed, parts in some.items():
        of_valid = parts["valid"].labels.mean_cumulative()
        mean.tests[seed] = {
            part: Predicted(t.labels, np.tile(of_valid, (len(t.labels), 1)))
            for part, t in parts.items()
        }
    more = [mean]
    if truth is not None:
        row_of = {galaxy: row for row, galaxy in enumerate(truth.ids)}
        floor = ReadOut(FLOOR, "none", on_tree=True)
        for seed, parts in some.items():
            floor.tests[seed] = {
                part: Predicted(t.labels, truth.cumulative[[row_of[g] for g in t.labels.ids]])
                for part, t in parts.items()
            }
        more.append(floor)
    for read_out in trained:
        if arms[read_out.name].read_out_otherwise:
            more += _otherwise(read_out, graph)
    return trained + more


def _otherwise(read_out: ReadOut, graph: DecisionGraph) -> list[ReadOut]:
    """Read a trained head out in the other ways there are for it."""

    def cut(cumulative: Answers, at: float) -> Answers:
        return np.where(cumulative < at, 0.0, cumulative)

    def gate(cumulative: Answers, at: float) -> Answers:
        return graph.gate(torch.from_numpy(cumulative), float(at)).numpy()

    def projected(cumulative: Answers) -> Answers:
        return project(torch.from_numpy(cumulative), graph).numpy()

    if read_out.flat:
        return [
            read_out.changed("projection", True, lambda _: projected),
            read_out.changed("threshold", False, lambda valid: threshold_of(valid, cut)),
        ]
    return [
        read_out.changed("temperatures", True, lambda valid: temperatures_of(valid, graph)),
        read_out.changed("gate", True, lambda valid: threshold_of(valid, gate)),
    ]


def threshold_of(valid: Predicted, cut: Callable[[Answers, float], Answers]) -> Change:
    """Choose where to cut small answers off: the lowest RMSE on validation galaxies."""

    def rmse(at: float) -> float:
        return pooled([Predicted(valid.labels, cut(valid.cumulative, at))])["rmse"]

    best = min(THRESHOLDS, key=rmse)
    return lambda cumulative: cut(cumulative, best)


def temperatures_of(valid: Predicted, graph: DecisionGraph) -> Change:
    """Choose a temperature for each question: the lowest RMSE on validation galaxies."""
    temperature = torch.ones(graph.n_questions, dtype=torch.float64)

    def cooled(cumulative: Answers) -> Answers:
        conditional = graph.condition(torch.from_numpy(cumulative)).nan_to_num(0.0)
        return graph.cumulative(tempered(graph, conditional.clamp(min=0), temperature)).numpy()

    for question in range(graph.n_questions):  # of GZ2, parents come before their children
        found = {}
        for value in TEMPERATURES:
            temperature[question] = value
            found[value] = pooled([Predicted(valid.labels, cooled(valid.cumulative))])["rmse"]
        temperature[question] = min(found, key=found.__getitem__)
    return cooled
