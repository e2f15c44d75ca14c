"""Stores, runs, catalogues and models that are not as they were written, or cannot be written.

As in ``test_bad_input.py`` they are refused in one line, or handled and said; what was there before
is kept.
"""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import SMALL, Run, Said, SmallSky, permissions_hold, write_images
from safetensors.torch import load_file, save_file

from gz2tree import GZ2, GZ2_KAGGLE, CutoutStore, GalaxyTreeNet, storewriter
from gz2tree.catalogues.shardformat import MANIFEST
from gz2tree.cli import main
from gz2tree.tables.files import read_table, write_table
from gz2tree.treenames import find_tree

SIZES = ["--crop", "40", "--size", "32", "--workers", "0"]
NETWORK = ["--backbone", "resnet10t", "--pretrained", "false"]
NESTED = "[" * 100_000
DAMAGED = {
    "empty": "",
    "torn": '{"format": 1, "comp',
    "a list": "[]",
    "nested too deep": NESTED,
    "no UTF-8": "\xff\xfe",
}


def damage(file: Path, content: str) -> None:
    file.write_text(content, encoding="latin-1")


def with_fields(file: Path, **fields: object) -> str:
    return json.dumps(json.loads(file.read_text()) | fields)


def contents(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Nobody, root included, may write into a folder and those below."""
    folders = [folder, *(path for path in folder.rglob("*") if path.is_dir())]
    for path in folders:
        path.chmod(0o500)
    try:
        with permissions_hold():
            yield
    finally:
        for path in folders:
            path.chmod(0o700)


def saved_model(folder: Path) -> Path:
    torch.manual_seed(0)
    GalaxyTreeNet("resnet10t", pretrained=False, cutouts=SMALL).save_pretrained(folder)
    return folder


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return saved_model(tmp_path / "model")


Predict = Callable[..., Said]


@pytest.fixture
def predict(run: Run, model: Path, small_sky: SmallSky, tmp_path: Path) -> Predict:
    """Predict the small sky with the untrained model; options given later count."""

    def predict_with(*options: object) -> Said:
        return run(
            "predict", "--model", model, "--images", small_sky.store,
            "--out", tmp_path / "p.csv", *options,
        )  # fmt: skip

    return predict_with


class TestStores:
    @pytest.fixture
    def store(self, small_sky: SmallSky, tmp_path: Path) -> Path:
        return Path(shutil.copytree(small_sky.store, tmp_path / "store"))

    @pytest.fixture
    def refused(self, predict: Predict, store: Path) -> Callable[..., None]:
        return lambda *expected: predict("--images", store).refused(*expected)

    @pytest.fixture
    def prepare(self, run: Run, small_sky: SmallSky) -> Callable[[Path], Said]:
        return lambda store: run("prepare", small_sky.images, store, *SIZES)

    def test_cut_off(self, store: Path, refused: Callable[..., None]) -> None:
        os.truncate(store / "cutouts.npy", 5000)
        refused("cutouts.npy", "truncated or damaged")

    def test_of_objects_instead_of_cutouts(
        self, store: Path, refused: Callable[..., None], tmp_path: Path
    ) -> None:
        objects = np.array([Trap(tmp_path / "executed")] * 40, dtype=object)
        np.save(store / "cutouts.npy", objects, allow_pickle=True)
        refused("cutouts.npy", "damaged")
        assert not (tmp_path / "executed").exists()

    def test_of_other_options(self, store: Path, predict: Predict) -> None:
        predict("--model", "default", "--images", store).refused("crop", "40")

    @pytest.mark.parametrize(
        ("fields", "expected"),
        [
            ({"format": 2, "layers": 7, "gz2tree": "9.0"}, "format 2: it was written by gz2tree"),
            ({"n": 12}, "expected 12 rows"),
            ({"size": "large"}, "store.json"),
            ({"complete": False}, "is incomplete: resume it"),
            ({"colour": "blue"}, "store.json does not describe a store"),
        ],
        ids=["a newer version", "another count", "a size in words", "incomplete", "unknown field"],
    )
    def test_header_with(
        self, fields: dict[str, object], expected: str, store: Path, refused: Callable[..., None]
    ) -> None:
        damage(store / "store.json", with_fields(store / "store.json", **fields))
        refused(expected)

    @pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
    def test_header_is(self, content: str, store: Path, refused: Callable[..., None]) -> None:
        damage(store / "store.json", content)
        refused("store.json does not describe a store")

    @pytest.mark.parametrize("name", ["index.csv", "problems.csv"])
    def test_damaged(self, name: str, store: Path, refused: Callable[..., None]) -> None:
        damage(store / name, "\xff\xfe{")
        refused(name)

    @pytest.fixture
    def half(
        self, prepare: Callable[[Path], Said], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> Path:
        """A store of 40 images that was interrupted after 24, written 4 at a time."""
        append, store = storewriter.StoreWriter.append, tmp_path / "half"

        def append_or_stop(self: storewriter.StoreWriter, batch: object) -> None:
            if len(self) >= 24:
                raise KeyboardInterrupt
            append(self, batch)  # type: ignore[arg-type]

        monkeypatch.setattr(storewriter, "_BATCH_IMAGES", 4)
        with monkeypatch.context() as patch:
            patch.setattr(storewriter.StoreWriter, "append", append_or_stop)
            assert prepare(store).code == 130
        return store

    def test_half_written(
        self, half: Path, predict: Predict, prepare: Callable[[Path], Said], small_sky: SmallSky
    ) -> None:
        predict("--images", half).refused("is incomplete: resume it")
        prepare(half).handled()
        assert contents(half) == contents(small_sky.store)

    @pytest.mark.parametrize(
        "line",
        [b"\0" * 40, b'[["ab', b'[["ab"]]\n', b'[["ab", ""], 3]]\n', b"[[[], 1]]\n", b"7\n"],
        ids=["zeros", "torn", "half an entry", "another shape", "lists for text", "a number"],
    )
    def test_half_written_with_a_journal_whose_third_line_is(
        self, line: bytes, half: Path, prepare: Callable[[Path], Said], small_sky: SmallSky
    ) -> None:
        journal = half / "journal.jsonl"
        lines = journal.read_bytes().splitlines(keepends=True)
        journal.write_bytes(b"".join([*lines[:2], line, *lines[3:]]))
        prepare(half).handled("journal.jsonl: line 3 of ")
        assert contents(half) == contents(small_sky.store)

    def test_half_written_with_a_journal_of_too_many_images(
        self, half: Path, prepare: Callable[[Path], Said]
    ) -> None:
        journal = half / "journal.jsonl"
        journal.write_bytes(journal.read_bytes() * 2)
        prepare(half).refused("journal.jsonl: expected at most 40 images, found 48: delete")

    def test_read_only(
        self, store: Path, predict: Predict, prepare: Callable[[Path], Said]
    ) -> None:
        before = contents(store)
        with read_only(store):
            predict("--images", store).handled()
            prepare(store).handled("is already complete")
        assert contents(store) == before

    def test_half_written_and_read_only(self, half: Path, prepare: Callable[[Path], Said]) -> None:
        before = contents(half)
        with read_only(half):
            (half / "cutouts.npy").chmod(0o400)
            prepare(half).refused("cannot write the store", "Permission denied")
        assert contents(half) == before

    def test_where_nothing_can_be_written(
        self, prepare: Callable[[Path], Said], tmp_path: Path
    ) -> None:
        (tmp_path / "closed").mkdir()
        with read_only(tmp_path / "closed"):
            prepare(tmp_path / "closed" / "store").refused("cannot write the store", "Permission")
        (tmp_path / "thesis.tex").write_text("precious")
        prepare(tmp_path / "thesis.tex").refused("cannot write the store", "File exists")
        prepare(tmp_path).refused("expected an empty folder or a store", "thesis.tex")
        assert (tmp_path / "thesis.tex").read_text() == "precious"

    @pytest.mark.parametrize("small_disk", [64], indirect=True)
    def test_on_a_disk_that_is_too_small(
        self, small_disk: Path, prepare: Callable[[Path], Said]
    ) -> None:
        prepare(small_disk / "store").refused("no space for the store", "it needs 123,008 bytes")


def training(sky: SmallSky, out: Path, *more: str) -> list[str]:
    return [
        "train", "--labels", str(sky.table), "--images", str(sky.store), "--out", str(out),
        *NETWORK, "--epochs", "2", "--batch-size", "8", "--test-fraction", "0.2", *more,
    ]  # fmt: skip


@pytest.fixture(scope="module")
def trained(small_sky: SmallSky, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("trained") / "run"
    assert main(training(small_sky, out)) == 0
    return out


class TestRuns:
    @pytest.fixture
    def train(self, small_sky: SmallSky, run: Run) -> Callable[..., Said]:
        return lambda out, *more: run(*training(small_sky, out, *more))

    @pytest.fixture
    def finished(self, trained: Path, tmp_path: Path) -> Path:
        return Path(shutil.copytree(trained, tmp_path / "run"))

    @pytest.fixture
    def unfinished(self, finished: Path) -> Path:
        """As it was when it had a checkpoint."""
        record = finished / "run.json"
        damage(record, with_fields(record, status="running"))
        assert (finished / "checkpoints" / "last.ckpt").is_file()
        return finished

    def test_again_without_resume(self, finished: Path, train: Callable[..., Said]) -> None:
        before = contents(finished)
        train(finished).refused("holds a run already; --resume goes on with it")
        assert contents(finished) == before

    def test_of_other_options(self, finished: Path, train: Callable[..., Said]) -> None:
        said = train(finished, "--resume", "--learning-rate", "0.5")
        said.refused("train.learning_rate: begun with", "found 0.5")

    @pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
    def test_record_is(self, content: str, finished: Path, train: Callable[..., Said]) -> None:
        damage(finished / "run.json", content)
        train(finished, "--resume").refused("run.json: expected the record of a run")

    def test_record_with_options_that_are_a_list(
        self, finished: Path, train: Callable[..., Said]
    ) -> None:
        damage(finished / "run.json", with_fields(finished / "run.json", options=[1]))
        train(finished, "--resume").refused("run.json", "options: expected an object, found [1]")

    @pytest.mark.parametrize("name", ["split.csv", "history.csv"])
    def test_damaged(self, name: str, finished: Path, train: Callable[..., Said]) -> None:
        damage(finished / name, "\xff\xfe{")
        train(finished, "--resume").refused(f"{name}: cannot be read as csv")

    @pytest.mark.parametrize("harm", ["cut off", "a pickle that executes", "empty"])
    def test_checkpoint(
        self, harm: str, unfinished: Path, train: Callable[..., Said], tmp_path: Path
    ) -> None:
        checkpoint = unfinished / "checkpoints" / "last.ckpt"
        checkpoint.write_bytes(
            {
                "cut off": checkpoint.read_bytes()[:1000],
                "a pickle that executes": pickle.dumps(Trap(tmp_path / "executed"), protocol=2),
                "empty": b"",
            }[harm]
        )
        train(unfinished, "--resume").refused("last.ckpt", "found a damaged file")
        assert not (tmp_path / "executed").exists()

    def test_read_only(
        self, finished: Path, train: Callable[..., Said], run: Run, small_sky: SmallSky
    ) -> None:
        before = contents(finished)
        data = ["--labels", small_sky.table, "--images", small_sky.store]
        with read_only(finished):
            run("evaluate", "--model", finished, *data, "--part", "test").handled()
            run("typical", "--model", finished, "--images", small_sky.store).refused("config.json")
            train(finished, "--resume").refused("split.csv: cannot be written: Permission denied")
        assert contents(finished) == before

    def test_where_nothing_can_be_written(self, tmp_path: Path, train: Callable[..., Said]) -> None:
        (tmp_path / "closed").mkdir()
        with read_only(tmp_path / "closed"):
            train(tmp_path / "closed" / "run").refused("run: cannot be written: Permission denied")
        (tmp_path / "thesis.tex").write_text("precious")
        train(tmp_path / "thesis.tex").refused("expected a directory for the run, found a file")
        train(tmp_path).refused("expected an empty or new directory, found other files in it")
        assert (tmp_path / "thesis.tex").read_text() == "precious"

    @pytest.mark.parametrize("small_disk", [512], indirect=True)
    def test_on_a_disk_that_is_too_small(
        self, small_disk: Path, train: Callable[..., Said]
    ) -> None:
        train(small_disk / "run").refused("cannot be written", "what was saved before is kept")


class TestCatalogues:
    """What ``predict`` writes, in one table and in shards."""

    SHARDS = ("--galaxies-per-shard", "9", "--out")

    @pytest.fixture
    def shards(self, predict: Predict, tmp_path: Path) -> Path:
        predict(*self.SHARDS, tmp_path / "shards").handled()
        return tmp_path / "shards"

    @pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
    def test_manifest_is(self, content: str, shards: Path, predict: Predict) -> None:
        damage(shards / MANIFEST, content)
        predict(*self.SHARDS, shards).refused(f"{MANIFEST}: expected the manifest of a catalogue")

    @pytest.mark.parametrize(
        ("fields", "expected"),
        [
            (
                {"format": 2, "version": "9.0"},
                "expected format 1, found 2, written by gz2tree '9.0",
            ),
            ({"inputs": 3}, "inputs: expected list, found 3"),
            ({"galaxies": None}, "galaxies: expected int, found None"),
            ({"complete": "yes"}, "complete: expected bool, found 'yes'"),
            ({"shards": [{"rows": 9}]}, "shards: expected the name of a file"),
        ],
        ids=["a newer version", "no inputs", "no count", "no truth", "nameless shards"],
    )
    def test_manifest_with(
        self, fields: dict[str, object], expected: str, shards: Path, predict: Predict
    ) -> None:
        damage(shards / MANIFEST, with_fields(shards / MANIFEST, **fields))
        predict(*self.SHARDS, shards).refused(f"{MANIFEST}: {expected}")

    @pytest.mark.parametrize("complete", [True, False], ids=["complete", "interrupted"])
    def test_a_shard_cut_off(self, complete: bool, shards: Path, predict: Predict) -> None:
        damage(shards / MANIFEST, with_fields(shards / MANIFEST, complete=complete))
        shard = min(shards.glob("part-*"))
        whole = contents(shards)
        shard.write_bytes(whole[shard.name][:200])
        predict(*self.SHARDS, shards).refused(shard.name, "delete it, and the same command writes")
        shard.unlink()
        predict(*self.SHARDS, shards).handled()
        assert contents(shards).keys() == whole.keys()

    def test_shards_of_other_options(self, shards: Path, predict: Predict) -> None:
        predict(*self.SHARDS, shards, "--views", "8").refused(
            "options.views: begun with 1, found 8"
        )

    def test_shards_where_nothing_can_be_written(
        self, shards: Path, tmp_path: Path, predict: Predict
    ) -> None:
        (tmp_path / "closed").mkdir()
        with read_only(tmp_path / "closed"):
            predict(*self.SHARDS, tmp_path / "closed" / "shards").refused(
                "shards: cannot be written: Permission denied"
            )
        predict(*self.SHARDS, tmp_path / "model" / "config.json" / "shards").refused(
            "shards: cannot be written: Not a directory"
        )
        predict(*self.SHARDS, tmp_path / "model").refused("expected an empty or new folder")

    @pytest.mark.parametrize("suffix", [".csv", ".parquet", ".fits"])
    def test_read_only_folder(self, suffix: str, tmp_path: Path, predict: Predict) -> None:
        (tmp_path / "closed").mkdir()
        with read_only(tmp_path / "closed"):
            said = predict("--out", tmp_path / "closed" / f"p{suffix}")
        said.refused(f"p{suffix}: cannot be written: Permission denied")
        assert "galaxy" not in said.err, "known before anything is predicted"

    @pytest.mark.parametrize("suffix", [".csv", ".parquet", ".fits"])
    @pytest.mark.parametrize("small_disk", [16], indirect=True, ids=["full disk"])
    def test_table(self, suffix: str, small_disk: Path, predict: Predict) -> None:
        out = small_disk / f"p{suffix}"
        out.write_bytes(b"what was there before")
        predict("--out", out).refused(f"p{suffix}: cannot be written: No space left on device")
        assert contents(small_disk) == {out.name: b"what was there before"}

    def test_figures_on_a_full_disk(self, small_sky: SmallSky, model: Path, run: Run) -> None:
        if not Path("/dev/full").exists():
            pytest.skip("no /dev/full")
        data = ["--labels", small_sky.table, "--images", small_sky.store]
        said = run("evaluate", "--model", model, *data, "--json", "/dev/full")
        said.refused("/dev/full: cannot be written: No space left on device")

    def test_left_by_killed_processes(self, tmp_path: Path, predict: Predict) -> None:
        out = tmp_path / "p.csv"
        code = (
            "import os, signal, sys, pathlib, pandas\n"
            "from gz2tree.tables.files import TableWriter\n"
            "writer = TableWriter(pathlib.Path(sys.argv[1]))\n"
            "writer.write(pandas.DataFrame({'GalaxyID': ['1']}))\n"
            "os.kill(os.getpid(), signal.SIGKILL)"
        )
        killed = subprocess.run([sys.executable, "-c", code, str(out)])
        assert killed.returncode == -9
        (left,) = tmp_path.glob(".partial-*")
        of_another = tmp_path / left.name.replace("p.csv", "q.csv")
        of_the_living = tmp_path / f".partial-{os.getppid()}-p.csv"
        for file in (of_another, of_the_living):
            file.touch()
        predict("--out", out).handled()
        assert not left.exists()
        assert of_another.exists()
        assert of_the_living.exists()
        assert len(pd.read_csv(out)) == 40

    @pytest.mark.parametrize(
        ("spoil", "expected"),
        [
            (lambda t: t.drop(columns="Class7.1"), "expected a catalogue of cumulative"),
            (
                lambda t: t.assign(**{"Class7.1": 1.5}),
                "Class7.1: expected a probability, found 1.5",
            ),
            (
                lambda t: t.assign(**{"Class7.1": [np.nan, *t["Class7.1"][1:]]}),
                "expected a probability, found nan",
            ),
            (lambda t: pd.concat([t, t[:1]]), "expected each id once"),
            (lambda t: t.assign(GalaxyID="x" + t["GalaxyID"]), "no "),
        ],
        ids=["an answer missing", "above 1", "NaN", "an id twice", "other ids"],
    )
    def test_as_input(
        self,
        spoil: Callable[[pd.DataFrame], pd.DataFrame],
        expected: str,
        small_sky: SmallSky,
        tmp_path: Path,
        run: Run,
    ) -> None:
        whole = pd.read_csv(small_sky.table, dtype={"GalaxyID": str})
        spoil(whole).to_csv(tmp_path / "p.csv", index=False)
        run(
            "plot", "scatter", "--predictions", tmp_path / "p.csv", "--labels", small_sky.table,
            "--out", tmp_path / "s.png",
        ).refused(expected)  # fmt: skip
        assert not (tmp_path / "s.png").exists()


class TestIds:
    """Of dr7objid, which no floating-point number holds: these differ by 1."""

    IDS = tuple(str(587722981742084096 + number) for number in range(8))

    @pytest.mark.parametrize("suffix", [".csv", ".parquet", ".fits"])
    def test_beyond_2_to_the_53(self, suffix: str, tmp_path: Path, model: Path, run: Run) -> None:
        images = write_images(tmp_path / "images", self.IDS)
        table = pd.DataFrame(0.5, range(8), list(GZ2_KAGGLE.columns))
        table[:] = 0.0
        table["Class1.1"] = np.linspace(0, 1, 8)
        table["Class1.3"] = 1 - table["Class1.1"]
        table["Class7.1"] = table["Class1.1"]
        table["Class6.2"] = 1.0
        table.insert(0, "dr7objid", np.array(self.IDS, dtype=np.int64))
        labels, store = tmp_path / f"labels{suffix}", tmp_path / "store"
        write_table(table[::-1], labels)
        run("prepare", images, store, *SIZES).handled()
        assert CutoutStore(store).ids.tolist() == list(self.IDS)
        data = ["--labels", labels, "--images", store]
        run("train", *data, "--out", tmp_path / "run", *NETWORK, "--epochs", "1").handled()
        split = pd.read_csv(tmp_path / "run" / "split.csv", dtype=str)
        assert sorted(split["id"]) == list(self.IDS)
        own, out = tmp_path / f"own{suffix}", tmp_path / f"p{suffix}"
        write_table(table[["dr7objid"]].assign(z=np.arange(8.0)), own)
        predict = ["predict", "--model", model, "--images", images]
        run(*predict, "--table", own, "--out", out).handled()
        found = read_table(out, ["GalaxyID", "z"], ids=["GalaxyID"]).sort_values("z")
        assert found["GalaxyID"].tolist() == list(self.IDS)
        scatter = ["plot", "scatter", "--predictions", out, "--labels", labels]
        run(*scatter, "--out", tmp_path / "s.png").handled()
        run("evaluate", "--model", model, *data, "--json", tmp_path / "e.json").handled()
        assert json.loads((tmp_path / "e.json").read_text())["n"] == 8


class TestModels:
    @pytest.fixture
    def refused(self, predict: Predict, tmp_path: Path) -> Callable[..., None]:
        def refused(*expected: str) -> None:
            predict().refused(*expected)
            assert not (tmp_path / "p.csv").exists()

        return refused

    def test_a_pickle_is_not_opened(self, model: Path, refused: Callable[..., None]) -> None:
        marker = model.parent / "executed"
        weights = model / "model.safetensors"
        weights.write_bytes(pickle.dumps(Trap(marker)))
        refused("model.safetensors: expected a safetensors file")
        weights.rename(model / "pytorch_model.bin")
        refused("model.safetensors: expected a weights file, found none")
        assert not marker.exists()

    @pytest.mark.parametrize("name", ["backbone.pth", "backbone.safetensors", "backbone.bin"])
    def test_a_pickle_for_the_backbone(
        self, name: str, small_sky: SmallSky, tmp_path: Path, run: Run
    ) -> None:
        (tmp_path / name).write_bytes(pickle.dumps(Trap(tmp_path / "executed"), protocol=2))
        run(
            "train", "--labels", small_sky.table, "--images", small_sky.store,
            "--out", tmp_path / "run", *NETWORK[:2], "--pretrained", tmp_path / name,
        ).refused(name)  # fmt: skip
        assert not (tmp_path / "executed").exists()
        assert not (tmp_path / "run").exists()

    @pytest.mark.parametrize(
        "spoil",
        [
            lambda whole: b"\xff" * 64 + whole[64:],
            lambda whole: whole[:200_000] + b"\xff" * 64 + whole[200_064:],
            lambda whole: whole[:10_000],
            lambda whole: whole[:-1],
            lambda whole: b"",
        ],
        ids=["its head corrupted", "numbers corrupted", "cut off", "a byte short", "empty"],
    )
    def test_file_of_weights(
        self, spoil: Callable[[bytes], bytes], model: Path, refused: Callable[..., None]
    ) -> None:
        weights = model / "model.safetensors"
        weights.write_bytes(spoil(weights.read_bytes()))
        refused("model.safetensors")

    @pytest.mark.parametrize("backbone", ["resnet18", "mobilenetv3_small_050"])
    def test_weights_of_another_architecture(
        self, backbone: str, model: Path, refused: Callable[..., None]
    ) -> None:
        other = GalaxyTreeNet(backbone, pretrained=False, cutouts=SMALL)
        save_file(other.state_dict(), model / "model.safetensors")
        refused("model.safetensors: expected the", "missing backbone.", "unexpected backbone.")

    def test_weights_under_another_tree(self, model: Path, refused: Callable[..., None]) -> None:
        hubble = find_tree("GZ_HUBBLE")
        change = {"tree": hubble.to_dict(), "columns": list(hubble.columns)}
        damage(model / "config.json", with_fields(model / "config.json", **change))
        refused("model.safetensors: expected the", "missing heads.")

    def test_evaluated_under_another_tree(self, model: Path, small_sky: SmallSky, run: Run) -> None:
        data = ["--labels", small_sky.table, "--images", small_sky.store]
        said = run("evaluate", "--model", model, *data, "--tree", "GZ_HUBBLE")
        said.refused("tree: expected that of the model, found another: GZ2_KAGGLE and GZ_HUBBLE")

    def test_together_with_one_of_another_tree(self, predict: Predict, tmp_path: Path) -> None:
        other = GalaxyTreeNet("resnet10t", GZ2, pretrained=False, cutouts=SMALL)
        other.save_pretrained(tmp_path / "other")
        said = predict("--model", tmp_path / "other")
        said.refused("models: expected one tree, found GZ2_KAGGLE and GZ2")

    def test_read_only(self, model: Path, small_sky: SmallSky, predict: Predict, run: Run) -> None:
        before = contents(model)
        with read_only(model):
            predict().handled()
            run("typical", "--model", model, "--images", small_sky.store).refused(
                "config.json: cannot be written: Permission denied"
            )
        assert contents(model) == before

    @pytest.mark.parametrize(
        ("spoil", "expected"),
        [
            (lambda t: t.pop("heads.0.bias"), "missing heads.0.bias"),
            (lambda t: t.update({"heads.0.bias": torch.zeros(5)}), "heads.0.bias: expected shape"),
            (lambda t: t.update({"extra": torch.zeros(5)}), "unexpected extra"),
            (lambda t: t["heads.0.bias"].fill_(torch.nan), "heads.0.bias: expected finite values"),
        ],
        ids=["a tensor missing", "a tensor of another shape", "a tensor too many", "NaN weights"],
    )
    def test_weights(
        self,
        spoil: Callable[[dict[str, torch.Tensor]], object],
        expected: str,
        model: Path,
        refused: Callable[..., None],
    ) -> None:
        tensors = load_file(model / "model.safetensors")
        spoil(tensors)
        save_file(tensors, model / "model.safetensors")
        refused(expected)

    @pytest.mark.parametrize(
        ("change", "expected"),
        [
            ({"tree": GZ2.to_dict()}, "columns"),
            ({"model": "SpiralNet"}, "SpiralNet"),
            ({"backbone": "resnet10"}, "resnet10"),
            ({"cutouts": {"crop": 10, "size": 32}}, "crop"),
            ({"activation": "softmx"}, "activation"),
            ({"gz2tree_version": "9.0", "wavelets": True}, "wavelets"),
        ],
        ids=[
            "another tree",
            "another class",
            "an unknown backbone",
            "a crop below the size",
            "an unknown activation",
            "an option of a newer version",
        ],
    )
    def test_config(
        self,
        change: dict[str, object],
        expected: str,
        model: Path,
        refused: Callable[..., None],
    ) -> None:
        config = json.loads((model / "config.json").read_text())
        (model / "config.json").write_text(json.dumps(config | change))
        refused(expected)

    @pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
    def test_config_is(self, content: str, model: Path, refused: Callable[..., None]) -> None:
        damage(model / "config.json", content)
        refused("config.json: expected a JSON object")

    def test_without_config(self, model: Path, refused: Callable[..., None]) -> None:
        (model / "config.json").unlink()
        refused("expected a run directory or a folder with config.json")


class Trap:
    """Leaves a mark where it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Callable[[Path], None], tuple[Path]]:
        return Path.touch, (self.marker,)
