"""Catalogues in shards: the same rows whoever wrote them, each once, however often interrupted."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
import torch
from conftest import SMALL, SmallSky, left_by_a_killed_process, write_images
from torch import nn

from gz2tree import (
    GZ2,
    GZ2_KAGGLE,
    CutoutOptions,
    GalaxyTreeNet,
    InputError,
    PredictOptions,
    load_model,
    predict,
)
from gz2tree.catalogues.sharded_prediction import predict_to_folder
from gz2tree.catalogues.shardformat import MANIFEST, PROBLEMS, Shard, Totals
from gz2tree.catalogues.shards import ShardedCatalogue, ids_of_shards
from gz2tree.cli import main
from gz2tree.commands.inputs import read_predictions
from gz2tree.config import CatalogueOptions, ShardOptions

HERE = PredictOptions(workers=0, precision="32", batch_size=4)
SEVEN = ShardOptions(galaxies_per_shard=7, accelerator="cpu")


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved network whose answers differ from image to image."""
    torch.manual_seed(0)
    network = GalaxyTreeNet("resnet10t", pretrained=False, cutouts=SMALL)
    for head in network.heads:  # type: ignore[union-attr]
        nn.init.normal_(head.weight)
    folder = tmp_path_factory.mktemp("model") / "model"
    network.save_pretrained(folder)
    return folder


def shards_of(
    model: Path, images: Any, out: Path, *, shards: ShardOptions = SEVEN, **options: Any
) -> Totals | None:
    given = [images] if isinstance(images, str | Path) else images
    keywords = {name: options.pop(name) for name in ("columns", "flags") if name in options}
    settings, catalogue = replace(HERE, **options), CatalogueOptions(**keywords)
    return predict_to_folder(
        load_model(model), given, out, settings, shards, catalogue, progress=False
    )


def of_all(out: Path) -> pd.DataFrame:
    return pd.read_parquet(out)


