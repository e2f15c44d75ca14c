"""Fixtures shared by the tests."""

from __future__ import annotations

import ctypes
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from bad_input_table import SAID
from hypothesis import settings
from PIL import Image

from gz2tree import GZ2_KAGGLE, CutoutOptions, CutoutStore, DecisionTree, LabelledCutouts, Labels
from gz2tree.cli import main
from gz2tree.probabilities import cumulative_of
from gz2tree.simulate import simulate
from gz2tree.store import prepare
from gz2tree.wholefiles import partial_path

if "PYTEST_XDIST_WORKER" in os.environ:
    # Threads of several test processes, and of the commands that these start, would only wait for
    # each other.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    torch.set_num_threads(1)

# How long an example takes says nothing on a machine that does other things as well.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

SMALL = CutoutOptions(crop=40, size=32)
# Scripts that need more than the tests do; they hold no doctests.
collect_ignore = [
    "mutation_sample.py", "lowest_bounds.py", "survive_kills.py", "watch_growth.py",
]  # fmt: skip


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of the real galaxies and weights; tests that need it are skipped without it."""
    beside = Path(__file__).resolve().parents[2] / "shared"
    folder = Path(os.environ.get("GZ2TREE_DATA", beside))
    if not (folder / "data").is_dir():
        pytest.skip(f"no real data at {folder}; set GZ2TREE_DATA to the folder that holds it")
    return folder


def write_images(folder: Path, ids: Sequence[str], side: int = 40, seed: int = 0) -> Path:
    """Write a noise image for each id; the images differ."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    for name in ids:
        pixels = rng.integers(0, 256, (side, side, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{name}.png")
    return folder


def random_labels(ids: Sequence[str], tree: DecisionTree = GZ2_KAGGLE, seed: int = 0) -> Labels:
    """Labels of conditional probabilities drawn at random, with null labels of both sorts."""
    rng = np.random.default_rng(seed)
    conditional = rng.random((len(ids), len(tree))) * (rng.random((len(ids), len(tree))) > 0.3)
    for answers in tree.slices:
        conditional[:, answers.start] += 1e-3  # some answer is given
        conditional[:, answers] /= conditional[:, answers].sum(-1, keepdims=True)
    cumulative = cumulative_of(tree, conditional)
    return Labels(np.array(ids, dtype=object), cumulative, tree, kind="cumulative")


def write_kaggle_table(path: Path, labels: Labels) -> Path:
    """Write labels as Kaggle's table has them."""
    table = pd.DataFrame(labels.cumulative, columns=list(GZ2_KAGGLE.columns))
    table.insert(0, "GalaxyID", labels.ids)
    table.to_csv(path, index=False)
    return path


@dataclass(frozen=True)
class SmallSky:
    """Images of 40 pixels, their store of 32-pixel cutouts, and a table of labels."""

    images: Path
    store: Path
    table: Path
    labels: Labels


@pytest.fixture(scope="session")
def small_sky(tmp_path_factory: pytest.TempPathFactory) -> SmallSky:
    """Forty noise images with random labels."""
    folder = tmp_path_factory.mktemp("sky")
    ids = [f"0{100000 + number}" for number in range(40)]
    images = write_images(folder / "images", ids)
    prepare(images, folder / "store", SMALL, workers=0, progress=False)
    labels = random_labels(ids)
    return SmallSky(images, folder / "store", write_kaggle_table(folder / "t.csv", labels), labels)


@pytest.fixture(scope="session")
def sky(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty simulated galaxies of 64 pixels, with their tables, for scripts to run on."""
    return simulate(tmp_path_factory.mktemp("simulated"), 60, size=64, workers=1, progress=False)


def run_script(script: Path, *arguments: object) -> str:
    """Run a script as its users do; what it prints."""
    command = [sys.executable, str(script), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def small_galaxies(small_sky: SmallSky) -> LabelledCutouts:
    """The small sky as a data set."""
    return LabelledCutouts(CutoutStore(small_sky.store), small_sky.labels)


@pytest.fixture(autouse=True)
def _logger_as_it_was() -> Iterator[None]:
    """The command line configures the package's logger; other tests listen to it as it is."""
    logger = logging.getLogger("gz2tree")
    handlers, level, propagate = logger.handlers, logger.level, logger.propagate
    names = {number: logging.getLevelName(number) for number in (logging.INFO, logging.WARNING)}
    yield
    logger.handlers, logger.propagate = handlers, propagate
    logger.setLevel(level)
    for number, name in names.items():
        logging.addLevelName(number, name)


# the command line


class Said:
    """What a command printed, and its exit code."""

    def __init__(self, arguments: list[str], code: int, out: str, err: str) -> None:
        self.arguments, self.code, self.out, self.err = arguments, code, out, err

    def refused(self, *expected: str) -> None:
        """One line that begins with ``error:`` and says what is expected of it."""
        last = self.err.strip().splitlines()[-1]
        assert self.code == 2, self.err
        assert "Traceback" not in self.err
        assert last.startswith("error: ")
        assert sum(line.startswith("error: ") for line in self.err.splitlines()) == 1
        for words in expected:
            assert words in last

    def handled(self, warning: str = "") -> None:
        """Exit code 0, with a warning if one is due."""
        assert self.code == 0, self.err
        assert "Traceback" not in self.err
        assert warning in self.err


Run = Callable[..., Said]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest) -> Run:
    """Run a command as the command line does."""

    def run_command(*arguments: object) -> Said:
        given = [str(argument) for argument in arguments]
        try:
            code = main(given)
        except SystemExit as stop:
            code = int(stop.code or 0)
        said = Said(given, code, *capsys.readouterr())
        request.node.user_properties.append((SAID, (given[:1], said.code, said.err)))
        return said

    return run_command


# places where nothing can be written


@pytest.fixture
def small_disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A disk of some KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={request.param}k", "tmpfs", str(disk)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("may not mount a tmpfs")
    yield disk
    # Lazily: what the test holds of a failure, its traceback, may keep a file open.
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


@contextmanager
def permissions_hold() -> Iterator[None]:
    """Without the capability of reading and writing whatever its permissions say, as root has."""
    if os.geteuid() != 0:
        yield
        return
    if sys.platform != "linux":
        pytest.skip("root may read and write everything")
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # version 3, this thread
    held = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable; of two words each
    if libc.capget(header, held):
        pytest.skip("cannot read its capabilities")
    of_files = 1 << 1 | 1 << 2  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
    dropped = (ctypes.c_uint32 * 6)(held[0] & ~of_files, *held[1:])
    if libc.capset(header, dropped):
        pytest.skip("cannot drop its capabilities")
    try:
        yield
    finally:
        libc.capset(header, held)


def left_by_a_killed_process(path: Path) -> Path:
    """Write what a process would leave that was killed while it wrote this file or folder."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    partial = partial_path(path)
    partial = partial.with_name(partial.name.replace(f"-{os.getpid()}-", f"-{ended.pid}-", 1))
    if path.suffix:
        partial.write_bytes(b"half of it")
    else:
        partial.mkdir()
        (partial / "half").write_bytes(b"of it")
    return partial
