"""Image files to cutouts: geometry, modes, bad files, folders and zip files."""

from __future__ import annotations

import hashlib
import io
import logging
import multiprocessing
import pickle
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gz2tree.config import CutoutOptions
from gz2tree.cutouts import ImageFiles, UnreadableImage, log_unreadable, read_cutout
from gz2tree.errors import InputError
from gz2tree.images import decoding
from gz2tree.images.imagenames import files_below

SMALL = CutoutOptions(crop=16, size=8)


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def blob(side: int) -> np.ndarray:
    """A coloured, off-centre galaxy, smooth as real images are."""
    y, x = np.mgrid[:side, :side] / side - 0.5
    light = np.exp(-((x - 0.05) ** 2 + 2 * (y + 0.03) ** 2) * 20)
    return (np.stack([light, 0.8 * light, 0.5 * light**2], axis=-1) * 250).astype(np.uint8)


def encoded(pixels: np.ndarray | Image.Image, kind: str = "PNG", **options: object) -> bytes:
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def centre(pixels: np.ndarray, crop: int) -> np.ndarray:
    top, left = (pixels.shape[0] - crop) // 2, (pixels.shape[1] - crop) // 2
    return pixels[top : top + crop, left : left + crop]


# geometry


@pytest.mark.parametrize(
    ("height", "width", "crop"), [(40, 40, 16), (41, 41, 17), (40, 64, 40), (51, 33, 33)]
)
def test_crop_of_its_own_size_is_numpys_slice(height: int, width: int, crop: int) -> None:
    pixels = noise(height, width)
    cutout = read_cutout(encoded(pixels), CutoutOptions(crop, crop))
    np.testing.assert_array_equal(cutout, centre(pixels, crop))
    assert cutout.dtype == np.uint8
    assert cutout.flags.writeable


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize(("height", "width"), [(57, 57), (58, 58), (57, 70), (83, 66)])
@pytest.mark.parametrize("options", [CutoutOptions(40, 8), CutoutOptions(41, 9)])
def test_crop_is_centred_whatever_the_parity(
    kind: str, height: int, width: int, options: CutoutOptions
) -> None:
    y, x = np.mgrid[:height, :width]
    distance = np.hypot(y - (height - 1) / 2, x - (width - 1) / 2)
    grey = (250 - 3 * np.minimum(distance, 80)).astype(np.uint8)
    extra = {"quality": 100} if kind == "JPEG" else {}
    cutout = read_cutout(encoded(grey, kind, **extra), options).astype(int)
    for mirrored in (cutout[::-1], cutout[:, ::-1], cutout.swapaxes(0, 1)):
        assert np.abs(cutout - mirrored).max() <= (3 if kind == "JPEG" else 1)


@pytest.mark.parametrize(
    ("side", "crop", "size"), [(424, 212, 96), (423, 211, 96), (424, 400, 48), (425, 425, 53)]
)
def test_draft_is_close_to_the_full_decode(side: int, crop: int, size: int) -> None:
    jpeg = encoded(blob(side), "JPEG", quality=90)
    exact = read_cutout(encoded(Image.open(io.BytesIO(jpeg))), CutoutOptions(crop, size))
    draft = read_cutout(jpeg, CutoutOptions(crop, size))
    assert np.abs(draft.astype(int) - exact).mean() < 0.7


def test_jpeg_is_decoded_at_the_smallest_sufficient_scale(monkeypatch: pytest.MonkeyPatch) -> None:
    decoded = []
    resize, decode_jpeg = Image.Image.resize, decoding.decode_jpeg
    monkeypatch.setattr(
        Image.Image,
        "resize",
        lambda image, *a, **k: (decoded.append(image.width), resize(image, *a, **k))[1],
    )

    def recording(*arguments: Any, **options: Any) -> np.ndarray:
        pixels = decode_jpeg(*arguments, **options)
        decoded.append(pixels.shape[1])
        return pixels

    monkeypatch.setattr(decoding, "decode_jpeg", recording)
    jpeg = encoded(blob(424), "JPEG")
    for crop, size in [
        (212, 96),
        (212, 106),
        (212, 107),
        (120, 96),
        (424, 53),
        (424, 54),
        (424, 5),
    ]:
        read_cutout(jpeg, CutoutOptions(crop, size))
    assert decoded == [212, 212, 424, 424, 53, 106, 53]


