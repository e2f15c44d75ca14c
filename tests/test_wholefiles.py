"""Files of which there is all or nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from conftest import left_by_a_killed_process

from gz2tree.errors import InputError
from gz2tree.wholefiles import appearing, appearing_folder, aside, partial_path


@pytest.mark.parametrize("synced", [False, True])
def test_a_file_appears_when_it_is_whole(tmp_path: Path, synced: bool) -> None:
    path = tmp_path / "file.csv.gz"
    path.write_text("before")
    with appearing(path, synced=synced) as partial:
        partial.write_text("after")
        assert path.read_text() == "before"
        assert partial.suffixes == path.suffixes  # libraries go by it
    assert path.read_text() == "after"
    assert os.listdir(tmp_path) == [path.name]


def test_what_fails_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("before")

    def fail() -> None:
        with appearing(path) as partial:
            partial.write_text("after")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert path.read_text() == "before"
    assert os.listdir(tmp_path) == [path.name]


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    path = tmp_path / "none" / "file"
    with (
        pytest.raises(InputError, match=r"none/file: cannot be written: No such file or directory"),
        appearing(path) as partial,
    ):
        partial.write_text("text")


@pytest.mark.parametrize("name", ["file.csv", "folder", "odd[name]*.csv"])
def test_leftovers_of_killed_processes_are_removed_and_others_are_not(
    tmp_path: Path, name: str
) -> None:
    left = left_by_a_killed_process(tmp_path / name)
    partial = partial_path(tmp_path / "none").name.replace("none", name)
    kept = [
        left_by_a_killed_process(tmp_path / f"another{name}"),
        tmp_path / f".partial-another.machine-{2**22 + 1}-{name}",
        tmp_path / partial.replace(f"-{os.getpid()}-", f"-{os.getppid()}-", 1),
    ]
    for path in kept[1:]:
        path.write_text("half of it")
    partial_path(tmp_path / name)
    assert not left.exists()
    assert all(path.exists() for path in kept)


def test_a_folder_aside_is_there_for_a_while(tmp_path: Path) -> None:
    def fail() -> None:
        with aside(tmp_path / "folder") as folder:
            (folder / "file").write_text("text")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert not list(tmp_path.iterdir())


# folders


@pytest.mark.parametrize("there", [True, False])
def test_a_folder_takes_its_place_when_it_is_whole(tmp_path: Path, there: bool) -> None:
    place = tmp_path / "page"
    if there:
        place.mkdir()
        (place / "old").touch()
    with appearing_folder(place) as folder:
        (folder / "new").touch()
        assert place.exists() == there
    assert [path.name for path in place.iterdir()] == ["new"]
    assert list(tmp_path.iterdir()) == [place]


def test_a_folder_that_cannot_take_its_place_leaves_the_former(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "page"
    place.mkdir()
    (place / "old").touch()
    rename = Path.rename

    def refused(self: Path, target: Path) -> Path:
        if target == place and (self / "new").exists():
            raise OSError("refused")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refused)
    with pytest.raises(OSError, match="refused"), appearing_folder(place) as folder:
        (folder / "new").touch()
    assert [path.name for path in place.iterdir()] == ["old"]
    assert list(tmp_path.iterdir()) == [place]


def test_a_pipe_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with appearing(pipe) as path:
            path.write_text("whole")
        assert os.read(reading, 100) == b"whole"
    finally:
        os.close(reading)
    assert pipe.is_fifo()
