"""Sections of bench_speed.py that need no network: decision graph, imports, cutouts."""

from __future__ import annotations

import argparse
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
from gz2tree.cli import COMMANDS
from gz2tree.config.choices import Activation
from gz2tree.graph import DecisionGraph
from gz2tree.images.decoding import read_cutout

BATCHES = (1, 32, 512, 4096)
ACTIVATION: Activation = "normalised_sigmoid"
SIGMOID, LOOP, PASS = "flat sigmoid", "loop over questions", "one memory pass"
ALONE = "Python alone"
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

    def start(*arguments: str) -> float:
        return timed(lambda: _output_of(*arguments))

    def compared(name: str, arguments: list[str], target: float) -> Row:
        contenders = {name: partial(start, *arguments), ALONE: partial(start, "-c", "pass")}
        ours, alone = alternate(contenders, args.rounds + 2).values()
        return Row(name, ours, ALONE, alone, target=target)

    rows = [compared("import gz2tree", ["-c", "import gz2tree"], 0.15)]
    for command in ([], *([command] for command in COMMANDS)):
        arguments = ["gz2tree", *command, "--help"]
        rows.append(compared(" ".join(arguments), ["-m", *arguments], 0.5))
    alone = peak_mib("pass")
    for name, code in (
        ("import gz2tree", "import gz2tree"),
        ("gz2tree --help", "import sys, gz2tree.cli as cli; cli.build_parser([]).format_help()"),
        ("for scale: import torch", "import torch"),
    ):
        rows.append(Row(f"{name}: peak memory", [peak_mib(code)], ALONE, [alone], unit="MiB"))
    heavy = alternate({"torch": partial(start, "-c", "import torch")}, args.rounds)
    return [*rows, Row("for scale: import torch", heavy["torch"])]


def peak_mib(code: str) -> float:
    """Peak resident memory of a process that runs some code, MiB; Linux only."""
    # What the parent measures of a child, or the child in ru_maxrss, includes the parent's own.
    tell = "print(*(l for l in open('/proc/self/status') if l.startswith('VmHWM')))"
    return float(_output_of("-c", f"{code}\n{tell}").split()[-2]) / 1024


def _output_of(*arguments: str) -> str:
    return subprocess.run(
        [sys.executable, *arguments], stdout=subprocess.PIPE, check=True
    ).stdout.decode()


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
    torch.set_num_threads(1)
    options, n = CutoutOptions(), 2000
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
    seconds = alternate(contenders, args.rounds)
    targets = {PLAIN: 3.0, DECODE: 0.8}
    of_store = {name: taken for name, taken in seconds.items() if name != "read_cutout"}
    in_memory = {name: taken for name, taken in seconds.items() if name != "prepare"}
    rows = compare("into the store", of_store, targets, ratio="speed", images=n)
    return rows + compare("one by one, in memory", in_memory, {}, ratio="speed", images=n)
