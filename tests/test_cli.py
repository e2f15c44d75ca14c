"""The commands as a user types them: forms, files, errors of one line, exit codes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from astropy.table import Table
from conftest import SMALL, SmallSky, write_images
from PIL import Image
from safetensors.torch import load_file

from gz2tree import GZ2, GZ2_KAGGLE, CutoutStore, GalaxyTreeNet
from gz2tree.cli import COMMANDS, main
from gz2tree.commands.inputs import warn_of_kind
from gz2tree.networks.seenimages import short_hashes, write_seen_images
from gz2tree.store import prepare
from gz2tree.version import __version__

NETWORK = ["--backbone", "resnet10t", "--pretrained", "false"]
QUICK = [*NETWORK, "--epochs", "1", "--batch-size", "8"]


def run(*arguments: object) -> int:
    """Run the command line in this process."""
    try:
        return main([str(argument) for argument in arguments])
    except SystemExit as stop:  # options that are refused, and --help
        return int(stop.code or 0)


@pytest.fixture(scope="module")
def trained(small_sky: SmallSky, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one epoch, with a test part."""
    out = tmp_path_factory.mktemp("cli") / "run"
    code = run(
        "train", "--labels", small_sky.table, "--images", small_sky.store, "--out", out,
        "--test-fraction", "0.25", *QUICK,
    )  # fmt: skip
    assert code == 0
    return out


