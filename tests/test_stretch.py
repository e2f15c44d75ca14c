"""FITS images: bands found, turned the right way up and stretched as astropy does."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.visualization import make_lupton_rgb
from conftest import write_images
from fits_images import BANDS, compressed, cube, extensions, galaxy, in_bytes, write_cubes
from hypothesis import given as for_any
from hypothesis import strategies as st
from PIL import Image

from gz2tree import CutoutOptions, CutoutStore, GalaxyTreeNet, InputError, load_model
from gz2tree.config import ImageOptions, OptionError
from gz2tree.cutouts import ImageFiles, UnreadableImage, read_cutout
from gz2tree.images import decoding, fitsimages
from gz2tree.images.given import GivenImages, given_images
from gz2tree.images.imagenames import image_id, is_image_name
from gz2tree.images.opening import open_stream
from gz2tree.images.stretch import Stretch
from gz2tree.store import open_images, prepare

PLANES = Stretch(("0", "1", "2"))
NAMED = Stretch(BANDS)
FILES = Stretch(tuple(f"{{id}}-{band}.fits" for band in BANDS))
WHOLE = CutoutOptions(48, 48, stretch=PLANES)


def picture(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


# what astropy does


@pytest.mark.parametrize(("stretch", "q"), [(5.0, 8.0), (0.5, 10.0), (40.0, 0.1)])
def test_lupton_is_astropys(stretch: float, q: float) -> None:
    red, green, blue = galaxy().astype(np.float32).astype(float)
    expected = make_lupton_rgb(red, green, blue, stretch=stretch, Q=q)
    options = replace(WHOLE, stretch=replace(PLANES, stretch=stretch, q=q))
    np.testing.assert_array_equal(read_cutout(cube(galaxy()), options), expected)


def test_factors_and_minimum_are_taken_before_the_stretch() -> None:
    planes = galaxy().astype(np.float32).astype(float)
    light = [f * (p - m) for f, p, m in zip((2, 1, 0.5), planes, (0.1, 0.2, 0.3), strict=True)]
    stretch = replace(PLANES, factors=(2.0, 1.0, 0.5), minimum=(0.1, 0.2, 0.3))
    expected = make_lupton_rgb(*light, stretch=5, Q=8)
    cutout = read_cutout(cube(galaxy()), replace(WHOLE, stretch=stretch))
    np.testing.assert_array_equal(cutout, expected)


def test_asinh_is_the_formula_of_each_band() -> None:
    planes = galaxy().astype(np.float32).astype(float)
    within = np.clip(planes / 12, 0, 1)
    expected = np.rint(255 * np.arcsinh(20 * within) / np.arcsinh(20)).transpose(1, 2, 0)
    stretch = Stretch(("0", "1", "2"), "asinh", stretch=12.0, q=20.0)
    cutout = read_cutout(cube(galaxy()), replace(WHOLE, stretch=stretch))
    np.testing.assert_allclose(cutout, expected, atol=1)  # rounding at a half


def test_idlutils_arcsinh_is_lupton_of_these_parameters() -> None:
    """SDSS's nw_arcsinh of nonlinearity b is Lupton's of q = 10 sinh(0.3 b), stretch q / 3b."""
    b, light = 3.0, galaxy() / 100
    radius = light.sum(0)
    expected = 255 * light * np.arcsinh(b * radius) / b / radius
    q = 10 * np.sinh(0.3 * b)
    stretch = replace(PLANES, stretch=q / (3 * b), q=q)
    below = expected.max(0) < 254
    difference = stretch.colours(light)[below] - expected.transpose(1, 2, 0)[below]
    assert np.abs(difference).max() <= 1


def test_lists_are_as_good_as_tuples() -> None:
    listed = Stretch(["0", "1", "2"], factors=[1.0, 2, 3], minimum=[0.5])
    given = Stretch(("0", "1", "2"), factors=(1.0, 2.0, 3.0), minimum=(0.5,))
    assert listed == given
    assert hash(listed) == hash(given)
    assert {listed: 1}[given] == 1


def test_one_band_is_grey() -> None:
    grey = galaxy()[:1]
    cutout = read_cutout(cube(grey[0]), replace(WHOLE, stretch=Stretch(("0",))))
    expected = make_lupton_rgb(*[grey[0].astype(np.float32).astype(float)] * 3, stretch=5, Q=8)
    np.testing.assert_array_equal(cutout, expected)
    np.testing.assert_array_equal(cutout[..., 0], cutout[..., 2])


@for_any(st.integers(0, 2**31), st.sampled_from(["lupton", "asinh"]), st.floats(1, 1e4))
def test_any_light_gives_colours(seed: int, mapping: str, q: float) -> None:
    planes = np.random.default_rng(seed).normal(0, 100, (3, 5, 7))
    planes[:, 0, :3] = [[9, 9, np.nan], [np.nan, 9, 9], [9, 9, -np.inf]]
    planes[:, 1] = 0
    colours = replace(PLANES, mapping=mapping, q=q).colours(planes)
    assert colours.shape == (5, 7, 3)
    assert colours.dtype == np.uint8
    assert not colours[1].any()
    assert not colours[0, [0, 2]].any()


# where the bands lie


def test_north_is_up_and_east_stays_left() -> None:
    planes = np.zeros((3, 48, 48))
    planes[:, 3, 5] = 100.0  # near the top, to the left
    brightest = np.argwhere(read_cutout(cube(planes), WHOLE)[..., 0])
    assert brightest.tolist() == [[3, 5]]


def test_a_first_row_of_the_file_is_the_lowest() -> None:
    rows = np.zeros((48, 48), np.float32)
    rows[0] = 100.0  # as astropy sees it: y = 0, the bottom
    data = in_bytes(fits.HDUList([fits.PrimaryHDU(rows)]))
    cutout = read_cutout(data, replace(WHOLE, stretch=Stretch(("0",))))
    assert cutout[-1].all()
    assert not cutout[:-1].any()


@pytest.mark.parametrize(
    ("data", "stretch"),
    [
        (extensions(galaxy()), NAMED),
        (extensions(galaxy()), Stretch(("I", "R", "G"))),
        (compressed(galaxy()), NAMED),
        (gzip.compress(cube(galaxy())), PLANES),
        (cube(galaxy()[::-1]), Stretch(("2", "1", "0"))),
        (cube(galaxy()[:, None]), PLANES),
        ([cube(plane) for plane in galaxy()], FILES),
        ([gzip.compress(cube(plane[None])) for plane in galaxy()], FILES),
    ],
    ids=["extensions", "case", "fpack", "gzip", "order", "long axes", "files", "files in gzip"],
)
def test_every_form_gives_the_same_cutout(data: bytes, stretch: Stretch) -> None:
    expected = read_cutout(cube(galaxy()), WHOLE)
    np.testing.assert_array_equal(read_cutout(data, replace(WHOLE, stretch=stretch)), expected)


def test_swapped_bands_swap_colours() -> None:
    swapped = read_cutout(cube(galaxy()), replace(WHOLE, stretch=Stretch(("2", "1", "0"))))
    np.testing.assert_array_equal(swapped[..., ::-1], read_cutout(cube(galaxy()), WHOLE))


@pytest.mark.parametrize(("side", "crop", "size"), [(48, 40, 32), (61, 40, 16), (97, 96, 24)])
def test_cutout_is_that_of_the_stretched_picture(side: int, crop: int, size: int) -> None:
    planes = galaxy(side)
    colours = PLANES.colours(planes.astype(np.float32).astype(float))
    options = CutoutOptions(crop, size)
    expected = read_cutout(picture(colours), options).astype(int)
    cutout = read_cutout(cube(planes), replace(options, stretch=PLANES))
    assert np.abs(cutout - expected).max() <= 1  # the filter's weights, rounded


# what is refused

SMALL = CutoutOptions(16, 8, stretch=PLANES)
CUBE = cube(galaxy())
TABLE = in_bytes(
    fits.HDUList(
        [
            fits.PrimaryHDU(),
            fits.BinTableHDU.from_columns([fits.Column("x", "E", array=np.zeros(3))]),
        ]
    )
)
REFUSED = {
    "picture": (picture(np.zeros((48, 48, 3), np.uint8)), PLANES, "expected a FITS image"),
    "empty": (b"", PLANES, "empty file"),
    "cut off": (CUBE[: len(CUBE) // 2], PLANES, "truncated or damaged"),
    "half a header": (CUBE[:1000], PLANES, "truncated or damaged|none"),
    "gzip cut off": (gzip.compress(CUBE)[:500], PLANES, "truncated or damaged"),
    "too few planes": (CUBE, Stretch(("0", "1", "3")), "with plane 3, .* 48 x 48 x 3"),
    "flat": (cube(galaxy()[0]), PLANES, "with plane 2, .* 48 x 48"),
    "no such extension": (
        extensions(galaxy()),
        Stretch(("z", "r", "g")),
        "extension z, found PRIMARY, I",
    ),
    "a table": (TABLE, PLANES, "expected an image in the FITS file, found none"),
    "cube a band": ([CUBE] * 3, FILES, "expected an image of one plane, found one of 48 x 48 x 3"),
    "other shapes": (
        [cube(galaxy()[0]), cube(galaxy(47)[0]), cube(galaxy()[2])],
        FILES,
        r"bands of one shape, found \(48, 48\) and \(47, 47\)",
    ),
    "small": (cube(galaxy(10)), PLANES, "image is 10 x 10 px, the crop needs 16"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_bad_file_says_what_is_wrong(name: str) -> None:
    data, stretch, message = REFUSED[name]
    with pytest.raises(UnreadableImage, match=message):
        read_cutout(data, replace(SMALL, stretch=stretch))


def test_fits_without_a_stretch_names_the_option() -> None:
    with pytest.raises(UnreadableImage, match="a FITS image: --bands"):
        read_cutout(CUBE, CutoutOptions(16, 8))


def test_gzip_bomb(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "_MOST_BYTES", 10_000)
    with pytest.raises(UnreadableImage, match="too large: expected at most"):
        read_cutout(gzip.compress(CUBE), SMALL)


def test_more_pixels_than_are_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitsimages, "MOST_VALUES", 3 * 47 * 48)
    with pytest.raises(UnreadableImage, match="too large: an image of 48 x 48 x 3"):
        read_cutout(CUBE, SMALL)


def test_pixels_without_a_value() -> None:
    planes = galaxy()
    planes[1, 24, 24] = np.nan
    planes[0, 20, 24] = np.inf
    planes[2, 0, 0] = np.nan  # where no cutout of the middle reaches
    options = CutoutOptions(20, 20, stretch=PLANES)
    with pytest.raises(UnreadableImage, match=r"0\.32% of its pixels have no value.*--missing"):
        read_cutout(cube(planes), options)
    allowed = replace(options, stretch=replace(PLANES, missing=0.01))
    cutout = read_cutout(cube(planes), allowed)
    whole = read_cutout(cube(galaxy()), options)
    differs = np.argwhere((cutout != whole).any(-1)).tolist()
    assert differs == [[6, 10], [10, 10]]
    with pytest.raises(UnreadableImage, match=r"100\.00% of its pixels"):
        read_cutout(cube(np.full((3, 48, 48), np.nan)), allowed)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"bands": ("0", "1")}, "bands: expected red, green and blue, or one band, found 0, 1"),
        ({"bands": ("r", "r", "g")}, "different names"),
        ({"bands": ("r", "1", "g")}, "all planes, all extensions or all files"),
        ({"bands": ("{id}/r", "{id}/i", "{id}/g")}, "without a folder"),
        ({"mapping": "linear"}, "mapping: expected lupton or asinh, found linear"),
        ({"factors": (1.0, 2.0)}, "factors: expected one number, or one a band"),
        ({"factors": (0.0,)}, "numbers above 0"),
        ({"stretch": 0.0}, "stretch: expected a finite number above 0, found 0"),
        ({"q": 0.0}, "q: expected a finite number above 0"),
        ({"q": 0.5, "mapping": "asinh"}, "q: expected a number of at least 1"),
        ({"missing": 1.0}, "missing: expected a share"),
        ({"bands": "irg"}, "bands: expected a sequence, found irg"),
        ({"bands": (2, 1, 0)}, "bands: expected names, and numbers as text, found 2, 1, 0"),
        ({"factors": 2.0}, "factors: expected a sequence, found 2"),
        ({"factors": (np.inf,)}, "factors: expected finite numbers, found inf"),
        ({"factors": ("2",)}, "factors: expected finite numbers, found 2"),
        ({"minimum": (np.nan,)}, "minimum: expected finite numbers, found nan"),
        ({"stretch": np.nan}, "stretch: expected a finite number above 0, found nan"),
        ({"stretch": np.inf}, "stretch: expected a finite number above 0, found inf"),
        ({"q": np.inf}, "q: expected a finite number above 0, found inf"),
    ],
)
def test_senseless_stretches_are_refused(fields: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        replace(PLANES, **fields)


# names


@pytest.mark.parametrize(
    ("name", "galaxy_id"),
    [
        ("a/1.fits", "1"), ("1.fits.gz", "1"), ("1.FIT", "1"), ("x.y.fits.fz", "x.y"),
        ("1.tar.jpg", "1.tar"), ("1.fits.npy", "1.fits"),
    ],
)  # fmt: skip
def test_ids(name: str, galaxy_id: str) -> None:
    assert image_id(name) == galaxy_id


def test_fits_are_images_only_with_a_stretch() -> None:
    assert not is_image_name("1.fits")
    assert is_image_name("1.fits.gz", PLANES)
    assert not is_image_name("1.jpg", PLANES)
    assert not is_image_name(".1.fits", PLANES)


def test_pictures_beside_tables_are_read_as_ever(tmp_path: Path) -> None:
    folder = write_images(tmp_path / "images", ["1", "2"])
    (folder / "table.fits").write_bytes(TABLE)
    assert ImageFiles(folder).ids.tolist() == ["1", "2"]


def test_only_fits_without_bands_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"found FITS files such as 1\.fits: --bands .* says which"
    ):
        ImageFiles(write_cubes(tmp_path / "f", ["1"]))


def one_file_a_band(folder: Path, ids: list[str]) -> Path:
    folder.mkdir()
    for seed, name in enumerate(ids):
        for plane, band in zip(galaxy(seed=seed), BANDS, strict=True):
            (folder / f"{name}-{band}.fits").write_bytes(cube(plane))
    return folder


def zipped(folder: Path) -> Path:
    path = folder.with_suffix(".zip")
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.iterdir()):
            archive.write(file, f"in/{file.name}")
    return path


@pytest.mark.parametrize("form", [lambda folder: folder, zipped], ids=["folder", "zip"])
def test_one_file_a_band(tmp_path: Path, form: Callable[[Path], Path]) -> None:
    folder = one_file_a_band(tmp_path / "bands", ["7", "8", "a-r"])
    (folder / "8-g.fits").unlink()
    (folder / "7-z.fits").write_bytes(CUBE)  # a band that nobody asked for
    images = ImageFiles(form(folder), CutoutOptions(48, 48, stretch=FILES))
    assert images.ids.tolist() == ["7", "8", "a-r"]
    (batch,) = images.batches(workers=0)
    assert batch.positions.tolist() == [0, 2]
    assert [position for position, _ in batch.problems] == [1]
    assert "cannot be read" in batch.problems[0][1]
    np.testing.assert_array_equal(batch.cutouts[0], read_cutout(CUBE, WHOLE))
    assert len(set(batch.hashes)) == 2


# what is stored, and refused


def test_round_trip_through_json() -> None:
    options = CutoutOptions(40, 32, stretch=replace(NAMED, factors=(1.0, 2.0, 3.5), q=9.5))
    assert CutoutOptions.from_dict(json.loads(json.dumps(options.to_dict()))) == options
    assert CutoutOptions(40, 32).to_dict() == {"crop": 40, "size": 32}


def test_models_keep_their_stretch(tmp_path: Path) -> None:
    options = CutoutOptions(40, 32, 0.396, stretch=replace(FILES, mapping="asinh", missing=0.01))
    GalaxyTreeNet("resnet10t", pretrained=False, cutouts=options).save_pretrained(tmp_path)
    assert load_model(tmp_path).cutouts == options


def test_stores_keep_their_stretch_and_refuse_another(tmp_path: Path) -> None:
    folder = write_cubes(tmp_path / "f", ["1", "2"])
    options = CutoutOptions(40, 32, stretch=PLANES)
    store = prepare(folder, tmp_path / "store", options, workers=0, progress=False)
    assert store.options == CutoutStore(tmp_path / "store").options == options
    assert open_images(tmp_path / "store", options).options == options
    for other in (None, replace(PLANES, q=9.0), replace(PLANES, bands=("2", "1", "0"))):
        with pytest.raises(InputError, match=r"holds crop 40.*q 8.*; asked for crop 40"):
            open_images(tmp_path / "store", replace(options, stretch=other))
        with pytest.raises(InputError, match="asked for crop 40"):
            prepare(write_images(tmp_path / "i", ["1"]) if other is None else folder,
                    tmp_path / "store", replace(options, stretch=other), workers=0)  # fmt: skip


def test_stores_of_before_are_as_they_were(tmp_path: Path) -> None:
    """Nothing is added to what describes a store of pictures."""
    images = write_images(tmp_path / "i", ["1"])
    prepare(images, tmp_path / "store", CutoutOptions(40, 32), workers=0, progress=False)
    header = json.loads((tmp_path / "store" / "store.json").read_text())
    assert {"cutouts", "given"}.isdisjoint(header)


@pytest.mark.parametrize("cutouts", [{"stretch": {"bands": ["0", "1"]}}, {"colour": 1}])
def test_damaged_descriptions_are_refused(tmp_path: Path, cutouts: dict[str, object]) -> None:
    folder = write_cubes(tmp_path / "f", ["1"])
    prepare(folder, tmp_path / "s", CutoutOptions(40, 32, stretch=PLANES), workers=0)
    header = json.loads((tmp_path / "s" / "store.json").read_text())
    (tmp_path / "s" / "store.json").write_text(json.dumps(header | {"cutouts": cutouts}))
    with pytest.raises(InputError, match="does not describe a store"):
        CutoutStore(tmp_path / "s")


def test_given_stretch_is_compared_with_the_models() -> None:
    model = CutoutOptions(40, 32, stretch=NAMED)
    GivenImages(FILES).check(model)  # elsewhere, but the same colours
    GivenImages(PLANES).check(CutoutOptions(40, 32))  # of a model of pictures
    for other in (replace(NAMED, q=9.0), Stretch(("r",)), replace(NAMED, minimum=(0.1,))):
        with pytest.raises(InputError, match=r"expected the model's stretch \(bands i, r, g"):
            GivenImages(other).check(model)


# options


def test_options_become_a_stretch() -> None:
    options = ImageOptions(bands="i, r,g", factors="1,2,3.5", minimum="0.1", q=9.0)
    expected = Stretch(BANDS, factors=(1.0, 2.0, 3.5), minimum=(0.1,), q=9.0)
    assert given_images(options).stretch == expected
    assert given_images(ImageOptions()) == GivenImages()
    moved = given_images(ImageOptions(bands="2,1,0"), CutoutOptions(stretch=expected)).stretch
    assert moved == replace(expected, bands=("2", "1", "0"))
    with pytest.raises(OptionError, match="q, stretch: expected together with --bands"):
        given_images(ImageOptions(q=9.0, stretch=3.0))
    with pytest.raises(OptionError, match="factors: expected numbers with commas, found '1;2'"):
        given_images(ImageOptions(bands="r", factors="1;2"))


# streams


def tarred(folder: Path) -> Path:
    path = folder.with_suffix(".tar")
    with tarfile.open(path, "w") as archive:
        for file in sorted(folder.iterdir()):
            archive.add(file, file.name)
    return path


def listed(folder: Path) -> Path:
    path = folder.with_suffix(".txt")
    path.write_text("".join(f"{folder.name}/{file.name}\n" for file in sorted(folder.iterdir())))
    return path


@pytest.mark.parametrize(
    "form", [lambda folder: folder, zipped, tarred, listed], ids=["folder", "zip", "tar", "list"]
)
def test_streams_of_fits(tmp_path: Path, form: Callable[[Path], Path]) -> None:
    folder = write_cubes(tmp_path / "f", ["1", "2"])
    options = CutoutOptions(40, 32, stretch=PLANES)
    (stream,) = open_stream(form(folder), options, tmp_path / "listing")
    entries = list(stream.entries())
    found = stream.read(entries, options)
    assert [image_id(entry.name) for entry in entries] == ["1", "2"]
    assert found.problems == []
    np.testing.assert_array_equal(found.cutouts[0], read_cutout(CUBE, options))


def test_streams_refuse_one_file_a_band(tmp_path: Path) -> None:
    folder = one_file_a_band(tmp_path / "bands", ["7"])
    with pytest.raises(InputError, match="prepare a store and predict that"):
        open_stream(folder, CutoutOptions(40, 32, stretch=FILES), tmp_path / "listing")
