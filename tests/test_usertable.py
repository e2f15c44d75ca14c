"""The user's table in a catalogue: every column, type, unit and gap of it, in every format."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from astropy.io import fits, votable
from astropy.table import Column, MaskedColumn, Table
from astropy.units import Unit
from conftest import SMALL, write_images
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from gz2tree import GZ2, GZ2_KAGGLE, GalaxyTreeNet, InputError, PredictOptions
from gz2tree.catalogues.catalogue import CatalogueColumns, column_names, describe_columns
from gz2tree.catalogues.sharded_prediction import predict_to_folder
from gz2tree.catalogues.shardformat import MANIFEST
from gz2tree.cli import main
from gz2tree.commands.inputs import read_predictions
from gz2tree.config import CatalogueOptions, ShardOptions, TableOptions
from gz2tree.labelling.labeltable import read_fractions
from gz2tree.prediction import predict, predict_to_file
from gz2tree.tables.columnnotes import recognised, topcat_names
from gz2tree.tables.usertable import UserTable
from gz2tree.tables.wholetables import read_whole

HERE = PredictOptions(workers=0, precision="32", device="cpu", batch_size=4)
TYPED = [".fits", ".vot", ".ecsv", ".parquet"]  # formats with types
NOTED = [".fits", ".vot", ".ecsv", ".parquet"]  # formats with units
BIG = 2**53 + 1  # the first integer that a float cannot hold
IDS = [str(587739505552785000 + n) for n in range(6)]


@pytest.fixture(scope="module")
def network() -> GalaxyTreeNet:
    torch.manual_seed(0)
    made = GalaxyTreeNet("resnet10t", pretrained=False, cutouts=SMALL)
    for head in made.heads:  # type: ignore[union-attr]
        nn.init.normal_(head.weight)
    return made.eval()


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_images(tmp_path_factory.mktemp("images"), IDS)


def of_user(vectors: bool = True) -> Table:
    """Four of the six galaxies, in another order, and one without an image."""
    order = [3, 0, 1, 5, 9]
    table = Table({"dr7objid": np.array([587739505552785000 + n for n in order])})
    table["RA"] = Column([10.5, 1 / 3, 359.9999999999, 0, 1], unit="deg", description="J2000")
    table["z"] = Column(np.array([0.1, np.nan, 0.03, 1e-9, 2], np.float32))
    table["r mag"] = Column(np.array([17.1, 16, 15, 14, 13], np.float32), unit="mag")
    table["specobj"] = MaskedColumn([BIG, 2, BIG + 2, -1, 3], mask=[0, 1, 0, 0, 0])
    table["plate"] = MaskedColumn(np.array([266, 1, -5, 7, 0], np.int16), mask=[0, 0, 1, 0, 0])
    table["good"] = [True, False, True, False, True]
    table["name"] = ["Mrk 1", "", "NGC 4038/9", "0007", "x"]
    table["flux"] = Column(np.ones(5, np.float64), unit="erg / (s cm2)", description="of H-alpha")
    if vectors:
        table["psf"] = Column(np.arange(15, dtype=np.float32).reshape(5, 3), unit="arcsec")
    return table


def save(table: Table, path: Path) -> Path:
    """Write a table with other people's code."""
    if path.suffix == ".parquet":
        arrays = [
            pa.array(np.ma.getdata(c), mask=np.ma.getmaskarray(c))
            if c.ndim == 1
            else pa.FixedSizeListArray.from_arrays(pa.array(c.ravel()), c.shape[1])
            for c in (table[name] for name in table.colnames)
        ]
        pq.write_table(pa.table(arrays, names=table.colnames), path)
    else:
        kinds = {".ecsv": "ascii.ecsv", ".csv": "ascii.csv", ".vot": "votable", ".fits": "fits"}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a space in a name
            table.write(path, format=kinds[path.suffix])
    return path


