"""What people's images, tables and options have wrong: refused in one line, or handled and said.

Refused: one line on standard error that begins with ``error:``, exit code 2, no traceback.
Handled: exit code 0, and a counted warning where something was left out. The table of all cases is
in docs/bad_input.md, written by ``python tests/bad_input_table.py``; stores, runs and models are
in ``test_bad_runs.py``.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import fits_images
import numpy as np
import pandas as pd
import pytest
from bad_images import IMAGE_CASES, ImageCase, jpeg
from conftest import (
    Run,
    Said,
    SmallSky,
    permissions_hold,
    random_labels,
    write_images,
    write_kaggle_table,
)

from gz2tree import GZ2_KAGGLE, CutoutStore
from gz2tree.tables.files import write_table

SIZES = ["--crop", "40", "--size", "32"]
NETWORK = ["--backbone", "resnet10t", "--pretrained", "false"]
PREPARE = [*SIZES, "--workers", "0"]


class TestImages:
    @pytest.mark.parametrize("case", IMAGE_CASES, ids=lambda case: case.name)
    def test_among_good_ones(self, case: ImageCase, tmp_path: Path, run: Run) -> None:
        folder = write_images(tmp_path / "images", ["1", "2", "3"])
        (folder / case.file_name).write_bytes(case.make())
        said = run("prepare", folder, tmp_path / "store", *PREPARE)
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

    def test_without_permission_to_read(self, tmp_path: Path, run: Run) -> None:
        folder = write_images(tmp_path / "images", ["1", "2"])
        (folder / "2.png").chmod(0)
        with permissions_hold():
            said = run("prepare", folder, tmp_path / "store", *PREPARE)
        said.handled("1 of 2 images cannot be read and are left out: 2 (cannot be read: Perm")

    def test_folder_below_without_permission(self, tmp_path: Path, run: Run) -> None:
        folder = write_images(tmp_path / "images", ["1", "2"])
        write_images(folder / "more", ["3"]).chmod(0)
        with permissions_hold():
            said = run("prepare", folder, tmp_path / "store", *PREPARE)
        (folder / "more").chmod(0o700)
        said.handled(f"images in {folder / 'more'} are left out: Permission denied")
        assert CutoutStore(tmp_path / "store").ids.tolist() == ["1", "2"]

    def test_links_that_go_in_circles(self, tmp_path: Path, run: Run) -> None:
        folder = write_images(tmp_path / "images", ["1", "2"])
        (folder / "again").symlink_to(folder, target_is_directory=True)
        (folder / "3.jpg").symlink_to(folder / "3.jpg")
        said = run("prepare", folder, tmp_path / "store", *PREPARE)
        said.handled("1 of 3 images cannot be read")
        assert CutoutStore(tmp_path / "store").ids.tolist() == ["1", "2"]

    def test_zip_with_paths_that_climb_out(self, tmp_path: Path, run: Run) -> None:
        with zipfile.ZipFile(tmp_path / "i.zip", "w") as archive:
            archive.writestr("../../outside.jpg", jpeg())
            archive.writestr("a/inside.jpg", jpeg())
        run("prepare", tmp_path / "i.zip", tmp_path / "deep" / "store", *PREPARE).handled()
        assert not list(tmp_path.rglob("outside.jpg"))

    def test_zip_bomb(self, tmp_path: Path, run: Run) -> None:
        with zipfile.ZipFile(tmp_path / "i.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("1.jpg", jpeg())
            with archive.open("2.jpg", "w", force_zip64=True) as entry:
                for _ in range(600):
                    entry.write(bytes(2**20))
        said = run("prepare", tmp_path / "i.zip", tmp_path / "store", *PREPARE)
        said.handled("1 of 2 images cannot be read")
        assert "too large" in said.err

    def test_zip_cut_off(self, tmp_path: Path, run: Run) -> None:
        with zipfile.ZipFile(tmp_path / "whole.zip", "w") as archive:
            archive.writestr("1.jpg", jpeg())
        whole = (tmp_path / "whole.zip").read_bytes()
        (tmp_path / "i.zip").write_bytes(whole[:-30])
        run("prepare", tmp_path / "i.zip", tmp_path / "store", *SIZES).refused("i.zip")

    @pytest.mark.parametrize(
        ("spoil", "options", "said"),
        [
            (slice(None), (), "1 of 3 images cannot be read and are left out: 3 (100.00% of its p"),
            (slice(9, 10), (), "(2.13% of its pixels have no value, expected at most 0.00% (--mis"),
            (slice(9, 10), ("--missing", "0.1"), ""),
        ],
        ids=["FITS of NaN alone", "FITS with some NaN", "FITS with as many NaN as --missing has"],
    )
    def test_gaps(
        self, spoil: slice, options: tuple[str, ...], said: str, tmp_path: Path, run: Run
    ) -> None:
        folder = fits_images.write_cubes(tmp_path / "fits", ["1", "2"])
        planes = fits_images.galaxy()
        planes[0, spoil] = np.nan
        (folder / "3.fits").write_bytes(fits_images.cube(planes))
        run(
            "prepare", folder, tmp_path / "store", "--bands", "0,1,2", *PREPARE, *options
        ).handled(said)  # fmt: skip
        assert len(CutoutStore(tmp_path / "store")) == (2 if said else 3)

    @pytest.mark.parametrize(
        ("spoil", "expected"),
        [
            (lambda whole: whole[:4000], "truncated or damaged"),
            (lambda whole: b"SIMPLE  = nonsense", "truncated or damaged"),
            (lambda whole: jpeg(), "expected a FITS image"),
            (lambda whole: b"", "empty file"),
        ],
        ids=["FITS cut off", "FITS of nonsense", "JPEG called .fits", "FITS that is empty"],
    )
    def test_spoiled(
        self, spoil: Callable[[bytes], bytes], expected: str, tmp_path: Path, run: Run
    ) -> None:
        folder = fits_images.write_cubes(tmp_path / "fits", ["1", "2"])
        (folder / "2.fits").write_bytes(spoil((folder / "2.fits").read_bytes()))
        said = run("prepare", folder, tmp_path / "store", "--bands", "0,1,2", *PREPARE)
        said.handled("1 of 2 images cannot be read")
        assert expected in said.err

    def test_shards_of_images_that_cannot_be_read(
        self, small_sky: SmallSky, tmp_path: Path, run: Run
    ) -> None:
        folder = write_images(tmp_path / "images", ["1"], side=256)
        (folder / "2.jpg").write_bytes(b"")
        run("predict", "--images", folder, "--out", tmp_path / "shards").handled(
            "1 of 2 images cannot be read and are left out: "
        )

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


def with_longer_rows(text: str) -> bytes:
    header, *rows = text.splitlines()
    return "\n".join([header, *(f"{row},7" for row in rows)]).encode()


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
            (lambda t: t[["GalaxyID"]], ["of GZ2_KAGGLE, Class1.1", "neither; the table has"]),
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
                lambda t: t.assign(**dict.fromkeys(GZ2_KAGGLE.columns, np.nan)),
                ["expected values of answers, found none in any row"],
            ),
            (
                lambda t: t.assign(GalaxyID=t["GalaxyID"].str.lstrip("0")),
                ["no id matches an image", "e.g. 100000", "called e.g. 0100000"],
            ),
            (
                lambda t: t.assign(GalaxyID=[f"x{n}" for n in range(len(t))]),
                ["no id matches an image", "x0"],
            ),
        ],
        ids=[
            "no ids", "no labels", "unknown answer", "an id twice", "infinite", "negative",
            "above 1", "sums that break the tree", "text", "an id missing", "no rows",
            "nothing but NaN", "ids without their leading zeros", "other ids",
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
            (with_cell(FIRST, None), "1 of 40 rows lacks values, which is row 4"),
            (lambda t: t.assign(GalaxyID=" " + t["GalaxyID"]), ""),
        ],
        ids=[
            "more columns", "columns in another order", "rows in another order", "fewer answers",
            "ids without image", "images without label", "a NaN", "blanks before ids",
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
            (lambda t, p: t.to_csv(p, index=False, sep=";"), "found them by semicolons"),
            (lambda t, p: t.to_csv(p, index=False, sep="\t"), "found them by tabs"),
            (lambda t, p: t.to_csv(p, index=False, decimal=","), f"{FIRST}: expected a number"),
            (
                lambda t, p: p.write_text(t.to_csv(index=False).replace("00003,", "00003,7,")),
                "row 4: expected 38 values, as the header has names, found more (1 such rows)",
            ),
            (
                lambda t, p: t.rename(columns={FIRST: "à"}).to_csv(
                    p, index=False, encoding="cp1252"
                ),
                "cannot be read as csv",
            ),
            (lambda t, p: t.to_csv(p, index=False, encoding="utf-16"), "cannot be read as csv"),
            (lambda t, p: p.write_bytes(b""), "cannot be read as csv"),
            (lambda t, p: p.write_bytes(b"\0\1\2" * 99), "t.csv"),
            (lambda t, p: p.mkdir(), "expected a table, found no such file"),
        ],
        ids=[
            "semicolons",
            "tabs",
            "decimal commas",
            "a comma too many",
            "cp1252",
            "UTF-16",
            "empty",
            "not a table",
            "a folder",
        ],
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

    @pytest.mark.parametrize(
        ("write", "warning"),
        [
            (lambda text: text.encode("utf-8-sig"), ""),
            (lambda text: text.replace("\n", "\r\n").encode(), ""),
            (lambda text: text.replace(",", ", ").encode(), ""),
            (with_longer_rows, "all 40 rows have more values than the header has names, wh"),
            (lambda text: text[: text.rindex(",")].encode(), "1 of 40 rows lacks values"),
        ],
        ids=[
            "byte order mark", "lines of Windows", "blanks after commas",
            "rows longer than the header", "a last row cut off",
        ],
    )  # fmt: skip
    def test_odd_files_that_are_tables(
        self,
        write: Callable[[str], bytes],
        warning: str,
        small_sky: SmallSky,
        tmp_path: Path,
        train: Callable[..., Said],
    ) -> None:
        (tmp_path / "t.csv").write_bytes(write(small_sky.table.read_text()))
        train(tmp_path / "t.csv").handled(warning)

    @pytest.mark.parametrize("suffix", [".parquet", ".fits"])
    def test_cut_off(
        self, suffix: str, small_sky: SmallSky, tmp_path: Path, train: Callable[..., Said]
    ) -> None:
        table = tmp_path / f"t{suffix}"
        write_table(pd.read_csv(small_sky.table, dtype={"GalaxyID": str}), table)
        table.write_bytes(table.read_bytes()[: table.stat().st_size // 2])
        train(table).refused(table.name, "cannot be read as")

    def test_table_without_permission(
        self, small_sky: SmallSky, tmp_path: Path, train: Callable[..., Said]
    ) -> None:
        table = tmp_path / "t.csv"
        table.write_bytes(small_sky.table.read_bytes())
        table.chmod(0)
        with permissions_hold():
            train(table).refused("t.csv", "Permission denied")

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


NO_DATA = ["--labels", "none.csv", "--images", "none"]
CATALOGUE = ["none.csv", "--tree", "GZ2_KAGGLE"]
BAD_OPTIONS = [
    ("train --epochs 0", "epochs: expected at least 1, found 0"),
    ("train --epochs many", "epochs: expected int, found many"),
    ("train --batch-size 0", "batch_size: expected at least 1"),
    ("train --learning-rate -1", "learning_rate"),
    ("train --learning-rate fast", "learning_rate: expected float, found fast"),
    ("train --valid-fraction 1.5", "valid_fraction: expected a share in [0, 1), found 1.5"),
    ("train --size 0", "1 <= size <= crop"),
    ("train --crop 20 --size 32", "1 <= size <= crop, found size 32 and crop 20"),
    ("train --backbone resnet5O", "did you mean resnet50?"),
    ("train --activation softmx", "did you mean softmax?"),
    ("train --loss squard_error", "did you mean squared_error?"),
    ("train --workers -2", "workers: expected at least 0, found -2"),
    ("train --tree GZ2_KAGLE", "did you mean GZ2_KAGGLE?"),
    ("train --preset papper", "did you mean paper?"),
    ("train --epoch 3", "did you mean --epochs?"),
    ("train --pretrained none.pth", "none.pth: expected a weights file, found none"),
    ("finetune --epochs 0", "epochs: expected at least 1, found 0"),
    ("evaluate --kind debaised", "did you mean debiased?"),
    ("evaluate --part tst", "did you mean test?"),
    ("evaluate --by z --answer smoth", "did you mean smooth"),
    ("evaluate --json none/e.json", "expected a file in an existing folder"),
    ("evaluate --device gpu7", "device: expected one of this machine, found 'gpu7'"),
    ("calibrate", "the model in the box stays as it is"),
    ("predict --views 3", "views: expected one of 1, 8, 16, found '3'"),
    ("predict --gate 2", "gate: expected a probability from 0 to 1, found 2.0"),
    ("predict --batch-size 0", "batch_size: expected at least 1, found 0"),
    ("predict --precision 64", "precision: expected one of auto, 32, bf16, 16"),
    ("predict --device gpu7", "device: expected one of this machine, found 'gpu7'"),
    ("predict --columns all", "columns"),
    ("predict --level 2", "level: expected a probability between 0 and 1, found 2"),
    ("predict --flag merger", "expected ANSWER=THRESHOLD"),
    ("predict --flag merger=2", "merger=2"),
    ("predict --flag mergr=0.4", "did you mean merger"),
    ("predict --out p.xlsx", "expected a table ending in one of .csv"),
    ("predict --out none/p.csv", "expected an existing folder, found none at none"),
    ("predict --pixel-scale -1", "pixel scale: expected a number above 0"),
    ("prepare --workers -1", "workers: expected at least 0, found -1"),
    ("prepare --bands i,r", "bands: expected red, green and blue, or one band, found i, r"),
    ("embed --device gpu7", "device: expected one of this machine, found 'gpu7'"),
    ("select --threshold 2", "threshold: expected above 0, to 1, found 2.0"),
    ("select --sample bared", "answer 'bared'"),
    ("classes --kind x", "kind: expected one of count, weight"),
    ("plot correlatons", "did you mean correlations?"),
    ("simulate --n 0", "n: expected 1 to"),
    ("predct", "did you mean predict?"),
]
ELSE_GIVEN = {
    "train": [*NO_DATA, "--out", "run"],
    "finetune": [*NO_DATA, "--out", "run"],
    "evaluate": NO_DATA,
    "calibrate": NO_DATA,
    "predict": ["--images", "none", "--out", "p.csv"],
    "prepare": ["none", "store"],
    "embed": ["--images", "none", "--out", "e.csv"],
    "select": [*CATALOGUE, "--sample", "barred"],
    "classes": [*CATALOGUE, "--out", "c.csv"],
    "simulate": ["sky"],
    "plot": ["--labels", "none.csv", "--out", "p.png"],
}


class TestOptions:
    """Refused before the data is touched: none of the data exists."""

    @pytest.mark.parametrize(
        ("command", "expected"), BAD_OPTIONS, ids=[command for command, _ in BAD_OPTIONS]
    )
    def test_before_data(
        self, command: str, expected: str, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        name, *options = command.split()
        run(name, *ELSE_GIVEN.get(name, []), *options).refused(expected)
        assert not list(tmp_path.iterdir())

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
