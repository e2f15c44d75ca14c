"""What is fuzzed: bytes in, nothing out; an error that is no InputError is a finding."""

from __future__ import annotations

import gzip
import io
import json
import logging
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import yaml
from safetensors.torch import save_file

from gz2tree import GZ2_KAGGLE, CutoutOptions, CutoutStore, DecisionTree, Question
from gz2tree.config import AugmentOptions
from gz2tree.errors import InputError
from gz2tree.labelling.labeltable import read_labels
from gz2tree.labels import Labels
from gz2tree.model import GalaxyTreeNet, load_model
from gz2tree.networks.network import GalaxyNet
from gz2tree.probabilities import cumulative_of
from gz2tree.storeformat import CUTOUTS, HEADER, INDEX, PROBLEMS, StoreHeader
from gz2tree.tables.files import write_table
from gz2tree.treenames import find_tree, tree_names

TREE = DecisionTree(
    "toy",
    [
        Question("shape", ["smooth", "disk", "star"]),
        Question("bar", ["barred", "unbarred"], ["disk"]),
        Question("odd", ["odd", "normal"], ["smooth", "disk"]),
    ],
    kinds={"count": "_votes"},
)
SUFFIXES = (".csv", ".csv.gz", ".parquet", ".fits")
BACKBONE, CUTOUT = "resnet10t", CutoutOptions(crop=4, size=4)


@dataclass(frozen=True)
class Target:
    """One sort of file.

    Parameters
    ----------
    read : callable
        Takes the bytes of a file.
    seeds : callable
        Gives files that are read without complaint.
    """

    read: Callable[[bytes], None]
    seeds: Callable[[], list[bytes]]


def read_table_of_labels(data: bytes) -> None:
    """Read labels; the first byte says in which format, so that one corpus serves all."""
    if not data:
        return
    suffix = SUFFIXES[data[0] % len(SUFFIXES)]
    content = gzip.compress(data[1:], 1) if suffix == ".csv.gz" else data[1:]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"table{suffix}"
        path.write_bytes(content)
        for kind in ("cumulative", "count"):
            for allow_bad_rows in (False, True):
                try:
                    labels = read_labels(path, TREE, kind, allow_bad_rows=allow_bad_rows)
                except InputError:
                    continue
                check_labels(labels)


def check_labels(labels: Labels) -> None:
    """What is read holds ids of text, each once, and probabilities."""
    assert all(isinstance(galaxy, str) and galaxy for galaxy in labels.ids)
    assert len(set(labels.ids)) == len(labels.ids)
    known = labels.cumulative[~np.isnan(labels.cumulative)]
    assert ((known >= 0) & (known <= 1 + 1e-6)).all()


def tables() -> list[bytes]:
    """Make tables of cumulative probabilities and of votes, in every format."""
    votes = np.array([[3, 4, 0, 1, 3, 2, 5], [9, 0, 1, 0, 0, 9, 0]])
    conditional = np.concatenate(
        [votes[:, s] / np.maximum(votes[:, s].sum(1, keepdims=True), 1) for s in TREE.slices], 1
    )
    cumulative = pd.DataFrame(cumulative_of(TREE, conditional), columns=list(TREE.columns))
    counts = pd.DataFrame(votes, columns=list(TREE.kind_columns("count")))
    made = []
    with tempfile.TemporaryDirectory() as folder:
        for number, suffix in enumerate(SUFFIXES):
            for table in (cumulative, counts):
                path = Path(folder) / f"table{suffix}"
                write_table(table.assign(id=["587722981736120347", "J0042"]), path)
                content = path.read_bytes()
                plain = gzip.decompress(content) if suffix == ".csv.gz" else content
                made.append(bytes([number]) + plain)
    return made


