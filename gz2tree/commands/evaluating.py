"""The command ``evaluate``: a network's predictions compared with labels."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from gz2tree.catalogues.uncertainty import mixture_of
from gz2tree.commands.inputs import check_tree, labelled_for
from gz2tree.commands.labelled import (
    catalogue_of,
    coverage_text,
    known_votes,
    predict_labelled,
)
from gz2tree.commands.models import find_model
from gz2tree.config import ByOptions, LabelOptions, PredictOptions
from gz2tree.evaluation import evaluate
from gz2tree.graph import DecisionGraph
from gz2tree.networks.predictor import find_device, mean_answers
from gz2tree.records import versions
from gz2tree.science.binned import binned_text, evaluate_by
from gz2tree.science.coverage import vote_coverage
from gz2tree.science.quantities import read_quantity
from gz2tree.tree import DecisionTree
from gz2tree.wholefiles import appearing, check_place


def evaluate_model(
    model_path: str,
    labels_table: Path,
    images: Path,
    json_file: Path | None,
    *,
    tree: DecisionTree | None,
    part: str | None,
    by: ByOptions,
    label_options: LabelOptions,
    options: PredictOptions,
) -> None:
    """Predict labelled galaxies, compare with their labels, print the scores and write them.

    Parameters
    ----------
    model_path : str
        A run directory, the folder of a saved model, or ``"default"``.
    labels_table : Path
        Table of labels, which is read under the tree of the model.
    images : Path
        Folder or zip file of images, or a store.
    json_file : Path, optional
        The scores are written there too, with how they came about.
    tree : DecisionTree, optional
        Must be that of the model.
    part : {"train", "valid", "test", "all"}, optional
        Which galaxies of the run's split are scored; by default all, unless some of them trained
        the model.
    by : ByOptions
        The quantity in whose bins scores are printed as well.
    label_options : LabelOptions
    options : PredictOptions

    Raises
    ------
    InputError
        A tree that is not the model's; galaxies that trained the model and no part that asks for
        them; nothing that has both labels and an image; a file that cannot be written; and
        whatever is wrong with model, labels, images or options.
    """
    if json_file is not None:
        check_place(json_file)
    find_device(options.device)
    model, run = find_model(model_path)
    check_tree(model, tree)
    answer = model.tree.columns[model.tree.find_answer(by.answer or model.tree.columns[0])]
    source, labels = labelled_for(model_path, model, run, labels_table, images, part, label_options)
    quantity = None
    if by.by:
        quantity = read_quantity(by.by, labels_table, labels, source, label_options.id_column)
    said, predicted = predict_labelled([model], source, labels, options)
    predictions = catalogue_of(predicted, mean_answers([model], said, options))
    report = evaluate(predictions, labels)
    print(report)
    more: dict[str, Any] = {}
    voted = known_votes(model, predicted, options)
    if model.is_tree and voted is not None:
        votes = vote_coverage(mixture_of(DecisionGraph(model.tree), said), voted)
        print("", "votes within predictive intervals", coverage_text(votes), sep="\n")
        more["votes"] = json.loads(votes.to_json(orient="index"))
    if by.by and quantity is not None:
        binned = evaluate_by(predictions, labels, quantity, answer, by.bins)
        print("", binned_text(binned, by.by, model.tree, answer), sep="\n")
        bins = json.loads(binned.to_json(orient="records"))
        more["by"] = {"quantity": by.by, "answer": answer, "bins": bins}
    if json_file is not None:
        made_from = {"model": model_path, "labels": str(labels_table), "kind": labels.kind}
        text = report.to_json(**_provenance(options), **made_from, part=part, **more)
        with appearing(json_file) as partial:
            partial.write_text(text + "\n")


def _provenance(options: PredictOptions) -> dict[str, Any]:
    """How the predictions came about, for the file of scores."""
    return {
        "command": " ".join(sys.argv),
        "views": options.views,
        "gate": options.gate,
        "precision": options.precision,
        "versions": versions(),
    }
