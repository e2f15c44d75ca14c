"""The galaxies that bench_speed.py works on: real ones where they are at hand, else simulated."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

import numpy as np
from samples import DATA, SAMPLES
from speed_timing import Skipped

from gz2tree import CutoutOptions, CutoutStore, Labels, prepare, read_labels
from gz2tree.cutouts import ImageFiles
from gz2tree.simulate import simulate


@dataclass(frozen=True)
class Galaxies:
    """Cutouts and labels of the same galaxies."""

    images: CutoutStore
    labels: Labels


def real_data() -> Path | None:
    """Return the folder of the Kaggle galaxies, if they are here; see CONTRIBUTING.md."""
    folder = DATA / SAMPLES["kaggle"].folder
    return folder if folder.is_dir() else None


def jpegs(args: argparse.Namespace, n: int) -> Path:
    """Return a folder of n JPEGs of 424 pixels; links to fewer where there are not so many."""
    folder = args.work / f"images{n}"
    if folder.is_dir():
        return folder
    real = real_data()
    sky = args.work / "sky"
    if real is None and not sky.is_dir():
        simulate(sky, 1000, seed=args.seed, workers=args.threads)
    files = sorted(((real or sky) / "images").glob("*.jpg"))
    partial = folder.with_name(f"{folder.name}-partial")
    partial.mkdir(parents=True, exist_ok=True)
    for number, file in enumerate(islice(cycle(files), n)):
        link = partial / f"{number:06d}.jpg"
        if not link.is_symlink():
            link.symlink_to(file.resolve())
    return partial.rename(folder)


def store(args: argparse.Namespace, n: int, options: CutoutOptions) -> Path:
    """Return a store of n cutouts."""
    folder = args.work / f"store{n}-{options.crop}-{options.size}"
    prepare(jpegs(args, n), folder, options, workers=args.threads, progress=False)
    return folder


def files(args: argparse.Namespace, n: int) -> list[Path]:
    """Return the paths of n JPEGs."""
    images = ImageFiles(jpegs(args, n))
    return [images.path / name for name in images.names]


def labelled_galaxies(args: argparse.Namespace, n: int) -> Galaxies:
    """Return real galaxies with their labels.

    Raises
    ------
    Skipped
        There are none here.
    """
    real = real_data()
    if real is None:
        raise Skipped("no real galaxies here: set GZ2TREE_DATA to the folder that holds data/")
    ids = sorted(file.stem for file in (real / "images").glob("*.jpg"))[:n]
    cutouts = prepare(real / "images", args.work / f"real{n}", only=ids, progress=False)
    labels = read_labels(real / "solutions_17_columns.csv", image_ids=cutouts.ids)
    return Galaxies(cutouts, labels.take(np.isin(labels.ids, cutouts.ids)))