@pytest.fixture(scope="module")
def alone(model: Path, small_sky: SmallSky, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The forty galaxies in six shards, written by one process without a break."""
    out = tmp_path_factory.mktemp("alone") / "catalogue"
    assert shards_of(model, small_sky.images, out) == Totals(40, 0, {})
    return out


def assert_same_catalogue(one: Path, other: Path) -> None:
    """Manifests, names of the files, and rows within what another number of threads changes."""
    manifests = [json.loads((out / MANIFEST).read_text()) for out in (one, other)]
    assert all(manifest.pop("begun") for manifest in manifests)
    # The command names its model in every shard.
    assert all(shard.pop("bytes") for manifest in manifests for shard in manifest["shards"])
    assert manifests[0] == manifests[1]
    assert sorted(os.listdir(one)) == sorted(os.listdir(other))
    for name in sorted(path.name for path in one.glob("*.parquet")):
        pd.testing.assert_frame_equal(
            pd.read_parquet(one / name), pd.read_parquet(other / name), rtol=0, atol=1e-5
        )


# what is written


def test_reads_as_one_data_set_of_the_rows_that_predict_gives(
    alone: Path, model: Path, small_sky: SmallSky
) -> None:
    expected = predict(load_model(model), small_sky.images, replace(HERE, device="cpu"))
    assert expected.iloc[:, 1:].std().max() > 0.01  # or the order would not show
    for read in (
        pd.read_parquet(alone),
        ds.dataset(alone).to_table().to_pandas(),
        pq.read_table(alone).to_pandas(),
    ):
        assert read.columns.tolist() == [GZ2_KAGGLE.id_column, *GZ2_KAGGLE.columns]
        assert set(read.dtypes.iloc[1:]) == {np.dtype(np.float32)}
        assert read["GalaxyID"].tolist() == sorted(small_sky.labels.ids)
        # Batches end where shards do, hence the last digits.
        np.testing.assert_allclose(read.iloc[:, 1:], expected.iloc[:, 1:], rtol=0, atol=1e-6)


def test_manifest_says_what_is_where(alone: Path) -> None:
    manifest = json.loads((alone / MANIFEST).read_text())
    assert manifest["complete"]
    assert manifest["tree"] == "GZ2_KAGGLE"
    assert manifest["options"]["galaxies_per_shard"] == 7
    assert (manifest["galaxies"], manifest["images"], manifest["unreadable"]) == (40, 40, 0)
    firsts = [(shard["first"], shard["images"]) for shard in manifest["shards"]]
    assert firsts == [(0, 7), (7, 7), (14, 7), (21, 7), (28, 7), (35, 5)]
    for shard in manifest["shards"]:
        assert shard["bytes"] == (alone / shard["file"]).stat().st_size
        assert shard["rows"] == len(pd.read_parquet(alone / shard["file"]))
    assert str(alone.parent) not in (alone / MANIFEST).read_text()
    assert not list(alone.glob(".partial-*"))


def test_several_inputs_columns_flags_and_unreadable_images(
    model: Path, small_sky: SmallSky, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Two tar files, one without a readable image, and a list; all of it in the manifest."""
    caplog.set_level(logging.INFO, "gz2tree")
    files = sorted(small_sky.images.iterdir())
    (tmp_path / "bad.png").write_bytes(b"no image")
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for file in files[:9]:
            archive.add(file, file.name)
    with tarfile.open(tmp_path / "b.tar", "w") as archive:
        archive.add(tmp_path / "bad.png", "bad.png")
    with tarfile.open(tmp_path / "c.tar", "w") as archive:
        archive.add(small_sky.table, "labels.csv")
    (tmp_path / "list.txt").write_text("".join(f"{file}\n" for file in files[9:]) + "gone.png\n")
    out = tmp_path / "out"
    flags = ("smooth=0.2",)
    inputs = [tmp_path / "[abc].tar", tmp_path / "list.txt"]
    totals = shards_of(model, inputs, out, columns="reach", flags=flags, workers=1)
    found = of_all(out)
    assert found["GalaxyID"].tolist() == [file.stem for file in files]
    assert found.columns.tolist() == [
        "GalaxyID", *(f"{name}_reach" for name in GZ2_KAGGLE.question_columns), "flag_smooth",
    ]  # fmt: skip
    assert totals == Totals(40, 2, {"flag_smooth": int(found["flag_smooth"].sum())})
    problems = pd.read_csv(out / PROBLEMS)
    assert problems["id"].tolist() == ["bad", "gone"]
    assert problems["problem"].str.contains("not an image|cannot be read").all()
    shards = json.loads((out / MANIFEST).read_text())["shards"]
    assert [shard["images"] for shard in shards] == [7, 2, 1, 0, 7, 7, 7, 7, 4]
    schemas = [pq.read_schema(out / shard["file"]).remove_metadata() for shard in shards]
    assert all(schema == schemas[0] for schema in schemas)
    assert "2 of 42 images cannot be read and are left out" in caplog.text
    assert f"flag_smooth: {totals.flagged['flag_smooth']} of 40 galaxies" in caplog.text


def test_other_commands_read_it_as_a_catalogue(alone: Path) -> None:
    predictions, tree = read_predictions(alone, [GZ2, GZ2_KAGGLE])
    assert tree == GZ2_KAGGLE
    expected = of_all(alone)
    assert predictions["GalaxyID"].tolist() == expected["GalaxyID"].tolist()
    np.testing.assert_array_equal(predictions.iloc[:, 1:], expected.iloc[:, 1:])


def test_store_gives_the_same_rows(
    alone: Path, model: Path, small_sky: SmallSky, tmp_path: Path
) -> None:
    shards_of(model, small_sky.store, tmp_path / "out")
    pd.testing.assert_frame_equal(of_all(tmp_path / "out"), of_all(alone), rtol=0, atol=1e-5)


def test_no_readable_image_is_an_error(model: Path, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.png").write_bytes(b"no image")
    for _ in range(2):
        with pytest.raises(InputError, match="none among 1"):
            shards_of(model, tmp_path / "images", tmp_path / "out")


# interruptions


class InterruptionError(Exception):
    """Stands for whatever ends a process between two shards."""


@pytest.mark.parametrize("form", ["folder", "tar"])
def test_interrupted_catalogue_is_gone_on_with(
    form: str,
    model: Path,
    small_sky: SmallSky,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    images = small_sky.images
    if form == "tar":
        images = tmp_path / "images.tar"
        with tarfile.open(images, "w") as archive:
            for file in sorted(small_sky.images.iterdir()):
                archive.add(file, file.name)
    shards_of(model, images, tmp_path / "whole")
    written: list[str] = []
    write = ShardedCatalogue.write

    def write_two(self: ShardedCatalogue, shard: Shard, *arguments: Any) -> None:
        if len(written) % 3 == 2:
            written.append("interrupted")
            raise InterruptionError
        written.append(shard.file)
        write(self, shard, *arguments)

    monkeypatch.setattr(ShardedCatalogue, "write", write_two)
    out = tmp_path / "broken"
    for _ in range(2):
        with pytest.raises(InterruptionError):
            shards_of(model, images, out)
        assert not json.loads((out / MANIFEST).read_text())["complete"]
    assert shards_of(model, images, out) == Totals(40, 0, {})
    once = [name for name in written if name != "interrupted"]
    assert sorted(once) == sorted(path.name for path in out.glob("*.parquet"))
    assert_same_catalogue(tmp_path / "whole", out)
    # Complete: nothing is read or written again.
    assert shards_of(model, images, out) == Totals(40, 0, {})
    assert len(written) == len(once) + 2


def test_what_decides_nothing_may_change_in_between(
    alone: Path, model: Path, small_sky: SmallSky, tmp_path: Path
) -> None:
    """The folder of images may have been moved, and be read by more workers."""
    out = tmp_path / "out"
    shards_of(model, small_sky.images, out)
    (out / "part-00000-00003.parquet").unlink()
    (tmp_path / "moved").mkdir()
    moved = tmp_path / "moved" / small_sky.images.name
    moved.symlink_to(small_sky.images)
    assert shards_of(model, moved, out, workers=1, batch_size=4) == Totals(40, 0, {})
    pd.testing.assert_frame_equal(of_all(out), of_all(alone), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"views": 8}, "options.views: begun with 1, found 8"),
        ({"gate": 0.1}, "options.gate: begun with 0.0, found 0.1"),
        ({"columns": "reach"}, "options.columns: begun with 'cumulative', found 'reach'"),
        ({"shards": replace(SEVEN, galaxies_per_shard=8)}, "galaxies_per_shard: begun with 7"),
        ({"flags": ("smooth=0.2",)}, "options.flags.flag_smooth"),
    ],
)
def test_other_options_are_refused(
    changes: dict[str, Any], message: str, alone: Path, model: Path, small_sky: SmallSky
) -> None:
    before = {path: path.stat().st_mtime_ns for path in alone.iterdir()}
    with pytest.raises(InputError, match=f"holds a catalogue of something else.*{message}"):
        shards_of(model, small_sky.images, alone, **changes)
    assert {path: path.stat().st_mtime_ns for path in alone.iterdir()} == before


