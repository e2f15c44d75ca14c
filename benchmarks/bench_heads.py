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
initial weights of the backbone, batches, augmentation and number of steps.

    python benchmarks/bench_heads.py screen --data ../shared/data --weights WEIGHTS
"""

from __future__ import annotations

import argparse
import json
import logging
import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from head_arms import ARMS, Arm, LinearHead
from head_measures import Tested, pooled
from head_report import collect, compare, markdown_table, plot_intervals, with_read_outs
from record import provenance
from tqdm import tqdm

from gz2tree import (
    CutoutOptions,
    CutoutStore,
    FlatNet,
    GalaxyTreeNet,
    LabelledCutouts,
    Labels,
    PredictOptions,
    TrainConfig,
    fit,
    predict,
    read_labels,
)
from gz2tree.augment import orientations
from gz2tree.precision import autocast, choose_precision, memory_format
from gz2tree.store import prepare

RESULTS = Path(__file__).parent / "results" / "heads"
DEEP = ("Class3", "Class4", "Class5", "Class9", "Class10", "Class11")
LEARNING_RATES = (3e-4, 1e-3, 3e-3, 1e-2)
FOLDS = 5


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
    parser.add_argument("--epochs", type=int, help="30 for heads, 8 for whole networks")
    parser.add_argument("--crop", type=int, default=CutoutOptions.crop)
    parser.add_argument("--size", type=int, default=CutoutOptions.size)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--work", type=Path, default=Path("runs/heads"))
    args = parser.parse_args()
    known = HART_ARMS if args.stage == "hart" else ARMS
    unknown = [arm for arm in args.arms or () if arm not in known]
    if unknown:
        parser.error(f"--arms: expected some of {', '.join(known)}, found {unknown[0]}")
    return args


def folds(hashes: list[str]) -> np.ndarray:
    """Fold of every galaxy; byte-identical images share one."""
    image = np.unique(np.asarray(hashes), return_inverse=True)[1]
    order = np.random.default_rng(0).permutation(image.max() + 1)
    return order[image] % (2 * FOLDS)  # half folds


def parts_of(half_fold: np.ndarray, seed: int) -> np.ndarray:
    """Part of every galaxy for one seed."""
    fold = half_fold // 2
    parts = np.full(len(fold), "train", dtype=object)
    parts[half_fold == 2 * ((seed + 1) % FOLDS)] = "valid"
    parts[fold == seed % FOLDS] = "test"
    return parts


def kaggle(args: argparse.Namespace) -> LabelledCutouts:
    options = CutoutOptions(args.crop, args.size)
    folder = args.data / "kaggle_gz2"
    store = prepare(folder / "images", args.work / f"kaggle-{args.crop}-{args.size}", options)
    labels = read_labels(folder / "solutions_17_columns.csv", image_ids=store.ids)
    return LabelledCutouts(store, labels)


def hart_galaxies(args: argparse.Namespace) -> LabelledCutouts:
    options = CutoutOptions(args.crop, args.size)
    folder = args.data / "gz2_hart16"
    store = prepare(folder / "images", args.work / f"hart-{args.crop}-{args.size}", options)
    labels = read_labels(folder / "gz2_hart16_sample.csv", image_ids=store.ids)
    return LabelledCutouts(store, labels)


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


def keep(file: Path, tested: dict[str, Tested], record: dict[str, Any]) -> None:
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


def train_head(
    arm: Arm,
    data: dict[str, tuple[torch.Tensor, Labels]],
    epochs: int,
    learning_rate: float,
    seed: int,
    device: str,
) -> dict[str, Tested]:
    """Train a head on features; return what it says of the validation and the test galaxies."""
    torch.manual_seed(seed)
    features, labels = data["train"]  # (n, views, n_features)
    labels = used(arm, labels)
    head = LinearHead(arm, labels.tree, features.shape[-1]).to(device)
    if arm.start_at_mean:
        head.start_at_mean(labels)
    target = torch.from_numpy(labels.cumulative).float().to(device)
    given = labels.given_reach
    reach = torch.full((len(labels), len(labels.tree.questions)), torch.nan)
    if given is not None:
        reach = torch.from_numpy(given).float()
    reach = reach.to(device)
    batch = 128
    steps = epochs * (len(labels) // batch)
    optimizer = torch.optim.AdamW(head.parameters(), lr=learning_rate, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    generator = torch.Generator().manual_seed(seed)
    for step in range(steps):
        if step % (len(labels) // batch) == 0:
            order = torch.randperm(len(labels), generator=generator)
        start = step % (len(labels) // batch) * batch
        rows = order[start : start + batch]
        view = torch.randint(features.shape[1], (batch,), generator=generator)
        images = features[rows, view].to(device).float()
        loss = head.loss(images, target[rows], reach[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    tested = {}
    with torch.inference_mode():
        for part in ("valid", "test"):
            views, labels = data[part]
            cumulative = head(views.to(device).float()).mean(1)
            tested[part] = Tested(labels, cumulative.cpu().double().numpy())
    return tested


def used(arm: Arm, labels: Labels) -> Labels:
    """Return the labels as the arm takes them."""
    if not arm.votes_reach or labels.given_reach is not None:
        return labels
    tree = labels.tree
    measured = [
        name
        for name, answers in zip(tree.question_columns, tree.slices, strict=True)
        if labels.measured[:, answers].any()
    ]
    return labels.only_conditional(measured)


def best_head(
    args: argparse.Namespace,
    name: str,
    arm: Arm,
    data: dict[str, tuple[torch.Tensor, Labels]],
    seed: int,
) -> tuple[dict[str, Tested], dict[str, Any]]:
    """Train at several learning rates; the validation galaxies choose."""
    epochs = args.epochs or 30
    tries = {
        rate: train_head(arm, data, epochs, rate, seed, args.device) for rate in LEARNING_RATES
    }
    valid_rmse = {rate: pooled([tested["valid"]])["rmse"] for rate, tested in tries.items()}
    rate = min(valid_rmse, key=valid_rmse.__getitem__)
    record = {
        "name": name,
        "arm": asdict(arm),
        "seed": seed,
        "epochs": epochs,
        "learning_rate": rate,
        "valid_rmse": {str(rate): value for rate, value in valid_rmse.items()},
    }
    return tries[rate], record


def screen(args: argparse.Namespace) -> None:
    galaxies = kaggle(args)
    maps = features_of(args, galaxies, "kaggle")
    flat = torch.from_numpy(np.asarray(maps)).flatten(3).float()  # (n, 8, n_features, h * w)
    pooled, flat = flat.mean(-1), flat.flatten(2).half()
    half_fold = folds(galaxies.hashes)
    names = args.arms or [name for name, arm in ARMS.items() if not arm.attention]
    jobs = [(name, seed) for seed in args.seeds for name in names]
    for name, seed in tqdm(jobs, unit="training"):
        file = result_file(args, "screen", name, seed)
        if file.exists():
            continue
        parts = parts_of(half_fold, seed)
        features = flat if ARMS[name].flattened else pooled
        data = {
            part: (features[parts == part], galaxies.labels.take(parts == part))
            for part in ("train", "valid", "test")
        }
        keep(file, *best_head(args, name, ARMS[name], data, seed))


FINALISTS = (
    "flat sigmoid, BCE",
    "tree softmax, BCE",
    "tree normalised sigmoids, BCE",
    "flat sigmoid, BCE, attention",
    "tree normalised sigmoids, BCE, attention",
)


def finetune(args: argparse.Namespace) -> None:
    galaxies = kaggle(args)
    half_fold, ids = folds(galaxies.hashes), galaxies.labels.ids
    jobs = [(arm, seed) for seed in args.seeds for arm in args.arms or FINALISTS]
    for name, seed in tqdm(jobs, unit="training"):
        arm = ARMS[name]
        if result_file(args, "finetune", name, seed).exists():
            continue
        parts = parts_of(half_fold, seed)
        store = CutoutStore(args.work / f"kaggle-{args.crop}-{args.size}")
        train = LabelledCutouts(store, used(arm, galaxies.labels.take(parts == "train")))
        torch.manual_seed(seed)
        network: GalaxyTreeNet | FlatNet
        if arm.output == "tree":
            network = GalaxyTreeNet(
                args.backbone,
                pretrained=args.weights,
                activation=arm.activation,
                pooling="attention" if arm.attention else "average",
                cutouts=galaxies.options,
            )
        else:
            network = FlatNet(
                args.backbone,
                pretrained=args.weights,
                head="attention" if arm.attention else "pooled",
                cutouts=galaxies.options,
            )
        config = TrainConfig(
            epochs=args.epochs or 8,
            loss=arm.loss,
            start_at_mean=arm.start_at_mean,
            seed=seed,
        )
        run = args.work / "runs" / f"{name.replace(' ', '_')}-seed{seed}"
        valid = galaxies.take(parts == "valid")
        history = fit(network, train, valid, config, out=run, resume=run.exists())
        for stage, views in (("finetune", 1), ("finetune-8-views", 8)):
            tested = {}
            for part in ("valid", "test"):
                rows = np.flatnonzero(parts == part)
                options = PredictOptions(views=views, device=args.device)
                catalogue = predict(network, store, options, positions=store.rows(ids[rows]))
                cumulative = catalogue[list(galaxies.labels.tree.columns)].to_numpy(float)
                tested[part] = Tested(galaxies.labels.take(rows), cumulative)
            record = {
                "name": name,
                "arm": asdict(arm),
                "seed": seed,
                "views": views,
                "train": asdict(config),
                "backbone": args.backbone,
                "valid_rmse": history["valid_rmse"].tolist(),
            }
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
        parts = parts_of(half_fold, seed)
        # Some images are in both samples.
        elsewhere = ~np.isin(many.hashes, np.array(few.hashes)[parts != "train"])
        arm, how = HART_ARMS[name]
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


HART_ARMS: dict[str, tuple[Arm, str]] = {
    f"{kind}, {how}": (arm, how)
    for kind, arm in (
        ("flat", ARMS["flat sigmoid, BCE"]),
        ("tree softmax", ARMS["tree softmax, BCE"]),
        ("tree normalised sigmoids", ARMS["tree normalised sigmoids, BCE"]),
    )
    for how in ("alone", "deep answers" if kind == "flat" else "deep conditional answers", "all")
}
"""Arms on the Hart galaxies: alone; with the Kaggle galaxies, of which they add only the deep
questions; with the Kaggle galaxies, adding all their labels, although debiased otherwise."""


def report(args: argparse.Namespace) -> None:
    """Compare all results at hand, and write tables and figures into the repository."""
    many, few = kaggle(args).labels, hart_galaxies(args).labels
    stages = (
        ("screen", many, "flat"),
        ("finetune", many, "flat"),
        ("finetune-8-views", many, "flat"),
        ("hart", few, "flat"),
    )
    RESULTS.mkdir(parents=True, exist_ok=True)
    for stage, labels, rivals in stages:
        tests, records = collect(args.work / stage, labels)
        if not tests:
            continue
        tests, on_tree = with_read_outs(tests)
        figures = compare(tests, on_tree, rivals)
        text = json.dumps({"stage": stage, "arms": figures, "runs": records} | provenance())
        (RESULTS / f"{stage}.json").write_text(text + "\n")
        table = markdown_table(figures)
        (RESULTS / f"{stage}.md").write_text(table + "\n")
        print(f"{stage}\n{table}\n")
        plot_intervals(figures, RESULTS / f"{stage}.png")


if __name__ == "__main__":
    main()
