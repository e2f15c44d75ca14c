"""Tables on disk: one frame from every format, ids that keep their digits, whole files only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from astropy.table import Table

from gz2tree import GZ2_KAGGLE, read_labels
from gz2tree.errors import InputError
from gz2tree.tables.astropyfiles import read_astropy
from gz2tree.tables.files import (
    TableWriter,
    read_table,
    table_columns,
    table_format,
    table_source,
    write_table,
)
from gz2tree.tables.usertable import UserTable
from gz2tree.tables.wholetables import read_whole

SUFFIXES = [
    ".csv", ".csv.gz", ".parquet", ".pq", ".fits", ".fit", ".fits.gz", ".vot", ".xml", ".ecsv",
]  # fmt: skip
FORMATS = [".csv", ".csv.gz", ".parquet", ".fits", ".vot", ".ecsv"]

# 2^53 + 1 is the first integer that a float cannot hold.
TABLE = pd.DataFrame(
    {
        "id": ["0042", "9007199254740993", "9007199254740992", "587739505552785605"],
        "votes": [0, 40, -7, 2**53 + 1],
        "share": [0.1, 1 / 3, np.nan, 1e-30],
        "class": ["Sc?t", "Er", "SBb2m", "A, (o)"],
    }
)


def save(table: pd.DataFrame, path: Path) -> Path:
    """Write a table with other people's code."""
    kind = table_format(path)
    if kind == "csv":
        table.to_csv(path, index=False)
    elif kind == "parquet":
        pq.write_table(pa.table({name: table[name].to_numpy() for name in table}), path)
    else:
        text = {name for name in table if pd.api.types.infer_dtype(table[name]) == "string"}
        columns = {n: c.to_numpy(str if n in text else None) for n, c in table.items()}
        Table(columns).write(path, format={"ecsv": "ascii.ecsv"}.get(kind, kind))
    return path


def load(path: Path) -> pd.DataFrame:
    """Read a table with other people's code."""
    kind = table_format(path)
    if kind == "csv":
        return pd.read_csv(path, dtype={"id": str, "GalaxyID": str})
    if kind == "parquet":
        return pq.read_table(path).to_pandas()
    if kind == "fits":
        return Table.read(path, character_as_bytes=False).to_pandas()
    return Table.read(path, format={"ecsv": "ascii.ecsv"}.get(kind, kind)).to_pandas()


# reading


@pytest.mark.parametrize("suffix", [*SUFFIXES, ".CSV", ".Parquet"])
def test_every_format_gives_the_same_frame(tmp_path: Path, suffix: str) -> None:
    path = save(TABLE, tmp_path / f"table{suffix}")
    pd.testing.assert_frame_equal(read_table(path, TABLE.columns, ids=["id"]), TABLE)
    assert table_columns(path) == list(TABLE.columns)


@pytest.mark.parametrize("suffix", FORMATS)
def test_columns_come_in_the_order_asked_for(tmp_path: Path, suffix: str) -> None:
    path = save(TABLE, tmp_path / f"table{suffix}")
    wanted = ["share", "id"]
    pd.testing.assert_frame_equal(read_table(path, wanted, ids=["id"]), TABLE[wanted])


@pytest.mark.parametrize("more", ["", ",", ",7", ",7,8"])
def test_rows_longer_than_the_header_move_no_value(tmp_path: Path, more: str) -> None:
    path = tmp_path / "table.csv"
    path.write_text(f"id,share,other\n0042,0.5,1{more}\n0043,0.25,2{more}\n")
    some, every = ["id", "share"], ["id", "share", "other"]
    tables = [read_table(path, wanted, ids=["id"]) for wanted in (some, every)]
    for table in (*tables, read_whole(path).frame):
        assert table["id"].tolist() == ["0042", "0043"]
        assert table["share"].tolist() == [0.5, 0.25]


def test_a_row_longer_than_the_header_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("id,share,other\n1,0.5,a\n2,0.25,b,7\n")
    for read in (read_all, read_whole):
        with pytest.raises(InputError, match=r"row 2: expected 3 values, .* found more"):
            read(path)


