"""The galaxies that bench_heads.py compares heads on: samples, folds and features."""

from __future__ import annotations

import argparse
import os

import numpy as np
import torch
from samples import SAMPLES, labelled_cutouts
from tqdm import tqdm

from gz2tree import CutoutOptions, GalaxyTreeNet, LabelledCutouts, Labels, prepare, read_labels
from gz2tree.augment import orientations
from gz2tree.networks.precision import autocast, choose_precision, memory_format

FOLDS = 5


def kaggle(args: argparse.Namespace) -> LabelledCutouts:
    """Take Kaggle's galaxies."""
    return _real(args, "kaggle")


def hart_galaxies(args: argparse.Namespace) -> LabelledCutouts:
    """Take the galaxies of Hart et al. 2016."""
    return _real(args, "hart")


def _real(args: argparse.Namespace, name: str) -> LabelledCutouts:
    if args.data is None:
        raise SystemExit("--data: expected the folder of the real galaxies, found none")
    store = args.work / f"{name}-{args.crop}-{args.size}"
    return labelled_cutouts(SAMPLES[name], args.data, store, CutoutOptions(args.crop, args.size))


def simulated(args: argparse.Namespace) -> LabelledCutouts:
    """Take the galaxies of a simulated sky."""
    options = CutoutOptions(args.crop, args.size)
    store = prepare(args.sky / "images", args.work / f"sky-{args.crop}-{args.size}", options)
    return LabelledCutouts(store, read_labels(args.sky / "labels.csv", image_ids=store.ids))


def truth(args: argparse.Namespace) -> Labels:
    """Read what infinitely many simulated volunteers would say."""
    return read_labels(args.sky / "truth.csv")


def folds(hashes: list[str]) -> np.ndarray:
    """Fold of every galaxy; byte-identical images share one."""
    image = np.unique(np.asarray(hashes), return_inverse=True)[1]
    order = np.random.default_rng(0).permutation(image.max() + 1)
    return order[image] % (2 * FOLDS)  # half folds


def parts_of(half_fold: np.ndarray, seed: int, args: argparse.Namespace) -> np.ndarray:
    """Part of every galaxy for one seed; as many train as are asked for."""
    fold = half_fold // 2
    parts = np.full(len(fold), "train", dtype=object)
    parts[half_fold == 2 * ((seed + 1) % FOLDS)] = "valid"
    parts[fold == seed % FOLDS] = "test"
    train = np.random.default_rng(seed).permutation(np.flatnonzero(parts == "train"))
    parts[train[args.train_size or len(train) :]] = "unused"
    return parts


def without_featured(labels: Labels, parts: np.ndarray, seed: int) -> np.ndarray:
    """Leave out nine in ten of the training galaxies that most volunteers saw features in.

    The test galaxies stay as they are: another mix than that of the training.
    """
    featured = labels.cumulative[:, labels.tree.columns.index("Class1.2")] > 0.5
    left_out = np.random.default_rng(seed).random(len(parts)) < 0.9
    seen = (parts == "train") | (parts == "valid")
    return np.where(seen & featured & left_out, "unused", parts)


def features_of(args: argparse.Namespace, galaxies: LabelledCutouts, name: str) -> np.ndarray:
    """Feature maps of 8 views of every galaxy: float16, (n, 8, n_features, h, w), kept on disk."""
    file = args.work / f"features-{name}-{args.backbone}-{args.crop}-{args.size}.npy"
    if not file.exists():
        model = GalaxyTreeNet(args.backbone, pretrained=args.weights, cutouts=galaxies.options)
        device = torch.device(args.device)
        layout = memory_format(model, device)
        model = model.eval().to(device).to(memory_format=layout)
        pieces = []
        with torch.inference_mode(), autocast(device, choose_precision(model, device, "auto")):
            for start in tqdm(range(0, len(galaxies), 64), unit="batch"):
                rows = range(start, min(start + 64, len(galaxies)))
                images = galaxies[list(rows)][0].to(device).float() / 255
                views = [
                    model.forward_features(view.contiguous(memory_format=layout))
                    for view in orientations(images, 8)
                ]
                pieces.append(torch.stack(views, 1).half().cpu().numpy())
        file.parent.mkdir(parents=True, exist_ok=True)
        partial = file.with_suffix(".partial")
        with partial.open("wb") as stream:
            np.save(stream, np.concatenate(pieces))
        os.replace(partial, file)
    return np.load(file, mmap_mode="r")
