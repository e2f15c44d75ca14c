"""The prepared store: the same bytes however it was written, and refusals that say why."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import logging
import os
import pickle
import random
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from conftest import left_by_a_killed_process
from PIL import Image

from gz2tree import storewriter
from gz2tree.config import CutoutOptions
from gz2tree.cutouts import ImageFiles, read_cutout
from gz2tree.errors import InputError
from gz2tree.store import CutoutStore, open_images, prepare

OPTIONS = CutoutOptions(crop=12, size=6)
UNREADABLE = {"0013": b"", "0020": b"no image", "0059": None}


def png(seed: int, side: int = 16) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty images, ids with leading zeros, three of them unreadable (one of these the last)."""
    folder = tmp_path_factory.mktemp("data") / "images"
    folder.mkdir()
    for number in range(60):
        data = UNREADABLE.get(f"{number:04}", png(number))
        (folder / f"{number:04}.png").write_bytes(png(number, side=8) if data is None else data)
    return folder


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storewriter, "_BATCH_IMAGES", 4)


def prepare_quietly(images: Path, out: Path, **options: object) -> CutoutStore:
    return prepare(images, out, OPTIONS, **{"workers": 0, "progress": False} | options)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def reference(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store written at one go."""
    out = tmp_path_factory.mktemp("reference") / "store"
    prepare_quietly(images, out)
    return out


@pytest.fixture
def copy(reference: Path, tmp_path: Path) -> Path:
    """A store that a test may damage."""
    folder = tmp_path / "copy"
    folder.mkdir()
    for name, data in contents(reference).items():
        (folder / name).write_bytes(data)
    return folder


# what a store holds


def test_store_holds_what_reading_each_image_gives(images: Path, reference: Path) -> None:
    store = CutoutStore(reference)
    assert store.options == OPTIONS
    assert len(store) == 57
    assert store.ids.tolist() == [f"{i:04}" for i in range(60) if f"{i:04}" not in UNREADABLE]
    for position, galaxy in enumerate(store.ids):
        data = (images / f"{galaxy}.png").read_bytes()
        np.testing.assert_array_equal(store.array[position], read_cutout(data, OPTIONS))
        assert store.hashes[position] == hashlib.sha256(data).hexdigest()


def test_cutouts_are_a_plain_npy(reference: Path) -> None:
    array = np.load(reference / "cutouts.npy", mmap_mode="r")
    assert (array.shape, array.dtype) == ((57, 6, 6, 3), np.uint8)
    assert sorted(contents(reference)) == ["cutouts.npy", "index.csv", "problems.csv", "store.json"]


def test_unreadable_images_are_left_out_named_and_counted(
    images: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = prepare_quietly(images, tmp_path / "store")
    assert [galaxy for galaxy, _ in store.problems] == list(UNREADABLE)
    (warning,) = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert warning.startswith("3 of 60 images cannot be read and are left out: 0013 (empty file")
    assert "image is 8 x 8 px, the crop needs 12" in warning


def test_ids_beyond_2_to_the_53_stay_apart(tmp_path: Path) -> None:
    ids = ["1237648720693755918", "1237648720693755919", "007", "7"]
    (tmp_path / "images").mkdir()
    for number, galaxy in enumerate(ids):
        (tmp_path / "images" / f"{galaxy}.png").write_bytes(png(number))
    store = prepare_quietly(tmp_path / "images", tmp_path / "store")
    assert CutoutStore(tmp_path / "store").ids.tolist() == sorted(ids)
    for number, row in enumerate(store.rows(ids)):
        np.testing.assert_array_equal(store.array[row], read_cutout(png(number), OPTIONS))


def test_rows_name_the_missing(reference: Path) -> None:
    store = CutoutStore(reference)
    assert store.rows(["0003", "0000", "0014"]).tolist() == [3, 0, 13]
    assert store.rows([]).dtype == np.int64
    with pytest.raises(
        InputError,
        match=r"galaxy '0013', 'x': expected among the cutouts in .*\(2 of 3 are missing\)",
    ):
        store.rows(["0013", "0000", "x"])


def test_store_and_files_give_the_same_batches(images: Path, reference: Path) -> None:
    store, files = CutoutStore(reference), ImageFiles(images, OPTIONS)
    wanted = ["0042", "0000", "0042", "0014"]
    positions = [int(galaxy) for galaxy in wanted]
    for ours, theirs in zip(
        store.batches(store.rows(wanted), batch_size=3),
        files.batches(positions, batch_size=3, workers=0),
        strict=True,
    ):
        np.testing.assert_array_equal(ours.cutouts, theirs.cutouts)
        assert ours.hashes == theirs.hashes
        assert store.ids[ours.positions].tolist() == files.ids[theirs.positions].tolist()
    assert sum(len(batch.cutouts) for batch in store.batches()) == len(store)


def test_pickle_carries_no_cutouts(reference: Path) -> None:
    store = CutoutStore(reference)
    pickled = pickle.dumps(store)
    assert store.array[:1].tobytes() not in pickled
    np.testing.assert_array_equal(pickle.loads(pickled).array, store.array)


# the same bytes however it was written


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_change_no_byte(
    images: Path, reference: Path, tmp_path: Path, workers: int
) -> None:
    prepare_quietly(images, tmp_path / "store", workers=workers)
    assert contents(tmp_path / "store") == contents(reference)


def test_zip_and_folder_give_the_same_store(images: Path, reference: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "images", "w") as archive:
        for path in images.iterdir():
            archive.write(path, f"top/{path.name}")
    store = prepare_quietly(tmp_path / "images", tmp_path / "store")
    assert store.ids.tolist() == CutoutStore(reference).ids.tolist()
    for name in ("cutouts.npy", "index.csv", "store.json"):
        assert (tmp_path / "store" / name).read_bytes() == (reference / name).read_bytes()


def in_child(action: Callable[[], object]) -> int:
    """Run something in a forked process; return the signal that ended it, or 0."""
    child = os.fork()
    if child == 0:
        os.close(2)
        action()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) * -1


def killed_at(line: int, action: Callable[[], object]) -> Callable[[], object]:
    """Make of an action one that kills itself at the n-th line it runs of the store's modules."""
    modules = {storewriter.__file__, sys.modules["gz2tree.storeformat"].__file__}
    modules.add(sys.modules["gz2tree.store"].__file__)
    count = 0

    def trace(frame: object, event: str, _: object) -> object:
        nonlocal count
        if frame.f_code.co_filename not in modules:  # type: ignore[attr-defined]
            return None
        count += event == "line"
        if count == line:
            os.kill(os.getpid(), signal.SIGKILL)
        return trace

    def run() -> None:
        sys.settrace(trace)
        action()

    return run


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_killed_at_any_line_it_resumes_to_the_same_bytes(
    images: Path, reference: Path, tmp_path: Path
) -> None:
    expected = contents(reference)
    lines = random.Random(1).sample(range(1, 1200), 60)
    killed = 0
    for line in lines:
        out = tmp_path / f"store{line}"
        signals = [
            in_child(killed_at(at, lambda out=out: prepare_quietly(images, out)))
            for at in (line, line // 2)
        ]
        killed += signal.SIGKILL in signals
        prepare_quietly(images, out)
        assert contents(out) == expected, line
    assert killed > 40


def test_killed_while_it_wrote_the_header_it_begins_anew(
    images: Path, reference: Path, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    left_by_a_killed_process(tmp_path / "out" / "store.json")
    prepare_quietly(images, tmp_path / "out")
    assert contents(tmp_path / "out") == contents(reference)


SLOW_PREPARE = """
import random, sys, time
from pathlib import Path
from gz2tree import cutouts, storewriter
from gz2tree.config import CutoutOptions
from gz2tree.store import prepare

read = cutouts.read_cutout
slow = random.Random(int(sys.argv[3]))
def read_slowly(*arguments):
    time.sleep(slow.uniform(0, 0.03))
    return read(*arguments)

storewriter._BATCH_IMAGES = 4
cutouts.read_cutout = read_slowly
prepare(Path(sys.argv[1]), Path(sys.argv[2]), CutoutOptions(12, 6), workers=2)
"""


@pytest.mark.parametrize("seed", [1, 2])
def test_killed_with_workers_it_resumes_to_the_same_bytes(
    images: Path, reference: Path, tmp_path: Path, seed: int
) -> None:
    out = tmp_path / "store"
    command = [sys.executable, "-c", SLOW_PREPARE, str(images), str(out), str(seed)]
    child = subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        while not (out / "journal.jsonl").exists():
            assert child.poll() is None
            time.sleep(0.01)
        time.sleep(random.Random(seed).uniform(0.05, 0.4))
        child.kill()
        child.wait()  # for this process only: its workers see later that it has gone
        with pytest.raises(InputError, match=r"incomplete: resume it by preparing images with"):
            CutoutStore(out)
        prepare_quietly(images, out, workers=2)
        assert contents(out) == contents(reference)
    finally:
        # A worker that had just been forked takes whoever adopts it for its parent, and stays.
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)


def interrupted(images: Path, out: Path, batches: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave a store as an interrupt after some batches does."""
    append = storewriter.StoreWriter.append

    def append_or_stop(self: storewriter.StoreWriter, batch: object) -> None:
        if len(self) >= 4 * batches:
            raise KeyboardInterrupt
        append(self, batch)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(storewriter.StoreWriter, "append", append_or_stop)
        with pytest.raises(KeyboardInterrupt):
            prepare_quietly(images, out)


@pytest.mark.parametrize("torn", [b"[", b'[["ab', b'[["ab", ""]]', b"\0" * 9])
def test_torn_journal_line_is_done_again(
    images: Path, reference: Path, tmp_path: Path, torn: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "store"
    interrupted(images, out, 3, monkeypatch)
    with (out / "journal.jsonl").open("ab") as journal:
        journal.write(torn)
    interrupted(images, out, 6, monkeypatch)
    prepare_quietly(images, out)
    assert contents(out) == contents(reference)


def test_resuming_reads_only_the_rest(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "store"
    interrupted(images, out, 3, monkeypatch)
    read: list[int] = []
    read_files = ImageFiles.read_files
    monkeypatch.setattr(
        ImageFiles, "read_files", lambda self, at: (read.append(at), read_files(self, at))[1]
    )
    prepare_quietly(images, out)
    assert read == list(range(12, 60))


def test_complete_store_is_returned_at_once(
    images: Path, copy: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(ImageFiles, "batches", None)
    before = contents(copy)
    with caplog.at_level(logging.INFO, "gz2tree"):
        assert len(prepare_quietly(images, copy)) == 57
    assert "is already complete" in caplog.text
    assert contents(copy) == before


def test_progress_bar(images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prepare_quietly(images, tmp_path / "store", progress=True)
    assert "60/60" in capsys.readouterr().err


# some of the galaxies


def test_only_some_galaxies(images: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = prepare_quietly(images, tmp_path / "store", only=["0030", "0002", "0013", "absent"])
    assert store.ids.tolist() == ["0002", "0030"]
    assert [galaxy for galaxy, _ in store.problems] == ["0013"]
    assert f"1 of 4 galaxies have no image in {images}: absent" in caplog.text
    with pytest.raises(InputError, match=r"is of 3 images of images, not of the 60 asked for"):
        prepare_quietly(images, tmp_path / "store")


def test_only_galaxies_without_images(images: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none of 2 galaxies .* such as a, b, found 0000, 0001"):
        prepare_quietly(images, tmp_path / "store", only=["a", "b"])
    assert not (tmp_path / "store").exists()


def test_none_readable_leaves_nothing_behind(images: Path, tmp_path: Path) -> None:
    out = tmp_path / "store"
    with pytest.raises(InputError, match=r"none of 60 images can be read: 0000\.png \(image is 16"):
        prepare(images, out, CutoutOptions(17, 6), workers=0, progress=False)
    assert contents(out) == {}
    prepare_quietly(images, out)


# full disks


def test_full_disk_is_known_at_the_start(
    images: Path, reference: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "store"

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_fallocate", full, raising=False)
        with pytest.raises(
            InputError, match=r"no space .*store: it needs 6,608 bytes, .* are free"
        ):
            prepare_quietly(images, out)
    assert (out / "cutouts.npy").stat().st_size == 0
    prepare_quietly(images, out)
    assert contents(out) == contents(reference)


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EDQUOT])
def test_disk_that_fills_up_while_writing(
    images: Path, reference: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    out, calls = tmp_path / "store", iter(range(100))
    fsync = os.fsync

    def full_at_last(file: int) -> None:
        if next(calls) == 9:
            raise OSError(error, os.strerror(error))
        fsync(file)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full_at_last)
        with pytest.raises(InputError, match="no space for the store"):
            prepare_quietly(images, out)
    prepare_quietly(images, out)
    assert contents(out) == contents(reference)


@pytest.mark.parametrize("reason", ["absent", errno.EOPNOTSUPP])
def test_without_fallocate_the_free_space_counts(
    images: Path, reference: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: object
) -> None:
    def unsupported(*_: object) -> None:
        raise OSError(reason, "not supported")

    if reason == "absent":
        monkeypatch.delattr(os, "posix_fallocate", raising=False)
    else:
        monkeypatch.setattr(os, "posix_fallocate", unsupported, raising=False)
    prepare_quietly(images, tmp_path / "store")
    assert contents(tmp_path / "store") == contents(reference)
    usage = storewriter.shutil.disk_usage(tmp_path)._replace(free=6000)
    monkeypatch.setattr(storewriter.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(InputError, match="needs 6,608 bytes, 6,000 are free"):
        prepare_quietly(images, tmp_path / "other")


@pytest.mark.parametrize("small_disk", [4, 16, 32], indirect=True)
def test_disk_really_full(images: Path, small_disk: Path) -> None:
    with pytest.raises(InputError, match=r"no space for the store .*: it needs 26,048 bytes"):
        prepare(images, small_disk / "store", CutoutOptions(12, 12), workers=0, progress=False)


# refusals


def test_other_options_are_refused(images: Path, copy: Path) -> None:
    for attempt in (
        lambda: prepare(images, copy, CutoutOptions(16, 8), progress=False),
        lambda: open_images(copy, CutoutOptions(16, 8)),
    ):
        with pytest.raises(InputError, match=r"holds crop 12, size 6; asked for crop 16, size 8"):
            attempt()


def test_other_images_are_refused(images: Path, copy: Path, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    for number in range(60):
        (tmp_path / "images" / f"{number}.png").write_bytes(png(number))
    with pytest.raises(InputError, match="their ids differ"):
        prepare_quietly(tmp_path / "images", copy)


def test_folder_of_something_else_is_refused(images: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(InputError, match=r"expected an empty folder or a store.*thesis\.tex"):
        prepare_quietly(images, tmp_path)
    with pytest.raises(InputError, match="cannot write the store"):
        prepare_quietly(images, tmp_path / "thesis.tex")
    assert (tmp_path / "thesis.tex").read_text() == "precious"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_two_at_a_time_are_refused(images: Path, tmp_path: Path) -> None:
    out = tmp_path / "store"

    def second_is_refused() -> None:
        with pytest.raises(InputError, match="another process is preparing"):
            prepare_quietly(images, out)
        os.kill(os.getpid(), signal.SIGUSR1)  # tells that it got here

    header = storewriter.StoreHeader(12, 6, 60, "", "images")
    out.mkdir()
    with storewriter.open_writer(out, header):
        header_of_prepare(images, out)
        assert in_child(second_is_refused) == signal.SIGUSR1


def header_of_prepare(images: Path, out: Path) -> None:
    ids = "\n".join(ImageFiles(images).ids).encode()
    wanted = storewriter.StoreHeader(12, 6, 60, hashlib.sha256(ids).hexdigest(), images.name)
    wanted.write(out)


def damage_json(folder: Path, **changes: object) -> None:
    header = json.loads((folder / "store.json").read_text())
    (folder / "store.json").write_text(json.dumps(header | changes))


def cut(path: Path, n_bytes: int) -> None:
    os.truncate(path, path.stat().st_size - n_bytes)


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "cutouts truncated": (lambda f: cut(f / "cutouts.npy", 1), r"cutouts\.npy is missing, trunc"),
    "cutouts empty": (lambda f: os.truncate(f / "cutouts.npy", 0), "missing, truncated"),
    "cutouts gone": (lambda f: (f / "cutouts.npy").unlink(), "missing, truncated"),
    "others' cutouts": (
        lambda f: np.save(f / "cutouts.npy", np.zeros((57, 6, 6))),
        r"expected uint8 \(57, 6, 6, 3\) .* found float64 \(57, 6, 6\)",
    ),
    "index truncated": (lambda f: cut(f / "index.csv", 70), "expected 57 rows .* found 56"),
    "index torn": (lambda f: cut(f / "index.csv", 67), "row 57: expected 2 values, found 1"),
    "index gone": (lambda f: (f / "index.csv").unlink(), "cannot read .*index.csv"),
    "problems empty": (lambda f: os.truncate(f / "problems.csv", 0), "cannot read .*problems.csv"),
    "newer": (lambda f: damage_json(f, format=2), "expected a store of format 1, .* has format 2"),
    "unknown field": (lambda f: damage_json(f, colour="blue"), "does not describe a store"),
    "no JSON": (lambda f: cut(f / "store.json", 5), "does not describe a store"),
    "no store": (lambda f: (f / "store.json").unlink(), r"has no store\.json"),
    "incomplete": (lambda f: damage_json(f, complete=False), "incomplete: resume it"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damaged_store_is_refused(copy: Path, name: str) -> None:
    damage, message = DAMAGES[name]
    damage(copy)
    with pytest.raises(InputError, match=message):
        CutoutStore(copy)


def test_cutouts_lost_while_incomplete(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "store"
    interrupted(images, out, 3, monkeypatch)
    os.truncate(out / "cutouts.npy", 500)
    with pytest.raises(InputError, match="has lost cutouts: delete"):
        prepare_quietly(images, out)


def test_open_images_takes_whatever_holds_images(images: Path, reference: Path) -> None:
    store, files = open_images(reference), open_images(images, OPTIONS)
    assert isinstance(store, CutoutStore)
    assert isinstance(files, ImageFiles)
    assert store.options == files.options == OPTIONS
    assert open_images(reference, OPTIONS).options == OPTIONS
    assert open_images(images).options == CutoutOptions()
    with pytest.raises(InputError, match="found nothing at"):
        open_images(images / "gone")