def test_blanks_after_commas_are_no_part_of_names_or_values(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("id, share, name\n1, 0.5, NGC 7\n2, 0.25, NA\n")
    for table in (read_table(path, ["id", "share"], ids=["id"]), read_whole(path).frame):
        assert table["share"].tolist() == [0.5, 0.25]
    assert read_whole(path).frame["name"].tolist() == ["NGC 7", "NA"]


@pytest.mark.parametrize("dtype", [np.int64, np.uint64, np.int32])
@pytest.mark.parametrize("suffix", FORMATS)
def test_integer_ids_become_their_digits(tmp_path: Path, suffix: str, dtype: type) -> None:
    ids = np.array([7, 2**31 - 1, np.iinfo(dtype).max], dtype)
    if suffix == ".vot" and dtype is np.uint64:
        pytest.skip("a VOTable has no such integers")
    path = save(pd.DataFrame({"dr7objid": ids}), tmp_path / f"table{suffix}")
    table = read_table(path, ["dr7objid"], ids=["dr7objid"])
    assert table["dr7objid"].tolist() == [str(int(number)) for number in ids]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("suffix", [".parquet", ".fits"])
def test_float_ids_are_refused(tmp_path: Path, suffix: str, dtype: type) -> None:
    table = pd.DataFrame({"objid": np.array([5.9e17, 1.0], dtype)})
    path = save(table, tmp_path / f"table{suffix}")
    with pytest.raises(InputError, match=r"column objid: expected ids as .* found floating-point"):
        read_table(path, ["objid"], ids=["objid"])


def test_only_the_columns_asked_for_are_read(tmp_path: Path) -> None:
    """A catalogue may hold much else, such as arrays in the cells of a FITS table."""
    path = tmp_path / "table.fits"
    Table({"id": ["1", "2"], "image": np.zeros((2, 3, 3))}).write(path)
    assert read_table(path, ["id"], ids=["id"])["id"].tolist() == ["1", "2"]
    with pytest.raises(InputError, match=r"table\.fits: cannot be read as fits"):
        read_table(path, ["id", "image"], ids=["id"])


def test_first_table_of_a_fits_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "table.fits"
    units = [fits.PrimaryHDU(np.zeros((2, 2))), fits.ImageHDU(np.zeros((2, 2)))]
    units += [fits.BinTableHDU(Table({"id": [number]})) for number in (5, 6)]
    fits.HDUList(units).writeto(path)
    assert read_table(path, ["id"], ids=["id"])["id"].tolist() == ["5"]


@pytest.mark.parametrize("suffix", FORMATS)
def test_names_as_topcat_spells_them_are_read(tmp_path: Path, suffix: str) -> None:
    known = ["id", "Class1.1"]
    table = pd.DataFrame({"id": ["07", "8"], "Class1_1": [0.25, 0.5]})
    path = save(table, tmp_path / f"table{suffix}")
    expected = table.set_axis(known, axis=1)
    for source in (path, table_source(table), table_source(Table.from_pandas(table))):
        pd.testing.assert_frame_equal(read_table(source, known, ids=["id"]), expected)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (["id", 0], "expected text for names of columns, found 0"),
        (["id", ("a", "b")], r"expected text for names of columns, found \('a', 'b'\)"),
        (["id", "v", "v"], "expected each column once, found v repeated"),
    ],
)
def test_names_of_columns_in_memory_are_text_and_differ(header: list[Any], message: str) -> None:
    table = pd.DataFrame([range(len(header))], columns=pd.Index(header, dtype=object))
    with pytest.raises(InputError, match=f"the table: {message}"):
        table_source(table)


def test_a_table_in_memory_is_left_as_it_is() -> None:
    table = pd.DataFrame({"id": [7, 8], "v": [0.5, 1.0]}, index=[3, 4])
    before = table.copy()
    read_table(table_source(table), ["id"], ids=["id"])
    pd.testing.assert_frame_equal(table, before)


@pytest.mark.parametrize("suffix", [".fits", ".vot", ".ecsv"])
def test_a_table_is_parsed_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    ids = ["1", "2"]
    labels = pd.DataFrame({"GalaxyID": ids} | {c: [0.0, 0.0] for c in GZ2_KAGGLE.columns})
    labels[[f"Class1.{n}" for n in (1, 2, 3)]] = 0.0, 0.0, 1.0
    labels[["Class6.1", "Class6.2"]] = 0.0, 1.0
    path = save(labels, tmp_path / f"t{suffix}")
    reads: list[Path] = []

    def counted(path: Path, kind: str) -> Any:
        reads.append(path)
        return read_astropy(path, kind)

    monkeypatch.setattr("gz2tree.tables.opened.read_astropy", counted)
    assert read_labels(path).ids.tolist() == ids
    assert reads == [path]
    assert UserTable.read(path).frame.index.tolist() == ids
    assert reads == [path, path]


# missing values

WITH_GAPS: dict[str, tuple[Any, list[Any]]] = {
    "None in text": (["abc", None, "d"], ["abc", None, "d"]),
    "NaN in text": (["abc", np.nan, "d"], ["abc", None, "d"]),
    "text of pandas": (pd.array(["abc", pd.NA], dtype="string"), ["abc", None]),
    "categories": (pd.Categorical(["abc", None]), ["abc", None]),
    "no text at all": (pd.Series([None, None], dtype=object), [None, None]),
    "integers": (pd.array([2**53 + 1, None], dtype="Int64"), [2**53 + 1, None]),
    "objects": (pd.Series([2**53 + 1, None], dtype=object), [2**53 + 1, None]),
    "truths": (pd.array([True, None, False], dtype="boolean"), [True, None, False]),
    "numbers": (pd.array([0.5, None], dtype="Float64"), [0.5, None]),
    "NumPy's numbers": ([0.5, np.nan], [0.5, None]),
}


