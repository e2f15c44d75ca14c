"""Networks and images to catalogues: the same numbers whichever way they are asked for."""

from __future__ import annotations

import logging
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from astropy.io import fits
from astropy.table import Table
from conftest import SMALL, write_images
from PIL import Image
from scipy import ndimage
from torch import nn

from gz2tree import (
    GZ2,
    GZ2_KAGGLE,
    CutoutOptions,
    CutoutStore,
    DecisionTree,
    FlatNet,
    GalaxyTreeNet,
    InputError,
    PredictOptions,
    predict,
    prepare,
)
from gz2tree.augment import orientations
from gz2tree.catalogues.catalogue import column_names
from gz2tree.config import CatalogueOptions
from gz2tree.config.choices import Columns
from gz2tree.cutouts import ImageFiles, read_cutout
from gz2tree.networks.network import GalaxyNet
from gz2tree.networks.predictor import Prediction
from gz2tree.prediction import predict_to_file

TINY = "resnet10t"
HERE = PredictOptions(workers=0, precision="32", device="cpu", batch_size=4)
SUFFIXES = [".csv", ".csv.gz", ".parquet", ".fits"]

# Neither in order nor of one length; the digits of a float would not do.
IDS = ["587739505552785605", "587739505552785604", "0042", "42", "M31", "b 1", "zz", "100", "1"]


def opinionated(network: GalaxyNet) -> GalaxyNet:
    """Give a network with random weights views that differ from image to image."""
    torch.manual_seed(7)
    for name, parameter in network.named_parameters():
        if name.startswith(("head.", "heads.")):
            nn.init.normal_(parameter)
    return network.eval()


def tree_net(tree: DecisionTree = GZ2_KAGGLE, **options: Any) -> GalaxyTreeNet:
    torch.manual_seed(0)
    return opinionated(GalaxyTreeNet(TINY, tree, pretrained=False, cutouts=SMALL, **options))


def flat_net(**options: Any) -> FlatNet:
    torch.manual_seed(0)
    return opinionated(FlatNet(TINY, pretrained=False, cutouts=SMALL, **options))


