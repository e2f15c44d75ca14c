"""A network that trains or predicts when it is its turn: ours, or a bare timm network.

Started by bench_speed.py. The bare loops are given images in memory, normalised already; ours
starts from 8-bit cutouts, and augments them in training, as the library does.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable

import lightning as L
import timm
import torch
from speed_protocol import Turns, serve
from torch import Tensor, nn

from gz2tree import GZ2_KAGGLE, CutoutOptions, FlatNet, GalaxyTreeNet, TrainConfig
from gz2tree.augment import orientations
from gz2tree.networks.network import GalaxyNet
from gz2tree.networks.precision import autocast, choose_precision, for_inference, memory_format
from gz2tree.runs.steps import GalaxyModule

CPU = torch.device("cpu")


def ours(name: str, backbone: str, size: int) -> GalaxyNet:
    kind = {"tree": GalaxyTreeNet, "flat": FlatNet}[name]
    return kind(backbone, pretrained=False, cutouts=CutoutOptions(max(256, size), size))


def train_ours(model: GalaxyNet, cutouts: Tensor, target: Tensor, about: dict[str, str]) -> None:
    """Lightning's loop, as `fit` has it; there is no disk in it."""
    config = TrainConfig(batch_size=len(cutouts))
    reach = torch.full((len(cutouts), len(model.tree.questions)), torch.nan)
    precision = choose_precision(model, CPU, config.precision)
    trainer = L.Trainer(
        accelerator="cpu",
        precision="32-true" if precision == "32" else f"{precision}-mixed",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    model.train().to(memory_format=memory_format(model, CPU))
    counts = torch.full_like(target, torch.nan)
    batch = (cutouts.permute(0, 3, 1, 2).contiguous(), target, reach, counts)
    trainer.fit(GalaxyModule(model, config, steps=10**9), Turns(batch, steps=1, **about))


def predict_ours(model: GalaxyNet, cutouts: Tensor) -> Callable[[], object]:
    layout, precision = memory_format(model, CPU), choose_precision(model, CPU, "auto")
    model = model.eval()
    if precision != "32":
        size = cutouts.shape[1]
        model = for_inference(model, torch.rand(1, 3, size, size), precision)
    model = model.to(memory_format=layout)

    @torch.inference_mode()
    def step() -> Tensor:
        images = cutouts.permute(0, 3, 1, 2).float() / 255
        with autocast(CPU, precision):
            (view,) = orientations(images, 1, model.view_angle)
            return model(view.contiguous(memory_format=layout))

    return step


def bare(backbone: str) -> nn.Module:
    return timm.create_model(backbone, pretrained=False, num_classes=len(GZ2_KAGGLE))


def train_bare(network: nn.Module, images: Tensor, target: Tensor) -> Callable[[], object]:
    layout, precision = memory_format(network, CPU), choose_precision(network, CPU, "auto")
    network = network.train().to(memory_format=layout)
    images = images.contiguous(memory_format=layout)
    optimizer = torch.optim.AdamW(network.parameters())

    def step() -> None:
        optimizer.zero_grad()
        with autocast(CPU, precision):
            logits = network(images)
        nn.functional.binary_cross_entropy_with_logits(logits.float(), target).backward()
        optimizer.step()

    return step


def predict_bare(network: nn.Module, images: Tensor, precision: str) -> Callable[[], object]:
    layout = memory_format(network, CPU)
    if precision == "auto":
        precision = choose_precision(network, CPU, "auto")
    network = network.eval().to(memory_format=layout)
    images = images.contiguous(memory_format=layout)

    @torch.inference_mode()
    def step() -> Tensor:
        with autocast(CPU, precision):
            return network(images)

    return step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=["tree", "flat", "timm"])
    parser.add_argument("work", choices=["train", "predict"])
    parser.add_argument("--backbone", default="resnet50")
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--precision", default="auto", help="of a bare network that predicts")
    args = parser.parse_args()
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    torch.manual_seed(0)
    cutouts = torch.randint(256, (args.batch, args.size, args.size, 3), dtype=torch.uint8)
    target = torch.rand(args.batch, len(GZ2_KAGGLE))
    if args.name == "timm":
        network = bare(args.backbone)
        about = {"precision": choose_precision(network, CPU, "auto")}
        images = torch.randn(args.batch, 3, args.size, args.size)
        if args.work == "train":
            serve(train_bare(network, images, target), **about)
        else:
            serve(predict_bare(network, images, args.precision), **about)
        return
    model = ours(args.name, args.backbone, args.size)
    about = {"precision": choose_precision(model, CPU, "auto")}
    if args.work == "train":
        train_ours(model, cutouts, target, about)
    else:
        serve(predict_ours(model, cutouts), **about)


if __name__ == "__main__":
    main()
