"""Random views and orientations, against exact turns and the statistics they promise."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from gz2tree.augment import RandomView, affine, orientations, warp
from gz2tree.config import AugmentOptions, OptionError
from gz2tree.errors import InputError

STILL = AugmentOptions(rotate=False, flip=False, zoom=0.0, shift=0.0)
SIDE = 65  # so large that no reflection of a blob near the centre comes into sight


def noise(n: int = 4, side: int = 32, seed: int = 0) -> Tensor:
    return torch.rand(n, 3, side, side, generator=torch.Generator().manual_seed(seed))


def blob(x: float, y: float, width: float = 2.0) -> Tensor:
    """A round blob, `x` pixels right of and `y` below the centre; shape (3, SIDE, SIDE)."""
    axis = torch.arange(SIDE) - (SIDE - 1) / 2
    light = torch.exp(-((axis - x) ** 2 + (axis[:, None] - y) ** 2) / (2 * width**2))
    return light.expand(3, -1, -1)


def centroid(images: Tensor) -> tuple[Tensor, Tensor]:
    """Pixels right of and below the centre, for each image."""
    axis = torch.arange(SIDE) - (SIDE - 1) / 2
    light = images.mean(1)
    total = light.sum((-2, -1))
    return (light * axis).sum((-2, -1)) / total, (light * axis[:, None]).sum((-2, -1)) / total


def views(options: AugmentOptions, images: Tensor, seed: int = 0) -> Tensor:
    return RandomView(options)(images, torch.Generator().manual_seed(seed))


def moved(
    images: Tensor,
    angle: float = 0.0,
    mirror: float = 1.0,
    zoom: float = 1.0,
    shift: tuple[float, float] = (0.0, 0.0),
) -> Tensor:
    """The same map for every image."""
    n = len(images)
    shifts = torch.tensor(shift).expand(n, 2)
    angles, mirrors, zooms = (torch.full((n,), value) for value in (angle, mirror, zoom))
    return warp(images, affine(angles, mirrors, zooms, shifts))


# randomness


def test_views_are_a_function_of_the_generator() -> None:
    images, options = noise(), AugmentOptions()
    generator = torch.Generator().manual_seed(5)
    before = generator.get_state()
    first, second = (RandomView(options)(images, generator) for _ in range(2))
    assert not torch.equal(first, second)
    generator.set_state(before)
    assert torch.equal(RandomView(options)(images, generator), first)
    assert torch.equal(RandomView(options)(images, generator), second)


def test_global_random_state_is_left_alone() -> None:
    before = torch.get_rng_state()
    views(AugmentOptions(), noise())
    assert torch.equal(torch.get_rng_state(), before)


def test_images_of_a_batch_are_varied_differently() -> None:
    same = noise(1).expand(16, -1, -1, -1)
    for options in (
        AugmentOptions(rotate=True, flip=False, zoom=0, shift=0),
        AugmentOptions(rotate=False, flip=False, zoom=0.1, shift=0),
        AugmentOptions(rotate=False, flip=False, zoom=0, shift=0.02),
    ):
        assert len(torch.unique(views(options, same), dim=0)) == 16
    flipped = views(AugmentOptions(rotate=False, flip=True, zoom=0, shift=0), same)
    assert len(torch.unique(flipped, dim=0)) == 2


def test_input_is_not_changed() -> None:
    images = noise()
    before = images.clone()
    views(AugmentOptions(), images)
    orientations(images, 16)
    assert torch.equal(images, before)


# what each option does


def test_all_options_off_change_nothing() -> None:
    images = noise()
    torch.testing.assert_close(views(STILL, images), images, rtol=0, atol=1e-6)


def test_angles_are_uniform() -> None:
    options = AugmentOptions(rotate=True, flip=False, zoom=0, shift=0)
    x, y = centroid(views(options, blob(8, 0).expand(2000, -1, -1, -1)))
    torch.testing.assert_close(torch.hypot(x, y), torch.full((2000,), 8.0), rtol=0, atol=0.01)
    angles = torch.atan2(y, x).numpy()
    assert stats.kstest(angles, stats.uniform(-math.pi, 2 * math.pi).cdf).pvalue > 0.01


def test_half_of_the_images_are_mirrored() -> None:
    options = AugmentOptions(rotate=False, flip=True, zoom=0, shift=0)
    x, y = centroid(views(options, blob(8, 4).expand(2000, -1, -1, -1)))
    torch.testing.assert_close(x.abs(), torch.full((2000,), 8.0), rtol=0, atol=0.01)
    torch.testing.assert_close(y, torch.full((2000,), 4.0), rtol=0, atol=0.01)
    assert stats.binomtest(int((x < 0).sum()), 2000).pvalue > 0.01


def test_zooms_are_uniform_in_the_logarithm() -> None:
    options = AugmentOptions(rotate=False, flip=False, zoom=0.5, shift=0)
    x, y = centroid(views(options, blob(8, 0).expand(2000, -1, -1, -1)))
    torch.testing.assert_close(y, torch.zeros(2000), rtol=0, atol=0.01)
    factors = torch.log(x / 8) / math.log(1.5)
    assert factors.abs().max() < 1.01
    assert stats.kstest(factors.numpy(), stats.uniform(-1, 2).cdf).pvalue > 0.01


def test_shifts_are_uniform_up_to_a_share_of_the_side() -> None:
    options = AugmentOptions(rotate=False, flip=False, zoom=0, shift=0.2)
    x, y = centroid(views(options, blob(0, 0).expand(2000, -1, -1, -1)))
    for way in (x, y):
        share = way.numpy() / (0.2 * SIDE)
        assert np.abs(share).max() < 1.01
        assert stats.kstest(share, stats.uniform(-1, 2).cdf).pvalue > 0.01
    assert abs(np.corrcoef(x, y)[0, 1]) < 0.1


def test_values_stay_in_range() -> None:
    options = AugmentOptions(zoom=1.0, shift=0.5)
    binary = noise(64).round()
    for images in (binary, torch.ones_like(binary), noise(64)):
        for result in (views(options, images), *orientations(images, 16)):
            assert result.shape == images.shape
            assert result.min() >= 0
            assert result.max() <= 1


def test_beyond_the_edge_lies_the_reflection() -> None:
    images = noise(side=16)
    shifted = moved(images, shift=(0.5, 0.0))  # a quarter of the side, 4 pixels
    reflected = torch.cat([images, images.flip(-1)], -1)[..., 4:20]
    torch.testing.assert_close(shifted, reflected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("side", [16, 17])
@pytest.mark.parametrize("mirror", [1, -1])
@pytest.mark.parametrize("turn", range(4))
def test_quarter_turns_and_mirror_are_exact(turn: int, mirror: int, side: int) -> None:
    images = noise(side=side)
    expected = torch.rot90(images, turn, (-2, -1))
    expected = expected.flip(-1) if mirror < 0 else expected
    result = moved(images, angle=turn * math.pi / 2, mirror=mirror)
    torch.testing.assert_close(result, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("angle", [0.3, math.pi / 4, 2.0])
def test_centred_disc_does_not_turn(angle: float) -> None:
    disc = blob(0, 0, width=4.0)[None]
    torch.testing.assert_close(moved(disc, angle=angle), disc, rtol=0, atol=0.02)


def test_zoom_above_one_enlarges() -> None:
    small, large = blob(0, 0, width=6.0)[None], blob(0, 0, width=12.0)[None]
    torch.testing.assert_close(moved(small, zoom=2.0), large, rtol=0, atol=0.01)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"zoom": -0.1}, "zoom: expected at least 0, found -0.1"),
        ({"zoom": math.nan}, "zoom: expected at least 0, found nan"),
        ({"shift": -0.1}, "shift: expected a share from 0 to 0.5, found -0.1"),
        ({"shift": 0.6}, "shift: expected a share from 0 to 0.5, found 0.6"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        AugmentOptions(**options)  # type: ignore[arg-type]


# orientations


def dihedral_group(images: Tensor) -> list[Tensor]:
    """The eight symmetries of the square, by indexing."""
    transposed = images.swapaxes(-1, -2)
    return [
        turned[..., ::1, ::1] if not mirrored else turned.flip(mirrored)
        for turned in (images, transposed)
        for mirrored in ((), (-1,), (-2,), (-2, -1))
    ]


def match(views: list[Tensor], expected: list[Tensor]) -> list[int]:
    """For each view, the position of the one expected tensor that equals it."""
    found = []
    for view in views:
        (position,) = (n for n, tensor in enumerate(expected) if torch.equal(view, tensor))
        found.append(position)
    return found


def test_one_orientation_is_the_image_itself() -> None:
    images = noise()
    (view,) = orientations(images, 1)
    assert torch.equal(view, images)


@pytest.mark.parametrize("side", [8, 9])
def test_eight_orientations_are_the_dihedral_group(side: int) -> None:
    images = noise(side=side)
    found = match(orientations(images, 8), dihedral_group(images))
    assert sorted(found) == list(range(8))


def test_sixteen_orientations_add_the_group_at_45_degrees() -> None:
    images = noise()
    result = orientations(images, 16)
    tilted = moved(images, angle=math.pi / 4)
    expected = dihedral_group(images) + dihedral_group(tilted)
    assert sorted(match(result, expected)) == list(range(16))


def test_sixteen_orientations_are_evenly_spread() -> None:
    """A blob at 11.25 degrees, which no mirror of the group keeps, is seen every 22.5 degrees."""
    angle = math.radians(11.25)
    off_centre = blob(8 * math.cos(angle), 8 * math.sin(angle))[None]
    x, y = (torch.cat(c) for c in zip(*map(centroid, orientations(off_centre, 16)), strict=True))
    angles = torch.rad2deg(torch.atan2(y, x)).sort().values
    torch.testing.assert_close(angles.diff(), torch.full((15,), 22.5), rtol=0, atol=0.05)


@pytest.mark.parametrize("number", [0, 2, 4, 12, 32])
def test_other_numbers_of_orientations_are_refused(number: int) -> None:
    with pytest.raises(InputError, match=f"expected 1, 8 or 16, found {number}"):
        orientations(noise(), number)


def test_orientations_may_all_be_turned_further() -> None:
    """Of a blob: its places are those without the angle, turned by it."""
    off_centre = blob(12.0, 5.0)[None]
    angle = math.pi / 8

    def places(further: float) -> Tensor:
        found = map(centroid, orientations(off_centre, 16, further))
        return torch.complex(*(torch.cat(axis).double() for axis in zip(*found, strict=True)))

    complex_plain, complex_turned = places(0.0), places(angle)
    for direction in (1, -1):
        expected = complex_plain * np.exp(direction * 1j * angle)
        distance = (complex_turned[:, None] - expected[None]).abs().min(1).values
        if (distance < 0.1).all():
            return
    pytest.fail("not the same places, turned")


def test_one_orientation_without_an_angle_is_the_image_itself() -> None:
    images = noise()
    assert orientations(images, 1)[0] is images