NETWORKS = {
    "Kaggle tree": tree_net,
    "volunteers' tree": lambda: tree_net(GZ2),
    "flat": flat_net,
    "flat, renormalised": lambda: flat_net(renormalised=True),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of larger and smaller structures, one of them a JPEG, one in a folder below."""
    folder = write_images(tmp_path_factory.mktemp("images"), IDS)
    for number, name in enumerate(IDS):
        noise = Image.open(folder / f"{name}.png").resize((number + 2,) * 2).resize((44, 44))
        noise.save(folder / f"{name}.png")
    (folder / "below").mkdir()
    (folder / "zz.png").rename(folder / "below" / "zz.png")
    Image.open(folder / "M31.png").save(folder / "M31.jpg", quality=95)
    (folder / "M31.png").unlink()
    return folder


@pytest.fixture(scope="module")
def images(folder: Path) -> ImageFiles:
    return ImageFiles(folder, SMALL)


def pixels(folder: Path) -> torch.Tensor:
    """Cutouts in the order of the ids, RGB in [0, 1], shape (n, 3, 32, 32)."""
    files = {path.stem: path for path in folder.rglob("*.*")}
    cutouts = np.stack([read_cutout(files[galaxy], SMALL) for galaxy in sorted(IDS)])
    return torch.from_numpy(cutouts).permute(0, 3, 1, 2) / 255


def probabilities(catalogue: pd.DataFrame) -> np.ndarray:
    return catalogue.iloc[:, 1:].to_numpy(copy=True)


def quietly(network: GalaxyNet, images: Any, **changes: Any) -> pd.DataFrame:
    positions = changes.pop("positions", None)
    return predict(network, images, replace(HERE, **changes), positions=positions, progress=False)


# the numbers


@pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS.keys())
def test_catalogue_holds_the_networks_output(make: Any, folder: Path, images: ImageFiles) -> None:
    network = make()
    catalogue = quietly(network, images)
    assert catalogue.columns.tolist() == [network.tree.id_column, *network.tree.columns]
    assert catalogue.iloc[:, 0].tolist() == sorted(IDS)
    assert set(catalogue.dtypes.iloc[1:]) == {np.dtype(np.float32)}
    with torch.no_grad():
        expected = network(pixels(folder)).numpy()
    assert expected.std(0).max() > 0.01  # or the order would not show
    np.testing.assert_allclose(probabilities(catalogue), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("batch_size", [1, 2, 64])
def test_batch_size_does_not_matter(images: ImageFiles, batch_size: int) -> None:
    expected = quietly(tree_net(), images)
    catalogue = quietly(tree_net(), images, batch_size=batch_size)
    pd.testing.assert_frame_equal(catalogue, expected, rtol=0, atol=1e-6)


def test_positions_choose_images_and_their_order(images: ImageFiles) -> None:
    network, positions = tree_net(), [7, 0, 4]
    expected = quietly(network, images).iloc[positions].reset_index(drop=True)
    catalogue = quietly(network, images, positions=positions)
    pd.testing.assert_frame_equal(catalogue, expected, rtol=0, atol=1e-6)


def test_network_predicts_as_evaluated_not_as_trained(images: ImageFiles) -> None:
    """Batch normalisation and dropout would let images influence each other."""
    network = tree_net()
    expected = quietly(network, images)
    network.train()
    pd.testing.assert_frame_equal(quietly(network, images), expected)


def test_prepared_store_gives_the_same_catalogue(
    folder: Path, images: ImageFiles, tmp_path: Path
) -> None:
    prepare(folder, tmp_path / "store", SMALL, workers=0, progress=False)
    network = tree_net()
    catalogue = quietly(network, CutoutStore(tmp_path / "store"))
    pd.testing.assert_frame_equal(catalogue, quietly(network, images))


@pytest.mark.parametrize("precision", ["32", "bf16"])
@pytest.mark.parametrize("views", [1, 16])
def test_sums_of_the_tree_hold(images: ImageFiles, precision: str, views: int) -> None:
    predicted = probabilities(quietly(tree_net(GZ2), images, precision=precision, views=views))
    assert predicted.dtype == np.float32
    assert predicted.min() >= 0
    assert predicted.max() <= 1
    for answers, parents in zip(GZ2.slices, GZ2.parents, strict=True):
        reach = predicted[:, list(parents)].sum(1) if parents else 1.0
        np.testing.assert_allclose(predicted[:, answers].sum(1), reach, rtol=0, atol=1e-6)


def tilted(image: torch.Tensor) -> np.ndarray:
    """A picture turned by 45 degrees about its centre, reflected beyond its edges."""
    rows, columns = np.indices(image.shape[1:]) - (image.shape[-1] - 1) / 2
    turned = np.stack([rows + columns, columns - rows]) / np.sqrt(2) + (image.shape[-1] - 1) / 2
    channels = [ndimage.map_coordinates(c, turned, order=1, mode="reflect") for c in image.numpy()]
    return np.stack(channels)


@pytest.mark.parametrize("make", [tree_net, flat_net])
@pytest.mark.parametrize("views", [8, 16])
def test_views_are_averaged(make: Any, folder: Path, images: ImageFiles, views: int) -> None:
    network = make()
    upright = pixels(folder).numpy()
    tilts = [upright]
    if views == 16:
        tilts.append(np.stack([tilted(image) for image in torch.from_numpy(upright)]))
    orientations = [
        np.rot90(mirrored, turns, (2, 3)).copy()
        for tilt in tilts
        for mirrored in (tilt, tilt[..., ::-1])
        for turns in range(4)
    ]
    assert len(orientations) == views
    with torch.no_grad():
        outputs = [network(torch.from_numpy(view)).numpy() for view in orientations]
    assert np.std(outputs, axis=0).max() > 1e-3  # or one view would do
    expected = np.mean(outputs, axis=0)
    catalogue = quietly(network, images, views=views)
    np.testing.assert_allclose(probabilities(catalogue), expected, rtol=0, atol=2e-6)


def test_network_that_learnt_from_turned_images_is_shown_turned_ones(
    folder: Path, images: ImageFiles
) -> None:
    """Interpolated as they were: it is off its ground on sharper ones."""
    network = tree_net()
    upright = pixels(folder)
    for rotate, angle in ((False, 0.0), (True, math.pi / 8)):
        network.training_record = {"train": {"augment": {"rotate": rotate}}}
        with torch.no_grad():
            expected = network(orientations(upright, 1, angle)[0]).numpy()
        given = probabilities(quietly(network, images))
        np.testing.assert_allclose(given, expected, rtol=0, atol=2e-6)


@pytest.mark.parametrize("views", [1, 8])
@pytest.mark.parametrize("gate", [0.02, 0.2])
def test_gate_leaves_probable_answers_alone_standing(
    images: ImageFiles, gate: float, views: int
) -> None:
    network = tree_net()
    ungated = probabilities(quietly(network, images, views=views))
    gated = probabilities(quietly(network, images, views=views, gate=gate))
    expected = network.graph.gate(torch.from_numpy(ungated), gate).numpy()
    np.testing.assert_allclose(gated, expected, rtol=0, atol=1e-7)
    best = np.zeros_like(gated, dtype=bool)
    for answers in GZ2_KAGGLE.slices:
        best[:, answers] = ungated[:, answers] == ungated[:, answers].max(1, keepdims=True)
    improbable = (ungated < gate) & ~best
    assert improbable.any()
    assert (gated[improbable] == 0).all()
    assert (ungated > 0).all()


def test_gate_of_a_flat_network_is_a_threshold(images: ImageFiles) -> None:
    ungated = probabilities(quietly(flat_net(), images))
    gated = probabilities(quietly(flat_net(), images, gate=0.3))
    assert 0 < (ungated < 0.3).mean() < 1
    np.testing.assert_array_equal(gated, np.where(ungated < 0.3, 0, ungated))


# images that cannot be used


def test_unreadable_images_are_counted_and_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_images(tmp_path, IDS[:5])
    whole = quietly(tree_net(), ImageFiles(tmp_path, SMALL))
    (tmp_path / "0042.png").write_bytes(b"no image")
    (tmp_path / "0043.jpg").write_bytes(b"")
    catalogue = quietly(tree_net(), ImageFiles(tmp_path, SMALL))
    expected = whole[whole["GalaxyID"] != "0042"].reset_index(drop=True)
    pd.testing.assert_frame_equal(catalogue, expected, rtol=0, atol=1e-6)
    (warning,) = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert warning.startswith("2 of 6 images cannot be read and are left out: 0042 (")
    assert "0043 (empty file" in warning


def test_no_readable_image_is_an_error(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.png").write_bytes(b"no image")
    message = r"expected images that can be read, found none among 2: a: not an image"
    with pytest.raises(InputError, match=message):
        quietly(tree_net(), ImageFiles(tmp_path, SMALL))
    with pytest.raises(InputError, match=message):
        predict_to_file(
            tree_net(), ImageFiles(tmp_path, SMALL), tmp_path / "out.csv", HERE, progress=False
        )
    assert not list(tmp_path.glob("*.csv"))


def test_no_image_to_predict_is_an_error(images: ImageFiles) -> None:
    with pytest.raises(InputError, match="expected images to predict, found none"):
        quietly(tree_net(), images, positions=[])


@pytest.mark.parametrize("device", ["gpu", "cuda:99", "cpu:"])
def test_device_that_this_machine_lacks_is_refused(images: ImageFiles, device: str) -> None:
    with pytest.raises(
        InputError, match=rf"device: expected one of this machine, found '{device}'"
    ):
        quietly(tree_net(), images, device=device)


@pytest.mark.parametrize("other", [CutoutOptions(40, 24), CutoutOptions(36, 32)])
def test_cutouts_of_another_crop_or_size_are_refused(folder: Path, other: CutoutOptions) -> None:
    with pytest.raises(InputError, match=r"cutouts: expected the model's crop 40, size 32"):
        quietly(tree_net(), ImageFiles(folder, other))


# files


def write(
    network: GalaxyNet, images: Any, out: Path, columns: Columns = "cumulative", **changes: Any
) -> int:
    flags = changes.pop("flags", ())
    options = replace(HERE, **changes)
    catalogue = CatalogueOptions(columns, tuple(flags))
    return predict_to_file(network, images, out, options, catalogue, progress=False)


def load(path: Path) -> pd.DataFrame:
    """Read a catalogue with other people's code."""
    if path.suffix == ".parquet":
        return pq.read_table(path).to_pandas()
    if path.suffix == ".fits":
        return Table.read(path, character_as_bytes=False).to_pandas()
    return pd.read_csv(path, dtype={"GalaxyID": str, "id": str})


@pytest.mark.parametrize("tree", [GZ2_KAGGLE, GZ2], ids=lambda tree: tree.name)
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_file_holds_the_catalogue(
    tmp_path: Path, images: ImageFiles, suffix: str, tree: DecisionTree
) -> None:
    network, out = tree_net(tree), tmp_path / f"catalogue{suffix}"
    assert write(network, images, out) == len(IDS)
    catalogue = load(out)
    names = ["GalaxyID" if tree is GZ2_KAGGLE else "id", *tree.columns]
    if suffix == ".fits":
        assert catalogue.columns.tolist() == [name.replace(".", "_") for name in names]
        catalogue.columns = names
    assert catalogue.columns.tolist() == names
    expected = quietly(network, images)
    single = dict.fromkeys(tree.columns, np.float32)
    pd.testing.assert_frame_equal(catalogue.astype(single), expected, rtol=0, atol=0)
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize("columns", ["cumulative", "conditional", "reach"])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_flags_are_columns_set_by_the_gated_cumulative_probability(
    tmp_path: Path,
    images: ImageFiles,
    suffix: str,
    columns: Columns,
    caplog: pytest.LogCaptureFixture,
) -> None:
    network, out = tree_net(), tmp_path / f"catalogue{suffix}"
    gate = 0.3
    cumulative = quietly(network, images, gate=gate)
    middle = float(np.median(cumulative["Class1.1"]))
    flags = (f"smooth={middle}", "Class6.1=0.01")
    with caplog.at_level("INFO"):
        write(network, images, out, columns, gate=gate, flags=flags)
    catalogue = load(out)
    assert catalogue.columns[-2:].tolist() == ["flag_smooth", "flag_t06_odd_a14_yes"]
    for name, column, threshold in (
        ("flag_smooth", "Class1.1", np.float32(middle)),
        ("flag_t06_odd_a14_yes", "Class6.1", 0.01),
    ):
        assert catalogue[name].dtype == bool
        expected = (cumulative[column] >= threshold).tolist()
        assert catalogue[name].tolist() == expected
        assert f"{name}: {sum(expected)} of {len(IDS)} galaxies, {column}" in caplog.text


def test_csv_of_kaggles_tree_is_a_submission(
    tmp_path: Path, images: ImageFiles, shared: Path
) -> None:
    write(tree_net(), images, tmp_path / "submission.csv")
    official = (shared / "data" / "kaggle_gz2" / "five_full_rows.csv").read_text()
    submission = (tmp_path / "submission.csv").read_text()
    assert submission.splitlines()[0] == official.splitlines()[0]


@pytest.mark.parametrize("suffix", [".parquet", ".fits"])
def test_file_tells_where_it_comes_from(tmp_path: Path, images: ImageFiles, suffix: str) -> None:
    out = tmp_path / f"catalogue{suffix}"
    write(tree_net(kind="debiased"), images, out)
    if suffix == ".fits":
        told = fits.getheader(out, 1)
    else:
        told = {k.decode(): v.decode() for k, v in pq.read_schema(out).metadata.items()}
    assert told["model"] == f"GalaxyTreeNet {TINY}"
    assert (told["tree"], told["kind"]) == ("GZ2_KAGGLE", "debiased")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_conditional_probabilities_and_reach(
    tmp_path: Path, images: ImageFiles, suffix: str
) -> None:
    """With a gate, some questions are not reached: conditional probabilities are then NaN."""
    cumulative = probabilities(quietly(tree_net(GZ2), images, gate=0.15))
    tables = {}
    for columns in ("conditional", "reach"):
        out = tmp_path / f"{columns}{suffix}"
        assert write(tree_net(GZ2), images, out, columns, gate=0.15) == len(IDS)
        tables[columns] = load(out).set_index("id")
        assert tables[columns].index.tolist() == sorted(IDS)
    conditional, reach = tables["conditional"], tables["reach"]
    assert conditional.columns.tolist() == [f"{column}_conditional" for column in GZ2.columns]
    assert reach.columns.tolist() == [f"{question.name}_reach" for question in GZ2.questions]
    for number, (answers, parents) in enumerate(zip(GZ2.slices, GZ2.parents, strict=True)):
        expected = cumulative[:, list(parents)].sum(1) if parents else np.ones(len(IDS))
        np.testing.assert_allclose(reach.iloc[:, number], expected, rtol=0, atol=1e-6)
        asked = expected > 0
        given = conditional.iloc[:, answers].to_numpy()
        assert (np.isnan(given) == ~asked[:, None]).all()
        np.testing.assert_allclose(
            given[asked] * expected[asked, None], cumulative[asked, answers], rtol=0, atol=1e-6
        )
        np.testing.assert_allclose(given[asked].sum(1), 1, rtol=0, atol=1e-5)
    assert 0 < conditional.isna().to_numpy().mean() < 1


def test_conditional_probabilities_are_the_networks(
    tmp_path: Path, folder: Path, images: ImageFiles
) -> None:
    network = tree_net()
    write(network, images, tmp_path / "out.parquet", "conditional")
    with torch.no_grad():
        expected = network.conditional(pixels(folder)).numpy()
    given = probabilities(load(tmp_path / "out.parquet"))
    np.testing.assert_allclose(given, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("columns", ["conditional", "reach"])
def test_predictions_and_network_may_be_on_different_devices(
    tmp_path: Path, folder: Path, images: ImageFiles, monkeypatch: pytest.MonkeyPatch, columns: Any
) -> None:
    """Predictions come to the CPU, the network stays on a GPU; here, for want of one, nowhere."""
    network = tree_net()
    write(network, images, tmp_path / "expected.parquet", columns)
    with torch.inference_mode():
        batch = images.ids, [Prediction(network(pixels(folder)))]
    monkeypatch.setattr("gz2tree.prediction.predict_batches", lambda *_, **__: iter([batch]))
    write(network.to("meta"), images, tmp_path / "given.parquet", columns)
    expected, given = (load(tmp_path / f"{name}.parquet") for name in ("expected", "given"))
    pd.testing.assert_frame_equal(given, expected, rtol=0, atol=1e-5)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("columns", ["cumulative", "conditional", "reach"])
def test_gpu_predicts_as_the_cpu(tmp_path: Path, images: ImageFiles, columns: Any) -> None:
    for device in ("cpu", "cuda"):
        write(tree_net(), images, tmp_path / f"{device}.parquet", columns, device=device, views=8)
    expected, given = (load(tmp_path / f"{device}.parquet") for device in ("cpu", "cuda"))
    pd.testing.assert_frame_equal(given, expected, rtol=0, atol=2e-3)  # TF32 convolutions


def test_names_of_columns() -> None:
    assert column_names(GZ2_KAGGLE, "cumulative") == list(GZ2_KAGGLE.columns)
    assert column_names(GZ2_KAGGLE, "conditional")[-1] == "Class11.6_conditional"
    assert column_names(GZ2_KAGGLE, "reach") == [f"Class{n}_reach" for n in range(1, 12)]


@pytest.mark.parametrize("columns", ["conditional", "reach"])
def test_flat_network_has_cumulative_probabilities_only(
    tmp_path: Path, images: ImageFiles, columns: Columns
) -> None:
    with pytest.raises(InputError, match=rf"columns: this FlatNet has no {columns} probabilities"):
        write(flat_net(), images, tmp_path / "out.csv", columns)
    assert not list(tmp_path.iterdir())


def test_flat_network_that_is_a_tree_has_the_probabilities_of_one(
    tmp_path: Path, images: ImageFiles
) -> None:
    network = flat_net(renormalised="to_parent")
    write(network, images, tmp_path / "out.csv", "conditional")
    table = load(tmp_path / "out.csv")[column_names(GZ2_KAGGLE, "conditional")].to_numpy()
    for answers in GZ2_KAGGLE.slices:
        np.testing.assert_allclose(table[:, answers].sum(-1), 1, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "message"),
    [("out.txt", "expected a table ending in"), ("nowhere/out.csv", "expected an existing folder")],
)
def test_file_that_cannot_be_written_is_refused_before_predicting(
    tmp_path: Path, images: ImageFiles, monkeypatch: pytest.MonkeyPatch, name: str, message: str
) -> None:
    monkeypatch.setattr(ImageFiles, "batches", lambda *_: pytest.fail("images were read"))
    with pytest.raises(InputError, match=message):
        write(tree_net(), images, tmp_path / name)


def test_prediction_needs_no_lightning(tmp_path: Path, folder: Path) -> None:
    tree_net().save_pretrained(tmp_path / "model")
    script = f"""
import sys
from pathlib import Path
from gz2tree import PredictOptions, load_model
from gz2tree.prediction import predict_to_file
from gz2tree.store import open_images
model = load_model({str(tmp_path / "model")!r})
images = open_images({str(folder)!r}, model.cutouts)
out = Path({str(tmp_path / "out.csv")!r})
print(predict_to_file(model, images, out, PredictOptions(workers=0)))
print(sorted({{"lightning", "matplotlib", "astropy", "tensorboard"}} & set(sys.modules)))
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout == f"{len(IDS)}\n[]\n"


def test_images_may_be_given_by_their_path(folder: Path, images: ImageFiles) -> None:
    network = tree_net()
    expected = predict(network, images, progress=False)
    pd.testing.assert_frame_equal(predict(network, folder, progress=False), expected)
    pd.testing.assert_frame_equal(predict(network, str(folder), progress=False), expected)
