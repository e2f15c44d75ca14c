"""Predict how Galaxy Zoo 2 volunteers would classify a galaxy image.

The public names are imported when they are first used, so that ``import gz2tree`` is instant.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gz2tree.config import AugmentOptions as AugmentOptions
    from gz2tree.config import CutoutOptions as CutoutOptions
    from gz2tree.config import PredictOptions as PredictOptions
    from gz2tree.config import TrainConfig as TrainConfig
    from gz2tree.dataset import LabelledCutouts as LabelledCutouts
    from gz2tree.errors import InputError as InputError
    from gz2tree.evaluation import evaluate as evaluate
    from gz2tree.flat import FlatNet as FlatNet
    from gz2tree.graph import DecisionGraph as DecisionGraph
    from gz2tree.labelling.labeltable import Fractions as Fractions
    from gz2tree.labelling.labeltable import read_fractions as read_fractions
    from gz2tree.labelling.labeltable import read_labels as read_labels
    from gz2tree.labels import Labels as Labels
    from gz2tree.model import GalaxyTreeNet as GalaxyTreeNet
    from gz2tree.model import load_model as load_model
    from gz2tree.prediction import predict as predict
    from gz2tree.questions import Answer as Answer
    from gz2tree.questions import Question as Question
    from gz2tree.questions import TreeError as TreeError
    from gz2tree.science.onegalaxy import explain_galaxies as explain_galaxies
    from gz2tree.science.samples import Cuts as Cuts
    from gz2tree.science.samples import select as select
    from gz2tree.scores import Report as Report
    from gz2tree.splits import split_parts as split_parts
    from gz2tree.store import CutoutStore as CutoutStore
    from gz2tree.store import prepare as prepare
    from gz2tree.training import fit as fit
    from gz2tree.tree import DecisionTree as DecisionTree
    from gz2tree.treenames import find_tree as find_tree
    from gz2tree.trees import GZ2 as GZ2
    from gz2tree.trees import GZ2_KAGGLE as GZ2_KAGGLE
    from gz2tree.version import __version__ as __version__

_MODULE_OF = {
    "Answer": "questions",
    "AugmentOptions": "config",
    "Cuts": "science.samples",
    "CutoutOptions": "config",
    "CutoutStore": "store",
    "DecisionGraph": "graph",
    "DecisionTree": "tree",
    "FlatNet": "flat",
    "Fractions": "labelling.labeltable",
    "GZ2": "trees",
    "GZ2_KAGGLE": "trees",
    "GalaxyTreeNet": "model",
    "InputError": "errors",
    "LabelledCutouts": "dataset",
    "Labels": "labels",
    "PredictOptions": "config",
    "Question": "questions",
    "Report": "scores",
    "TrainConfig": "config",
    "TreeError": "questions",
    "__version__": "version",
    "evaluate": "evaluation",
    "explain_galaxies": "science.onegalaxy",
    "find_tree": "treenames",
    "fit": "training",
    "load_model": "model",
    "predict": "prediction",
    "prepare": "store",
    "read_fractions": "labelling.labeltable",
    "read_labels": "labelling.labeltable",
    "select": "science.samples",
    "split_parts": "splits",
}

__all__ = sorted(_MODULE_OF)


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'gz2tree' has no attribute {name!r}")
    return getattr(import_module(f"gz2tree.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    return __all__