def read_tree_file(data: bytes) -> None:
    """Read a tree; one that is accepted can be shown, written and read back."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tree.yaml"
        path.write_bytes(data)
        try:
            tree = DecisionTree.from_file(path)
        except InputError as error:
            check_message(error)
            return
        str(tree), hash(tree), json.dumps(tree.to_dict())
        tree.to_file(path)
        assert DecisionTree.from_file(path) == tree


def tree_files() -> list[bytes]:
    """Take the trees of the package, as YAML, and one as JSON."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tree.yaml"
        made = []
        for tree in (TREE, *map(find_tree, tree_names())):
            tree.to_file(path)
            made.append(path.read_bytes())
    flow = yaml.safe_dump(TREE.to_dict(), default_flow_style=True)
    return [*made, json.dumps(GZ2_KAGGLE.to_dict()).encode(), flow.encode()]


def read_config(data: bytes) -> None:
    """Load a saved model of this config.json; one that is accepted predicts probabilities."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "config.json").write_bytes(data)
        (folder / "model.safetensors").symlink_to(_weights())
        for load in (load_model, GalaxyTreeNet.from_pretrained):
            try:
                model: GalaxyNet = load(folder)
            except InputError as error:
                check_message(error)
                continue
            json.dumps(model.config())
            str(model.untrained), float(model.view_angle)
            with torch.inference_mode():
                predicted = model(torch.zeros(1, 3, 32, 32))
            assert ((predicted >= 0) & (predicted <= 1)).all()


def _network() -> GalaxyTreeNet:
    torch.manual_seed(0)
    trained = {"train": {"augment": asdict(AugmentOptions())}, "answers": list(TREE.columns)}
    return GalaxyTreeNet(BACKBONE, TREE, pretrained=False, cutouts=CUTOUT, training=trained)


_kept: list[tempfile.TemporaryDirectory[str]] = []


def _weights() -> Path:
    """Weights that fit the seeds, written once."""
    if not _kept:
        _kept.append(tempfile.TemporaryDirectory())
        save_file(_network().state_dict(), Path(_kept[0].name) / "model.safetensors")
    return Path(_kept[0].name) / "model.safetensors"


def configs() -> list[bytes]:
    """Take the config of a small network, plain and calibrated."""
    config = _network().config()
    ones = dict.fromkeys(TREE.question_columns, 1.0)
    calibrated = config | {"calibration": {"temperature": ones, "strength": ones}}
    return [json.dumps(c).encode() for c in (config, calibrated)]


def read_store_header(data: bytes) -> None:
    """Open a store of this store.json; one that is accepted has the rows it promises."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / HEADER).write_bytes(data)
        (folder / INDEX).write_text("id,sha256\n0042,00\n")
        (folder / PROBLEMS).write_text("id,file,problem\n")
        np.save(folder / CUTOUTS, np.zeros((1, CUTOUT.size, CUTOUT.size, 3), np.uint8))
        try:
            store = CutoutStore(folder)
        except InputError as error:
            check_message(error)
            return
        assert store.array[store.rows(["0042"])].shape == (1, CUTOUT.size, CUTOUT.size, 3)


def store_headers() -> list[bytes]:
    """Make headers of a complete store, and of one that is not."""
    complete = StoreHeader(CUTOUT.crop, CUTOUT.size, 1, "0" * 64, "images", n=1, complete=True)
    begun = StoreHeader(CUTOUT.crop, CUTOUT.size, 1, "0" * 64, "images")
    return [json.dumps(asdict(header)).encode() for header in (complete, begun)]


def check_message(error: InputError) -> None:
    """The command line prints it as one line."""
    assert len(str(error)) < 100_000, f"a message of {len(str(error))} characters"


TARGETS = {
    "tables": Target(read_table_of_labels, tables),
    "trees": Target(read_tree_file, tree_files),
    "config": Target(read_config, configs),
    "store": Target(read_store_header, store_headers),
}


def quietly() -> None:
    """Silence the package's log, which would say the same of every input."""
    logging.getLogger("gz2tree").setLevel(logging.CRITICAL)
    logging.getLogger("gz2tree").addHandler(logging.StreamHandler(io.StringIO()))
