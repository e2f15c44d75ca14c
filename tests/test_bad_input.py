"""What people's files and options have wrong: each case refused in one line, or handled and said.

Refused: one line on standard error that begins with ``error:``, exit code 2, no traceback.
Handled: exit code 0, and a counted warning where something was left out.
"""

from __future__ import annotations

import json
import os
import pickle
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from bad_images import IMAGE_CASES, ImageCase, jpeg
from conftest import SmallSky, random_labels, write_images, write_kaggle_table
from safetensors.torch import load_file, save_file

from gz2tree import GZ2, GZ2_KAGGLE, CutoutOptions, CutoutStore, GalaxyTreeNet
from gz2tree.cli import main

SIZES = ["--crop", "40", "--size", "32"]
NETWORK = ["--backbone", "resnet10t", "--pretrained", "false"]
QUICK = [*NETWORK, *SIZES, "--epochs", "1", "--batch-size", "8", "--workers", "0"]


class Said:
    """What a command printed, and its exit code."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    def refused(self, *expected: str) -> None:
        """One line that begins with ``error:`` and says what is expected of it."""
        last = self.err.strip().splitlines()[-1]
        assert self.code == 2, self.err
        assert "Traceback" not in self.err
        assert last.startswith("error: ")
        assert self.err.count("error: ") == 1
        for words in expected:
            assert words in last

    def handled(self, warning: str = "") -> None:
        """Exit code 0, with a warning if one is due."""
        assert self.code == 0, self.err
        assert "Traceback" not in self.err
        assert warning in self.err


Run = Callable[..., Said]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def run_command(*arguments: object) -> Said:
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as stop:
            code = int(stop.code or 0)
        printed = capsys.readouterr()
        return Said(code, printed.out, printed.err)

    return run_command


class TestImages:
    @pytest.mark.parametrize("case", IMAGE_CASES, ids=lambda case: case.name)
    def test_one_among_good_ones(self, case: ImageCase, tmp_path: Path, run: Run) -> None:
        folder = write_images(tmp_path / "images", ["1", "2", "3"])
        (folder / case.file_name).write_bytes(case.make())
        said = run("prepare", folder, tmp_path / "store", *SIZES, "--workers", "0")
        store = CutoutStore(tmp_path / "store")
        if case.said is None:
            said.handled()
            assert Path(case.file_name).stem in store.ids
        else:
            said.handled("1 of 4 images cannot be read and are left out")
            assert any(words in said.err for words in case.said.split("|"))
            assert store.ids.tolist() == ["1", "2", "3"]

    def test_alone_and_unreadable(self, tmp_path: Path, run: Run) -> None:
        folder = tmp_path / "images"
        folder.mkdir()
        (folder / "bad.jpg").write_bytes(b"")
        run("prepare", folder, tmp_path / "store", *SIZES).refused("bad", "empty file")

    def test_two_of_one_id(self, tmp_path: Path, run: Run) -> None:
        folder = write_images(tmp_path / "images", ["1", "2"])
        (folder / "1.jpg").write_bytes(jpeg())
        run("prepare", folder, tmp_path / "store", *SIZES).refused("1.jpg and 1.png")

    def test_no_permission(self, tmp_path: Path, run: Run) -> None:
        folder = write_images(tmp_path / "images", ["1", "2"])
        (folder / "2.png").chmod(0)
        if os.access(folder / "2.png", os.R_OK):
            pytest.skip("this user may read everything")
        said = run("prepare", folder, tmp_path / "store", *SIZES)
        said.handled("1 of 2 images cannot be read")

    def test_links_that_go_in_circles(self, tmp_path: Path, run: Run) -> None:
        folder = write_images(tmp_path / "images", ["1", "2"])
        (folder / "again").symlink_to(folder, target_is_directory=True)
        (folder / "3.jpg").symlink_to(folder / "3.jpg")
        said = run("prepare", folder, tmp_path / "store", *SIZES)
        said.handled("1 of 3 images cannot be read")

    def test_zip_with_paths_that_climb_out(self, tmp_path: Path, run: Run) -> None:
        with zipfile.ZipFile(tmp_path / "i.zip", "w") as archive:
            archive.writestr("../../outside.jpg", jpeg())
            archive.writestr("a/inside.jpg", jpeg())
        run("prepare", tmp_path / "i.zip", tmp_path / "deep" / "store", *SIZES).handled()
        assert not list(tmp_path.rglob("outside.jpg"))

    def test_zip_bomb(self, tmp_path: Path, run: Run) -> None:
        with zipfile.ZipFile(tmp_path / "i.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("1.jpg", jpeg())
            with archive.open("2.jpg", "w", force_zip64=True) as entry:
                for _ in range(600):
                    entry.write(bytes(2**20))
        said = run("prepare", tmp_path / "i.zip", tmp_path / "store", *SIZES, "--workers", "0")
        said.handled("1 of 2 images cannot be read")
        assert "too large" in said.err

    def test_zip_cut_off(self, tmp_path: Path, run: Run) -> None:
        with zipfile.ZipFile(tmp_path / "whole.zip", "w") as archive:
            archive.writestr("1.jpg", jpeg())
        whole = (tmp_path / "whole.zip").read_bytes()
        (tmp_path / "i.zip").write_bytes(whole[:-30])
        run("prepare", tmp_path / "i.zip", tmp_path / "store", *SIZES).refused("i.zip")

    def test_nothing_there(self, tmp_path: Path, run: Run) -> None:
        run("prepare", tmp_path / "none", tmp_path / "store").refused("found nothing at", "none")

    def test_folder_without_images(self, tmp_path: Path, run: Run) -> None:
        (tmp_path / "notes.txt").write_text("no galaxy")
        run("prepare", tmp_path, tmp_path / "store").refused("expected images", "1 files")


Spoil = Callable[[pd.DataFrame], pd.DataFrame]


def with_cell(column: str, value: object) -> Spoil:
    def spoil(table: pd.DataFrame) -> pd.DataFrame:
        table[column] = table[column].astype(object)
        table.loc[3, column] = value
        return table

    return spoil


FIRST = GZ2_KAGGLE.columns[0]


class TestTables:
    @pytest.fixture
    def train(self, small_sky: SmallSky, tmp_path: Path, run: Run) -> Callable[[Path], Said]:
        def train_on(table: Path, *more: object) -> Said:
            return run(
                "train", "--labels", table, "--images", small_sky.store,
                "--out", tmp_path / "run", *NETWORK, "--epochs", "1", "--batch-size", "8", *more,
            )  # fmt: skip

        return train_on

    @pytest.mark.parametrize(
        ("spoil", "expected"),
        [
            (lambda t: t.drop(columns="GalaxyID"), ["expected an id column", "--id-column"]),
            (lambda t: t[["GalaxyID"]], ["expected columns Class1.1", "found neither"]),
            (lambda t: t.rename(columns={FIRST: "Class1.9"}), ["Class1.9", "no such answer"]),
            (lambda t: pd.concat([t, t.iloc[[2]]]), ["expected each id once", "1 repeated"]),
            (with_cell(FIRST, np.inf), ["row 4", FIRST, "0 to 1", "inf"]),
            (with_cell(FIRST, -0.1), ["row 4", FIRST, "-0.1"]),
            (with_cell(FIRST, 1.5), ["row 4", FIRST, "1.5"]),
            (with_cell(FIRST, 0.0), ["row 4", "expected answers that sum to"]),
            (with_cell(FIRST, "many"), ["row 4", FIRST, "'many'"]),
            (with_cell("GalaxyID", None), ["row 4", "expected an id"]),
            (lambda t: t.iloc[:0], ["expected rows of labels, found none"]),
            (
                lambda t: t.assign(GalaxyID=[f"x{n}" for n in range(len(t))]),
                ["no id matches an image", "x0"],
            ),
        ],
        ids=[
            "no ids", "no labels", "unknown answer", "an id twice", "infinite", "negative",
            "above 1", "sums that break the tree", "text", "an id missing", "no rows", "other ids",
        ],
    )  # fmt: skip
    def test_refused(
        self,
        spoil: Spoil,
        expected: list[str],
        small_sky: SmallSky,
        tmp_path: Path,
        train: Callable[..., Said],
    ) -> None:
        table = pd.read_csv(small_sky.table, dtype={"GalaxyID": str})
        spoil(table).to_csv(tmp_path / "t.csv", index=False)
        train(tmp_path / "t.csv").refused("t.csv", *expected)

    @pytest.mark.parametrize(
        ("spoil", "warning"),
        [
            (lambda t: t.assign(redshift=0.1, note="seen"), ""),
            (lambda t: t[t.columns[::-1]], ""),
            (lambda t: t.sample(frac=1, random_state=0), ""),
            (lambda t: t.drop(columns=list(GZ2_KAGGLE.columns[7:])), "answers are not measured"),
            (
                lambda t: pd.concat([t, t.iloc[:2].assign(GalaxyID=["x", "y"])]),
                "2 of 42 labelled galaxies have no usable image",
            ),
            (lambda t: t.iloc[:30], ""),
        ],
        ids=[
            "more columns", "columns in another order", "rows in another order", "fewer answers",
            "ids without image", "images without label",
        ],
    )  # fmt: skip
    def test_handled(
        self,
        spoil: Spoil,
        warning: str,
        small_sky: SmallSky,
        tmp_path: Path,
        train: Callable[..., Said],
    ) -> None:
        table = pd.read_csv(small_sky.table, dtype={"GalaxyID": str})
        spoil(table).to_csv(tmp_path / "t.csv", index=False)
        train(tmp_path / "t.csv").handled(warning)

    def test_bad_rows_are_dropped_where_that_is_asked_for(
        self, small_sky: SmallSky, tmp_path: Path, train: Callable[..., Said]
    ) -> None:
        table = pd.read_csv(small_sky.table, dtype={"GalaxyID": str})
        with_cell(FIRST, 1.5)(table).to_csv(tmp_path / "t.csv", index=False)
        train(tmp_path / "t.csv", "--allow-bad-rows").handled("1 of 40 rows dropped")

    @pytest.mark.parametrize(
        ("write", "expected"),
        [
            (lambda t, p: t.to_csv(p, index=False, sep=";"), "expected an id column"),
            (lambda t, p: t.to_csv(p, index=False, encoding="utf-16"), "cannot be read as csv"),
            (lambda t, p: p.write_bytes(b""), "cannot be read as csv"),
            (lambda t, p: p.write_bytes(b"\0\1\2" * 99), "t.csv"),
            (lambda t, p: p.mkdir(), "expected a table, found no such file"),
        ],
        ids=["semicolons", "another encoding", "empty", "not a table", "a folder"],
    )
    def test_files_that_are_no_tables(
        self,
        write: Callable[[pd.DataFrame, Path], object],
        expected: str,
        small_sky: SmallSky,
        tmp_path: Path,
        train: Callable[..., Said],
    ) -> None:
        write(pd.read_csv(small_sky.table, dtype={"GalaxyID": str}), tmp_path / "t.csv")
        train(tmp_path / "t.csv").refused("t.csv", expected)

    def test_ids_that_were_made_floating_point(
        self, small_sky: SmallSky, tmp_path: Path, train: Callable[..., Said]
    ) -> None:
        table = pd.read_csv(small_sky.table).astype({"GalaxyID": float})
        table.to_parquet(tmp_path / "t.parquet")
        train(tmp_path / "t.parquet").refused("GalaxyID", "found floating-point")
        table.to_csv(tmp_path / "t.csv", index=False)
        train(tmp_path / "t.csv").refused("GalaxyID", "floating-point")

    def test_another_suffix(self, tmp_path: Path, train: Callable[..., Said]) -> None:
        train(tmp_path / "t.xlsx").refused("t.xlsx", "expected a table ending in")


class TestOptions:
    """Refused before the data is touched: none of these files exists."""

    @pytest.mark.parametrize(
        ("options", "expected"),
        [
            (["--epochs", "0"], "epochs"),
            (["--batch-size", "0"], "batch"),
            (["--learning-rate", "-1"], "learning"),
            (["--learning-rate", "fast"], "learning"),
            (["--valid-fraction", "1.5"], "valid"),
            (["--size", "0"], "size"),
            (["--crop", "20", "--size", "32"], "crop"),
            (["--backbone", "resnet5O"], "resnet50"),
            (["--activation", "softmx"], "softmax"),
            (["--loss", "huber"], "loss"),
            (["--workers", "-2"], "workers"),
            (["--tree", "GZ3"], "GZ2"),
            (["--preset", "papper"], "paper"),
            (["--epoch", "3"], "did you mean --epochs?"),
        ],
        ids=lambda value: " ".join(value) if isinstance(value, list) else "",
    )
    def test_of_training(self, options: list[str], expected: str, tmp_path: Path, run: Run) -> None:
        said = run(
            "train", "--labels", tmp_path / "none.csv", "--images", tmp_path / "none",
            "--out", tmp_path / "run", *options,
        )  # fmt: skip
        said.refused(expected)
        assert "none.csv" not in said.err
        assert not (tmp_path / "run").exists()

    @pytest.mark.parametrize(
        ("options", "expected"),
        [
            (["--views", "3"], "views"),
            (["--gate", "2"], "gate"),
            (["--batch-size", "0"], "batch"),
            (["--precision", "64"], "precision"),
            (["--device", "gpu7"], "device"),
            (["--columns", "all"], "columns"),
            (["--flag", "merger"], "merger=0.4"),
            (["--flag", "merger=2"], "merger=2"),
            (["--flag", "mergr=0.4"], "merger"),
        ],
        ids=lambda value: " ".join(value) if isinstance(value, list) else "",
    )
    def test_of_prediction(
        self, options: list[str], expected: str, small_sky: SmallSky, tmp_path: Path, run: Run
    ) -> None:
        out = tmp_path / "p.csv"
        said = run("predict", "--images", small_sky.images, "--out", out, *options)
        said.refused(expected)
        assert not out.exists()

    def test_a_crop_above_the_images(self, small_sky: SmallSky, tmp_path: Path, run: Run) -> None:
        said = run("prepare", small_sky.images, tmp_path / "store", "--crop", "50", "--size", "32")
        said.refused("40 x 40 px", "crop needs 50")

    def test_a_batch_above_the_number_of_galaxies(
        self, small_sky: SmallSky, tmp_path: Path, run: Run
    ) -> None:
        run(
            "train", "--labels", small_sky.table, "--images", small_sky.store,
            "--out", tmp_path / "run", *NETWORK, "--epochs", "1", "--batch-size", "500",
        ).handled()  # fmt: skip

    def test_a_single_galaxy(self, small_sky: SmallSky, tmp_path: Path, run: Run) -> None:
        labels = random_labels([small_sky.labels.ids[0]])
        table = write_kaggle_table(tmp_path / "t.csv", labels)
        run(
            "train", "--labels", table, "--images", small_sky.store, "--out", tmp_path / "run",
            *NETWORK, "--epochs", "1",
        ).refused("expected at least 2 different images, found 1")  # fmt: skip


class TestStores:
    @pytest.fixture
    def store(self, small_sky: SmallSky, tmp_path: Path) -> Path:
        return Path(shutil.copytree(small_sky.store, tmp_path / "copy"))

    def predict(self, run: Run, store: Path, model: Path | str = "default") -> Said:
        return run("predict", "--model", model, "--images", store, "--out", store.parent / "p.csv")

    @pytest.fixture
    def model(self, tmp_path: Path) -> Path:
        return saved_model(tmp_path / "model")

    def test_cut_off(self, store: Path, model: Path, run: Run) -> None:
        cutouts = store / "cutouts.npy"
        cutouts.write_bytes(cutouts.read_bytes()[:5000])
        self.predict(run, store, model).refused("cutouts.npy", "truncated or damaged")

    def test_of_other_options(self, store: Path, run: Run) -> None:
        self.predict(run, store).refused("crop", "40")

    @pytest.mark.parametrize(
        ("field", "value", "expected"),
        [
            ("format", 99, "format 99"),
            ("n", 12, "12"),
            ("size", "large", "store.json"),
            ("complete", False, "incomplete"),
        ],
    )
    def test_with_another_header(
        self, field: str, value: object, expected: str, store: Path, model: Path, run: Run
    ) -> None:
        header = json.loads((store / "store.json").read_text())
        assert field in header
        (store / "store.json").write_text(json.dumps(header | {field: value}))
        self.predict(run, store, model).refused(expected)

    @pytest.mark.parametrize("name", ["store.json", "index.csv"])
    def test_with_a_damaged_file(self, name: str, store: Path, model: Path, run: Run) -> None:
        (store / name).write_bytes(b"\xff\xfe{")
        self.predict(run, store, model).refused(name)


def saved_model(folder: Path) -> Path:
    torch.manual_seed(0)
    network = GalaxyTreeNet("resnet10t", pretrained=False, cutouts=CutoutOptions(40, 32))
    network.save_pretrained(folder)
    return folder


class TestModels:
    @pytest.fixture
    def model(self, tmp_path: Path) -> Path:
        return saved_model(tmp_path / "model")

    @pytest.fixture
    def refused(self, model: Path, small_sky: SmallSky, run: Run) -> Callable[..., None]:
        def refused(*expected: str) -> None:
            out = model.parent / "p.csv"
            said = run("predict", "--model", model, "--images", small_sky.store, "--out", out)
            said.refused(*expected)
            assert not out.exists()

        return refused

    def test_a_pickle_is_not_opened(self, model: Path, refused: Callable[..., None]) -> None:
        marker = model.parent / "executed"
        weights = model / "model.safetensors"
        weights.write_bytes(pickle.dumps(Trap(marker)))
        refused("model.safetensors")
        weights.rename(model / "pytorch_model.bin")
        refused("model.safetensors")
        assert not marker.exists()

    def test_corrupted(self, model: Path, refused: Callable[..., None]) -> None:
        weights = model / "model.safetensors"
        weights.write_bytes(b"\xff" * 64 + weights.read_bytes()[64:])
        refused("model.safetensors")

    def test_cut_off(self, model: Path, refused: Callable[..., None]) -> None:
        weights = model / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[:10_000])
        refused("model.safetensors")

    @pytest.mark.parametrize(
        ("spoil", "expected"),
        [
            (lambda t: t.pop("heads.0.bias"), "heads.0.bias"),
            (lambda t: t.update({"heads.0.bias": torch.zeros(5)}), "heads.0.bias"),
            (lambda t: t.update({"extra": torch.zeros(5)}), "extra"),
            (lambda t: t["heads.0.bias"].fill_(torch.nan), "heads.0.bias"),
        ],
        ids=["a tensor missing", "another shape", "a tensor too many", "NaN"],
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
        ],
        ids=["another tree", "another class", "another backbone", "bad cutouts", "activation"],
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

    def test_config_that_is_not_json(self, model: Path, refused: Callable[..., None]) -> None:
        (model / "config.json").write_text("{")
        refused("config.json", "JSON")


class Trap:
    """Leaves a mark where it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Callable[[Path], None], tuple[Path]]:
        return Path.touch, (self.marker,)