class TestHelp:
    @pytest.mark.parametrize(
        "command",
        [
            "tree", "simulate", "prepare", "train", "finetune", "evaluate", "calibrate",
            "typical", "predict", "embed", "export", "plot", "report", "demo",
        ],
    )  # fmt: skip
    def test_every_command_explains_itself(
        self, command: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert run(command, "--help") == 0
        assert "--help" in capsys.readouterr().out

    def test_options_have_dashes(self, capsys: pytest.CaptureFixture[str]) -> None:
        run("train", "--help")
        text = capsys.readouterr().out
        assert "--valid-fraction" in text
        assert "--valid_fraction" not in text

    @pytest.mark.parametrize("command", sorted(COMMANDS))
    def test_help_speaks_of_options_not_of_python(
        self, command: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        run(command, "--help")
        text = capsys.readouterr().out
        for said in ("type:", "<class", "Literal[", "default: null", "default: False"):
            assert said not in text

    def test_help_keeps_a_default_of_0(self, capsys: pytest.CaptureFixture[str]) -> None:
        run("train", "--help")
        assert "(default: 0.0)" in capsys.readouterr().out

    def test_usage_fits_a_line_and_the_version_is_said(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert run("--help") == 0
        first, second, *_ = capsys.readouterr().out.splitlines()
        assert first == "usage: gz2tree COMMAND ..."
        assert second == ""
        assert run("--version") == 0
        assert capsys.readouterr().out.split() == ["gz2tree", __version__]

    def test_help_loads_nothing_heavy(self) -> None:
        heavy = ("torch", "numpy", "pandas", "lightning", "matplotlib", "PIL")
        code = (
            "import sys\nfrom gz2tree.cli import main\n"
            "try:\n    main(['train', '--help'])\nexcept SystemExit:\n    pass\n"
            f"print([m for m in {heavy} if m in sys.modules], file=sys.stderr)"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.stderr.strip() == "[]"

    def test_tree_draws_the_tree(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert run("tree", "GZ2_KAGGLE") == 0
        assert capsys.readouterr().out.strip() == str(GZ2_KAGGLE)


class TestPrepare:
    def test_writes_a_store(
        self, small_sky: SmallSky, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        arguments = ("prepare", small_sky.images, tmp_path / "s", "--crop", 40, "--size", 16)
        assert run(*arguments, "--workers", 0) == 0
        assert np.load(tmp_path / "s" / "cutouts.npy").shape == (40, 16, 16, 3)
        assert "40 cutouts" in capsys.readouterr().out


class TestTrain:
    def test_leaves_a_run_directory(self, trained: Path, small_sky: SmallSky) -> None:
        split = pd.read_csv(trained / "split.csv", dtype=str)
        assert list(split.columns) == ["id", "part"]
        assert sorted(split["id"]) == sorted(small_sky.labels.ids)
        assert split["part"].value_counts().to_dict() == {"train": 26, "test": 10, "valid": 4}
        comparison = pd.read_csv(trained / "split_comparison.csv")
        assert list(comparison["answer"]) == list(GZ2_KAGGLE.columns)
        for name in ("run.json", "history.csv", "model/model.safetensors", "model/config.json"):
            assert (trained / name).is_file(), name

    def test_trains_on_a_zip_file_a_fits_table_and_the_tree_of_2013(
        self, small_sky: SmallSky, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with zipfile.ZipFile(tmp_path / "images.zip", "w") as archive:
            for file in small_sky.images.iterdir():
                archive.write(file, f"folder/{file.name}")
            archive.writestr("folder/broken.png", b"no image")
        counts = np.random.default_rng(0).integers(1, 9, (40, len(GZ2)))
        columns = [f"{stem}_count" for stem in GZ2.catalogue_columns]
        table = Table(counts, names=columns)
        table["mine"] = [str(galaxy) for galaxy in small_sky.labels.ids]
        table.write(tmp_path / "labels.fits")
        data = ("--labels", tmp_path / "labels.fits", "--images", tmp_path / "images.zip")
        out = tmp_path / "r"
        crop = ("--crop", 40, "--size", 32)
        labels = ("--tree", "GZ2", "--kind", "count", "--id-column", "mine")
        more = (*labels, "--out", out, "--test-fraction", 0.3)
        assert run("train", *data, *more, *crop, *QUICK) == 0
        # How the table is to be read, the run knows.
        evaluate = ("evaluate", "--model", out, *data, "--part", "test")
        assert run(*evaluate, "--views", 16, "--gate", 0.05) == 0
        predict = ("predict", "--model", out, "--images", tmp_path / "images.zip")
        assert run(*predict, "--out", tmp_path / "p.fits") == 0
        assert "1 of 41 images cannot be read" in capsys.readouterr().err
        predicted = Table.read(tmp_path / "p.fits")
        assert predicted.colnames == ["id", *GZ2.columns]
        assert len(predicted) == 40

    def test_split_seed_keeps_the_split_of_another_training(
        self, trained: Path, small_sky: SmallSky, tmp_path: Path
    ) -> None:
        for number, more in enumerate((("--split-seed", 0), ())):
            out = tmp_path / f"r{number}"
            assert run(
                "train", "--labels", small_sky.table, "--images", small_sky.store, "--out", out,
                "--test-fraction", "0.25", "--seed", 5, *more, *QUICK,
            ) == 0  # fmt: skip
        splits = [path / "split.csv" for path in (trained, tmp_path / "r0", tmp_path / "r1")]
        first, same, other = (path.read_bytes() for path in splits)
        assert first == same != other

    @pytest.mark.parametrize(
        ("model", "renormalised"),
        [("flat", False), ("flat-renormalised", True), ("flat-to-parent", "to_parent")],
    )
    def test_trains_flat_networks_from_image_files(
        self, model: str, renormalised: bool | str, small_sky: SmallSky, tmp_path: Path
    ) -> None:
        out = tmp_path / "r"
        code = run(
            "train", "--labels", small_sky.table, "--images", small_sky.images, "--out", out,
            "--crop", 40, "--size", 32, "--model", model, *QUICK,
        )  # fmt: skip
        assert code == 0
        config = json.loads((out / "model" / "config.json").read_text())
        assert config["model"] == "FlatNet"
        assert config["renormalised"] == renormalised
        assert config["cutouts"] == {"crop": 40, "size": 32}

    def test_two_processes_train_as_one_on_the_same_batches(
        self, small_sky: SmallSky, tmp_path: Path
    ) -> None:
        """Without batch normalisation and random views, which each process has of its own."""
        if torch.cuda.is_available():
            pytest.skip("counts processes on the CPU; here --devices counts GPUs")

        def arguments(out: str, devices: int) -> list[str]:
            return [
                "train", "--labels", str(small_sky.table), "--images", str(small_sky.store),
                "--out", str(tmp_path / out), "--backbone", "test_convnext",
                "--pretrained", "false", "--epochs", "2", "--precision", "32",
                "--augment.rotate", "false", "--augment.flip", "false", "--augment.zoom", "0",
                "--augment.shift", "0", "--batch-size", str(8 // devices),
                "--devices", str(devices), "--strategy", "ddp" if devices > 1 else "auto",
            ]  # fmt: skip

        assert run(*arguments("one", 1)) == 0
        command = [sys.executable, "-m", "gz2tree", *arguments("two", 2)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        one, two = (pd.read_csv(tmp_path / name / "history.csv") for name in ("one", "two"))
        assert list(two["steps"]) == [4, 8]  # 36 galaxies, 2 x 4 at a time
        numbers = ["train_loss", "valid_loss", "valid_rmse", "learning_rate"]
        weights, of_two = (
            load_file(tmp_path / name / "model" / "model.safetensors") for name in ("one", "two")
        )
        pd.testing.assert_frame_equal(one[numbers], two[numbers], rtol=1e-4)
        for name, value in weights.items():
            torch.testing.assert_close(of_two[name], value, rtol=1e-5, atol=1e-5)

    def test_resume_of_a_finished_run_changes_nothing(
        self, trained: Path, small_sky: SmallSky
    ) -> None:
        before = (trained / "model" / "model.safetensors").read_bytes()
        arguments = (
            "train", "--labels", small_sky.table, "--images", small_sky.store, "--out", trained,
            "--test-fraction", "0.25", *QUICK,
        )  # fmt: skip
        assert run(*arguments) == 2
        assert run(*arguments, "--resume") == 0
        assert (trained / "model" / "model.safetensors").read_bytes() == before

    def test_resume_with_other_images_is_refused(
        self, trained: Path, small_sky: SmallSky, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """With fewer images the split is another one, and test galaxies would train."""
        fewer = tmp_path / "fewer"
        ids = list(small_sky.labels.ids[:30])
        prepare(small_sky.images, fewer, SMALL, workers=0, progress=False, only=ids)
        before = (trained / "split.csv").read_bytes()
        arguments = ("train", "--labels", small_sky.table, "--images", fewer, "--out", trained)
        assert run(*arguments, "--test-fraction", "0.25", *QUICK, "--resume") == 2
        assert "these images split otherwise" in capsys.readouterr().err
        assert (trained / "split.csv").read_bytes() == before

    def test_bad_rows_are_refused_or_dropped_and_counted(
        self, small_sky: SmallSky, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        table = pd.read_csv(small_sky.table, dtype={"GalaxyID": str})
        table.loc[3, "Class1.1"] = 7.0
        table.to_csv(tmp_path / "bad.csv", index=False)
        arguments = (
            "train", "--labels", tmp_path / "bad.csv", "--images", small_sky.store,
            "--out", tmp_path / "r", *QUICK,
        )  # fmt: skip
        assert run(*arguments) == 2
        assert "row 4 (id 0100003): column Class1.1: expected" in capsys.readouterr().err
        assert run(*arguments, "--allow-bad-rows") == 0
        assert "1 of 40 rows dropped" in capsys.readouterr().err
        assert len(pd.read_csv(tmp_path / "r" / "split.csv")) == 39

    def test_preset_in_a_file_is_refused(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """It would come too late to give the defaults."""
        (tmp_path / "c.yaml").write_text("preset: paper\n")
        needed = ("train", "--labels", "t", "--images", "i", "--out", "o")
        assert run(*needed, "--config", tmp_path / "c.yaml") == 2
        assert "preset: expected on the command line" in capsys.readouterr().err

    def test_preset_gives_the_defaults(self, capsys: pytest.CaptureFixture[str]) -> None:
        needed = ("train", "--labels", "t", "--images", "i", "--out", "o")
        assert run(*needed, "--preset", "paper", "--epochs", 3, "--print-config") == 0
        shown = capsys.readouterr().out
        for line in ("crop: 120", "batch_size: 75", "optimizer: adam", "epochs: 3"):
            assert line in shown


class TestEvaluate:
    def evaluate(self, trained: Path, sky: SmallSky, *more: object) -> int:
        data = ("--labels", sky.table, "--images", sky.store)
        return run("evaluate", "--model", trained, *data, *more)

    def test_writes_figures_of_the_test_part(
        self, trained: Path, small_sky: SmallSky, tmp_path: Path
    ) -> None:
        file = tmp_path / "e.json"
        assert self.evaluate(trained, small_sky, "--part", "test", "--json", file) == 0
        figures = json.loads(file.read_text())
        assert figures["n"] == 10
        assert 0 < figures["rmse"] < 1
        assert figures["max_parent_violation"] < 1e-6
        assert figures["vote_noise_rmse"] is None
        assert list(figures["per_answer"]) == list(GZ2_KAGGLE.columns)

    def test_training_galaxies_are_refused_unless_asked_for(
        self, trained: Path, small_sky: SmallSky, capsys: pytest.CaptureFixture[str]
    ) -> None:
        for model in (trained, trained / "model"):
            assert self.evaluate(model, small_sky) == 2
        assert "26 of 40 labelled galaxies trained this model" in capsys.readouterr().err
        assert self.evaluate(trained, small_sky, "--part", "all") == 0

    @pytest.mark.parametrize("images", ["store", "images"])
    def test_a_model_without_a_split_knows_its_training_images(
        self,
        trained: Path,
        small_sky: SmallSky,
        images: str,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """As the model in the box does: by hashes of their files, whatever they are called."""
        model, file = tmp_path / "model", tmp_path / "e.json"
        shutil.copytree(trained / "model", model)
        store = CutoutStore(small_sky.store)
        write_seen_images(model, short_hashes(store.hashes[:30]))
        data = ("--labels", small_sky.table, "--images", getattr(small_sky, images))
        scored = ("evaluate", "--model", model, *data, "--json", file)
        assert run(*scored) == 2
        assert "30 of 40 labelled galaxies trained this model" in capsys.readouterr().err
        assert run("report", "--model", model, *data, "--out", tmp_path / "page") == 2
        assert "30 of 40 labelled galaxies trained this model" in capsys.readouterr().err
        assert run("plot", "calibration", "--model", model, *data, "--out", file) == 2
        for part, n in (("test", 10), ("train", 30), ("all", 40)):
            assert run(*scored, "--part", part) == 0
            assert json.loads(file.read_text())["n"] == n
        write_seen_images(model, short_hashes(store.hashes))
        capsys.readouterr()
        assert run(*scored) == 2
        said = capsys.readouterr().err
        assert "40 of 40" in said
        assert "--part all" in said
        assert "--part test" not in said

    def test_a_calibrated_copy_knows_the_training_images_of_its_model(
        self, trained: Path, small_sky: SmallSky, tmp_path: Path
    ) -> None:
        model, out = tmp_path / "model", tmp_path / "calibrated"
        shutil.copytree(trained / "model", model)
        write_seen_images(model, short_hashes(CutoutStore(small_sky.store).hashes[:30]))
        data = ("--labels", small_sky.table, "--images", small_sky.store)
        assert run("calibrate", "--model", model, *data, "--part", "test", "--out", out) == 0
        assert run("evaluate", "--model", out, *data) == 2

    def test_labels_of_training_galaxies_without_images_do_no_harm(
        self, trained: Path, small_sky: SmallSky, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Only what is evaluated counts: here, images of the test part alone."""
        split = pd.read_csv(trained / "split.csv", dtype=str)
        store = tmp_path / "test"
        test = split.loc[split["part"] == "test", "id"]
        prepare(small_sky.images, store, SMALL, workers=0, progress=False, only=list(test))
        file = tmp_path / "e.json"
        data = ("--labels", small_sky.table, "--images", store, "--json", file)
        assert run("evaluate", "--model", trained, *data) == 0
        assert json.loads(file.read_text())["n"] == 10
        assert "30 of 40 labelled galaxies have no image" in capsys.readouterr().err

    def test_gate_makes_zeros(self, trained: Path, small_sky: SmallSky, tmp_path: Path) -> None:
        shares = []
        for gate in (0, 0.05, 0.2):
            file = tmp_path / f"{gate}.json"
            more = ("--part", "test", "--gate", gate, "--json", file)
            assert self.evaluate(trained, small_sky, *more) == 0
            shares.append(json.loads(file.read_text())["exact_zero_share"])
        assert shares[0] == 0
        assert shares[0] < shares[1] < shares[2]

    @pytest.mark.parametrize(("gate", "warned"), [(0.01, False), (0.7, True)])
    def test_a_gate_that_removes_what_people_answer_is_warned_of(
        self,
        trained: Path,
        small_sky: SmallSky,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
        gate: float,
        warned: bool,
    ) -> None:
        given = ("--model", trained, "--images", small_sky.store, "--out", tmp_path / "p.csv")
        assert run("predict", *given, "--gate", gate) == 0
        assert ("removes answers that people give" in capsys.readouterr().err) == warned

    def test_by_a_column_and_by_apparent_size(
        self, trained: Path, small_sky: SmallSky, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """The values find their galaxies by id; the figures are those of `evaluate_by`."""
        table = pd.read_csv(small_sky.table, dtype={"GalaxyID": str})
        table["petroR50"] = np.arange(40.0)
        table.loc[0, "petroR50"] = np.nan
        table.sample(frac=1, random_state=1).to_csv(tmp_path / "t.csv", index=False)
        file = tmp_path / "e.json"
        code = run(
            "evaluate", "--model", trained, "--labels", tmp_path / "t.csv",
            "--images", small_sky.store, "--part", "all", "--json", file,
            "--by", "petroR50", "--answer", "merger", "--bins", 3,
        )  # fmt: skip
        assert code == 0
        by = json.loads(file.read_text())["by"]
        assert (by["quantity"], by["answer"]) == ("petroR50", "Class8.6")
        assert [(b["low"], b["high"], b["n"]) for b in by["bins"]] == [
            (1, 13, 13), (14, 26, 13), (27, 39, 13),
        ]  # fmt: skip
        votes = small_sky.labels.cumulative[14:27, GZ2_KAGGLE.columns.index("Class8.6")]
        assert by["bins"][1]["voted"] == pytest.approx(votes.mean(), abs=1e-9)
        assert "By petroR50: RMSE of all measured answers" in capsys.readouterr().out

    def test_by_apparent_size(self, trained: Path, tmp_path: Path, small_sky: SmallSky) -> None:
        ids = list(small_sky.labels.ids)
        points = np.arange(40) - 19.5
        (tmp_path / "images").mkdir()
        for number, name in enumerate(ids):
            light = 200 * np.exp(-(np.hypot(points, points[:, None]) ** 2) / (4 + number / 4) ** 2)
            Image.fromarray(light.astype(np.uint8)).save(tmp_path / "images" / f"{name}.png")
        file = tmp_path / "e.json"
        code = run(
            "evaluate", "--model", trained, "--labels", small_sky.table, "--workers", 0,
            "--images", tmp_path / "images", "--part", "all", "--by", "apparent_size",
            "--json", file,
        )  # fmt: skip
        assert code == 0
        bins = json.loads(file.read_text())["by"]["bins"]
        assert [b["n"] for b in bins] == [8] * 5
        assert bins[0]["low"] == pytest.approx(4 * np.sqrt(np.log(2)), rel=0.05)
        assert bins[-1]["high"] > bins[-1]["low"] > bins[0]["high"]

    def test_by_what_is_no_quantity_is_refused(
        self, trained: Path, small_sky: SmallSky, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        table = pd.read_csv(small_sky.table, dtype={"GalaxyID": str})
        table["petroR50"], table["word"], table["same"], table["none"] = np.inf, "Sb", 3, np.nan
        table.to_csv(tmp_path / "t.csv", index=False)
        data = ("--labels", tmp_path / "t.csv", "--images", small_sky.store, "--part", "test")
        for by, said in (
            ("petroR5", "no column 'petroR5'; did you mean petroR50?"),
            ("aparent_size", "did you mean apparent_size?"),
            ("zzz", "no column 'zzz'; apparent_size is measured"),
            ("petroR50", "expected a finite number, found 'inf'"),
            ("word", "column word, id"),
            ("same", "same: expected different values among the 10 galaxies, found 3 throughout"),
            ("none", "found no number"),
            ("GalaxyID", "expected a quantity, found ids"),
        ):
            assert run("evaluate", "--model", trained, *data, "--by", by) == 2
            error = capsys.readouterr().err.strip().splitlines()[-1]
            assert error.startswith("error:")
            assert said in error

    def test_other_tree_is_refused(
        self, trained: Path, small_sky: SmallSky, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert self.evaluate(trained, small_sky, "--part", "test", "--tree", "GZ2") == 2
        assert "that of the model, found another: GZ2_KAGGLE and GZ2" in capsys.readouterr().err

    def test_labels_of_another_kind_are_warned_of(
        self, trained: Path, small_sky: SmallSky, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """A catalogue of counts, under the model's tree, for a model of cumulative labels."""
        counts = np.random.default_rng(0).integers(1, 9, (40, len(GZ2_KAGGLE)))
        columns = [f"{stem}_count" for stem in GZ2_KAGGLE.catalogue_columns]
        table = pd.DataFrame(counts, columns=columns)
        table.insert(0, "asset_id", small_sky.labels.ids)
        table.to_csv(tmp_path / "c.csv", index=False)
        file = tmp_path / "e.json"
        code = run(
            "evaluate", "--model", trained, "--labels", tmp_path / "c.csv",
            "--images", small_sky.store, "--kind", "count", "--part", "test", "--json", file,
        )  # fmt: skip
        assert code == 0
        assert "different targets" in capsys.readouterr().err
        assert json.loads(file.read_text())["vote_noise_rmse"] > 0


def test_model_of_several_kinds_is_at_home_with_each(
    small_sky: SmallSky, caplog: pytest.LogCaptureFixture
) -> None:
    model = GalaxyTreeNet("resnet10t", pretrained=False, kind="cumulative, debiased")
    for kind in ("cumulative", "debiased", "count"):
        warn_of_kind(model, replace(small_sky.labels, kind=kind))
        assert ("different targets" in caplog.text) == (kind == "count")


class TestPredict:
    @pytest.mark.parametrize("suffix", [".csv", ".parquet", ".fits"])
    def test_writes_a_catalogue_of_images_never_seen(
        self, suffix: str, trained: Path, tmp_path: Path
    ) -> None:
        images = write_images(tmp_path / "new", ["007", "587739505552785605"], seed=9)
        out = tmp_path / f"cat{suffix}"
        assert run("predict", "--model", trained, "--images", images, "--out", out) == 0
        if suffix == ".csv":
            table = pd.read_csv(out, dtype={"GalaxyID": str})
        elif suffix == ".parquet":
            table = pd.read_parquet(out)
        else:
            table = Table.read(out, character_as_bytes=False).to_pandas()
        spelled = [c.replace(".", "_") if suffix == ".fits" else c for c in GZ2_KAGGLE.columns]
        assert list(table.columns) == ["GalaxyID", *spelled]
        assert list(table["GalaxyID"]) == ["007", "587739505552785605"]

    def test_views_and_columns(self, trained: Path, small_sky: SmallSky, tmp_path: Path) -> None:
        out = tmp_path / "reach.csv"
        arguments = ("predict", "--model", trained, "--images", small_sky.store, "--out", out)
        assert run(*arguments, "--views", 8, "--columns", "reach") == 0
        table = pd.read_csv(out)
        assert list(table.columns)[1:] == [f"Class{n}_reach" for n in range(1, 12)]
        assert (table["Class1_reach"] == 1).all()

    def test_flags(
        self,
        trained: Path,
        small_sky: SmallSky,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        out = tmp_path / "flags.csv"
        arguments = ("predict", "--model", trained, "--images", small_sky.store, "--out", out)
        assert run(*arguments, "--flag", "smooth=0.2", "--flag=Class6.1=1") == 0
        table = pd.read_csv(out)
        assert (table["flag_smooth"] == (table["Class1.1"] >= 0.2)).all()
        assert not table["flag_t06_odd_a14_yes"].any()
        said = capsys.readouterr().err
        assert f"flag_smooth: {table['flag_smooth'].sum()} of 40 galaxies" in said


@pytest.mark.parametrize("command", ["predict", "evaluate"])
def test_predict_and_evaluate_never_import_lightning(
    command: str, trained: Path, small_sky: SmallSky, tmp_path: Path
) -> None:
    more = {
        "predict": ["--out", str(tmp_path / "c.csv")],
        "evaluate": ["--labels", str(small_sky.table), "--part", "test"],
    }[command]
    arguments = [command, "--model", str(trained), "--images", str(small_sky.store), *more]
    code = (
        "import sys\nfrom gz2tree.cli import main\n"
        f"assert main({arguments!r}) == 0\n"
        "assert not {'lightning', 'torchmetrics'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


PREDICT = "predict --images {images} --out {tmp}/x.csv --model {run}"
TRAIN = "train --labels {table} --images {store} --out {tmp}/r --pretrained false"
EVALUATE = "evaluate --labels {table} --images {store} --model {run}"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (f"{PREDICT} --model {{tmp}}", "expected a run directory"),
        (f"{PREDICT} --out {{tmp}}/x.xlsx", "expected a table ending in"),
        (f"{PREDICT} --images {{tmp}}/none", "none"),
        (f"{PREDICT} --columns uncertainty", "expected a network that gives strengths"),
        (f"{PREDICT} --model default", "expected one crop and size"),
        ("calibrate --labels {table} --images {store}", "name a folder with --out"),
        ("calibrate --model {run} --labels {table} --images {store} --gate 0.1", "no gate"),
        ("calibrate --model {run} --labels {table} --images {store} --views 8", "one view"),
        (f"{PREDICT} --gate 2", "gate: expected a probability"),
        (f"{PREDICT} --views 3", "views"),
        (f"{PREDICT} --workers -1", "workers: expected at least 0, found -1"),
        (f"{PREDICT} --device warp", "device: expected one of this machine, found 'warp'"),
        (f"{PREDICT} --out {{tmp}}/none/x.csv", "expected an existing folder"),
        (f"{PREDICT} --flag mergr=0.4", "did you mean merger"),
        (f"{PREDICT} --flag yes=0.4", "expected one answer, found 2: Class2.1"),
        (f"{PREDICT} --flag merger", "expected ANSWER=THRESHOLD"),
        (f"{TRAIN} --config {{tmp}}/train.yaml", "/train.yaml"),
        (f"{TRAIN} --backbone resnet5O", "did you mean resnet50?"),
        (f"{TRAIN} --backbone resnet10t --loss multinomial", "found labels without counts"),
        (f"{TRAIN} --epochs 0", "epochs: expected at least 1, found 0"),
        (f"{TRAIN} --labels {{tmp}}/no.csv", "no.csv"),
        (f"{TRAIN} --size 16", "size 16"),
        (f"{TRAIN} --valid-fraction 1.5", "valid_fraction: expected a share in [0, 1), found 1.5"),
        (f"{TRAIN} --test-fraction 0.95", "expected less than 1"),
        (f"{EVALUATE} --part nope", "part: expected one of train, valid, test, all, found 'nope'"),
        (f"{EVALUATE} --json {{tmp}}/a/b.json", "expected a file in an existing folder"),
        (f"{EVALUATE} --part test --by x --bins 1", "bins: expected at least 2, found 1"),
        (f"{EVALUATE} --part test --answer smooth", "together with --by COLUMN"),
        (f"{EVALUATE} --part test --by x --answer yes", "expected one answer, found 2"),
        ("simulate {tmp}/sky --n 0", "n"),
        ("prepare {images} {tmp}/s --crop 10 --size 20", "1 <= size <= crop"),
        ("nonsense", "nonsense"),
    ],
)
def test_refused_input_is_one_line_and_exit_code_2(
    arguments: str,
    said: str,
    trained: Path,
    small_sky: SmallSky,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    places = {
        "images": small_sky.images,
        "store": small_sky.store,
        "table": small_sky.table,
        "run": trained,
        "tmp": tmp_path,
    }
    assert run(*arguments.format(**places).split()) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error:")]
    assert len(errors) == 1
    assert said in errors[0]
    assert not (tmp_path / "r").exists(), "a refused run leaves no directory behind"
