"""Pixel scales and radii: crops of the same angle, or of as many radii, whatever the pixels."""

from __future__ import annotations

import io
import json
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import SMALL, random_labels, write_images, write_kaggle_table
from fits_images import cube, galaxy, write_cubes
from hypothesis import given as for_any
from hypothesis import strategies as st
from PIL import Image

from gz2tree import CutoutOptions, CutoutStore, GalaxyTreeNet, InputError, load_model, predict
from gz2tree.cli import main
from gz2tree.config import OptionError
from gz2tree.cutouts import ImageFiles, UnreadableImage, read_cutout
from gz2tree.images.given import GZ2_RADII_PER_PIXEL, GivenImages, ImageOptions, given_images
from gz2tree.images.opening import some_ids
from gz2tree.images.radii import Radii, read_radii
from gz2tree.images.stretch import Stretch
from gz2tree.store import open_images, prepare

PLANES = Stretch(("0", "1", "2"))
IN_ARCSEC = CutoutOptions(40, 20, pixel_scale=0.4, stretch=PLANES)
IN_RADII = CutoutOptions(40, 20, radii_per_pixel=0.02, stretch=PLANES)


def picture(planes: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(PLANES.colours(planes)).save(file, "PNG")
    return file.getvalue()


# how many pixels a crop is


def test_without_a_scale_crops_are_pixels_as_ever() -> None:
    for cutouts in (CutoutOptions(40, 20), IN_ARCSEC, IN_RADII):
        assert GivenImages().crop("1", cutouts) == 40


@for_any(st.floats(0.01, 10), st.floats(0.01, 10))
def test_the_crop_spans_the_same_angle(of_model: float, of_images: float) -> None:
    cutouts = CutoutOptions(200, 20, pixel_scale=of_model)
    crop = GivenImages(pixel_scale=of_images).crop("1", cutouts)
    assert crop * of_images == pytest.approx(200 * of_model, abs=1e-3 * of_images)


@for_any(st.floats(0.05, 2), st.floats(1, 100))
def test_the_crop_spans_as_many_radii(scale: float, radius: float) -> None:
    given = GivenImages(pixel_scale=scale, radii=Radii("t.csv", {"1": radius}))
    radii = given.crop("1", IN_RADII) * scale / radius
    assert radii == pytest.approx(40 * 0.02, abs=1e-3 * scale / radius)


def test_galaxy_zoo_2s_own_images() -> None:
    """424 pixels of 0.02 petroR90 are 8.48 petroR90 (Willett et al. 2013, section 2)."""
    cutouts = GivenImages(radii_per_pixel=GZ2_RADII_PER_PIXEL).cutouts(424, 96)
    petro_r90 = 12.5
    sdss = GivenImages(pixel_scale=0.396, radii=Radii("t.csv", {"1": petro_r90}))
    assert sdss.crop("1", cutouts) == pytest.approx(8.48 * petro_r90 / 0.396, abs=1e-3)
    same = GivenImages(pixel_scale=0.02 * petro_r90, radii=Radii("t.csv", {"1": petro_r90}))
    assert same.crop("1", cutouts) == 424


def test_images_scaled_to_their_galaxies_otherwise() -> None:
    assert GivenImages(radii_per_pixel=0.01).crop("1", IN_RADII) == 80


def test_galaxies_without_a_radius_are_left_out() -> None:
    given = GivenImages(pixel_scale=0.4, radii=Radii("t.csv, columns id and R", {"1": 10.0}))
    with pytest.raises(UnreadableImage, match=r"a radius of it in t\.csv, columns id and R, found"):
        given.crop("2", IN_RADII)


# the cutouts come out alike


@pytest.mark.parametrize("step", [0.5, 0.75, 2.0])
def test_a_galaxy_on_other_pixels_gives_the_same_cutout(step: float) -> None:
    """The same disk, 1 arcsec a pixel and `step`."""
    cutouts = CutoutOptions(40, 20, pixel_scale=1.0, stretch=PLANES)
    expected = read_cutout(cube(galaxy(60, 1.0)), cutouts).astype(int)
    given = GivenImages(pixel_scale=step)
    data = cube(galaxy(round(60 / step), step))
    crop = given.crop("1", cutouts)
    assert crop == pytest.approx(40 / step, abs=1e-3)
    difference = np.abs(read_cutout(data, cutouts, crop) - expected)
    assert difference.mean() < 2
    without = np.abs(read_cutout(data, replace(cutouts, crop=28)) - expected)
    assert difference.mean() < without.mean() / 8


@pytest.mark.parametrize("factor", [0.5, 1.5])
def test_a_galaxy_of_another_size_gives_the_same_cutout(factor: float) -> None:
    """Twice as large on the sky with twice the radius: as many radii, the same picture."""
    radii = Radii("t.csv", {"near": 10.0 / factor, "far": 10.0})
    given = GivenImages(pixel_scale=1.0, radii=radii)
    cutouts = CutoutOptions(200, 20, radii_per_pixel=0.02)
    crops = {name: given.crop(name, cutouts) for name in radii.of}
    assert crops["near"] == pytest.approx(crops["far"] / factor, abs=1e-3)
    far = read_cutout(picture(galaxy(120, 1.0)), cutouts, crops["far"]).astype(int)
    near = read_cutout(picture(galaxy(120, factor)), cutouts, crops["near"])
    assert np.abs(near - far).mean() < 2


def test_crops_beyond_the_image_are_left_out(tmp_path: Path) -> None:
    folder = write_cubes(tmp_path / "f", ["1", "2"])
    radii = Radii("t.csv", {"1": 20.0, "2": 40.0})
    images = ImageFiles(folder, IN_RADII, GivenImages(pixel_scale=0.4, radii=radii))
    (batch,) = images.batches(workers=0)
    assert batch.positions.tolist() == [0]
    assert batch.problems == [(1, "image is 48 x 48 px, the crop needs 80")]


# contradictions


@pytest.mark.parametrize(
    ("given", "cutouts", "message"),
    [
        (GivenImages(pixel_scale=0.4), CutoutOptions(40, 20), "does not.*its crop is 40 pixels"),
        (GivenImages(pixel_scale=0.4), IN_RADII, "expected --radii as well"),
        (GivenImages(radii_per_pixel=0.02), IN_ARCSEC, "the model's crop is an angle"),
        (
            GivenImages(pixel_scale=0.4, radii=Radii("t", {})),
            IN_ARCSEC,
            "radii: expected none, as the model's crop is an angle",
        ),
    ],
)
def test_scales_that_cannot_be_compared(
    given: GivenImages, cutouts: CutoutOptions, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        given.check(cutouts)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"pixel_scale": 0.0}, "pixel scale: expected a number above 0, found 0"),
        ({"pixel_scale": float("inf")}, "pixel scale: expected a number above 0"),
        ({"pixel_scale": 0.4, "radii_per_pixel": 0.02}, "found both"),
        ({"radii": Radii("t", {})}, "expected them with a pixel_scale"),
    ],
)
def test_senseless_scales(fields: dict[str, object], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        GivenImages(**fields)


@pytest.mark.parametrize(
    ("held", "asked", "fits"),
    [
        ({}, {}, True),
        ({"pixel_scale": 0.4}, {}, True),
        ({"pixel_scale": 0.4}, {"pixel_scale": 0.4 + 1e-12}, True),
        ({"pixel_scale": 0.4}, {"pixel_scale": 0.2}, False),
        ({"pixel_scale": 0.02}, {"radii_per_pixel": 0.02}, False),
        ({"pixel_scale": 0.4}, {"crop": 41}, False),
    ],
)
def test_unknown_scales_fit_any(held: dict, asked: dict, fits: bool) -> None:
    one, other = (CutoutOptions(**{"crop": 40, "size": 20} | fields) for fields in (held, asked))
    assert one.matches(other) is other.matches(one) is fits


# tables of radii


def table(path: Path, **columns: list[object]) -> Path:
    pd.DataFrame(columns).to_csv(path, index=False)
    return path


def test_radii_are_read_by_text_ids(tmp_path: Path) -> None:
    ids = ["587722981742084097", "007", "3", "4", "5"]
    path = table(tmp_path / "t.csv", id=ids, R=[1.5, 2, np.nan, 0, np.inf])
    radii = read_radii(path, "R")
    assert radii.of == {"587722981742084097": 1.5, "007": 2.0}
    assert radii.source == "t.csv, columns id and R"


def test_radii_are_of_the_ids_that_the_images_have(tmp_path: Path) -> None:
    """The column of ids that is named first may be that of another survey."""
    path = table(tmp_path / "t.csv", objid=["1", "2", "3"], iauname=["a", "b", "c"], R=[1, 2, 3])
    assert read_radii(path, "R", image_ids=["b", "c", "3"]).of == {"a": 1, "b": 2, "c": 3}
    assert read_radii(path, "R", "objid", image_ids=["b", "c"]).of == {"1": 1, "2": 2, "3": 3}
    with pytest.raises(InputError, match="no id matches an image"):
        read_radii(path, "R", image_ids=["none"])


@pytest.mark.parametrize("kind", ["folder", "zip", "tar", "list", "bands"])
def test_commands_choose_the_ids_of_radii_by_the_images(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    stretch = None
    if kind == "bands":
        stretch = Stretch(("{id}-i.fits", "{id}-r.fits", "{id}-g.fits"))
        names = [f"{galaxy}-{band}.fits" for galaxy in "bc" for band in "irg"]
    else:
        names = ["b.jpg", "c.jpg"]
    for name in names:
        (folder / name).touch()
    path = folder
    if kind == "list":
        path = tmp_path / "images.txt"
        path.write_text("images/b.jpg\nimages/c.jpg\n")
    elif kind in ("zip", "tar"):
        path = Path(shutil.make_archive(str(tmp_path / "packed"), kind, folder))
    assert sorted(some_ids([path], stretch)) == ["b", "c"]
    radii = table(tmp_path / "t.csv", objid=["1", "2"], iauname=["a", "b"], R=[1, 2])
    bands = None if stretch is None else ",".join(stretch.bands)
    options = ImageOptions(bands=bands, pixel_scale=0.4, radii=radii, radius_column="R")
    given = given_images(options, None, partial(some_ids, [path]))
    assert given.radii is not None
    assert given.radii.of == {"a": 1.0, "b": 2.0}


def test_a_galaxy_without_an_id_may_have_no_radius(tmp_path: Path) -> None:
    radii = table(tmp_path / "t.csv", id=["1", None, "3"], R=[1.0, np.nan, 3.0])
    assert read_radii(radii, "R").of == {"1": 1.0, "3": 3.0}
    radii = table(tmp_path / "t.csv", id=["1", None, "3"], R=[1.0, 2.0, 3.0])
    with pytest.raises(InputError, match="column id, row 2: expected an id, found none"):
        read_radii(radii, "R")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"id": ["1"], "r": [1.0]}, "expected a column R, found id, r"),
        ({"id": ["1", "1"], "R": [1.0, 2.0]}, "expected each id once, found 1 repeated"),
        ({"id": ["1", "2"], "R": ["1.0", "large"]}, "column R: expected numbers, found 'large'"),
        ({"name": ["1"], "R": [1.0]}, "expected an id column"),
    ],
)
def test_tables_without_these_radii(
    tmp_path: Path, columns: dict[str, list[object]], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        read_radii(table(tmp_path / "t.csv", **columns), "R")


# stores


def test_a_store_remembers_of_what_it_was_made(tmp_path: Path) -> None:
    folder = write_cubes(tmp_path / "f", ["1", "2"], 96, 0.5)
    given = GivenImages(pixel_scale=0.2)
    out = tmp_path / "store"
    store = prepare(folder, out, IN_ARCSEC, given, workers=0, progress=False)
    assert store.options == IN_ARCSEC
    header = json.loads((out / "store.json").read_text())
    assert header["given"] == {"pixel_scale": 0.2}
    assert len(prepare(folder, out, IN_ARCSEC, given, workers=0, progress=False)) == 2
    with pytest.raises(InputError, match=r"begun with images of .*0\.2.*asked for .*0\.25"):
        prepare(folder, out, IN_ARCSEC, GivenImages(pixel_scale=0.25), workers=0)
    with pytest.raises(InputError, match="its cutouts are made; bands, pixel scale and radii"):
        open_images(out, IN_ARCSEC, given)


# commands


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A network of 40 pixels of 0.4 arcsec, stretched."""
    path = tmp_path / "model"
    network = GalaxyTreeNet("resnet10t", pretrained=False, cutouts=replace(IN_ARCSEC, size=32))
    network.save_pretrained(path)
    return path


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def test_prepare_and_predict_from_fits(tmp_path: Path) -> None:
    folder = write_cubes(tmp_path / "f", ["1", "2", "3"])
    labels = write_kaggle_table(tmp_path / "t.csv", random_labels(["1", "2", "3"]))
    sizes = ["--crop", 40, "--size", 32]
    bands = ["--bands", "2,1,0", "--factors", "1,1.2,1.5", "--stretch", 2, "--pixel-scale", 0.4]
    assert run("prepare", folder, tmp_path / "s", *sizes, *bands, "--workers", 0) == 0
    stretch = Stretch(("2", "1", "0"), factors=(1.0, 1.2, 1.5), stretch=2.0)
    expected = CutoutOptions(40, 32, 0.4, stretch=stretch)
    assert CutoutStore(tmp_path / "s").options == expected
    quick = ["--backbone", "resnet10t", "--pretrained", "false", "--epochs", 1]
    quick += ["--batch-size", 3, "--valid-fraction", 0]
    train = ["train", "--labels", labels, "--out", tmp_path / "run", *quick, "--images"]
    assert run(*train, tmp_path / "s") == 0
    assert load_model(tmp_path / "run").cutouts == expected
    outs = {name: tmp_path / f"{name}.csv" for name in ("store", "folder", "finer")}
    predict_ = ["predict", "--model", tmp_path / "run", "--workers", 0, "--images"]
    assert run(*predict_, tmp_path / "s", "--out", outs["store"]) == 0
    assert run(*predict_, folder, "--out", outs["folder"]) == 0
    finer = write_cubes(tmp_path / "finer", ["1", "2", "3"], 96, 0.5)
    scale = ["--pixel-scale", 0.2]
    assert run(*predict_, finer, "--out", outs["finer"], *scale) == 0
    assert run(*predict_, finer, "--out", tmp_path / "shards", *scale) == 0
    tables = {name: pd.read_csv(path, index_col=0).to_numpy() for name, path in outs.items()}
    np.testing.assert_allclose(tables["folder"], tables["store"], atol=1e-6)
    np.testing.assert_allclose(tables["finer"], tables["store"], atol=0.05)
    sharded = pd.concat(map(pd.read_parquet, sorted((tmp_path / "shards").glob("*.parquet"))))
    np.testing.assert_allclose(sharded.iloc[:, 1:], tables["finer"], atol=1e-5)


def test_train_on_fits_and_finetune_on_others(tmp_path: Path) -> None:
    folder = write_cubes(tmp_path / "f", ["1", "2", "3"])
    labels = write_kaggle_table(tmp_path / "t.csv", random_labels(["1", "2", "3"]))
    quick = ["--labels", labels, "--images", folder, "--epochs", 1, "--batch-size", 3]
    quick += ["--valid-fraction", 0]
    new = ["--crop", 40, "--size", 32, "--backbone", "resnet10t", "--pretrained", "false"]
    told = ["--bands", "0,1,2", "--pixel-scale", 0.4]
    assert run("train", *quick, *new, *told, "--out", tmp_path / "a") == 0
    assert load_model(tmp_path / "a").cutouts == replace(IN_ARCSEC, size=32)
    start = ["finetune", "--model", tmp_path / "a", *quick]
    assert run(*start, "--pixel-scale", 0.5, "--q", 9, "--out", tmp_path / "b") == 0
    expected = replace(IN_ARCSEC, size=32, stretch=replace(PLANES, q=9.0))
    assert load_model(tmp_path / "b").cutouts == expected
    assert run(*start, "--out", tmp_path / "c") == 0
    assert load_model(tmp_path / "c").cutouts == CutoutOptions(40, 32, stretch=PLANES)


def test_prepare_for_a_model_with_radii(tmp_path: Path) -> None:
    model = GalaxyTreeNet("resnet10t", pretrained=False, cutouts=replace(IN_RADII, size=32))
    model.save_pretrained(tmp_path / "model")
    folder = write_cubes(tmp_path / "f", ["1", "2", "3"], 96)
    radii = table(tmp_path / "r.csv", id=["1", "2"], petroR90_r=[20.0, 40.0])
    told = ["--pixel-scale", 0.4, "--radii", radii, "--radius-column", "petroR90_r"]
    to_model = ["--model", tmp_path / "model"]
    assert run("prepare", folder, tmp_path / "s", *to_model, *told, "--workers", 0) == 0
    store = CutoutStore(tmp_path / "s")
    assert store.ids.tolist() == ["1", "2"]
    assert store.options == model.cutouts
    data = (folder / "2.fits").read_bytes()
    np.testing.assert_array_equal(store.array[1], read_cutout(data, model.cutouts, 80))
    assert len(predict(model, store, progress=False)) == 2
    assert run("prepare", folder, tmp_path / "n", *told, "--bands", "0,1,2", "--crop", 40,
               "--size", 32, "--workers", 0) == 0  # fmt: skip
    assert CutoutStore(tmp_path / "n").options == store.options


def test_pictures_for_the_model_in_the_box(tmp_path: Path) -> None:
    """It was trained on Galaxy Zoo 2's images, and says so."""
    cutouts = load_model("default").cutouts
    assert cutouts.radii_per_pixel == GZ2_RADII_PER_PIXEL
    cutouts = CutoutOptions(cutouts.crop, cutouts.size)
    folder = write_images(tmp_path / "i", ["1"], side=cutouts.crop)
    store = prepare(folder, tmp_path / "s", cutouts, workers=0, progress=False)
    assert store.options.matches(load_model("default").cutouts)


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert run(*arguments) == 2
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith("error: ")
    return last


def test_commands_refuse_what_does_not_go_together(
    tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_cubes(tmp_path / "f", ["1"])
    out = ["--out", tmp_path / "o.csv"]
    of_model = ["predict", "--model", model, "--images", folder, *out]
    assert "expected the model's stretch" in refused(capsys, *of_model, "--q", 9)
    radii = ["--radii", folder, "--pixel-scale", 0.4]
    assert "--radius-column, found one alone" in refused(capsys, *of_model, *radii)
    pictures = ["predict", "--images", folder, *out]
    assert "--bands (of prepare, train and predict) says which" in refused(capsys, *pictures)
    assert "expected together with --bands" in refused(capsys, *pictures, "--minimum", "0.1")
    store = prepare(folder, tmp_path / "s", SMALL, GivenImages(PLANES), workers=0).path
    asked = refused(capsys, "predict", "--model", model, "--images", store, *out)
    assert "asked for crop 40, size 32, 0.4 arcsec a pixel, stretch (bands 0, 1, 2" in asked
    sized = ["prepare", folder, tmp_path / "p", "--model", model, "--crop", 41]
    assert "expected none with --model" in refused(capsys, *sized)
