"""Half-light radii against analytic profiles, of which they are known."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gz2tree import CutoutOptions
from gz2tree.cutouts import ImageFiles
from gz2tree.images.given import GivenImages
from gz2tree.images.photometry import apparent_sizes, half_light_radius
from gz2tree.images.radii import Radii
from gz2tree.store import prepare

SIDE, FINE = 96, 5
# Half-light radius of a profile of scale 1: the roots of 1 - (1 + x) exp(-x) = 1/2 (exponential)
# and of 1 - exp(-x^2 / 2) = 1/2 (Gaussian).
PROFILES = {
    "exponential": (lambda r: np.exp(-r), 1.67835),
    "gaussian": (lambda r: np.exp(-(r**2) / 2), np.sqrt(2 * np.log(2))),
}
# The light outside 2.5 Kron radii, the sky's own noise and rounding to 8 bits.
TOLERANCE = {"exponential": 0.08, "gaussian": 0.03}


def galaxy(
    profile: str, radius: float, x: float = 0.0, y: float = 0.0, axis_ratio: float = 1.0,
    peak: float = 150.0, side: int = SIDE,
) -> np.ndarray:  # fmt: skip
    """Light of given half-light radius, each pixel the mean of 5 x 5 points in it."""
    shape, of_unit_scale = PROFILES[profile]
    points = (np.arange(side * FINE) + 0.5) / FINE - side / 2
    distance = np.hypot(points - x, (points[:, None] - y) / axis_ratio)
    light = peak * shape(distance * of_unit_scale / radius)
    return light.reshape(side, FINE, side, FINE).mean((1, 3))


def photograph(light: np.ndarray, sky: float = 5.0, noise: float = 3.0) -> np.ndarray:
    rng = np.random.default_rng(0)
    levels = sky + light[..., None] + rng.normal(0, noise, (*light.shape, 3))
    return np.clip(np.rint(levels), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("radius", [4.0, 6.0, 9.0, 12.0])
@pytest.mark.parametrize("profile", PROFILES)
def test_known_half_light_radius(profile: str, radius: float) -> None:
    measured = half_light_radius(photograph(galaxy(profile, radius)))
    assert measured == pytest.approx(radius, rel=TOLERANCE[profile])


@pytest.mark.parametrize("profile", PROFILES)
def test_neighbours_are_masked(profile: str) -> None:
    alone = galaxy(profile, 7.0)
    neighbours = galaxy("gaussian", 3.0, 27, -12) + galaxy("gaussian", 2.0, -20, 25, peak=90)
    measured = half_light_radius(photograph(alone + neighbours))
    assert measured == pytest.approx(half_light_radius(photograph(alone)), rel=0.05)
    assert measured == pytest.approx(7.0, rel=TOLERANCE[profile])


@pytest.mark.parametrize("sky", [0.0, 20.0, 60.0])
def test_sky_is_subtracted(sky: float) -> None:
    measured = half_light_radius(photograph(galaxy("gaussian", 7.0), sky=sky))
    assert measured == pytest.approx(7.0, rel=TOLERANCE["gaussian"])


def test_sky_without_noise() -> None:
    measured = half_light_radius(photograph(galaxy("gaussian", 7.0), sky=0.0, noise=0.0))
    assert measured == pytest.approx(7.0, rel=TOLERANCE["gaussian"])


def test_flattened_disk_keeps_its_circular_radius() -> None:
    """The radius of the circle of half the light, found by counting the light itself."""
    light = galaxy("exponential", 9.0, axis_ratio=0.4)
    points = np.arange(SIDE) - (SIDE - 1) / 2
    distance = np.hypot(points, points[:, None])
    order = np.argsort(distance, axis=None)
    within = np.cumsum(light.ravel()[order]) / light.sum()
    expected = distance.ravel()[order][np.searchsorted(within, 0.5)]
    assert half_light_radius(photograph(light)) == pytest.approx(expected, rel=0.08)


def test_grey_and_colour_images_agree() -> None:
    grey = photograph(galaxy("gaussian", 7.0))[..., 0]
    assert half_light_radius(grey) == half_light_radius(np.dstack([grey] * 3))


@pytest.mark.parametrize("light", [0.0, galaxy("gaussian", 3.0, x=30)], ids=["nothing", "aside"])
def test_no_object_in_the_middle_is_not_measured(light: np.ndarray | float) -> None:
    assert np.isnan(half_light_radius(photograph(np.zeros((SIDE, SIDE)) + light)))


def test_round_galaxies_without_noise() -> None:
    """Their position angle may come out a rounding error beyond a right angle."""
    for radius in np.arange(3, 9, 0.25):
        light = np.rint(galaxy("gaussian", radius, side=40)).astype(np.uint8)
        assert half_light_radius(light) == pytest.approx(radius, rel=0.1)


def test_noise_alone_is_not_measured_and_ends_nothing() -> None:
    """Of more fragments than sep can tell apart."""
    noise = np.random.default_rng(0).integers(0, 255, (400, 400))
    assert np.isnan(half_light_radius(np.pad(noise, 30)))


def test_sizes_are_in_pixels_of_the_original_image(tmp_path: Path) -> None:
    """Whatever the cutouts, from files or a store; files that cannot be read are NaN."""
    (tmp_path / "images").mkdir()
    for name, radius in (("a", 8.0), ("b", 12.0)):
        image = Image.fromarray(photograph(galaxy("gaussian", radius, side=160)))
        image.save(tmp_path / "images" / f"{name}.png")
    (tmp_path / "images" / "broken.png").write_bytes(b"no image")
    expected = pytest.approx([np.nan, 12.0, 8.0], rel=0.05, nan_ok=True)
    for options in (CutoutOptions(160, 160), CutoutOptions(128, 64)):
        files = ImageFiles(tmp_path / "images", options)
        assert apparent_sizes(files, [2, 1, 0], progress=False) == expected
    store = prepare(tmp_path / "images", tmp_path / "store", options, workers=0, progress=False)
    assert apparent_sizes(store, progress=False) == pytest.approx([8.0, 12.0], rel=0.05)


def test_sizes_of_images_of_another_scale_are_in_pixels_that_the_crop_counts(
    tmp_path: Path,
) -> None:
    """One galaxy at two pixel scales, or two galaxies of as many radii, are of one size."""
    (tmp_path / "images").mkdir()
    radius_of = {"far": 12.0, "near": 24.0}  # pixels of the images
    for name, radius in radius_of.items():
        image = Image.fromarray(photograph(galaxy("gaussian", radius, side=320)))
        image.save(tmp_path / "images" / f"{name}.png")

    def sizes(options: CutoutOptions, given: GivenImages) -> list[float]:
        files = ImageFiles(tmp_path / "images", options, given)
        store = prepare(files.path, tmp_path / "store", options, given, workers=0, progress=False)
        of_files, of_store = (apparent_sizes(each, progress=False) for each in (files, store))
        np.testing.assert_allclose(of_files, of_store)
        return list(of_files)

    arcsec = sizes(CutoutOptions(128, 128, pixel_scale=0.8), GivenImages(pixel_scale=0.4))
    expected = [radius * 0.4 / 0.8 for radius in radius_of.values()]
    assert arcsec == pytest.approx(expected, rel=0.05)
    shutil.rmtree(tmp_path / "store")
    # Their half-light radii are 3/5 of the radii given.
    radii = Radii("radii.csv", {name: 0.4 * radius / 0.6 for name, radius in radius_of.items()})
    in_radii = sizes(
        CutoutOptions(128, 128, radii_per_pixel=0.05), GivenImages(pixel_scale=0.4, radii=radii)
    )
    assert in_radii == pytest.approx(2 * [0.6 / 0.05], rel=0.05)