@pytest.mark.parametrize(("values", "expected"), WITH_GAPS.values(), ids=WITH_GAPS)
@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".fits", ".vot", ".ecsv"])
def test_missing_values_are_read_back_as_missing(
    tmp_path: Path, suffix: str, values: Any, expected: list[Any]
) -> None:
    path = tmp_path / f"t{suffix}"
    write_table(pd.DataFrame({"id": range(len(expected)), "v": values}), path)
    found = read_whole(path).frame["v"]
    if suffix in (".fits", ".vot") and any(cell is None or cell == "abc" for cell in expected[:1]):
        assert found.fillna("").tolist() == [cell or "" for cell in expected]  # all that they have
    else:
        assert [None if pd.isna(cell) else cell for cell in found] == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["abc", 7, None], ["abc", "7", None]),
        ([Path("a.jpg"), None], ["a.jpg", None]),
        (pd.to_datetime(["2020-02-29 12:00", None]), ["2020-02-29T12:00:00", None]),
        (pd.to_timedelta([1.0, None], "s"), ["0 days 00:00:01", None]),
        (pd.PeriodIndex(["2020", None], freq="D"), ["2020-01-01", None]),
    ],
    ids=["of several types", "files", "days", "durations", "periods"],
)
@pytest.mark.parametrize("suffix", [".fits", ".vot", ".ecsv"])
def test_what_the_format_does_not_have_is_written_as_text(
    tmp_path: Path, suffix: str, values: Any, expected: list[Any]
) -> None:
    path = tmp_path / f"t{suffix}"
    write_table(pd.DataFrame({"id": range(2 + (len(expected) > 2)), "v": values}), path)
    found = read_whole(path).frame["v"].fillna("").tolist()
    assert [text.removesuffix(".000000") for text in found] == [cell or "" for cell in expected]


# provenance


@pytest.mark.parametrize("suffix", [".parquet", ".fits", ".vot", ".ecsv"])
def test_provenance_is_read_back_whole(tmp_path: Path, suffix: str) -> None:
    said = {"creator": "c", "galaxies_a": "1", "galaxies_b": "2", "comparison": "long" * 60}
    write_table(TABLE, tmp_path / f"t{suffix}", said)
    found = read_whole(tmp_path / f"t{suffix}").metadata
    assert {key.lower(): text for key, text in found.items()} == said


def test_provenance_that_fits_does_not_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="names of at most 50 letters, found KKK"):
        write_table(TABLE, tmp_path / "t.fits", {"k" * 51: "v" * 100})
    write_table(TABLE, tmp_path / "t.fits", {"k" * 50: "v" * 100})
    assert read_whole(tmp_path / "t.fits").metadata == {"K" * 50: "v" * 100}
    with pytest.raises(InputError, match="differ in more than upper and lower case, found a, A"):
        write_table(TABLE, tmp_path / "t.fits", {"a": "1", "A": "2"})


# refused


