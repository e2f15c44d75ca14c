"""Models by their names on the command line: finding, and storing what was added to one."""

from __future__ import annotations

from pathlib import Path

from gz2tree.errors import InputError
from gz2tree.model import load_model
from gz2tree.networks.network import GalaxyNet
from gz2tree.networks.saved import DEFAULT_MODEL, DEFAULT_NAME, replace_model
from gz2tree.runs.run import RunDirectory
from gz2tree.wholefiles import write_errors_named


def find_model(name: str) -> tuple[GalaxyNet, RunDirectory | None]:
    """Load a model, and find the run it came from, if it lies in one.

    Raises
    ------
    InputError
        Neither a model nor a run.
    """
    run = find_run(name)
    return load_model(name if run is None else run.model), run


def find_run(name: str) -> RunDirectory | None:
    """Find the run that a model lies in, by the name of the run or of the model's folder."""
    if name == DEFAULT_NAME:
        return None
    path = Path(name).resolve()
    for run in (RunDirectory(name), RunDirectory(path.parent)):
        named = path in (run.path.resolve(), run.model.resolve())
        if named and run.is_begun and run.model.is_dir():
            return run
    return None


def check_storable(name: str, out: Path | None) -> None:
    """Refuse to write into the model in the box."""
    if out is None and name == DEFAULT_NAME:
        raise InputError("the model in the box stays as it is: name a folder with --out")


def store_model(model: GalaxyNet, name: str, out: Path | None) -> Path:
    """Save a model to whose config something was added, in a folder of its own or where it is.

    Parameters
    ----------
    model : GalaxyNet
    name : str
        By which `find_model` found it.
    out : Path, optional
        Without it, the config alone is written anew.

    Returns
    -------
    folder : Path
    """
    check_storable(name, out)
    if out is not None:
        with write_errors_named(out):
            replace_model(model, out)
        return out
    folder = _folder_of(name, find_run(name))
    model.save_config(folder)
    return folder


def _folder_of(name: str, run: RunDirectory | None) -> Path:
    """Folder of the saved model that `find_model` found by a name."""
    if run is not None:
        return run.model
    return DEFAULT_MODEL if name == DEFAULT_NAME else Path(name)
