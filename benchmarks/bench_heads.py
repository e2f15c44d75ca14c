"""Does a decision tree in the head predict better than a flat head? Many arms, several seeds.

Stages, each resumable (a result is kept for each arm and seed):

``screen``
    All arms as heads on features of an ImageNet network that do not change, over 8 views.
``finetune``
    A few arms with the whole network trained.
``hart``
    Deep questions from few galaxies: the 500 with all 37 answers, as heads on features.
``report``
    Tables, intervals and a figure of all results at hand.

Galaxies fall into five folds, byte-identical images together; seed s tests on fold s, chooses by
half of the next one and trains on the rest. Both sides of every comparison have the same galaxies,
initial weights of the backbone, batches, augmentation and number of steps (separate networks for
each question have that number each). Heads on features are trained at several learning rates, of
which the validation galaxies choose; whole networks at one. Results of one `--work` folder must be
of the same options: change those, change the folder.

    python benchmarks/bench_heads.py screen --data ../shared/data --weights WEIGHTS
"""

from __future__ import annotations

import argparse
import json
import logging
import os
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from heads.arms import ARMS, FOR_HEADS_ONLY, FOR_WHOLE_NETWORKS_ONLY, Arm
from heads.figures import plot_curves, plot_intervals
from heads.galaxies import (
    FOLDS,
    features_of,
    folds,
    hart_galaxies,
    kaggle,
    parts_of,
    simulated,
    truth,
    without_featured,
)
from heads.hart import HART_ARMS, HartArm
from heads.measures import Predicted
from heads.read_outs import collect, with_read_outs
from heads.report import compare, markdown_table
from heads.training import best_head, of_separate, train_networks
from record import provenance
from samples import DEEP
from tqdm import tqdm

from gz2tree import CutoutOptions, Labels, PredictOptions, predict

RESULTS = Path(__file__).parent / "results" / "heads"


def main() -> None:
    args = parse()
    logging.getLogger("gz2tree").setLevel(logging.ERROR)
    torch.set_float32_matmul_precision("high")
    {"screen": screen, "finetune": finetune, "hart": hart, "report": report}[args.stage](args)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("stage", choices=["screen", "finetune", "hart", "report"])
    parser.add_argument("--data", type=Path, help="folder with kaggle_gz2 and gz2_hart16")
    parser.add_argument("--weights", help="ImageNet weights of the backbone")
    parser.add_argument("--backbone", default="resnet50_v1")
    parser.add_argument("--arms", nargs="+", help="by default all (screen), or the finalists")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(FOLDS)))
    parser.add_argument("--train-size", type=int, help="galaxies to train on, of those there are")
    parser.add_argument(
        "--mostly-smooth",
        action="store_true",
        help="screen: train on another mix of galaxies than that of the test",
    )
    parser.add_argument("--sky", type=Path, help="finetune: a simulated sky in place of real ones")
    parser.add_argument("--epochs", type=int, help="30 for heads, 8 for whole networks")
    parser.add_argument("--crop", type=int, default=CutoutOptions.crop)
    parser.add_argument("--size", type=int, default=CutoutOptions.size)
    parser.add_argument("--views", type=int, default=1, choices=[1, 8, 16], help="finetune")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--work", type=Path, default=Path("runs/heads"))
    args = parser.parse_args()
    known = arms_of(args.stage)
    unknown = [arm for arm in args.arms or () if arm not in known]
    if unknown:
        parser.error(f"--arms: expected some of {', '.join(known)}, found {unknown[0]}")
    return args


def arms_of(stage: str) -> Mapping[str, Arm | HartArm]:
    """Arms that a stage knows how to train."""
    if stage == "hart":
        return HART_ARMS
    if stage == "finetune":
        whole = {n: a for n, a in ARMS.items() if a.output in ("tree", "flat")}
        return {n: a for n, a in whole.items() if not any(getattr(a, f) for f in FOR_HEADS_ONLY)}
    return {
        n: a for n, a in ARMS.items() if not any(getattr(a, f) for f in FOR_WHOLE_NETWORKS_ONLY)
    }


def with_size(stage: str, args: argparse.Namespace) -> str:
    """Name of the stage, with the number of training galaxies if it was asked for."""
    name = f"{stage}-{args.train_size}" if args.train_size else stage
    return f"{name}-smooth" if args.mostly_smooth else name


def keep(file: Path, tested: dict[str, Predicted], record: dict[str, Any]) -> None:
    """Write the predictions and what led to them; the JSON last, so that it means complete."""
    file.parent.mkdir(parents=True, exist_ok=True)
    arrays = {}
    for part, of_part in tested.items():
        arrays[f"{part}_ids"] = of_part.labels.ids.astype(str)
        arrays[part] = of_part.cumulative.astype(np.float32)
    np.savez_compressed(file.with_suffix(".npz"), **arrays)
    partial = file.with_suffix(".partial")
    partial.write_text(json.dumps(record | provenance(), indent=2) + "\n")
    os.replace(partial, file)


def result_file(args: argparse.Namespace, stage: str, arm: str, seed: int) -> Path:
    return args.work / stage / arm.replace("/", "-").replace(" ", "_") / f"seed{seed}.json"


def screen(args: argparse.Namespace) -> None:
    galaxies = kaggle(args)
    maps = features_of(args, galaxies, "kaggle")
    flat = torch.from_numpy(np.asarray(maps)).flatten(3).float()  # (n, 8, n_features, h * w)
    averaged, flat = flat.mean(-1), flat.flatten(2).half()
    half_fold = folds(galaxies.hashes)
    names = args.arms or list(arms_of("screen"))
    jobs = [(name, seed) for seed in args.seeds for name in names]
    for name, seed in tqdm(jobs, unit="training"):
        file = result_file(args, with_size("screen", args), name, seed)
        if file.exists():
            continue
        parts = parts_of(half_fold, seed, args)
        if args.mostly_smooth:
            parts = without_featured(galaxies.labels, parts, seed)
        features = flat if ARMS[name].flattened else averaged
        data = {
            part: (features[parts == part], galaxies.labels.take(parts == part))
            for part in ("train", "valid", "test")
        }
        keep(file, *best_head(args, name, ARMS[name], data, seed))


