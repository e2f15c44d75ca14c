"""Saved networks: where they lie, and what is said of one that is not whole."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from huggingface_hub import hf_hub_download
from huggingface_hub.constants import CONFIG_NAME, SAFETENSORS_SINGLE_FILE
from huggingface_hub.errors import HfHubHTTPError, HFValidationError

from gz2tree.errors import InputError, first_few, shown
from gz2tree.version import __version__
from gz2tree.wholefiles import appearing, aside

if TYPE_CHECKING:
    from gz2tree.networks.network import GalaxyNet

DEFAULT_NAME = "default"
DEFAULT_MODEL = Path(__file__).parents[1] / "default_model"
"""Folder of the model in the box."""
FETCHING = ("revision", "cache_dir", "force_download", "local_files_only", "token")
"""What huggingface_hub may be told of how a model is fetched."""


def known_name(name: str | Path) -> str:
    """Name a saved network as huggingface_hub knows it: a folder, or a model on the hub.

    Raises
    ------
    InputError
        A folder of something else.
    """
    known = str(DEFAULT_MODEL if str(name) == DEFAULT_NAME else name)
    if Path(known).is_dir() and not (Path(known) / CONFIG_NAME).is_file():
        raise InputError(f"{known}: expected a folder with {CONFIG_NAME}, found none")
    return known


def shown_name(name: str | Path) -> str:
    """Name of a model or a catalogue for people: that of its folder, or its file without suffix.

    Examples
    --------
    >>> shown_name("runs/../default")
    'default'
    """
    path = Path(name).resolve()  # of "." as well
    return path.stem if path.is_file() else path.name


def replace_model(model: GalaxyNet, folder: Path) -> None:
    """Save a network so that a kill at any moment leaves whole files, the old or the new."""
    with aside(folder) as whole:
        model.save_pretrained(whole)
        folder.mkdir(exist_ok=True)
        for file in whole.iterdir():
            os.replace(file, folder / file.name)


def write_config(config: Mapping[str, Any], folder: Path) -> None:
    """Write the config of a saved network anew; a kill leaves the old one or the new."""
    with appearing(folder / CONFIG_NAME) as partial:
        partial.write_text(json.dumps(config, sort_keys=True, indent=2))


def refuse_unknown(config: Mapping[str, Any], known: Mapping[str, Any], name: str) -> None:
    """Refuse a config that says more than this version understands.

    Raises
    ------
    InputError
    """
    unknown = sorted(set(config) - set(known))
    if unknown:
        raise InputError(
            f"{name}/{CONFIG_NAME}: expected what gz2tree {__version__} knows, found "
            f"{first_few(unknown)}, saved by gz2tree {shown(config.get('gz2tree_version'))}"
        )


def weights_file(name: str, **fetching: Any) -> Path:
    """Find the weights of a saved network in its folder, or fetch them from the hub.

    Parameters
    ----------
    name : str
        A folder, or the name of a model on the hub.
    **fetching
        As in huggingface_hub's ``hf_hub_download``.
    """
    if Path(name).is_dir():
        return Path(name) / SAFETENSORS_SINGLE_FILE
    return Path(hf_hub_download(name, SAFETENSORS_SINGLE_FILE, **fetching))


@contextmanager
def loading_errors_named(name: str) -> Iterator[None]:
    """Turn what goes wrong when a network is found and read into an InputError."""
    try:
        yield
    except InputError:
        raise
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError, AttributeError) as error:
        raise InputError(f"{name}/{CONFIG_NAME}: expected a JSON object: {error}") from error
    except (OSError, HfHubHTTPError, HFValidationError) as error:
        raise InputError(
            f"model {name!r}: no such folder, and it could not be fetched from the Hugging "
            f"Face hub ({type(error).__name__}). Offline? Download it and give its folder"
        ) from error


@contextmanager
def config_errors_named(name: str) -> Iterator[None]:
    """Turn what goes wrong when a network is built from its config into an InputError."""
    try:
        yield
    except InputError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{name}/{CONFIG_NAME}: incomplete or damaged: {error!r}") from error
