"""FITS, VOTable and ECSV by astropy: all that a table says of its columns and of itself."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from gz2tree.tables.astropytables import to_astropy
from gz2tree.tables.columnnotes import ColumnNote

if TYPE_CHECKING:
    from astropy.io.fits import BinTableHDU
    from astropy.table import Column, MaskedColumn, Table

_NOTES = {"unit": "TUNIT", "description": "TCOMM", "ucd": "TUCD"}  # FITS cards, with a number

_LETTERS_OF_KEYWORD = 50  # such that a part of a long text fits behind it into a card of 80


class AstropyTable(NamedTuple):
    """A table as astropy has read it, what it says of its columns, and of itself."""

    table: Table
    notes: dict[str, ColumnNote]
    metadata: dict[str, str]


def read_astropy(path: Path, kind: str) -> AstropyTable:
    """Read a whole table; whatever is wrong raises astropy's errors.

    Parameters
    ----------
    path : Path
    kind : {"fits", "votable", "ecsv"}
    """
    with _quiet():
        if kind == "fits":
            return _read_fits(path)
        if kind == "votable":
            from astropy.io.votable import parse

            file = parse(path)
            table = file.get_first_table().to_table(use_names_over_ids=True)
            infos = [*file.infos, *(info for part in file.resources for info in part.infos)]
            return AstropyTable(table, _notes(table), {i.name: str(i.value) for i in infos})
        from astropy.table import Table

        table = Table.read(path, format="ascii.ecsv")
        return AstropyTable(table, _notes(table), {k: str(v) for k, v in table.meta.items()})


def fits_columns(path: Path) -> list[str]:
    """Names of the columns of a FITS table; of no other format can they be read alone."""
    from astropy.io import fits

    with _quiet(), fits.open(path, memmap=True) as file:
        return list(_first_table(file).columns.names)


def write_astropy(
    table: pd.DataFrame,
    path: Path | None,
    kind: str,
    metadata: Mapping[str, str],
    notes: Mapping[str, ColumnNote],
) -> None:
    """Write a table; whatever is wrong raises astropy's errors.

    Parameters
    ----------
    table : DataFrame
    path : Path or None
        None only finds out whether it can be written.
    kind : {"fits", "votable", "ecsv"}
    metadata : mapping of str to str
    notes : mapping of str to ColumnNote
    """
    with _quiet():
        if kind == "fits":
            unit = _fits_unit_of(to_astropy(table, _fits_cards(metadata)), notes)
            if path is not None:
                unit.writeto(path, overwrite=True)
            return
        made = to_astropy(table, metadata, notes)
        if kind == "ecsv":
            if path is not None:
                made.write(path, format="ascii.ecsv", overwrite=True)
            return
        file = _votable_of(made, metadata)
        if path is not None:
            file.to_xml(str(path))


@contextmanager
def _quiet() -> Iterator[None]:
    """Pass over units and names outside the standards, but not over the end of a file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.filterwarnings("error", "File may have been truncated")
        yield


def _read_fits(path: Path) -> AstropyTable:
    from astropy.io import fits
    from astropy.table import Table

    with fits.open(path, memmap=True) as file:
        unit = _first_table(file)
        table = Table.read(unit, mask_invalid=False, character_as_bytes=False)
        of_columns = {
            name: ColumnNote(**{n: str(unit.header.get(f"{c}{at}", "")) for n, c in _NOTES.items()})
            for at, name in enumerate(unit.columns.names, 1)
        }
    notes = {name: note for name, note in of_columns.items() if note != ColumnNote()}
    cards = tuple(_NOTES.values())
    metadata = {
        key: str(value)
        for key, value in table.meta.items()
        if not key.startswith(cards) and isinstance(value, str | int | float)
    }
    return AstropyTable(table, notes, metadata)


def _first_table(file: Any) -> BinTableHDU:
    from astropy.io import fits

    tables = [unit for unit in file if isinstance(unit, fits.BinTableHDU | fits.TableHDU)]
    if not tables:
        raise ValueError("no table extension in the file")
    return tables[0]