@pytest.mark.parametrize(
    ("height", "width", "crop", "size"),
    [
        (424, 424, 256, 96),
        (424, 424, 424, 96),
        (424, 424, 256, 224),
        (425, 424, 256, 96),
        (424, 424, 212, 212),
        (300, 424, 290, 97),
        (424, 424, 120, 96),
        (424, 424, 384, 64),
    ],
)
@pytest.mark.parametrize("subsampling", [0, 2])
def test_common_jpegs_give_what_pillow_gives(
    height: int, width: int, crop: int, size: int, subsampling: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within rounding, also of noise and at the edges; exactly by default."""
    data = encoded(noise(height, width), "JPEG", quality=75, subsampling=subsampling)
    options = CutoutOptions(crop, size)
    short_way = read_cutout(data, options).astype(int)
    monkeypatch.setattr(decoding, "_of_common_jpeg", lambda *arguments: None)
    difference = np.abs(short_way - read_cutout(data, options))
    assert difference.max() <= (0 if options == CutoutOptions() else 2)
    assert difference.mean() < 0.2


def test_sources_path_bytes_and_file(tmp_path: Path) -> None:
    data = encoded(noise(20, 20))
    (tmp_path / "a.png").write_bytes(data)
    cutouts = [
        read_cutout(source, SMALL)
        for source in (
            data,
            bytearray(data),
            memoryview(data),
            io.BytesIO(data),
            tmp_path / "a.png",
            str(tmp_path / "a.png"),
        )
    ]
    for cutout in cutouts:
        np.testing.assert_array_equal(cutout, cutouts[0])


# modes


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "1"])
def test_modes_become_rgb(mode: str) -> None:
    image = Image.fromarray(noise(20, 20)).convert(mode)
    expected = np.asarray(image.convert("RGB"))
    cutout = read_cutout(encoded(image), CutoutOptions(20, 20))
    np.testing.assert_array_equal(cutout, expected)


def test_transparency_is_ignored() -> None:
    pixels = noise(20, 20)
    alpha = Image.fromarray(np.dstack([pixels, np.zeros((20, 20), np.uint8)]), "RGBA")
    np.testing.assert_array_equal(read_cutout(encoded(alpha), CutoutOptions(20, 20)), pixels)


@pytest.mark.parametrize("transparency", [0, bytes([0, 128, 255])])
def test_palette_is_interpolated_in_rgb(transparency: int | bytes) -> None:
    image = Image.fromarray(blob(32)).quantize(16)
    data = encoded(image, "PNG", transparency=transparency)
    expected = read_cutout(encoded(image.convert("RGB")), SMALL)
    np.testing.assert_array_equal(read_cutout(data, SMALL), expected)


def test_cmyk_jpeg_becomes_rgb() -> None:
    image = Image.fromarray(blob(64)).convert("CMYK")
    cutout = read_cutout(encoded(image, "JPEG", quality=100), CutoutOptions(64, 64))
    assert np.abs(cutout.astype(int) - np.asarray(image.convert("RGB"))).mean() < 3


def test_grey_jpeg_is_drafted_too() -> None:
    cutout = read_cutout(encoded(blob(64)[..., 0], "JPEG"), CutoutOptions(64, 16))
    assert cutout.shape == (16, 16, 3)
    np.testing.assert_array_equal(cutout[..., 0], cutout[..., 2])


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_first_frame_of_an_animation(kind: str) -> None:
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "lime")]
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
    red, green, _ = read_cutout(data, SMALL)[4, 4]
    assert red > 200
    assert green < 50


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_of_grey_keep_the_higher_byte(kind: str) -> None:
    levels = np.array([0, 255, 256, 257, 32_767, 32_768, 65_279, 65_280, 65_535], np.uint16)
    pixels = np.resize(levels, (20, 20))
    cutout = read_cutout(encoded(Image.fromarray(pixels), kind), CutoutOptions(20, 20))
    known = np.array([0, 0, 1, 1, 127, 128, 254, 255, 255])
    np.testing.assert_array_equal(cutout, np.resize(known, (20, 20))[..., None].repeat(3, -1))


@pytest.mark.parametrize("byte_order", ["<", ">"])
def test_sixteen_bits_of_colour_keep_the_higher_byte(byte_order: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 2**16, (20, 20, 3))
    cutout = read_cutout(tiff_of_sixteen_bits(pixels, byte_order), CutoutOptions(20, 20))
    np.testing.assert_array_equal(cutout, pixels // 256)


def tiff_of_sixteen_bits(pixels: np.ndarray, byte_order: str) -> bytes:
    """An uncompressed RGB TIFF of 16 bits a channel, which Pillow reads but does not write."""
    height, width, _ = pixels.shape
    data = pixels.astype(f"{byte_order}u2").tobytes()
    depth_at = 8 + 2 + 8 * 12 + 4
    depths = struct.pack(f"{byte_order}3H", 16, 16, 16)
    entries = [  # tag, type (3: uint16, 4: uint32), count, value
        (256, 4, 1, width), (257, 4, 1, height), (258, 3, 3, depth_at), (259, 3, 1, 1),
        (262, 3, 1, 2), (273, 4, 1, depth_at + 6), (277, 3, 1, 3), (279, 4, 1, len(data)),
    ]  # fmt: skip
    table = b"".join(
        struct.pack(f"{byte_order}HHI", tag, kind, count)
        + struct.pack(f"{byte_order}{'HH' if kind == 3 and count == 1 else 'I'}",
                      *((value, 0) if kind == 3 and count == 1 else (value,)))
        for tag, kind, count, value in entries
    )  # fmt: skip
    mark = b"II" if byte_order == "<" else b"MM"
    header = mark + struct.pack(f"{byte_order}HI", 42, 8)
    count = struct.pack(f"{byte_order}H", len(entries))
    return header + count + table + bytes(4) + depths + data


@pytest.mark.parametrize("dtype", ["int32", "float32"])
def test_more_than_sixteen_bits_is_refused(dtype: str) -> None:
    image = Image.fromarray(np.zeros((20, 20), dtype))
    with pytest.raises(UnreadableImage, match=r"expected 8 or 16 bits .* mode (I|F)"):
        read_cutout(encoded(image, "TIFF"), SMALL)


# bad files


def png_claiming(width: int, height: int) -> bytes:
    """A PNG whose header claims a size its data does not have."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(b"\0" * 100)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )


JPEG = encoded(noise(40, 40), "JPEG")
PNG = encoded(noise(40, 40))
BAD_FILES = {
    "empty": (b"", "empty file"),
    "text": (b"<!DOCTYPE html><p>404", r"not an image: .*found 21 bytes that begin with b'<!DOCTY"),
    "jpeg_cut": (JPEG[: len(JPEG) // 2], "truncated"),
    "png_cut": (PNG[: len(PNG) // 2], "truncated"),
    "jpeg_header_only": (JPEG[:20], "not an image|truncated"),
    "png_damaged": (PNG[:60] + b"\0" * 40 + PNG[100:], "damaged"),
    "small": (encoded(noise(9, 10)), "image is 10 x 9 px, the crop needs 16"),
    "suspicious": (png_claiming(12_000, 10_000), "too large"),
    "bomb": (png_claiming(60_000, 60_000), "too large"),
    "claims_more": (png_claiming(40, 40), "truncated"),
    "floats": (encoded(Image.fromarray(np.zeros((20, 20), np.float32)), "TIFF"), "16 bits"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_file_says_what_is_wrong(name: str) -> None:
    data, message = BAD_FILES[name]
    with pytest.raises(UnreadableImage, match=message):
        read_cutout(data, SMALL)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UnreadableImage, match="No such file"):
        read_cutout(tmp_path / "gone.jpg", SMALL)


@pytest.mark.parametrize("workers", [0, 2])
def test_every_bad_file_is_named_and_counted(tmp_path: Path, workers: int) -> None:
    for name, (data, _) in BAD_FILES.items():
        (tmp_path / f"{name}.png").write_bytes(data)
    for number in range(5):
        (tmp_path / f"good{number}.png").write_bytes(encoded(noise(20, 20, number)))
    images = ImageFiles(tmp_path, SMALL)
    batches = list(images.batches(batch_size=3, workers=workers))
    problems = [problem for batch in batches for problem in batch.problems]
    readable = np.concatenate([batch.positions for batch in batches])
    assert {images.ids[position] for position, _ in problems} == set(BAD_FILES)
    assert images.ids[readable].tolist() == [f"good{number}" for number in range(5)]
    for batch in batches:
        assert len(batch.positions) == len(batch.cutouts) == len(batch.hashes)


def test_left_out_images_are_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    log_unreadable([], 4000)
    log_unreadable([(str(i), "truncated") for i in range(5)], 4000)
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("gz2tree", logging.WARNING)
    assert record.getMessage() == (
        "5 of 4,000 images cannot be read and are left out: "
        "0 (truncated), 1 (truncated), 2 (truncated) and 2 more"
    )


# folders and zip files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Seven images, and what must not be taken for one."""
    folder = tmp_path / "images"
    for number, name in enumerate(
        ["10.png", "007.PNG", "sub/8.png", "sub/deep/1237648720693755918.png", "a.b.png", "z.png"]
    ):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(noise(20 + number, 20, number)))
    (folder / "y.jpg").write_bytes(encoded(noise(30, 30), "JPEG"))
    for skipped in [".hidden.png", "__MACOSX/10.png", ".cache/8.png", "labels.csv"]:
        (folder / skipped).parent.mkdir(exist_ok=True)
        (folder / skipped).write_bytes(b"no image")
    return folder


def zipped(folder: Path, target: Path) -> Path:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in folder.rglob("*"):
            archive.write(path, path.relative_to(folder.parent))
    return target


def test_ids_are_strings_and_sorted(folder: Path) -> None:
    images = ImageFiles(folder, SMALL)
    expected = ["007", "10", "1237648720693755918", "8", "a.b", "y", "z"]
    assert images.ids.tolist() == expected
    assert len(images) == 7
    assert images.names[2] == "sub/deep/1237648720693755918.png"


def test_files_below_a_folder_are_those_that_are_not_hidden(folder: Path) -> None:
    """A folder's own files first, whatever the file system's order; hidden folders not at all."""
    assert list(files_below(folder)) == [
        "007.PNG", "10.png", "a.b.png", "labels.csv", "y.jpg", "z.png",
        "sub/8.png", "sub/deep/1237648720693755918.png",
    ]  # fmt: skip


@pytest.mark.parametrize("workers", [0, 2])
def test_zip_equals_folder(folder: Path, tmp_path: Path, workers: int) -> None:
    images = ImageFiles(folder, SMALL)
    archive = ImageFiles(zipped(folder, tmp_path / "images.zip"), SMALL)
    assert archive.ids.tolist() == images.ids.tolist()
    for ours, theirs in zip(
        images.batches(batch_size=2, workers=0),
        archive.batches(batch_size=2, workers=workers),
        strict=True,
    ):
        assert ours.hashes == theirs.hashes
        np.testing.assert_array_equal(ours.cutouts, theirs.cutouts)


def test_workers_do_not_share_the_handle_of_a_zip(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "images.zip", "w") as archive:
        for number in range(1500):
            archive.writestr(f"{number}.png", encoded(noise(32, 32, number)))
    images = ImageFiles(tmp_path / "images.zip", SMALL)
    images.read_files(0)  # opens it here, before the workers are forked
    assert not [batch.problems for batch in images.batches(workers=2) if batch.problems]


def test_batches_hold_what_was_asked_for_in_order(folder: Path) -> None:
    images = ImageFiles(folder, SMALL)
    first, second = images.batches([5, 0, 5], batch_size=2, workers=0)
    assert [*first.positions, *second.positions] == [5, 0, 5]
    assert first.cutouts.shape == (2, 8, 8, 3)
    (data,) = images.read_files(0)
    np.testing.assert_array_equal(first.cutouts[1], read_cutout(data, SMALL))
    assert first.hashes[1] == hashlib.sha256(data).hexdigest()
    assert list(images.batches([])) == []


def test_image_files_can_be_pickled(folder: Path, tmp_path: Path) -> None:
    archive = ImageFiles(zipped(folder, tmp_path / "images.zip"), SMALL)
    before = archive.read_files(3)
    assert pickle.loads(pickle.dumps(archive)).read_files(3) == before


def test_closing_early_ends_the_workers(folder: Path) -> None:
    batches = ImageFiles(folder, SMALL).batches(batch_size=1, workers=2)
    next(batches)
    assert multiprocessing.active_children()
    batches.close()
    assert not multiprocessing.active_children()


def test_file_that_goes_away_is_a_problem(folder: Path) -> None:
    images = ImageFiles(folder, SMALL)
    (folder / "10.png").unlink()
    (batch,) = images.batches(workers=0)
    assert batch.problems == [(1, "cannot be read: No such file or directory")]


def test_damaged_zip_member_is_a_problem(tmp_path: Path) -> None:
    path = tmp_path / "images.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("1.png", PNG)
        archive.writestr("2.png", JPEG)
    path.write_bytes(path.read_bytes().replace(PNG[50:90], b"x" * 40))
    (batch,) = ImageFiles(path, SMALL).batches(workers=0)
    assert batch.positions.tolist() == [1]
    ((position, message),) = batch.problems
    assert position == 0
    assert "CRC" in message


def test_two_images_of_one_galaxy_are_refused(folder: Path) -> None:
    (folder / "sub" / "10.jpg").write_bytes(JPEG)
    with pytest.raises(InputError, match=r"found 10\.png and sub/10\.jpg for 10"):
        ImageFiles(folder)


def test_no_images_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="found nothing at"):
        ImageFiles(tmp_path / "gone")
    (tmp_path / "notes.txt").write_text("no zip")
    with pytest.raises(InputError, match="is neither"):
        ImageFiles(tmp_path / "notes.txt")
    with pytest.raises(InputError, match="found none among 1 files"):
        ImageFiles(tmp_path)
    with zipfile.ZipFile(tmp_path / "empty.zip", "w"):
        pass
    with pytest.raises(InputError, match="found none among 0 files"):
        ImageFiles(tmp_path / "empty.zip")
