"""Zoobot 2.9 training or predicting when it is its turn; runs in the environment of Zoobot.

Started by bench_speed.py. "default" is what its own training and prediction functions do when not
told otherwise: float32. "best" is its `mixed_precision=True`, which on a CPU Lightning turns into
bfloat16. Images are in memory, and not augmented.
"""

from __future__ import annotations

import argparse
import logging
import warnings
from importlib.metadata import version

import lightning as L
import torch
from galaxy_datasets.shared import label_metadata
from speed_protocol import Turns, serve
from zoobot.pytorch.estimators.define_model import ZoobotTree
from zoobot.shared.schemas import Schema


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("work", choices=["train", "predict"])
    parser.add_argument("precision", choices=["default", "best"])
    parser.add_argument("--backbone", default="resnet50")
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--batch", type=int, required=True)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    torch.manual_seed(0)
    schema = Schema(label_metadata.gz2_ortho_pairs, label_metadata.gz2_ortho_dependencies)
    model = ZoobotTree(
        output_dim=len(schema.label_cols),
        question_answer_pairs=label_metadata.gz2_ortho_pairs,
        dependencies=label_metadata.gz2_ortho_dependencies,
        architecture_name=args.backbone,
    )
    images = torch.rand(args.batch, 3, args.size, args.size)
    best = args.precision == "best"
    about = {"zoobot": version("zoobot"), "precision": "bf16" if best else "32"}
    if args.work == "train":
        # As zoobot.pytorch.training.train_with_pytorch_lightning sets it.
        torch.set_float32_matmul_precision("medium" if best else "high")
        trainer = L.Trainer(
            accelerator="cpu",
            precision="16-mixed" if best else "32",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        votes = {column: torch.randint(40, (args.batch,)) for column in schema.label_cols}
        trainer.fit(model, Turns({"image": images, **votes}, steps=1, **about))
        return
    model.eval()

    @torch.inference_mode()
    def step() -> torch.Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=best):
            return model.predict_step(images, 0)

    serve(step, **about)


if __name__ == "__main__":
    main()
