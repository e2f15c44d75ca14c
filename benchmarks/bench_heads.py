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
from head_arms import ARMS, FOR_HEADS_ONLY, FOR_WHOLE_NETWORKS_ONLY, Arm, LinearHead
from head_measures import Predicted, pooled
from head_report import (
    collect,
    compare,
    markdown_table,
    plot_curves,
    plot_intervals,
    with_read_outs,
)
from record import provenance
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
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
from gz2tree.config.choices import Head, Pooling
from gz2tree.graph import DecisionGraph
from gz2tree.networks.precision import autocast, choose_precision, memory_format
from gz2tree.store import prepare

RESULTS = Path(__file__).parent / "results" / "heads"
DEEP = ("Class3", "Class4", "Class5", "Class9", "Class10", "Class11")
LEARNING_RATES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2)
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


def arms_of(stage: str) -> Mapping[str, Any]:
    """Arms that a stage knows how to train."""
    if stage == "hart":
        return HART_ARMS
    if stage == "finetune":
        whole = {n: a for n, a in ARMS.items() if a.output in ("tree", "flat")}
        return {n: a for n, a in whole.items() if not any(getattr(a, f) for f in FOR_HEADS_ONLY)}
    return {
        n: a for n, a in ARMS.items() if not any(getattr(a, f) for f in FOR_WHOLE_NETWORKS_ONLY)
    }


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


def with_size(stage: str, args: argparse.Namespace) -> str:
    """Name of the stage, with the number of training galaxies if it was asked for."""
    name = f"{stage}-{args.train_size}" if args.train_size else stage
    return f"{name}-smooth" if args.mostly_smooth else name


def without_featured(labels: Labels, parts: np.ndarray, seed: int) -> np.ndarray:
    """Leave out nine in ten of the training galaxies that most volunteers saw features in.

    The test galaxies stay as they are: another mix than that of the training.
    """
    featured = labels.cumulative[:, labels.tree.columns.index("Class1.2")] > 0.5
    left_out = np.random.default_rng(seed).random(len(parts)) < 0.9
    seen = (parts == "train") | (parts == "valid")
    return np.where(seen & featured & left_out, "unused", parts)


def kaggle(args: argparse.Namespace) -> LabelledCutouts:
    options = CutoutOptions(args.crop, args.size)
    folder = args.data / "kaggle_gz2"
    store = prepare(folder / "images", args.work / f"kaggle-{args.crop}-{args.size}", options)
    labels = read_labels(folder / "solutions_17_columns.csv", image_ids=store.ids)
    return LabelledCutouts(store, labels)


def simulated(args: argparse.Namespace) -> LabelledCutouts:
    options = CutoutOptions(args.crop, args.size)
    store = prepare(args.sky / "images", args.work / f"sky-{args.crop}-{args.size}", options)
    return LabelledCutouts(store, read_labels(args.sky / "labels.csv", image_ids=store.ids))


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