FINALISTS = (
    "flat sigmoid, BCE",
    "tree softmax, BCE",
    "tree normalised sigmoids, BCE, own sigmoids too",
    "flat sigmoid, BCE, attention",
    "tree normalised sigmoids, BCE, own sigmoids too, attention",
)


def finetune(args: argparse.Namespace) -> None:
    """Train whole networks, on the real galaxies or on a simulated sky."""
    galaxies = simulated(args) if args.sky else kaggle(args)
    stage = with_size("sky" if args.sky else "finetune", args)
    if args.views > 1:
        stage += f"-{args.views}-views"
    half_fold, ids = folds(galaxies.hashes), galaxies.labels.ids
    jobs = [(arm, seed) for seed in args.seeds for arm in args.arms or FINALISTS]
    for name, seed in tqdm(jobs, unit="training"):
        if result_file(args, stage, name, seed).exists():
            continue
        arm = ARMS[name]
        parts = parts_of(half_fold, seed, args)
        store = galaxies.stores[0]
        networks, record = train_networks(args, name, galaxies, store, parts, seed)
        tested = {}
        for part in ("valid", "test"):
            rows = np.flatnonzero(parts == part)
            options = PredictOptions(views=args.views, device=args.device)
            catalogues = [
                predict(network, store, options, positions=store.rows(ids[rows]))
                for network in networks
            ]
            labels = galaxies.labels.take(rows)
            cumulative = [c[list(labels.tree.columns)].to_numpy(float) for c in catalogues]
            tested[part] = Predicted(labels, of_separate(labels, cumulative))
        record |= {"name": name, "arm": asdict(arm), "seed": seed, "views": args.views}
        keep(result_file(args, stage, name, seed), tested, record)


def hart(args: argparse.Namespace) -> None:
    """Five folds of the galaxies with all 37 answers, with and without the Kaggle galaxies."""
    few, many = hart_galaxies(args), kaggle(args)
    features = {
        name: torch.from_numpy(np.asarray(features_of(args, galaxies, name))).float().mean((3, 4))
        for name, galaxies in (("hart", few), ("kaggle", many))
    }
    half_fold = folds(few.hashes)
    jobs = [(arm, seed) for seed in args.seeds for arm in args.arms or HART_ARMS]
    for name, seed in tqdm(jobs, unit="training"):
        file = result_file(args, "hart", name, seed)
        if file.exists():
            continue
        parts = parts_of(half_fold, seed, args)
        # Some images are in both samples.
        elsewhere = ~np.isin(many.hashes, np.array(few.hashes)[parts != "train"])
        arm, how = HART_ARMS[name].arm, HART_ARMS[name].labels
        train = few.labels.take(parts == "train")
        x = features["hart"][parts == "train"]
        if how != "alone":
            if how == "deep answers":
                train = deep_only(train)
            elif how == "deep conditional answers":
                train = train.only_conditional(DEEP)
            train = Labels.join(train, many.labels.take(elsewhere))
            x = torch.cat([x, features["kaggle"][elsewhere]])
        data = {
            "train": (x, train),
            "valid": (features["hart"][parts == "valid"], few.labels.take(parts == "valid")),
            "test": (features["hart"][parts == "test"], few.labels.take(parts == "test")),
        }
        keep(file, *best_head(args, name, arm, data, seed))


def deep_only(labels: Labels) -> Labels:
    """Keep the cumulative labels of the deep questions, for a head that has no tree."""
    return replace(labels.only_conditional(DEEP), given_reach=None)


def report(args: argparse.Namespace) -> None:
    """Compare all results at hand, and write tables and figures into the repository."""
    samples = {"screen": kaggle, "finetune": kaggle, "hart": hart_galaxies, "sky": simulated}
    RESULTS.mkdir(parents=True, exist_ok=True)
    curves: dict[str, dict[int, Any]] = {}
    for folder in sorted(args.work.iterdir()):
        stage, sample = folder.name, folder.name.split("-")[0]
        if sample not in samples or not any(folder.glob("*/seed*.json")):
            continue
        arms = HART_ARMS if sample == "hart" else ARMS
        trained, records = collect(folder, samples[sample](args).labels, arms)
        read_outs = with_read_outs(trained, arms, truth(args) if sample == "sky" else None)
        scores = compare(read_outs)
        text = json.dumps({"stage": stage, "arms": rounded(scores), "runs": records} | provenance())
        (RESULTS / f"{stage}.json").write_text(text + "\n")
        table = markdown_table(scores)
        (RESULTS / f"{stage}.md").write_text(table + "\n")
        print(f"{stage}\n{table}\n")
        plot_intervals(scores, RESULTS / f"{stage}.png")
        if not stage.endswith(("smooth", "views")):
            n_train = round(np.mean([record["n_train"] for record in records]))
            curves.setdefault(sample, {})[n_train] = scores
    for sample, of_sample in curves.items():
        if len(of_sample) > 1:
            plot_curves(of_sample, FINALISTS, RESULTS / f"{sample}-curve.png")


def rounded(value: Any) -> Any:
    """Round all numbers of nested scores: the intervals are good for three digits."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [rounded(item) for item in value]
    if isinstance(value, float):
        return None if np.isnan(value) else float(f"{value:.4g}")
    return value


if __name__ == "__main__":
    main()
