"""Sections of bench_speed.py that need no network: decision graph, imports, cutouts."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from speed_data import files, jpegs
from speed_timing import Row, alternate, compare, repeated, timed
from torch import Tensor

from gz2tree import GZ2_KAGGLE, CutoutOptions, DecisionTree, prepare
from gz2tree.config import Activation
from gz2tree.decoding import read_cutout
from gz2tree.graph import DecisionGraph

BATCHES = (1, 32, 512, 4096)
ACTIVATION: Activation = "normalised_sigmoid"
SIGMOID, LOOP, PASS = "flat sigmoid", "loop over questions", "one memory pass"
COMMANDS = ("tree", "simulate", "prepare", "train", "evaluate", "predict", "plot", "report", "demo")
PLAIN, DECODE = "Pillow: open, crop, resize", "decoding alone, scale 1/2"


def loop_over_questions(tree: DecisionTree, logits: Tensor) -> Tensor:
    """Normalised sigmoids down the tree as one would write it at first."""
    cumulative: dict[int, Tensor] = {}
    columns = []
    for answers, parents in zip(tree.slices, tree.parents, strict=True):
        probability = torch.nn.functional.logsigmoid(logits[:, answers]).softmax(-1)
        if parents:
            reach = torch.stack([cumulative[parent] for parent in parents]).sum(0)
            probability = probability * reach.unsqueeze(-1)
        for place, answer in enumerate(range(answers.start, answers.stop)):
            cumulative[answer] = probability[:, place]
        columns.append(probability)
    return torch.cat(columns, -1)


def forward_and_backward(
    function: Callable[[Tensor], Tensor], logits: Tensor, gradient: Tensor
) -> None:
    logits.grad = None
    function(logits).backward(gradient)


@torch.no_grad()
def forward(function: Callable[[Tensor], Tensor], logits: Tensor, gradient: Tensor) -> None:
    function(logits)


def graph(args: argparse.Namespace) -> list[Row]:
    """Time the decision graph alone, on one core."""
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    ours = DecisionGraph(GZ2_KAGGLE, ACTIVATION)
    functions: dict[str, Callable[[Tensor], Tensor]] = {
        "DecisionGraph": ours,
        SIGMOID: torch.sigmoid,
        LOOP: partial(loop_over_questions, GZ2_KAGGLE),
        PASS: lambda logits: logits * 1.0,
    }
    rows: list[Row] = []
    for batch in BATCHES:
        logits = torch.randn(batch, len(GZ2_KAGGLE), requires_grad=True)
        gradient = torch.rand(batch, len(GZ2_KAGGLE))
        torch.testing.assert_close(functions[LOOP](logits), ours(logits))
        for name, run in (("forward and backward", forward_and_backward), ("forward", forward)):
            contenders = {
                label: repeated(partial(run, function, logits, gradient))
                for label, function in functions.items()
            }
            seconds = alternate(contenders, 3 * args.rounds)
            targets = {}
            if run is forward_and_backward:
                targets = {LOOP: 1.0, SIGMOID: 10.0 if batch == 32 else None}
            rows += compare(f"{name}, batch {batch:,}", seconds, targets, ratio="cost")
    return rows


def imports(args: argparse.Namespace) -> list[Row]:
    """Start Python with us, with nothing, and with torch."""
    peak: dict[str, float] = {}

    def start(name: str, *arguments: str) -> float:
        def run() -> None:
            process = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.DEVNULL)
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode:
                raise SystemExit(f"{name} ended with {process.returncode}")
            peak[name] = used.ru_maxrss / 1024  # MiB: Linux counts in KiB

        return timed(run)

    def compared(name: str, arguments: list[str], target: float) -> list[Row]:
        contenders = {
            name: partial(start, name, *arguments),
            "Python alone": partial(start, "Python alone", "-c", "pass"),
        }
        seconds = alternate(contenders, args.rounds + 2)
        extra = [a - b for a, b in zip(*seconds.values(), strict=True)]
        return [
            Row(name, seconds[name], "Python alone", seconds["Python alone"], target=target),
            Row(f"{name}: beyond Python alone", extra),
            Row(
                f"{name}: peak memory",
                [peak[name]],
                "Python alone",
                [peak["Python alone"]],
                unit="MiB",
            ),
        ]

    rows = compared("import gz2tree", ["-c", "import gz2tree"], 0.15)
    rows += compared("gz2tree --help", ["-m", "gz2tree", "--help"], 0.5)
    for command in COMMANDS:
        rows += compared(f"gz2tree {command} --help", ["-m", "gz2tree", command, "--help"], 0.5)[:1]
    heavy = alternate({"import torch": partial(start, "torch", "-c", "import torch")}, args.rounds)
    return [*rows, Row("for scale: import torch", heavy["import torch"])]


def plain_pillow(path: Path, options: CutoutOptions) -> np.ndarray:
    """Open, crop and resize as one would write it at first, with Pillow's own default filter."""
    with Image.open(path) as image:
        margin = (image.width - options.crop) // 2
        box = (margin, margin, margin + options.crop, margin + options.crop)
        return np.asarray(image.convert("RGB").crop(box).resize((options.size, options.size)))


def decode(path: Path, options: CutoutOptions) -> None:
    """Decode at the smallest scale that has enough pixels, and leave it at that."""
    with Image.open(path) as image:
        scale = options.crop // options.size
        image.draft(None, (image.width // scale, image.height // scale))
        image.load()


def cutouts(args: argparse.Namespace) -> list[Row]:
    """Make cutouts of 96 pixels of JPEGs of 424, on one core."""
    options, n = CutoutOptions(), 400
    paths = files(args, n)
    folder, out = jpegs(args, n), args.work / "cutouts"

    def into_store() -> float:
        shutil.rmtree(out, ignore_errors=True)
        return timed(lambda: prepare(folder, out, options, workers=0, progress=False))

    def each(function: Callable[[Path, CutoutOptions], object]) -> float:
        return timed(lambda: [function(path, options) for path in paths])

    contenders = {
        "prepare": into_store,
        "read_cutout": partial(each, read_cutout),
        PLAIN: partial(each, plain_pillow),
        DECODE: partial(each, decode),
    }
    seconds = alternate(contenders, args.rounds + 2)
    targets = {PLAIN: 3.0, DECODE: 0.8}
    of_store = {name: taken for name, taken in seconds.items() if name != "read_cutout"}
    in_memory = {name: taken for name, taken in seconds.items() if name != "prepare"}
    rows = compare("into the store", of_store, targets, ratio="speed", images=n)
    return rows + compare("one by one, in memory", in_memory, {}, ratio="speed", images=n)