def test_other_images_and_models_are_refused(
    alone: Path, model: Path, small_sky: SmallSky, tmp_path: Path
) -> None:
    fewer = write_images(tmp_path / "images", ["a", "b"])
    with pytest.raises(InputError, match=r"inputs\.0\.images: begun with 40, found 2"):
        shards_of(model, fewer, alone)
    with pytest.raises(InputError, match=r"inputs\.1: begun with None"):
        shards_of(model, [small_sky.images, fewer], alone)
    torch.manual_seed(1)
    other = GalaxyTreeNet("resnet10t", pretrained=False, cutouts=SMALL)
    other.save_pretrained(tmp_path / "other")
    with pytest.raises(InputError, match=r"models: begun with"):
        shards_of(tmp_path / "other", small_sky.images, alone)


def test_folders_and_inputs_that_do_not_serve_are_refused(
    model: Path, small_sky: SmallSky, tmp_path: Path
) -> None:
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "thesis.txt").touch()
    with pytest.raises(InputError, match=r"expected an empty or new folder.*thesis\.txt"):
        shards_of(model, small_sky.images, tmp_path / "used")
    with pytest.raises(InputError, match="found a file"):
        shards_of(model, small_sky.images, tmp_path / "used" / "thesis.txt")
    with pytest.raises(InputError, match="expected a store alone, found 2 inputs"):
        shards_of(model, [small_sky.store, small_sky.images], tmp_path / "out")
    small = GalaxyTreeNet("resnet10t", pretrained=False, cutouts=CutoutOptions(40, 16))
    with pytest.raises(InputError, match="asked for crop 40, size 16"):
        predict_to_folder(small, [small_sky.store], tmp_path / "out", HERE, SEVEN)
    with pytest.raises(InputError, match="device: expected none"):
        shards_of(model, small_sky.images, tmp_path / "out", device="cpu")
    shards = replace(SEVEN, strategy="telepathy")
    with pytest.raises(InputError, match="accelerator, devices, num_nodes, strategy: "):
        shards_of(model, small_sky.images, tmp_path / "out", shards=shards)
    assert not (tmp_path / "out").exists()