def _notes(table: Table) -> dict[str, ColumnNote]:
    found = {}
    for name in table.colnames:
        info = table[name].info
        ucd = (info.meta or {}).get("ucd", "")
        found[name] = ColumnNote(str(info.unit or ""), info.description or "", ucd)
    return {name: note for name, note in found.items() if note != ColumnNote()}


def _signed(column: Column, unsigned: bool) -> Column:
    """Give a column a type that the format has; `unsigned` if it has unsigned integers.

    Integers become wider rather than lose a digit, or the sign that something is missing.
    """
    dtype = column.dtype
    missing = bool(np.any(np.ma.getmaskarray(column))) if np.ma.isMaskedArray(column) else False
    if dtype.kind == "b" and missing and unsigned:
        return column.astype(np.int16)  # FITS as astropy writes it knows only true and false
    if dtype == np.float16:
        return column.astype(np.float32)
    if dtype == np.int8:
        return column.astype(np.int16)
    if dtype.kind != "u" or not (missing or dtype.itemsize > 1) or (unsigned and not missing):
        return column
    if dtype.itemsize == 8 and len(column) and column.max() > np.iinfo(np.int64).max:
        raise ValueError(f"column {column.name}: expected integers below 2^63, found larger ones")
    wider = {1: np.int16, 2: np.int32, 4: np.int64, 8: np.int64}[dtype.itemsize]
    return column.astype(wider)


def _unused(column: MaskedColumn) -> int:
    """Integer to stand for a missing one: the lowest that is no value of the column."""
    lowest = int(np.iinfo(column.dtype).min)
    values = np.unique(column.compressed())  # ascending
    taken = values == lowest + np.arange(len(values), dtype=values.dtype)
    return lowest + int(np.argmin(np.append(taken, False)))


def _votable_of(table: Table, metadata: Mapping[str, str]) -> Any:
    """Make a VOTable; what it says of itself is in ``INFO`` elements."""
    from astropy.io.votable import from_table
    from astropy.io.votable.tree import Info

    for name in table.colnames:
        table[name] = _signed(table[name], unsigned=False)
    file = from_table(table)
    file.resources[0].infos.extend(Info(name=key, value=text) for key, text in metadata.items())
    return file


def _fits_unit_of(table: Table, notes: Mapping[str, ColumnNote]) -> Any:
    """Make a table extension; units and descriptions are cards of its header, as they are."""
    from astropy.io import fits

    for name in table.colnames:
        table[name] = _signed(table[name], unsigned=True)
        if table[name].dtype.kind == "i" and hasattr(table[name], "mask"):
            table[name].fill_value = _unused(table[name])
    unit = fits.table_to_hdu(table)
    for number, name in enumerate(table.colnames, 1):
        note = notes.get(name, ColumnNote())
        for field, card in reversed(_NOTES.items()):
            text = _fits_unit(note.unit) if field == "unit" else getattr(note, field)
            if text:
                unit.header.set(f"{card}{number}", _ascii(text), after=f"TFORM{number}")
    return unit


def _fits_cards(metadata: Mapping[str, str]) -> dict[str, str]:
    """Spell what a table says of itself as cards; of long keywords astropy makes ``HIERARCH``."""
    cards = {_ascii(key).upper(): _ascii(text) for key, text in metadata.items()}
    if len(cards) < len(metadata):
        raise ValueError(
            "expected provenance whose names differ in more than upper and lower case, found "
            f"{', '.join(metadata)}"
        )
    longest = max(cards, key=len, default="")
    if len(longest) > _LETTERS_OF_KEYWORD:
        raise ValueError(
            f"expected provenance with names of at most {_LETTERS_OF_KEYWORD} letters, found "
            f"{longest}"
        )
    return cards


def _fits_unit(text: str) -> str:
    """Spell a unit as FITS does, if it knows it."""
    from astropy import units

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            units.Unit(text, format="fits")
        except ValueError:
            try:
                return units.Unit(text).to_string("fits")
            except ValueError:
                pass
    return text


def _ascii(text: str) -> str:
    """Spell out letters that the header of a FITS file does not have."""
    return text.encode("ascii", "backslashreplace").decode("ascii")