def train_head(
    arm: Arm,
    data: dict[str, tuple[torch.Tensor, Labels]],
    epochs: int,
    learning_rate: float,
    seed: int,
    device: str,
) -> dict[str, Predicted]:
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
    batch = min(128, len(labels))
    steps_of_epoch = len(labels) // batch
    # A few galaxies would be through with 30 epochs before anything is learnt.
    steps = max(epochs * steps_of_epoch, 300)
    average = AveragedModel(head, multi_avg_fn=get_ema_multi_avg_fn(0.99))
    optimizer = torch.optim.AdamW(head.parameters(), lr=learning_rate, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    generator = torch.Generator().manual_seed(seed)
    for step in range(steps):
        if step % steps_of_epoch == 0:
            order = torch.randperm(len(labels), generator=generator)
        start = step % steps_of_epoch * batch
        rows = order[start : start + batch]
        view = torch.randint(features.shape[1], (batch,), generator=generator)
        images = features[rows, view].to(device).float()
        loss = head.loss(images, target[rows], reach[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        average.update_parameters(head)
    read_out = average if arm.weight_average else head
    tested = {}
    with torch.inference_mode():
        for part in ("valid", "test"):
            views, labels = data[part]
            cumulative = read_out(views.to(device).float()).mean(1)
            tested[part] = Predicted(labels, cumulative.cpu().double().numpy())
    return tested


def used(arm: Arm, labels: Labels) -> Labels:
    """Return the labels as the arm takes them."""
    if not arm.votes_reach or labels.given_reach is not None:
        return labels
    return labels.only_conditional(measured_questions(labels))


def measured_questions(labels: Labels) -> list[str]:
    tree = labels.tree
    return [
        name
        for name, answers in zip(tree.question_columns, tree.slices, strict=True)
        if labels.measured[:, answers].any()
    ]


def best_head(
    args: argparse.Namespace,
    name: str,
    arm: Arm,
    data: dict[str, tuple[torch.Tensor, Labels]],
    seed: int,
) -> tuple[dict[str, Predicted], dict[str, Any]]:
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
        "n_train": len(data["train"][1]),
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
    names = args.arms or list(arms_of("screen"))
    jobs = [(name, seed) for seed in args.seeds for name in names]
    for name, seed in tqdm(jobs, unit="training"):
        file = result_file(args, with_size("screen", args), name, seed)
        if file.exists():
            continue
        parts = parts_of(half_fold, seed, args)
        if args.mostly_smooth:
            parts = without_featured(galaxies.labels, parts, seed)
        features = flat if ARMS[name].flattened else pooled
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


def train_networks(
    args: argparse.Namespace,
    name: str,
    galaxies: LabelledCutouts,
    store: CutoutStore,
    parts: np.ndarray,
    seed: int,
) -> tuple[list[GalaxyTreeNet | FlatNet], dict[str, Any]]:
    """Train the network of an arm, or one for each question."""
    arm = ARMS[name]
    train, valid = galaxies.labels.take(parts == "train"), galaxies.labels.take(parts == "valid")
    samples = [(used(arm, train), valid)]
    if arm.separate:
        samples = [
            (train.only_conditional({question}), valid.only_conditional({question}))
            for question in measured_questions(train)
        ]
    config = TrainConfig(
        epochs=args.epochs or 8,
        loss=arm.loss,
        own_sigmoids=arm.own_sigmoids,  # never by default
        start_at_mean=arm.start_at_mean,
        seed=seed,
    )
    networks: list[GalaxyTreeNet | FlatNet] = []
    valid_rmse = []
    for number, (train, valid) in enumerate(samples):
        torch.manual_seed(seed)
        which = f"{store.path.name}-{len(train)}-{name}-{number}-seed{seed}".replace(" ", "_")
        run = args.work / "runs" / which
        network = build(args, arm, galaxies.options)
        history = fit(
            network,
            LabelledCutouts(store, train),
            LabelledCutouts(store, valid),
            config,
            out=run,
            resume=run.exists(),
        )
        networks.append(network)
        valid_rmse.append(history["valid_rmse"].tolist())
    record = {
        "train": asdict(config),
        "backbone": args.backbone,
        "pretrained": bool(args.weights),
        "n_train": len(train),
        "cutouts": asdict(galaxies.options),
        "valid_rmse": valid_rmse,
    }
    return networks, record


def build(args: argparse.Namespace, arm: Arm, cutouts: CutoutOptions) -> GalaxyTreeNet | FlatNet:
    weights = args.weights or False
    if arm.output == "tree":
        pooling: Pooling = "attention" if arm.attention else "average"
        return GalaxyTreeNet(
            args.backbone,
            pretrained=weights,
            activation=arm.activation,
            pooling=pooling,
            cutouts=cutouts,
        )
    head: Head = "attention" if arm.attention else "pooled"
    return FlatNet(args.backbone, pretrained=weights, head=head, cutouts=cutouts)


def of_separate(labels: Labels, cumulative: list[np.ndarray]) -> np.ndarray:
    """Multiply down the conditional answers of networks that know one question each."""
    if len(cumulative) == 1:
        return cumulative[0]
    graph = DecisionGraph(labels.tree)
    conditional = np.full_like(cumulative[0], 0.5)
    for question, of_network in zip(measured_questions(labels), cumulative, strict=True):
        answers = labels.tree.slices[labels.tree.question_columns.index(question)]
        all_conditional = graph.condition(torch.from_numpy(of_network)).nan_to_num(0.0)
        conditional[:, answers] = all_conditional[:, answers]
    return graph.cumulative(torch.from_numpy(conditional)).numpy()


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
        ("tree own sigmoids too", ARMS["tree normalised sigmoids, BCE, own sigmoids too"]),
    )
    for how in ("alone", "deep answers" if kind == "flat" else "deep conditional answers", "all")
}
"""Arms on the Hart galaxies: alone; with the Kaggle galaxies, of which they add only the deep
questions; with the Kaggle galaxies, adding all their labels, although debiased otherwise."""


def report(args: argparse.Namespace) -> None:
    """Compare all results at hand, and write tables and figures into the repository."""
    samples = {"screen": kaggle, "finetune": kaggle, "hart": hart_galaxies, "sky": simulated}
    RESULTS.mkdir(parents=True, exist_ok=True)
    curves: dict[str, dict[int, Any]] = {}
    for folder in sorted(args.work.iterdir()):
        stage, kind = folder.name, folder.name.split("-")[0]
        if kind not in samples or not any(folder.glob("*/seed*.json")):
            continue
        tests, records = collect(folder, samples[kind](args).labels)
        on_tree = {
            name
            for name, arm in (HART_ARMS if kind == "hart" else ARMS).items()
            if (arm[0] if kind == "hart" else arm).output in ("tree", "dirichlet")
        }
        tests, on_tree = with_read_outs(tests, on_tree, truth(args) if kind == "sky" else None)
        figures = compare(tests, on_tree)
        text = json.dumps(
            {"stage": stage, "arms": rounded(figures), "runs": records} | provenance()
        )
        (RESULTS / f"{stage}.json").write_text(text + "\n")
        table = markdown_table(figures)
        (RESULTS / f"{stage}.md").write_text(table + "\n")
        print(f"{stage}\n{table}\n")
        plot_intervals(figures, RESULTS / f"{stage}.png")
        if not stage.endswith(("smooth", "views")):
            n_train = round(np.mean([record["n_train"] for record in records]))
            curves.setdefault(kind, {})[n_train] = figures
    for kind, of_kind in curves.items():
        if len(of_kind) > 1:
            plot_curves(of_kind, FINALISTS, RESULTS / f"{kind}-curve.png")


def rounded(value: Any) -> Any:
    """Round all numbers of nested figures: the intervals are good for three digits."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [rounded(item) for item in value]
    if isinstance(value, float):
        return None if np.isnan(value) else float(f"{value:.4g}")
    return value


def truth(args: argparse.Namespace) -> Labels:
    """Read what infinitely many simulated volunteers would say."""
    return read_labels(args.sky / "truth.csv")


if __name__ == "__main__":
    main()