def test_damaged_or_foreign_shards_are_noticed(
    model: Path, small_sky: SmallSky, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    shards_of(model, small_sky.images, out)
    manifest = json.loads((out / MANIFEST).read_text()) | {"complete": False}
    (out / MANIFEST).write_text(json.dumps(manifest))
    catalogue = ShardedCatalogue(out, 7, (40,))
    third, fourth = (out / f"part-00000-0000{number}.parquet" for number in (3, 4))
    third.write_bytes(fourth.read_bytes())
    with pytest.raises(InputError, match="expected a shard from image 21 on, found one from 28"):
        catalogue.complete()
    third.write_bytes(b"PAR1")
    with pytest.raises(InputError, match=f"{third.name}: expected a shard.*delete it"):
        catalogue.complete()
    third.unlink()
    assert catalogue.complete() is None


def test_shards_are_in_order_when_their_numbers_have_more_digits(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As from the 100,001st on, here from the eleventh: 10 is after 2, though not as text."""
    monkeypatch.setattr("gz2tree.catalogues.shardformat._DIGITS", 1)
    names = [f"{number:02}" for number in range(12)]
    images, out = write_images(tmp_path / "images", names), tmp_path / "out"
    assert shards_of(model, images, out, shards=replace(SEVEN, galaxies_per_shard=1)) is not None
    held = json.loads((out / MANIFEST).read_text())["shards"]
    assert [shard["file"] for shard in held] == [f"part-0-{n}.parquet" for n in range(12)]
    column = load_model(model).tree.id_column
    assert [galaxy for ids in ids_of_shards(out, column) for galaxy in ids] == names


# several processes


KILLED = """
import os, signal, sys
from gz2tree import cli

replace, written = os.replace, []

def replace_or_die(partial, path):
    written.append(path)
    if os.environ.get("LOCAL_RANK") == "1" and len(written) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    replace(partial, path)

os.replace = replace_or_die
sys.exit(cli.main())
"""


def two_processes(*command: object) -> subprocess.CompletedProcess[str]:
    if torch.cuda.is_available():
        pytest.skip("counts processes on the CPU; here --devices counts GPUs")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, *map(str, command)],
        capture_output=True, text=True, timeout=300, env=environment,
    )  # fmt: skip


def predict_arguments(model: Path, images: Path, out: Path) -> Callable[[int], list[object]]:
    return lambda devices: [
        "predict", "--model", model, "--images", images, "--out", out, "--devices", devices,
        "--galaxies-per-shard", 7, "--batch-size", 4, "--precision", "32", "--workers", 0,
    ]  # fmt: skip


def test_two_processes_write_what_one_writes(
    alone: Path, model: Path, small_sky: SmallSky, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    command = predict_arguments(model, small_sky.images, out)(2)
    done = two_processes("-m", "gz2tree", *command)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"40 galaxies in {out}\n"  # once
    assert_same_catalogue(alone, out)
    refused = two_processes("-m", "gz2tree", *command, "--views", 8)
    assert refused.returncode == 2
    errors = [line for line in refused.stderr.splitlines() if line.startswith("error:")]
    assert len(errors) == 1
    assert "options.views: begun with 1, found 8" in errors[0]


def test_catalogue_of_a_killed_process_is_gone_on_with(
    alone: Path, model: Path, small_sky: SmallSky, tmp_path: Path
) -> None:
    """SIGKILL between writing a shard and giving it its name; then by another number of them."""
    (tmp_path / "killed.py").write_text(KILLED)
    out = tmp_path / "out"
    arguments = predict_arguments(model, small_sky.images, out)
    done = two_processes(tmp_path / "killed.py", *arguments(2))
    assert done.returncode != 0
    assert not json.loads((out / MANIFEST).read_text())["complete"]
    assert len(list(out.glob("part-*.parquet"))) < 6
    assert len(list(out.glob(".partial-*.parquet"))) == 1
    assert run(*arguments(1)) == 0
    found = of_all(out)["GalaxyID"].tolist()
    assert sorted(found) == sorted(small_sky.labels.ids)  # each once
    assert_same_catalogue(alone, out)


def test_what_a_killed_process_was_listing_is_removed(
    model: Path, small_sky: SmallSky, tmp_path: Path
) -> None:
    """Found by tests/survive_kills.py."""
    left_by_a_killed_process(tmp_path / "_listings")
    shards_of(model, small_sky.images, tmp_path)
    assert not [path.name for path in tmp_path.iterdir() if "partial" in path.name]


# the command


def test_suffix_decides_between_a_file_and_a_folder(
    model: Path, small_sky: SmallSky, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["predict", "--model", model, "--images", small_sky.store, "--workers", 0]
    assert run(*command, "--out", tmp_path / "catalogue", "--accelerator", "cpu") == 0
    assert (tmp_path / "catalogue" / MANIFEST).is_file()
    assert run(*command, "--out", tmp_path / "catalogue.parquet") == 0
    one, other = (of_all(tmp_path / name) for name in ("catalogue", "catalogue.parquet"))
    pd.testing.assert_frame_equal(one, other, rtol=0, atol=1e-6)
    for more in (["--devices", 2], ["--images", "a.tar"], ["--images", "a", "b"]):
        assert run(*command, *more, "--out", tmp_path / "c.csv") == 2
        assert "expected a folder, a name without a suffix" in capsys.readouterr().err
