"""Fixtures shared by the tests."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from gz2tree import GZ2_KAGGLE, CutoutOptions, CutoutStore, DecisionTree, LabelledCutouts, Labels
from gz2tree.labels import multiply_down
from gz2tree.simulate import simulate
from gz2tree.store import prepare

SMALL = CutoutOptions(crop=40, size=32)
# Scripts that need more than the tests do; they hold no doctests.
collect_ignore = ["mutation_sample.py", "lowest_bounds.py"]


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
    cumulative = multiply_down(tree, conditional)
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
