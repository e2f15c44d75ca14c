"""The tree itself, its branches as thick as they are probable."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gz2tree.errors import InputError
from gz2tree.plots.layout import TreeLayout, layout_tree
from gz2tree.plots.style import COLOURS
from gz2tree.tree import DecisionTree

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[np.float64]

# Along the width of a level: branches to the answers, their words, branches to the next level.
_WORDS, _ONWARD = 0.24, 0.74
_THICKEST = 0.85  # rows, of probability 1


def plot_tree(
    axes: Axes,
    tree: DecisionTree,
    cumulative: ArrayLike | None,
    title: str,
    voted: ArrayLike | None = None,
) -> Axes:
    """Draw a tree, its branches as thick as their cumulative probability.

    Parameters
    ----------
    axes : Axes
        Wide: levels go to the right.
    tree : DecisionTree
    cumulative : array_like, shape (n_answers,), in [0, 1]
        Of a galaxy, or the mean of many. NaN where not measured. None: the bare tree.
    title : str
    voted : array_like, shape (n_answers,), in [0, 1], optional
        Drawn in outline on top.

    Returns
    -------
    axes : Axes
        A polygon for each branch; its group id is the answer's column, with ``"voted "`` before it
        for an outline, and with the question's column after it for a branch that leads on.

    Raises
    ------
    InputError
        Not one probability for each answer.
    """
    layout = layout_tree(tree)
    filled = np.full(len(tree), np.nan) if cumulative is None else _checked(tree, cumulative)
    _draw_branches(axes, tree, layout, filled, "", {"color": COLOURS[0], "alpha": 0.5, "lw": 0.5})
    outline = None if voted is None else _checked(tree, voted)
    if outline is not None:
        look = {"facecolor": "none", "edgecolor": "black", "lw": 0.9}
        _draw_branches(axes, tree, layout, outline, "voted ", look)
        axes.fill([], [], color=COLOURS[0], alpha=0.5, label="predicted (first number)")
        axes.fill([], [], facecolor="none", edgecolor="black", label="voted (second number)")
        axes.legend(loc="lower left", fontsize=8, frameon=False)
    _write_words(axes, tree, layout, None if cumulative is None else filled, outline)
    axes.set_xlim(-0.02, max(layout.level) + _ONWARD + 0.02)
    axes.set_ylim(layout.height, 0)
    axes.set_axis_off()
    axes.set_title(title, fontsize=11)
    return axes


def draw_galaxy_tree(
    figure: Figure,
    cutout: NDArray[np.uint8],
    tree: DecisionTree,
    cumulative: ArrayLike,
    title: str,
    voted: ArrayLike | None = None,
) -> Figure:
    """Show a galaxy, and beside it its tree.

    Parameters
    ----------
    figure : Figure
        Empty.
    cutout : array of uint8, shape (H, W, 3)
    tree, cumulative, title, voted
        As in `plot_tree`.

    Returns
    -------
    figure : Figure
    """
    beside, axes = figure.subplots(1, 2, width_ratios=(1, 4.5))
    beside.imshow(cutout)
    beside.set_axis_off()
    plot_tree(axes, tree, cumulative, title, voted)
    return figure


def _checked(tree: DecisionTree, probabilities: ArrayLike) -> Array:
    values = np.asarray(probabilities, dtype=np.float64)
    if values.shape != (len(tree),):
        raise InputError(f"expected a probability for each of {len(tree)} answers, found an array "
                         f"of shape {values.shape}")  # fmt: skip
    return values


def _draw_branches(
    axes: Axes,
    tree: DecisionTree,
    layout: TreeLayout,
    values: Array,
    kind: str,
    look: dict[str, Any],
) -> None:
    """Draw the branches into and out of every question, stacked where they meet."""
    thick = _THICKEST * np.nan_to_num(values)

    def ribbon(
        start: tuple[float, float], end: tuple[float, float], width: float, name: str
    ) -> None:
        along = np.linspace(0, 1, 40)
        x = start[0] + (end[0] - start[0]) * along
        y = start[1] + (end[1] - start[1]) * along**2 * (3 - 2 * along)
        if width == 0 and not kind:
            axes.plot(x, y, color="0.7", lw=0.7, zorder=0)  # where nobody went
        if width > 0:
            edges = np.append(y - width / 2, (y + width / 2)[::-1])
            axes.fill(np.append(x, x[::-1]), edges, gid=f"{kind}{name}", **look)

    for number, answers in enumerate(tree.slices):
        x, middle = float(layout.level[number]), layout.question[number]
        column = tree.question_columns[number]
        ways_in = sorted(tree.parents[number], key=lambda parent: layout.answer[parent])
        for parent, y in _stacked(ways_in, thick, middle):
            start = layout.level[tree.question_of[parent]] + _ONWARD, layout.answer[parent]
            ribbon(start, (x, y), thick[parent], f"{tree.columns[parent]} {column}")
        ways_out = list(range(answers.start, answers.stop))
        for answer, y in _stacked(ways_out, thick, middle):
            end = x + _WORDS - 0.01, layout.answer[answer]
            ribbon((x, y), end, thick[answer], tree.columns[answer])


def _stacked(answers: list[int], thick: Array, middle: float) -> list[tuple[int, float]]:
    """Middles of branches that lie on one another, together around a row."""
    widths = thick[answers]
    starts = middle - widths.sum() / 2 + np.append(0.0, np.cumsum(widths))[:-1]
    return list(zip(answers, (starts + widths / 2).tolist(), strict=True))


def _write_words(
    axes: Axes, tree: DecisionTree, layout: TreeLayout, filled: Array | None, outline: Array | None
) -> None:
    leads_on = {parent for parents in tree.parents for parent in parents}
    for number, question in enumerate(tree.questions):
        x = layout.level[number]
        heading = axes.text(
            x, layout.header[number], f"{number + 1}. {question.label}", fontsize=8.5,
            fontweight="bold", va="center",
        )  # fmt: skip
        if filled is None:
            heading.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 1})
        for answer in range(tree.slices[number].start, tree.slices[number].stop):
            words = tree.answers[answer].label
            if filled is not None:
                words += f"  {_figure(filled[answer])}"
                if outline is not None and not np.isnan([filled[answer], outline[answer]]).all():
                    words += f" / {_figure(outline[answer])}"
            # Grey enough to step back, dark enough to be read.
            colour = "black" if filled is None or filled[answer] >= 0.05 else "0.35"
            y = layout.answer[answer]
            text = axes.text(x + _WORDS, y, words, fontsize=8, va="center", color=colour)
            if filled is None:  # lines instead of branches: under the words, from which they go on
                text.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 1})
                if answer in leads_on:
                    axes.plot([x + _WORDS, x + _ONWARD], [y, y], color="0.7", lw=0.7, zorder=0)


def _figure(probability: float) -> str:
    return "not measured" if np.isnan(probability) else f"{probability:.2f}"
