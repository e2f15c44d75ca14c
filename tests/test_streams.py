"""Streams of images: lists, folders, zip and tar files alike, whatever their length."""

from __future__ import annotations

import io
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import SMALL, write_images

from gz2tree import InputError, prepare
from gz2tree.cutouts import ImageFiles
from gz2tree.images.opening import expand, is_streamed, open_stream
from gz2tree.images.streams import ImageStream
from gz2tree.images.tars import TarredImages

IDS = ["0042", "587739505552785605", "M31", "b 1", "é"]


def write_tar(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_images(tmp_path_factory.mktemp("streams") / "images", IDS)
    (folder / "below").mkdir()
    (folder / "M31.png").rename(folder / "below" / "M31.png")
    (folder / ".hidden.png").write_bytes(b"not meant")
    (folder / "notes.md").write_text("not meant")
    return folder


@pytest.fixture(scope="module")
def files(folder: Path) -> dict[str, bytes]:
    """Path within the folder and bytes of each image, in the order of the paths of folders."""
    names = ["0042.png", "587739505552785605.png", "b 1.png", "é.png", "below/M31.png"]
    return {name: (folder / name).read_bytes() for name in names}


def as_list(tmp_path: Path, folder: Path, files: dict[str, bytes]) -> Path:
    """Half of the paths are from the list's folder, half from the root; blank lines are none."""
    (tmp_path / "here").symlink_to(folder)
    lines = [
        f"here/{name}" if number % 2 else str(folder / name) for number, name in enumerate(files)
    ]
    (tmp_path / "images.txt").write_text("\r\n\n".join(lines))
    return tmp_path / "images.txt"


def as_tar(tmp_path: Path, folder: Path, files: dict[str, bytes]) -> Path:
    others = {"0042.json": b"{}", "./._b 1.png": b"not meant"}
    return write_tar(tmp_path / "images.tar", {**others, **files, "0042.cls": b"1"})


def as_zip(tmp_path: Path, folder: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(tmp_path / "images.zip", "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return tmp_path / "images.zip"


def as_store(tmp_path: Path, folder: Path, files: dict[str, bytes]) -> Path:
    prepare(folder, tmp_path / "store", SMALL, workers=0, progress=False)
    return tmp_path / "store"


def as_it_is(tmp_path: Path, folder: Path, files: dict[str, bytes]) -> Path:
    return folder


@pytest.mark.parametrize("form", [as_it_is, as_list, as_tar, as_zip, as_store])
def test_every_form_gives_the_cutouts_of_the_files(
    form: Callable[..., Path], tmp_path: Path, folder: Path, files: dict[str, bytes]
) -> None:
    (stream,) = open_stream(form(tmp_path, folder, files), SMALL, tmp_path / "listing")
    entries = list(stream.entries())
    assert stream.images in (None, len(IDS))
    assert {Path(entry.name).stem for entry in entries} == set(IDS)
    if form in (as_zip, as_store):
        assert [Path(entry.name).stem for entry in entries] == sorted(IDS)
    else:
        assert [Path(entry.name).name for entry in entries] == [Path(name).name for name in files]
    whole = ImageFiles(folder, SMALL)
    (expected,) = whole.batches(workers=0)
    found = stream.read(entries[1:], SMALL)
    assert found.problems == []
    for entry, cutout in zip(entries[1:], found.cutouts, strict=True):
        position = list(whole.ids).index(Path(entry.name).stem)
        np.testing.assert_array_equal(cutout, expected.cutouts[position])


@pytest.mark.parametrize("form", [as_it_is, as_list, as_zip])
def test_description_follows_the_names_not_the_place(
    form: Callable[..., Path], tmp_path: Path, folder: Path, files: dict[str, bytes]
) -> None:
    path = form(tmp_path, folder, files)
    ((one,), (same,)) = (open_stream(path, SMALL, tmp_path / name) for name in ("a", "b"))
    assert one.description() == same.description()
    assert one.description()["images"] == len(IDS)
    assert str(tmp_path) not in str(one.description())


def test_folder_of_tars_is_a_stream_for_each(tmp_path: Path, files: dict[str, bytes]) -> None:
    for name in ("b", "a"):
        write_tar(tmp_path / f"{name}.tar", files)
    streams = open_stream(tmp_path, SMALL, tmp_path / "listing")
    assert [stream.description()["name"] for stream in streams] == ["a.tar", "b.tar"]
    assert expand([tmp_path / "[ab].tar"]) == [tmp_path / "a.tar", tmp_path / "b.tar"]
    (tmp_path / "stray.png").write_bytes(b"")
    with pytest.raises(InputError, match="expected images or tar files, found both"):
        open_stream(tmp_path, SMALL, tmp_path / "listing")


def cut_in_data(path: Path, end: int) -> None:
    path.write_bytes(path.read_bytes()[: end - 100])


def cut_between_members(path: Path, end: int) -> None:
    path.write_bytes(path.read_bytes()[: -(-end // 512) * 512])


def damage_a_header(path: Path, end: int) -> None:
    data = bytearray(path.read_bytes())
    start = -(-end // 512) * 512
    data[start : start + 512] = b"x" * 512
    path.write_bytes(data)


@pytest.mark.parametrize("damage", [cut_in_data, cut_between_members, damage_a_header])
def test_damaged_tar_does_not_end_in_silence(
    damage: Callable[[Path, int], None], tmp_path: Path, files: dict[str, bytes]
) -> None:
    path = write_tar(tmp_path / "t.tar", files)
    third = list(TarredImages.of(path).entries())[2]
    damage(path, third.start + third.length)
    stream = TarredImages.of(path)
    entries = list(stream.entries())
    assert [entry.name for entry in entries] == [*list(files)[:3], "t.tar"]
    found = stream.read(entries, SMALL)
    assert found.problems[-1][0] == 3
    assert "without an end mark: images may be missing" in found.problems[-1][1]
    assert len(found.positions) == (2 if damage is cut_in_data else 3)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.tar", b"no tar", "expected an uncompressed tar file"),
        ("x.txt", b"\n\n", "expected paths of images, one a line, found none"),
        ("x.txt", b"gone.png\n", "expected paths from the list's folder"),
        ("x.zip", b"no zip", "expected a folder or a zip file"),
        ("x.jpg", b"", "expected a folder, a store, a .zip or .tar file, or a list"),
        ("x/notes.md", b"", "expected images or tar files, found none"),
        ("x/a\nb.png", b"", "expected names of one line"),
    ],
)
def test_what_holds_no_images_is_refused(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    given = path.parent if path.parent != tmp_path else path
    with pytest.raises(InputError, match=message):
        open_stream(given, SMALL, tmp_path / "l")[0].description()


def test_patterns_and_what_streams(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(InputError, match="expected files that match this, found none"):
        expand([tmp_path / "*.tar"])
    with pytest.raises(InputError, match="found nothing at"):
        open_stream(tmp_path / "gone", SMALL, tmp_path / "l")
    assert not is_streamed([folder])
    assert is_streamed([folder, folder])
    assert is_streamed(["a.tar"])
    assert is_streamed(["a.txt"])


def test_names_that_are_no_text_are_problems(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_bytes(b"list.txt\n\xff.png\n")
    (stream,) = open_stream(tmp_path / "list.txt", SMALL, tmp_path / "l")
    found = stream.read(list(stream.entries()), SMALL)
    assert [problem[1][:30] for problem in found.problems][1] == "expected a name in UTF-8, as i"


def long_list(folder: Path, n: int) -> ImageStream:
    path = folder / f"{n}.txt"
    path.write_text("".join(f"{folder}/galaxy{number:09d}.jpg\n" for number in range(n)))
    (folder / "galaxy000000000.jpg").touch()
    (stream,) = open_stream(path, SMALL, folder / "l")
    return stream


def long_tar(folder: Path, n: int) -> ImageStream:
    with tarfile.open(folder / f"{n}.tar", "w") as archive:
        for number in range(n):
            archive.addfile(tarfile.TarInfo(f"galaxy{number:09d}.jpg"), io.BytesIO())
            archive.members.clear()
    return TarredImages.of(folder / f"{n}.tar")


@pytest.mark.parametrize("make", [long_list, long_tar])
def test_listing_takes_no_more_memory_for_more_images(
    make: Callable[[Path, int], ImageStream], tmp_path: Path
) -> None:
    peaks = []
    for n in (500, 5000):
        stream = make(tmp_path, n)
        of_n = []
        for _ in range(3):  # other threads, such as the runner's own, are traced as well
            tracemalloc.start()
            stream.description()
            assert sum(1 for _ in stream.entries()) == n
            of_n.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
        peaks.append(min(of_n))
    assert peaks[1] < peaks[0] + 50_000  # 5000 names are ten times that
