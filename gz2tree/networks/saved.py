"""Saved networks: how they are written and read, where they lie, how a damaged one is refused."""

from __future__ import annotations

import inspect
import json
import math
import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

import numpy as np
from huggingface_hub import ModelCard, PyTorchModelHubMixin, hf_hub_download
from huggingface_hub.constants import CONFIG_NAME, SAFETENSORS_SINGLE_FILE
from huggingface_hub.errors import HfHubHTTPError, HFValidationError
from numpy.typing import NDArray
from torch import nn

from gz2tree.config import CutoutOptions
from gz2tree.errors import InputError, first_few, shown
from gz2tree.networks.card import model_card
from gz2tree.networks.hub import asking_the_hub
from gz2tree.networks.seenimages import (
    read_seen_images,
    write_seen_images,
)
from gz2tree.networks.typicality import Typicality
from gz2tree.networks.weights import load_strictly, read_safetensors
from gz2tree.tree import DecisionTree
from gz2tree.version import __version__
from gz2tree.wholefiles import appearing, aside

if TYPE_CHECKING:
    from gz2tree.networks.network import GalaxyNet

DEFAULT_NAME = "default"
DEFAULT_MODEL = Path(__file__).parents[1] / "default_model"
"""Folder of the model in the box."""
FETCHING = ("revision", "cache_dir", "force_download", "local_files_only", "token")
"""What huggingface_hub may be told of how a model is fetched."""


