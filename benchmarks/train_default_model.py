"""How the model in the box was made: all labelled galaxies of two samples, all 37 answers.

The Kaggle galaxies have cumulative labels of 17 answers. The galaxies of Hart et al. (2016) have
all 37, but debiased in another way: of these, only the deeper questions are learnt, and of them
only what was answered where they were asked.

First a network is trained on four fifths of the galaxies and tested on the rest; that gives the
figures of the model card. Then the network that is shipped is trained on all of them.

    python benchmarks/train_default_model.py --data ../shared/data \
        --weights ../shared/weights/resnet50_v1_imagenet_fp16.safetensors --out runs/default
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from samples import DEEP, SAMPLES, held_out_parts, labelled_cutouts

from gz2tree import (
    CutoutOptions,
    CutoutStore,
    GalaxyTreeNet,
    LabelledCutouts,
    Labels,
    PredictOptions,
    TrainConfig,
    evaluate,
    fit,
    load_model,
    predict,
)
from gz2tree.images.given import GZ2_RADII_PER_PIXEL
from gz2tree.networks.network import GalaxyNet
from gz2tree.networks.saved import DEFAULT_MODEL
from gz2tree.networks.seenimages import short_hashes, write_seen_images
from gz2tree.plots import draw_galaxies
from gz2tree.runs.run import RunDirectory
from gz2tree.runs.typical import fit_to_galaxies
from gz2tree.splits import write_split

RESULTS = Path(__file__).parents[1] / "benchmarks" / "results" / "default_model"
TEMPLATE = Path(__file__).parent / "default_model_card.md"
FIGURE = Path(__file__).parents[1] / "docs" / "figures" / "default_model.png"
CARD = Path(__file__).parents[1] / "docs" / "default_model.md"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--out", type=Path, default=Path("runs/default"))
    parser.add_argument("--backbone", default="resnet50_v1_trunk")
    parser.add_argument("--activation", default="normalised_sigmoid")
    parser.add_argument("--crop", type=int, default=CutoutOptions.crop)
    parser.add_argument("--size", type=int, default=CutoutOptions.size)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--learning-rate", type=float, default=TrainConfig.learning_rate)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=["held-out", "everything", "typicality", "card"])
    args = parser.parse_args()

    if args.only == "typicality":
        galaxies = {name: sample(args, name) for name in SAMPLES}
        know_galaxies(everything(galaxies))
    elif args.only != "card":
        train_both(args)
    if args.only in (None, "card"):
        write_card()


def train_both(args: argparse.Namespace) -> None:
    samples = {name: sample(args, name) for name in SAMPLES}
    parts = held_out_parts(samples, args.seed)
    if args.only != "everything":
        rows = {name: parts[name] == "train" for name in samples}
        rows["hart"] &= of_hart_alone(samples)
        train(args, joined(samples, rows), args.out / "held-out")
        part_of_id: dict[str, str] = {}
        for name, galaxies in samples.items():
            for galaxy, part in zip(galaxies.labels.ids, parts[name], strict=True):
                # A few ids are in both samples, with other images: none of theirs is for testing.
                part_of_id[galaxy] = part if part_of_id.get(galaxy, part) == part else "train"
        split = np.array(list(part_of_id.values()))
        write_split(RunDirectory(args.out / "held-out").split, list(part_of_id), split)
        test(args, samples, {name: parts[name] == "test" for name in samples})
    if args.only != "held-out":
        ship(train(args, everything(samples), args.out / "everything"))
        know_galaxies(everything(samples))


def of_hart_alone(samples: dict[str, LabelledCutouts]) -> np.ndarray:
    """Say which of Hart's galaxies to learn: an image in both samples has Kaggle's labels only."""
    return ~np.isin(samples["hart"].hashes, samples["kaggle"].hashes)


def everything(samples: dict[str, LabelledCutouts]) -> LabelledCutouts:
    """Join all galaxies that the network in the box learns from."""
    every = np.full(len(samples["kaggle"]), True)
    return joined(samples, {"kaggle": every, "hart": of_hart_alone(samples)})


def cutouts(args: argparse.Namespace) -> CutoutOptions:
    """Both samples are images as Galaxy Zoo 2 showed them, scaled to their galaxies."""
    return CutoutOptions(args.crop, args.size, radii_per_pixel=GZ2_RADII_PER_PIXEL)


def sample(args: argparse.Namespace, name: str) -> LabelledCutouts:
    store = args.out / f"{name}-{args.size}"
    return labelled_cutouts(SAMPLES[name], args.data, store, cutouts(args))


def joined(samples: dict[str, LabelledCutouts], rows: dict[str, np.ndarray]) -> LabelledCutouts:
    kaggle, hart = (samples[name].take(rows[name]) for name in ("kaggle", "hart"))
    deep = LabelledCutouts(hart.stores[0], hart.labels.only_conditional(DEEP))
    return LabelledCutouts.join(kaggle, deep)


def train(args: argparse.Namespace, galaxies: LabelledCutouts, out: Path) -> GalaxyTreeNet:
    torch.manual_seed(args.seed)
    network = GalaxyTreeNet(
        args.backbone,
        pretrained=args.weights,
        activation=args.activation,
        pooling="attention",
        cutouts=cutouts(args),
    )
    config = TrainConfig(
        epochs=args.epochs,
        learning_rate=args.learning_rate,
        seed=args.seed,
        # With them and 45 epochs the test RMSE was 0.0900; without, and 30 epochs, 0.0891.
        own_sigmoids=False,
    )
    fit(network, galaxies, None, config, out=out, resume=out.exists())
    return network


def test(
    args: argparse.Namespace, samples: dict[str, LabelledCutouts], rows: dict[str, np.ndarray]
) -> None:
    network = load_model(args.out / "held-out")
    for name, galaxies in samples.items():
        labels: Labels = galaxies.labels.take(rows[name])
        store = CutoutStore(args.out / f"{name}-{args.size}")
        for views in (1, 16):
            catalogue = predict(
                network, store, PredictOptions(views=views), positions=store.rows(labels.ids)
            )
            report = evaluate(catalogue, labels)
            RESULTS.mkdir(parents=True, exist_ok=True)
            record = {"sample": name, "views": views, "trained_on": network.training_record}
            file = RESULTS / f"{name}-{views}-views.json"
            file.write_text(report.to_json(**record) + "\n")
            print(f"{name}, {views} views\n{report}\n")
    draw(network, CutoutStore(args.out / f"kaggle-{args.size}"), samples["kaggle"], rows["kaggle"])


def draw(
    network: GalaxyNet, store: CutoutStore, galaxies: LabelledCutouts, rows: np.ndarray
) -> None:
    """Show sixteen test galaxies, at random, with what the held-out network says of them."""
    chosen = np.random.default_rng(0).choice(galaxies.labels.ids[rows], 16, replace=False)
    places = store.rows(chosen)
    catalogue = predict(network, store, positions=places, progress=False)
    figure = Figure(figsize=(11, 15), layout="constrained")
    values = catalogue[list(network.tree.columns)].to_numpy()
    draw_galaxies(figure, store.array[places], network.tree, values, chosen)
    figure.savefig(FIGURE, dpi=80)


def ship(network: GalaxyTreeNet) -> None:
    """Write the network into the package, its weights in half precision."""
    shutil.rmtree(DEFAULT_MODEL, ignore_errors=True)
    for parameter in network.parameters():  # not the statistics of BatchNorm: they would overflow
        parameter.data = parameter.data.half()
    network.save_pretrained(DEFAULT_MODEL)
    (DEFAULT_MODEL / "README.md").unlink()  # the card is in docs
    print(f"{sum(file.stat().st_size for file in DEFAULT_MODEL.iterdir()):,} bytes")


def know_galaxies(galaxies: LabelledCutouts) -> None:
    """Write into the package which images trained the network, and where it sees them."""
    write_seen_images(DEFAULT_MODEL, short_hashes(galaxies.hashes))
    network = load_model(DEFAULT_MODEL)
    network.typicality = fit_to_galaxies(network, galaxies)
    network.save_config(DEFAULT_MODEL)
    print(f"knows {network.typicality.n_galaxies:,} galaxies")


def write_card() -> None:
    """Write the model card from what the runs left behind."""
    model = GalaxyTreeNet.from_pretrained(DEFAULT_MODEL)
    record = model.training_record
    reports = {
        (name, views): json.loads((RESULTS / f"{name}-{views}-views.json").read_text())
        for name in SAMPLES
        for views in (1, 16)
    }
    held_out = reports["kaggle", 1]["trained_on"]
    rows = []
    for (name, views), report in reports.items():
        figures = (
            "rmse", "mean_baseline_rmse", "null_rmse", "structural_null_rmse",
            "voteless_null_rmse", "nonnull_rmse", "calibration_error",
        )  # fmt: skip
        values = " | ".join(f"{report[figure]:.4f}" for figure in figures)
        what = {"kaggle": "Kaggle, 17 answers", "hart": "Hart, 37 answers, debiased"}[name]
        rows.append(f"| {what} | {report['n']} | {views} | {values} |")
    questions = []
    for number, question in enumerate(model.tree.question_columns):
        cells = [f"| {question} {model.tree.questions[number].name}"]
        for name in SAMPLES:
            of_question = reports[name, 1]["per_question"][question]
            for figure in ("rmse", "mean_baseline_rmse", "null_rmse", "calibration_error"):
                value = of_question[figure]
                cells.append("-" if value is None else f"{value:.3f}")
        questions.append(" | ".join(cells) + " |")
    CARD.write_text(
        TEMPLATE.read_text().format(
            backbone=model.backbone_name,
            activation=model.graph.activation,
            crop=model.cutouts.crop,
            size=model.cutouts.size,
            scale=model.cutouts.radii_per_pixel,
            n=record["n_train"],
            n_held_out=held_out["n_train"],
            epochs=record["train"]["epochs"],
            rate=record["train"]["learning_rate"],
            seed=record["train"]["seed"],
            torch=record["versions"]["torch"],
            bytes=(DEFAULT_MODEL / "model.safetensors").stat().st_size,
            table="\n".join(rows),
            questions="\n".join(questions),
        )
    )
    print(f"wrote {CARD}")


if __name__ == "__main__":
    main()
