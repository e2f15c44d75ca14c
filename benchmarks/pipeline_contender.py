"""A whole job done when it is its turn: training or predicting, ours or the bare loop.

Started by bench_speed.py.
"""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import shutil
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import torch
from network_contender import bare, train_bare
from speed_protocol import serve
from torch import Tensor

from gz2tree import (
    GZ2_KAGGLE,
    CutoutOptions,
    CutoutStore,
    GalaxyTreeNet,
    LabelledCutouts,
    Labels,
    PredictOptions,
    TrainConfig,
    fit,
    load_model,
    prepare,
)
from gz2tree.networks.precision import autocast, choose_precision, memory_format
from gz2tree.prediction import predict_to_file
from gz2tree.probabilities import cumulative_of
from gz2tree.storeformat import HEADER

CPU = torch.device("cpu")


class PeakMemory:
    """Highest sum of this process's and its workers' own memory; Linux only.

    Pages of the memory-mapped store are not counted: the kernel takes them back when it likes.
    """

    def __init__(self) -> None:
        self.mib = 0.0
        self._done = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        while not self._done.wait(0.05):
            workers = [str(worker.pid) for worker in multiprocessing.active_children()]
            self.mib = max(self.mib, sum(map(own_mib, ["self", *workers])))

    def close(self) -> None:
        """Stop watching."""
        self._done.set()


def own_mib(process: str) -> float:
    """Anonymous resident memory of a process, MiB; 0 if it has gone."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0.0
    return next(
        (float(line.split()[1]) / 1024 for line in status.splitlines() if "RssAnon" in line), 0.0
    )


def random_labels(store: CutoutStore) -> Labels:
    """Labels for a store, the tree's sums kept."""
    conditional = torch.rand(
        len(store), len(GZ2_KAGGLE), generator=torch.Generator().manual_seed(0)
    )
    for answers in GZ2_KAGGLE.slices:
        conditional[:, answers] /= conditional[:, answers].sum(-1, keepdim=True)
    cumulative = cumulative_of(GZ2_KAGGLE, conditional.double().numpy())
    return Labels(store.ids, cumulative, GZ2_KAGGLE, kind="cumulative")


def train(args: argparse.Namespace) -> Callable[[], object]:
    """One epoch of `fit` from a store; images are prepared first, every time anew."""
    model = GalaxyTreeNet(args.backbone, pretrained=False, cutouts=CutoutOptions())

    def job() -> None:
        with tempfile.TemporaryDirectory(dir=args.work) as folder:
            images = args.images
            if not (images / HEADER).exists():
                images = prepare(images, Path(folder) / "store", progress=False).path
            cutouts = CutoutStore(images)
            galaxies = LabelledCutouts(cutouts, random_labels(cutouts))
            fit(model, galaxies, config=TrainConfig(1, args.batch), progress=False)

    return job


def train_in_memory(args: argparse.Namespace) -> Callable[[], object]:
    """As many steps of the bare timm loop on one batch that is there already."""
    torch.manual_seed(0)
    size = CutoutStore(args.images).options.size
    images = torch.randn(args.batch, 3, size, size)
    step = train_bare(bare(args.backbone), images, torch.rand(args.batch, len(GZ2_KAGGLE)))

    def job() -> None:
        for _ in range(args.n // args.batch):
            step()

    return job


def predict(args: argparse.Namespace) -> Callable[[], object]:
    model = load_model(args.model)
    options = PredictOptions(views=args.views)
    out = args.work / "catalogue.parquet"
    return lambda: predict_to_file(model, args.images, out, options, progress=False)


def predict_in_memory(args: argparse.Namespace) -> Callable[[], object]:
    """Only the backbone, in the same precision, layout and batches."""
    model = load_model(args.model)
    layout, precision = memory_format(model, CPU), choose_precision(model, CPU, "auto")
    backbone = model.backbone.eval().to(memory_format=layout)
    cutouts = torch.from_numpy(CutoutStore(args.images).array.copy()).permute(0, 3, 1, 2)
    batches: list[Tensor] = [
        ((batch.float() / 255 - model.mean) / model.std).contiguous(memory_format=layout)
        for batch in cutouts.split(PredictOptions.batch_size)
    ]

    @torch.inference_mode()
    def job() -> None:
        for batch in batches:
            with autocast(CPU, precision):
                backbone(batch)

    return job


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    jobs = {
        "train": train,
        "train-in-memory": train_in_memory,
        "predict": predict,
        "predict-in-memory": predict_in_memory,
    }
    parser.add_argument("job", choices=list(jobs))
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--model", default="default")
    parser.add_argument("--views", type=int, default=1)
    parser.add_argument("--backbone", default="resnet50")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--n", type=int, help="galaxies")
    parser.add_argument("--measure-memory", action="store_true")
    args = parser.parse_args()
    logging.getLogger("gz2tree").setLevel(logging.ERROR)
    args.work = Path(tempfile.mkdtemp())
    try:
        job = jobs[args.job](args)
        if not args.measure_memory:
            serve(job)
            return
        memory = PeakMemory()
        serve(job, warm_ups=0, after=lambda: {"peak_mib": memory.mib})
        memory.close()
    finally:
        shutil.rmtree(args.work)


if __name__ == "__main__":
    main()
