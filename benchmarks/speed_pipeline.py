"""Sections of bench_speed.py about whole jobs: training, predicting, and their memory."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

from speed_data import jpegs, store
from speed_timing import Child, Row, alternate, children, compare

from gz2tree import CutoutOptions, GalaxyTreeNet, load_model

LOOP = "loop over tensors in memory"


def saved_network(args: argparse.Namespace, backbone: str, size: int) -> Path:
    """Write a network of random weights; return its folder."""
    folder = args.work / f"{backbone}-{size}"
    if not folder.is_dir():
        model = GalaxyTreeNet(backbone, pretrained=False, cutouts=CutoutOptions(256, size))
        model.save_pretrained(folder)
    return folder


def job(args: argparse.Namespace, *arguments: object) -> partial[Child]:
    return partial(
        Child, sys.executable, "pipeline_contender.py", [*map(str, arguments)], args.threads
    )


def training(args: argparse.Namespace) -> list[Row]:
    """Time an epoch of ResNet50 from a store, from JPEGs, and bare in memory."""
    n, options = 20 * 2 * args.batch, CutoutOptions()
    shared = ["--backbone", "resnet50", "--batch", 2 * args.batch, "--n", n]
    cutouts, images = store(args, n, options), jpegs(args, n)
    wanted = {
        "fit, from the store": job(args, "train", "--images", cutouts, *shared),
        "prepare and fit, from JPEGs": job(args, "train", "--images", images, *shared),
        LOOP: job(args, "train-in-memory", "--images", cutouts, *shared),
    }
    with children(wanted) as started:
        seconds = alternate(started, args.rounds, warm_ups=0)
    from_store, from_jpegs, in_memory = seconds.values()
    what = f"an epoch of {n} galaxies, ResNet50, 96 px"
    return [
        Row(f"{what}: {name}", ours, LOOP, in_memory, "speed", target, n)
        for name, ours, target in (
            ("fit, from the store", from_store, 0.95),
            ("prepare and fit, from JPEGs", from_jpegs, None),
        )
    ]


def predicting(args: argparse.Namespace) -> list[Row]:
    """Time `predict` to Parquet, and the backbone alone on tensors in memory."""
    rows: list[Row] = []
    networks: list[tuple[str, str | Path, int]] = [
        ("the model in the box, 96 px", "default", 96 * args.batch),
        ("ResNet50, 96 px", saved_network(args, "resnet50", 96), 40 * args.batch),
        ("ResNet50, 224 px", saved_network(args, "resnet50", 224), 8 * args.batch),
    ]
    for what, model, n in networks:
        options = load_model(model).cutouts
        cutouts, images = store(args, n, options), jpegs(args, n)
        wanted = {
            "predict": job(args, "predict", "--model", model, "--images", images),
            "from the store": job(args, "predict", "--model", model, "--images", cutouts),
            "bare backbone": job(args, "predict-in-memory", "--model", model, "--images", cutouts),
        }
        with children(wanted) as started:
            from_jpegs, from_store, bare = alternate(started, args.rounds, warm_ups=0).values()
        for name, ours in (("JPEGs", from_jpegs), ("the store", from_store)):
            rows.append(
                Row(f"predict, {what}, from {name}", ours, "bare backbone", bare, "speed", 0.85, n)
            )
    return rows + views(args)


def views(args: argparse.Namespace) -> list[Row]:
    """Time the average over 16 views, and one view."""
    n = 8 * args.batch
    cutouts = store(args, n, load_model("default").cutouts)
    wanted = {
        f"{number} views": job(
            args, "predict", "--model", "default", "--images", cutouts, "--views", number
        )
        for number in (16, 1)
    }
    with children(wanted) as started:
        seconds = alternate(started, args.rounds)
    what = "predict, the model in the box, 16 views, from the store"
    return compare(what, seconds, {"1 views": 16.5}, ratio="cost", images=n)


def memory(args: argparse.Namespace) -> list[Row]:
    """Measure memory and speed as the number of galaxies grows."""
    rows: list[Row] = []
    options = load_model("default").cutouts
    few = args.numbers[0]
    network = ["--backbone", "resnet10t", "--batch", 64]
    for what, arguments, source in (
        ("predict from JPEGs", ["predict", "--model", "default"], jpegs),
        (
            "predict from the store",
            ["predict", "--model", "default"],
            partial(store, options=options),
        ),
        ("an epoch of ResNet10t", ["train", *network], partial(store, options=options)),
    ):
        peaks: dict[int, float] = {}
        for n in args.numbers:
            images = source(args, n)
            start = job(args, *arguments, "--images", images, "--n", n, "--measure-memory")
            with children({what: start}) as started:
                seconds = started[what]()
                peaks[n] = started[what].last["peak_mib"]
            name = f"{what}, {n:,} galaxies"
            rows.append(Row(name, [seconds], images=n))
            peak = Row(f"{name}: peak memory", [peaks[n]], unit="MiB")
            if n != few:
                peak = replace(
                    peak, against=f"{few:,} galaxies", theirs=[peaks[few]], ratio="cost", target=1.1
                )
            rows.append(peak)
    return rows