def load(path: Path) -> Table:
    """Read a table with other people's code."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a space in a name, and of erg, which is deprecated
        if path.suffix == ".fits":
            return Table.read(path, character_as_bytes=False, mask_invalid=False)
        if path.suffix == ".vot":
            return votable.parse(path).get_first_table().to_table(use_names_over_ids=True)
        return Table.read(path, format={".ecsv": "ascii.ecsv", ".parquet": "parquet"}[path.suffix])


def load_parquet(path: Path) -> Table:
    """Read a Parquet file of which lists are missing, which astropy does not."""
    table = Table()
    held = pq.read_table(path)
    for name in held.column_names:
        column = held.column(name)
        gaps = np.array(column.is_null())
        lists = pa.types.is_fixed_size_list(column.type)
        cell = column.type.value_type if lists else column.type
        kind = object if cell == pa.string() else cell.to_pandas_dtype()
        rows = column.to_pylist()
        if lists:
            rows = [row or [0] * column.type.list_size for row in rows]
            gaps = np.repeat(gaps[:, None], column.type.list_size, 1)
        filled = [0 if row is None else row for row in rows]
        table[name] = MaskedColumn(np.array(filled, kind), mask=gaps)
    return table


def predicted_to(
    network: GalaxyTreeNet, images: Path, out: Path, table: Path, **given: Any
) -> Path:
    options = TableOptions(str(table), given.pop("id_column", None))
    catalogue = CatalogueOptions(table=options, **given)
    predict_to_file(network, images, out, HERE, catalogue, progress=False)
    return out


def missing(column: Column) -> np.ndarray:
    found = np.ma.getmaskarray(column)
    values = np.ma.getdata(column)
    return found | np.isnan(values) if values.dtype.kind == "f" else found


# all of it, in every format


@pytest.mark.parametrize("suffix", TYPED)
@pytest.mark.parametrize("source", TYPED)
def test_nothing_of_the_table_is_lost(
    tmp_path: Path, network: GalaxyTreeNet, images: Path, source: str, suffix: str
) -> None:
    table = of_user()
    out = predicted_to(
        network, images, tmp_path / f"o{suffix}", save(table, tmp_path / f"t{source}")
    )
    found = load_parquet(out) if suffix == ".parquet" else load(out)
    assert found.colnames[: 1 + len(table.colnames)] == ["GalaxyID", *table.colnames]
    assert [str(galaxy) for galaxy in found["GalaxyID"]] == IDS
    there = np.isin(IDS, table["dr7objid"].astype(str))
    rows = [list(table["dr7objid"].astype(str)).index(galaxy) for galaxy in np.array(IDS)[there]]
    for name in table.colnames:
        given, carried = table[name], found[name]
        if name == "name":
            texts = ["" if text is np.ma.masked else str(text) for text in carried]
            assert np.array(texts)[there].tolist() == list(given[rows])
            continue
        # A masked logical is no type of FITS.
        kind = np.dtype(np.int16) if name == "good" and suffix == ".fits" else given.dtype
        assert carried.dtype.newbyteorder("=") == kind, name
        assert missing(carried)[~there].all()
        np.testing.assert_array_equal(missing(carried)[there], missing(given)[rows])
        same = np.ma.getdata(carried)[there] == np.ma.getdata(given)[rows]
        assert (same | missing(given)[rows]).all(), name
    expected = predict(network, images, HERE, progress=False)
    single = found[
        topcat_names(GZ2_KAGGLE.columns)["Class1.1"] if suffix != ".parquet" else "Class1.1"
    ]
    np.testing.assert_array_equal(single, expected["Class1.1"])


@pytest.mark.parametrize("suffix", NOTED)
@pytest.mark.parametrize("source", [".fits", ".vot", ".ecsv"])
def test_units_and_descriptions_are_kept(
    tmp_path: Path, network: GalaxyTreeNet, images: Path, source: str, suffix: str
) -> None:
    table = of_user()
    out = predicted_to(
        network, images, tmp_path / f"o{suffix}", save(table, tmp_path / f"t{source}")
    )
    notes = read_whole(out).notes
    for name in table.colnames:
        told = Unit(notes[name].unit) if name in notes and notes[name].unit else None
        assert told == table[name].unit, name
        if suffix != ".parquet":  # astropy reads none of which text or lists are missing
            assert load(out)[name].unit == table[name].unit
    if source != ".fits":  # astropy before 7.1 writes no descriptions into FITS
        assert notes["RA"].description == "J2000"
        assert notes["flux"].description == "of H-alpha"


def test_astropy_reads_the_units_of_a_parquet_file(tmp_path: Path) -> None:
    table = of_user()
    read_whole(save(table, tmp_path / "t.fits")).write(tmp_path / "t.parquet")
    found = load(tmp_path / "t.parquet")
    assert found.colnames == table.colnames
    assert [found[name].unit for name in found.colnames] == [c.unit for c in table.itercols()]


def test_csv_keeps_digits_and_needless_zeros(
    tmp_path: Path, network: GalaxyTreeNet, images: Path
) -> None:
    lines = [
        f"objid,big,gap,code,class,share,yes\n{IDS[0]},{BIG},,0042,NA,0.25,True",
        f"{IDS[1]},{BIG + 2},{BIG},1000,None,,False\n",
    ]
    (tmp_path / "t.csv").write_text("\n".join(lines))
    for suffix in (".csv", ".parquet"):
        out = predicted_to(network, images, tmp_path / f"o{suffix}", tmp_path / "t.csv")
        found = read_whole(out).frame[:2]
        assert found["objid"].astype(str).tolist() == IDS[:2]
        assert found["big"].tolist() == [BIG, BIG + 2]
        assert found["gap"].tolist()[1] == BIG
        assert found["gap"].isna().tolist() == [True, False]
        assert found["code"].tolist() == ["0042", "1000"]
        assert found["class"].tolist() == ["NA", "None"]
        assert found["yes"].tolist() == [True, False]


@given(
    st.lists(
        st.integers(-(2**63), 2**63 - 1)
        | st.sampled_from([-(2**63), -(2**63) + 1, 2**63 - 1, -9999, 999999])  # signs of "missing"
        | st.none(),
        min_size=1,
        max_size=8,
    )
)
def test_integers_survive_every_format(values: list[int | None]) -> None:
    from tempfile import TemporaryDirectory

    frame = pd.DataFrame({"n": pd.array(values, dtype=pd.ArrowDtype(pa.int64()))})
    with TemporaryDirectory() as folder:
        for suffix in (*TYPED, ".csv"):
            path = Path(folder) / f"t{suffix}"
            from gz2tree.tables.files import write_table

            write_table(frame, path)
            found = [None if pd.isna(v) else int(v) for v in read_whole(path).frame["n"]]
            assert found == values, suffix


# which galaxies


@pytest.mark.parametrize("suffix", [".parquet", ".fits"])
def test_galaxies_without_image_or_row_are_counted(
    tmp_path: Path, network: GalaxyTreeNet, images: Path, suffix: str, caplog: Any
) -> None:
    out = tmp_path / f"o{suffix}"
    with caplog.at_level("WARNING"):
        predicted_to(network, images, out, save(of_user(), tmp_path / "t.fits"))
    assert "1 of 5 galaxies of" in caplog.text
    assert "2 of 6 galaxies are not in" in caplog.text
    assert len(read_whole(out).frame) == 6


def test_same_id_column_is_not_repeated(
    tmp_path: Path, network: GalaxyTreeNet, images: Path
) -> None:
    table = Table({"ra": [1.0, 2.0], "GalaxyID": [int(IDS[1]), int(IDS[0])]})
    out = predicted_to(network, images, tmp_path / "o.parquet", save(table, tmp_path / "t.ecsv"))
    found = pd.read_parquet(out)
    assert found.columns[:3].tolist() == ["GalaxyID", "ra", "Class1.1"]
    assert found["GalaxyID"].tolist() == IDS
    assert found["ra"][:2].tolist() == [2.0, 1.0]


def test_id_column_may_be_named(tmp_path: Path, network: GalaxyTreeNet, images: Path) -> None:
    table = Table({"objid": ["a", "b"], "mine": IDS[:2]})
    path = save(table, tmp_path / "t.csv")
    with pytest.raises(InputError, match=r"no id matches an image: column objid has e\.g\. a, b"):
        predicted_to(network, images, tmp_path / "o.csv", path)
    out = predicted_to(network, images, tmp_path / "o.csv", path, id_column="mine")
    assert pd.read_csv(out)["objid"].tolist()[:2] == ["a", "b"]


# refused, before any galaxy is predicted


@pytest.mark.parametrize(
    ("columns", "suffix", "message"),
    [
        ({"Class1.1": [1.0]}, ".csv", r"rename Class1\.1$"),
        ({"class1_1": [1.0], "FLAG_smooth": [1]}, ".csv", r"rename class1_1, FLAG_smooth$"),
        ({"GalaxyID": ["x"]}, ".csv", r"rename GalaxyID$"),
        ({"psf": np.ones((1, 3))}, ".csv", r"o\.csv: column psf: expected one value .* CSV"),
        ({"image": np.ones((1, 3, 3))}, ".fits", r"column image: .* found arrays \(3, 3\)"),
        ({"name": ["Große Wolke"]}, ".fits", r"o\.fits: expected ASCII text"),
        ({"n": np.array([2**63 + 1], np.uint64)}, ".vot", r"column n: .* below 2\^63"),
    ],
)
def test_columns_that_do_not_serve_are_refused_at_once(
    tmp_path: Path,
    network: GalaxyTreeNet,
    images: Path,
    monkeypatch: pytest.MonkeyPatch,
    columns: dict[str, Any],
    suffix: str,
    message: str,
) -> None:
    monkeypatch.setattr("gz2tree.prediction.predict_batches", None)
    path = save(Table({"mine": IDS[:1], **columns}), tmp_path / "t.ecsv")
    flags = ("smooth=0.5",)
    with pytest.raises(InputError, match=message):
        predicted_to(network, images, tmp_path / f"o{suffix}", path, id_column="mine", flags=flags)
    assert [file.name for file in tmp_path.iterdir()] == ["t.ecsv"]


def test_tables_that_do_not_serve_are_refused(tmp_path: Path) -> None:
    twice = save(Table({"id": ["1", "2", "1"]}), tmp_path / "twice.csv")
    with pytest.raises(InputError, match="expected each id once, found 1 repeated: 1"):
        UserTable.read(twice)
    with pytest.raises(InputError, match="expected an id column"):
        UserTable.read(save(Table({"ra": [1.0]}), tmp_path / "none.fits"))
    with pytest.raises(InputError, match=r"gone\.vot: expected a table, found no such file"):
        UserTable.read(tmp_path / "gone.vot")
    with pytest.raises(InputError, match="together with --table TABLE, found 'id'"):
        TableOptions(id_column="id")


# in shards


def test_shards_carry_the_table(
    tmp_path: Path, network: GalaxyTreeNet, images: Path, caplog: Any
) -> None:
    table = save(of_user(), tmp_path / "t.vot")
    shards = ShardOptions(galaxies_per_shard=2, accelerator="cpu")
    options = PredictOptions(workers=0, precision="32", batch_size=4)
    arguments = (network, [images], tmp_path / "out", options, shards)
    carrying = CatalogueOptions(table=TableOptions(str(table)))
    with caplog.at_level("WARNING"):
        predict_to_folder(*arguments, carrying, progress=False)
    assert "2 of 6 galaxies are not in" in caplog.text
    whole = predicted_to(network, images, tmp_path / "whole.parquet", table)
    parts = [pq.read_table(part) for part in sorted((tmp_path / "out").glob("*.parquet"))]
    assert len(parts) == 3
    assert len({part.schema.remove_metadata() for part in parts}) == 1
    expected = pq.read_table(whole)
    joined = pa.concat_tables(parts)
    assert joined.schema.remove_metadata() == expected.schema.remove_metadata()
    carried = expected.column_names[:11]
    assert joined.select(carried).equals(expected.select(carried))
    assert read_whole(tmp_path / "out").notes == read_whole(whole).notes
    manifest = json.loads((tmp_path / "out" / MANIFEST).read_text())
    assert manifest["options"]["table"]["name"] == "t.vot"
    with pytest.raises(InputError, match=r"options\.table: begun with \{'name': 't\.vot'"):
        predict_to_folder(*arguments, progress=False)
    # Complete: found so, with the table as well.
    found = predict_to_folder(*arguments, carrying, progress=False)
    assert found is not None


# names, words, and where it comes from


@pytest.mark.parametrize("suffix", TYPED)
def test_provenance_is_in_the_file(
    tmp_path: Path, network: GalaxyTreeNet, images: Path, suffix: str
) -> None:
    table = save(of_user(), tmp_path / "t.fits")
    outs = [tmp_path / f"{name}{suffix}" for name in "ab"]
    told = []
    for out in outs:
        predicted_to(network, images, out, table, model_names="run-7")
        told.append({key.lower(): text for key, text in read_whole(out).metadata.items()})
    assert told[0]["weights"] == "run-7"
    assert told[0]["tree"] == "GZ2_KAGGLE"
    assert told[0]["views"] == "1"
    assert told[0]["creator"] == "gz2tree"
    assert told[0]["table"] == "t.fits"
    assert np.datetime64(told[0]["date"]) <= np.datetime64("now")
    assert told[0] | {"date": ""} == told[1] | {"date": ""}
    frames = [read_whole(out).frame for out in outs]
    pd.testing.assert_frame_equal(*frames)


def test_header_of_a_fits_file(tmp_path: Path, network: GalaxyTreeNet, images: Path) -> None:
    out = predicted_to(network, images, tmp_path / "o.fits", save(of_user(), tmp_path / "t.ecsv"))
    header = fits.getheader(out, 1)
    cards = {header[key]: int(key[5:]) for key in header if key.startswith("TTYPE")}
    flux = Unit(header[f"TUNIT{cards['flux']}"], format="fits")
    assert flux == Unit("erg / (s cm2)")
    assert header[f"TCOMM{cards['RA']}"] == "J2000"
    words = "Smooth, or features/disk? smooth: cumulative probability"
    assert header[f"TCOMM{cards['Class1_1']}"] == words
    assert (header["TREE"], header["CREATOR"]) == ("GZ2_KAGGLE", "gz2tree")
    assert header[f"TNULL{cards['plate']}"] == -(2**15)


def test_unit_that_fits_does_not_know_is_kept_as_it_is(tmp_path: Path) -> None:
    cards = [("TUNIT2", "furlong/fortnight"), ("TCOMM2", "speed"), ("TUCD2", "phys.veloc")]
    unit = fits.BinTableHDU(Table({"id": ["1"], "v": [1.0]}))
    unit.header.extend(cards)
    unit.writeto(tmp_path / "t.fits")
    for suffix in NOTED:
        read_whole(tmp_path / "t.fits").write(tmp_path / f"o{suffix}")
        note = read_whole(tmp_path / f"o{suffix}").notes["v"]
        assert (note.unit.replace(" ", ""), note.description) == ("furlong/fortnight", "speed")
        assert note.ucd == "phys.veloc"


@pytest.mark.parametrize("tree", [GZ2, GZ2_KAGGLE], ids=lambda tree: tree.name)
def test_every_column_is_described_by_its_question_and_answer(tree: Any) -> None:
    torch.manual_seed(0)
    networks = [GalaxyTreeNet("resnet10t", tree, pretrained=False, cutouts=SMALL)] * 2
    for columns in ("cumulative", "conditional", "reach", "uncertainty"):
        wanted = CatalogueOptions(columns, ("merger=0.4",), 0.5)
        held = CatalogueColumns(networks, HERE, wanted)
        assert list(held.notes) == held.predicted
        assert all(note.description for note in held.notes.values())
        assert len({note.description for note in held.notes.values()}) == len(held.notes)
    described = describe_columns(tree)
    (column,) = (c for c in column_names(tree, "conditional") if c.startswith(tree.columns[5]))
    assert described[column].description == "Bar feature? bar: probability if asked"


@pytest.mark.parametrize("tree", [GZ2, GZ2_KAGGLE], ids=lambda tree: tree.name)
def test_names_are_within_topcats_rules(tree: Any) -> None:
    names = topcat_names([*tree.columns, *(f"{c}_sd_models" for c in tree.columns)])
    assert all(name.isidentifier() and name.isascii() for name in names.values())
    assert max(map(len, names.values())) <= 68
    assert recognised(list(names.values()), names) == list(names)


def test_names_that_would_become_one_are_left_alone() -> None:
    assert topcat_names(["a-b", "A_B"]) == {"a-b": "a-b", "A_B": "A_B"}


# what other commands make of it


@pytest.mark.parametrize("suffix", [*TYPED, ".csv"])
def test_catalogue_is_read_back(
    tmp_path: Path, network: GalaxyTreeNet, images: Path, suffix: str
) -> None:
    table = save(of_user(vectors=suffix != ".csv"), tmp_path / "t.fits")
    out = predicted_to(network, images, tmp_path / f"o{suffix}", table)
    predictions, tree = read_predictions(out, [GZ2_KAGGLE])
    assert tree == GZ2_KAGGLE
    expected = predict(network, images, HERE, progress=False)
    single = predictions.astype(dict.fromkeys(tree.columns, np.float32))
    pd.testing.assert_frame_equal(single, expected, rtol=0, atol=0)
    fractions = read_fractions(out, GZ2_KAGGLE)
    assert fractions.ids.tolist() == IDS
    chosen = tmp_path / f"chosen{suffix}"
    median = float(np.median(fractions.conditional[:, 0]))
    cut = ("--sample", "smooth", "--threshold", str(median), "--out", str(chosen))
    assert main(["select", str(out), *cut]) == 0
    classes = tmp_path / f"classes{suffix}"
    assert main(["classes", str(chosen), "--out", str(classes)]) == 0
    before, after = read_whole(out), read_whole(classes)
    kept = before.frame["GalaxyID"].isin(after.frame["GalaxyID"])
    assert 0 < len(after.frame) < len(before.frame)
    pd.testing.assert_frame_equal(
        after.frame.drop(columns="class_string"), before.frame[kept].reset_index(drop=True)
    )
    assert {name: after.notes[name] for name in before.notes} == before.notes
    assert after.metadata == before.metadata


def test_volunteers_tree_is_read_back_though_galaxies_are_not_in_the_table(
    tmp_path: Path, images: Path
) -> None:
    """Its id column is called ``id``, and that of the table, with gaps, is likelier."""
    torch.manual_seed(0)
    network = GalaxyTreeNet("resnet10t", GZ2, pretrained=False, cutouts=SMALL).eval()
    out = predicted_to(network, images, tmp_path / "o.fits", save(of_user(), tmp_path / "t.vot"))
    assert read_fractions(out, GZ2).ids.tolist() == IDS


def test_command_with_the_model_in_the_box(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sky = tmp_path / "sky"
    assert main(["simulate", str(sky), "--n", "4", "--size", "256", "--workers", "1"]) == 0
    truth = pd.read_csv(sky / "labels.csv", dtype={"GalaxyID": str})
    redshift = Column([0.01, 0.02, 0.03, 0.04], description="of nobody")
    table = Table({"objid": list(truth["GalaxyID"]), "redshift": redshift})
    out = tmp_path / "o.vot"
    command = ["predict", "--images", str(sky / "images"), "--workers", "0", "--out", str(out)]
    given = ["--table", str(save(table, tmp_path / "t.ecsv")), "--id-column", "objid"]
    assert main([*command, *given]) == 0
    assert "4 galaxies in" in capsys.readouterr().out
    found = load(out)
    assert found.colnames[:4] == ["GalaxyID", "objid", "redshift", "Class1_1"]
    assert sorted(found["redshift"]) == sorted(redshift)
    assert found["redshift"].description == "of nobody"
    assert read_whole(out).metadata["weights"] == "default"
    assert main([*command, "--id-column", "objid"]) == 2
    assert "together with --table TABLE" in capsys.readouterr().err