def read_all(path: Path) -> None:
    read_table(path, table_columns(path), ids=["id"])


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_missing_file_is_refused(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(InputError, match=rf"gone{suffix}: expected a table, found no such file"):
        table_columns(tmp_path / f"gone{suffix}")


@pytest.mark.parametrize("name", ["table.txt", "table", "csv", "table.csv.zip", "table.h5"])
def test_unknown_suffix_is_refused(tmp_path: Path, name: str) -> None:
    for refused in (read_all, TableWriter):
        with pytest.raises(InputError, match=rf"{name}: expected a table ending in one of \.csv,"):
            refused(tmp_path / name)


@pytest.mark.parametrize(
    ("suffix", "damage"),
    [
        *[(suffix, "empty") for suffix in SUFFIXES],
        *[(suffix, "another format") for suffix in SUFFIXES],
        # The end of a CSV file cannot be told from its middle.
        *[(suffix, "cut") for suffix in SUFFIXES if suffix != ".csv"],
        *[(suffix, "almost whole") for suffix in SUFFIXES if suffix != ".csv"],
    ],
)
@pytest.mark.filterwarnings("default")  # a warning shall not stand in for the refusal
def test_damaged_file_is_refused(
    tmp_path: Path, suffix: str, damage: str, recwarn: pytest.WarningsRecorder
) -> None:
    rows = pd.concat([TABLE] * 100)
    data = save(rows, tmp_path / f"whole{suffix}").read_bytes()
    path = tmp_path / f"damaged{suffix}"
    path.write_bytes(
        {
            "empty": b"",
            "another format": b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40,
            "cut": data[: len(data) // 2],
            "almost whole": data[: -len(data) // 10],
        }[damage]
    )
    with pytest.raises(InputError, match=rf"damaged{suffix}: cannot be read as") as refused:
        read_all(path)
    assert "\n" not in str(refused.value)
    assert not len(recwarn)


def test_fits_file_without_a_table_is_refused(tmp_path: Path) -> None:
    fits.PrimaryHDU(np.zeros((4, 4))).writeto(tmp_path / "image.fits")
    with pytest.raises(InputError, match=r"image\.fits: .* no table extension"):
        table_columns(tmp_path / "image.fits")


# writing


@pytest.mark.parametrize("pieces", [[4], [1, 3], [1, 1, 1, 1]], ids=str)
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_pieces_make_up_the_table(tmp_path: Path, suffix: str, pieces: list[int]) -> None:
    path = tmp_path / f"table{suffix}"
    with TableWriter(path) as writer:
        for end, number in zip(np.cumsum(pieces), pieces, strict=True):
            writer.write(TABLE[end - number : end])
    pd.testing.assert_frame_equal(load(path), TABLE)
    pd.testing.assert_frame_equal(read_table(path, TABLE.columns, ids=["id"]), TABLE)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("suffix", FORMATS)
def test_single_precision_survives(tmp_path: Path, suffix: str) -> None:
    """Each value is read as the very number that was written."""
    values = np.random.default_rng(0).random(1000, np.float32) ** 9
    values[:4] = 0, 1, np.nan, np.finfo(np.float32).tiny
    path = tmp_path / f"table{suffix}"
    write_table(pd.DataFrame({"Class1.1": values}), path)
    read = load(path)["Class1.1"]
    assert read.dtype == (np.float64 if suffix.startswith(".csv") else np.float32)
    np.testing.assert_array_equal(read.to_numpy(np.float32), values)


def write_and_fail(path: Path, rows: pd.DataFrame, error: type[BaseException]) -> None:
    with TableWriter(path) as writer:
        writer.write(rows)
        raise error


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_nothing_appears_if_writing_is_interrupted(
    tmp_path: Path, suffix: str, error: type[BaseException]
) -> None:
    with pytest.raises(error):
        write_and_fail(tmp_path / f"table{suffix}", TABLE, error)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_earlier_table_stays_until_the_new_one_is_complete(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"table{suffix}"
    write_table(TABLE[:2], path)
    with pytest.raises(RuntimeError):
        write_and_fail(path, TABLE[2:], RuntimeError)
    assert len(load(path)) == 2
    write_table(TABLE, path)
    assert len(load(path)) == 4


@pytest.mark.parametrize("suffix", FORMATS)
def test_remains_of_a_killed_process_are_not_taken_up(tmp_path: Path, suffix: str) -> None:
    """In a container the next process may well have the same number."""
    path = tmp_path / f"table{suffix}"
    killed = TableWriter(path)
    killed.write(TABLE[:3])
    write_table(TABLE, path)
    pd.testing.assert_frame_equal(load(path), TABLE)


@pytest.mark.parametrize("suffix", FORMATS)
def test_missing_folder_is_refused_at_once(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(InputError, match=r"expected an existing folder, found none at .*nowhere"):
        TableWriter(tmp_path / "nowhere" / f"table{suffix}")


def test_folder_in_place_of_a_table_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "table.csv").mkdir()
    with pytest.raises(InputError, match=r"table\.csv: expected a file to write, found a folder"):
        TableWriter(tmp_path / "table.csv")


def test_text_that_fits_cannot_hold_is_refused(tmp_path: Path) -> None:
    table = pd.DataFrame({"id": ["M31", "Große Wolke"]})
    with pytest.raises(InputError, match=r"table\.fits: .*ASCII.*'Große Wolke'"):
        write_table(table, tmp_path / "table.fits")
    assert not list(tmp_path.iterdir())


METADATA = {
    "model": "GalaxyTreeNet resnet50_v1",
    "kind": "weighted_fraction",
    "version": "0.1.0",
    "command": "gz2tree predict --model " + "a/very/long/path/" * 10,
}


def test_metadata_is_kept_in_parquet(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    write_table(TABLE, path, METADATA)
    kept = pq.read_schema(path).metadata
    assert {key: kept[key.encode()].decode() for key in METADATA} == METADATA


@pytest.mark.parametrize("suffix", [".fits", ".fits.gz"])
def test_metadata_is_kept_in_fits(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"table{suffix}"
    write_table(TABLE, path, METADATA)
    header = fits.getheader(path, 1)
    assert {key: header[key] for key in METADATA} == METADATA


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz"])
def test_csv_holds_the_table_alone(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"table{suffix}"
    write_table(TABLE, path, METADATA)
    assert load(path).columns.tolist() == TABLE.columns.tolist()
