"""How bench_heads.py trains an arm: a head on features, or whole networks."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from gz2tree import (
    CutoutOptions,
    CutoutStore,
    FlatNet,
    GalaxyTreeNet,
    LabelledCutouts,
    Labels,
    TrainConfig,
    fit,
)
from gz2tree.config.choices import Head, Pooling
from gz2tree.graph import DecisionGraph
from heads.arms import ARMS, Arm, LinearHead
from heads.measures import Predicted, pooled

LEARNING_RATES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2)


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
