"""What networks were not trained on: no training galaxy had it measured, so they know nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gz2tree.networks.network import GalaxyNet
from gz2tree.tree import DecisionTree

_NAMED = 3  # questions at most whose words stand beside their numbers


def untrained_answers(models: Sequence[GalaxyNet]) -> NDArray[np.bool_]:
    """Which answers any of the networks was trained without.

    Parameters
    ----------
    models : sequence of GalaxyNet
        Of one tree.

    Returns
    -------
    untrained : array of bool, shape (n_answers,)
    """
    tree = models[0].tree
    return np.isin(tree.columns, [column for model in models for column in model.untrained])


def unknown_questions(models: Sequence[GalaxyNet]) -> NDArray[np.bool_]:
    """Which questions the networks know nothing of: not their answers, or not their reach.

    Parameters
    ----------
    models : sequence of GalaxyNet
        Of one tree.

    Returns
    -------
    unknown : array of bool, shape (n_questions,)
    """
    tree, untrained = models[0].tree, untrained_answers(models)
    return np.array(
        [
            untrained[answers].any() or untrained[list(parents)].any()
            for answers, parents in zip(tree.slices, tree.parents, strict=True)
        ]
    )


def without_untrained(models: Sequence[GalaxyNet], cumulative: Tensor) -> Tensor:
    """Make unknown what the networks were trained without.

    Parameters
    ----------
    models : sequence of GalaxyNet
        Of one tree.
    cumulative : Tensor, float32, shape (N, n_answers), in [0, 1], on the CPU

    Returns
    -------
    cumulative : Tensor of the same shape
        NaN in answers that any of the networks was trained without; but 0 where the answers before
        are 0, since nobody is asked there whatever the network knows.
    """
    untrained = untrained_answers(models)
    if not untrained.any():
        return cumulative
    tree, known = models[0].tree, cumulative.clone()
    # A question comes after those that lead to it, so what is unknown of them is known by then.
    for answers, parents in zip(tree.slices, tree.parents, strict=True):
        columns = answers.start + np.flatnonzero(untrained[answers])
        never = known[:, list(parents)].sum(-1) == 0 if parents else torch.zeros(len(known)) > 0
        known[:, columns] = torch.where(never, 0.0, torch.nan)[:, None]
    return known


def untrained_text(tree: DecisionTree, untrained: NDArray[np.bool_]) -> str:
    """Name untrained answers for people: whole questions by their numbers in the tree.

    Parameters
    ----------
    tree : DecisionTree
    untrained : array of bool, shape (n_answers,)
        At least one of them.

    Examples
    --------
    >>> from gz2tree.trees import GZ2_KAGGLE
    >>> untrained = np.zeros(37, dtype=bool)
    >>> untrained[GZ2_KAGGLE.slices[2]] = True
    >>> untrained_text(GZ2_KAGGLE, untrained)
    "question 3 ('Bar feature?')"
    """
    whole = [n for n, answers in enumerate(tree.slices) if untrained[answers].all()]
    of_whole = np.isin(tree.question_of, whole)
    single = [tree.columns[position] for position in np.flatnonzero(untrained & ~of_whole)]
    texts = []
    if whole:
        named = len(whole) <= _NAMED
        numbers = [f"{n + 1} ({tree.questions[n].label!r})" if named else str(n + 1) for n in whole]
        texts.append(f"question{'s' * (len(whole) > 1)} {', '.join(numbers)}")
    if single:
        texts.append(f"answer{'s' * (len(single) > 1)} {', '.join(single)}")
    return " and ".join(texts)