class SavedNetwork(nn.Module, PyTorchModelHubMixin, ABC):
    """A network that can be saved with all it knows of its training, and loaded again.

    What of `GalaxyNet` has to do with the folder, here or on the hub, of weights and config.
    """

    __signature__: ClassVar[inspect.Signature]
    tree: DecisionTree
    training_record: dict[str, Any]
    typicality: Typicality | None
    seen_images: NDArray[np.uint64] | None = None
    head_hidden_size: int

    @property
    def untrained(self) -> list[str]:
        """Columns of answers that no training galaxy had measured: their output means nothing."""
        trained = self.training_record.get("answers", self.tree.columns)
        return [column for column in self.tree.columns if column not in trained]

    @property
    def known_galaxies(self) -> Typicality:
        """Its typicality; refused, as an InputError, where that was never fitted."""
        if self.typicality is None:
            raise InputError(
                "atypical: expected a model that knows where the features of its training galaxies "
                "lie, found one without; gz2tree typical fits that and stores it in the model"
            )
        return self.typicality

    @property
    def view_angle(self) -> float:
        """Angle, in radian, by which `predict` turns every image before the network looks at it.

        pi / 8 after training on turned images, else 0. Turned images are interpolated, and one
        that is not is sharper than what the network learnt from (benchmarks/RESULTS.md: RMSE 0.0903
        on images as they are, 0.0891 on the same, turned).
        """
        augment = self.training_record.get("train", {}).get("augment", {})
        return math.pi / 8 if augment.get("rotate") else 0.0

    def __init_subclass__(cls, **options: Any) -> None:
        """Show the parameters of ``__init__``, where the hub's ``__new__`` takes anything."""
        super().__init_subclass__(**options)
        parameters = list(inspect.signature(cls.__init__).parameters.values())[1:]
        cls.__signature__ = inspect.Signature(parameters)

    def generate_model_card(self, *arguments: Any, **options: Any) -> ModelCard:
        """Describe the network for the ``README.md`` beside its weights; options are ignored."""
        return ModelCard(model_card(cast("GalaxyNet", self)))

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """Return all that is needed to build the network again, as JSON values."""

    def save_pretrained(self, save_directory: str | Path, **kwargs: Any) -> str | None:
        """Write ``model.safetensors``, ``config.json`` and a ``README.md`` into a folder.

        Parameters
        ----------
        save_directory : str or Path
        **kwargs
            As in huggingface_hub's ``ModelHubMixin.save_pretrained``.
        """
        kwargs["config"] = kwargs.get("config") or self.config()
        url = super().save_pretrained(save_directory, **kwargs)
        # safetensors lets nobody else read what it writes, whatever the umask.
        weights = Path(save_directory) / SAFETENSORS_SINGLE_FILE
        shutil.copymode(weights.with_name(CONFIG_NAME), weights)
        if self.seen_images is not None:
            write_seen_images(Path(save_directory), self.seen_images)
        return url

    def save_config(self, folder: Path) -> None:
        """Write the config of a saved network anew; a kill leaves the old one or the new."""
        write_config(self.config(), folder)

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | Path, **kwargs: Any) -> Self:
        """Load a saved network from a folder or from the Hugging Face hub.

        Parameters
        ----------
        pretrained_model_name_or_path : str or Path
            ``"default"``: the model in the box, see docs/default_model.md. Else a folder written
            by `save_pretrained`, or the name of a model on the hub.
        **kwargs
            As in huggingface_hub's ``ModelHubMixin.from_pretrained``.

        Raises
        ------
        InputError
            No such model, a network of another class, or weights that do not fit.
        """
        name = known_name(pretrained_model_name_or_path)
        here = Path(name).is_dir()
        with loading_errors_named(name), nullcontext() if here else asking_the_hub():
            return super().from_pretrained(name, **kwargs)

    @classmethod
    def _from_pretrained(  # type: ignore[override]
        cls, *, model_id: str, config: dict[str, Any], map_location: str = "cpu", **arguments: Any
    ) -> Self:
        """Build from the config and load the weights; strict, and from safetensors only."""
        if config.get("model") != cls.__name__:
            raise InputError(
                f"{model_id}: expected a {cls.__name__}, found {config.get('model', 'no model')}"
            )
        fetching = {name: arguments.pop(name) for name in FETCHING}
        with config_errors_named(model_id):
            tree = DecisionTree.from_dict(config["tree"])
            cutouts = CutoutOptions.from_dict(config["cutouts"])
            arguments |= {"tree": tree, "cutouts": cutouts, "pretrained": False}
            network = cls(**arguments)
            if list(tree.columns) != config["columns"]:
                raise InputError(
                    f"{model_id}/{CONFIG_NAME}: expected the columns of its tree {tree.name}, "
                    f"{first_few(tree.columns)}, found {shown(config['columns'])}"
                )
            if config.get("typicality") is not None:
                fitted = Typicality.from_dict(config["typicality"], network.head_hidden_size)
                network.typicality = fitted
            # Later, nobody could tell that what is read then came from here.
            json.dumps([network.config(), network.untrained, network.view_angle])
            refuse_unknown(config, network.config(), model_id)
        file = weights_file(model_id, **fetching)
        load_strictly(network, read_safetensors(file)[0], file)
        if Path(model_id).is_dir():
            network.seen_images = read_seen_images(Path(model_id))
        return network.eval().to(map_location)


def known_name(name: str | Path) -> str:
    """Name a saved network as huggingface_hub knows it: a folder, or a model on the hub.

    Raises
    ------
    InputError
        A folder of something else, or a path that cannot be meant for a model on the hub, where
        nothing is.
    """
    known = str(DEFAULT_MODEL if str(name) == DEFAULT_NAME else name)
    path = Path(known)
    if path.is_dir() and not (path / CONFIG_NAME).is_file():
        raise InputError(f"{known}: expected a folder with {CONFIG_NAME}, found none in it")
    # On the hub models are called OWNER/MODEL; if there is such a folder here, it is what is meant.
    if not path.is_dir() and (path.is_absolute() or path.parent.is_dir()):
        found = "a file" if path.exists() else "nothing there"
        raise InputError(f"{known}: expected a folder with {CONFIG_NAME}, found {found}")
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

    Parameters
    ----------
    config : mapping
        As it was read.
    known : mapping
        What this version would have written of the network that it built.
    name : str
        Of the model, for the message.

    Raises
    ------
    InputError
        Entries that are not `known`: a later version of gz2tree saved them.
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
    except KeyError as error:
        raise InputError(f"{name}/{CONFIG_NAME}: expected {error} in it, found none") from error
    except (TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"{name}/{CONFIG_NAME}: expected the config of a network as gz2tree saves it, found "
            f"one that is damaged: {error}"
        ) from error
