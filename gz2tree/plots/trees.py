"""The tree itself, its branches as thick as they are probable."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gz2tree.errors import InputError
from gz2tree.plots.layout import TreeLayout, layout_tree, questions_reached
from gz2tree.plots.style import COLOURS, new_figure
from gz2tree.tree import DecisionTree

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[np.float64]

# Along the width of a level: branches to the answers, their words, branches to the next level.
_WORDS, _ONWARD = 0.18, 0.81
_THICKEST = 0.85  # rows, of probability 1
_TYPE = 9.0  # points: where the figure is shown 740 pixels wide, letters of 11 pixels or more
_CUTOUT = 1.9  # inches
_FEW_LEVELS = 3  # that leave room for the galaxy beside them
_LETTERS_OF_TITLE = 11.0  # in an inch


def plot_tree(
    axes: Axes,
    tree: DecisionTree,
    cumulative: ArrayLike | None,
    title: str,
    voted: ArrayLike | None = None,
    least_reach: float = 0.0,
) -> Axes:
    """Draw a tree, its branches as thick as their cumulative probability.

    Parameters
    ----------
    axes : Axes
        Levels go to the right. One of `tree_figure` has the size at which no words overlap.
    tree : DecisionTree
    cumulative : array_like, shape (n_answers,), in [0, 1]
        Of a galaxy, or the mean of many. NaN where not measured. None: the bare tree.
    title : str
    voted : array_like, shape (n_answers,), in [0, 1], optional
        Drawn in outline on top.
    least_reach : float, in [0, 1]
        Questions of which nothing is measured, or which are reached with a lower probability
        (predicted and voted), are left out. 0 keeps all.

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
    filled = np.full(len(tree), np.nan) if cumulative is None else _checked(tree, cumulative)
    outline = None if voted is None else _checked(tree, voted)
    layout = layout_tree(tree, questions_reached(tree, [cumulative, voted], least_reach))
    _draw_branches(axes, tree, layout, filled, "", {"color": COLOURS[0], "alpha": 0.5, "lw": 0.5})
    if outline is not None:
        look = {"facecolor": "none", "edgecolor": "black", "lw": 0.9}
        _draw_branches(axes, tree, layout, outline, "voted ", look)
        axes.fill([], [], color=COLOURS[0], alpha=0.5, label="predicted (first number)")
        axes.fill([], [], facecolor="none", edgecolor="black", label="voted (second number)")
        below: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (0, 0.02)}
        below |= {"ncols": 2 if layout.n_levels > 2 else 1, "borderaxespad": 0.0}
        axes.legend(fontsize=_TYPE, frameon=False, **below)
    _write_words(axes, tree, layout, None if cumulative is None else filled, outline)
    axes.set_xlim(-0.02, layout.n_levels - 0.02)
    axes.set_ylim(layout.height, 0)
    axes.set_axis_off()
    letters = _LETTERS_OF_TITLE * layout.size(False)[0]
    axes.set_title(textwrap.fill(title, int(letters)), fontsize=_TYPE + 1, loc="left")
    return axes


def tree_figure(
    tree: DecisionTree,
    cumulative: ArrayLike | None,
    voted: ArrayLike | None = None,
    least_reach: float = 0.0,
    cutout: bool = False,
) -> Figure:
    """Make an empty figure for a tree, small enough that its words are large on a page.

    Parameters
    ----------
    tree, cumulative, voted, least_reach
        As in `plot_tree`.
    cutout : bool
        Whether it is for `draw_galaxy_tree`.

    Returns
    -------
    figure : Figure
    """
    layout = layout_tree(tree, questions_reached(tree, [cumulative, voted], least_reach))
    width, height = layout.size(numbers=cumulative is not None)
    if cutout and layout.n_levels <= _FEW_LEVELS:
        return new_figure(width + _CUTOUT, height)
    return new_figure(width, height + _CUTOUT * cutout)


def draw_galaxy_tree(
    figure: Figure,
    cutout: NDArray[np.uint8],
    tree: DecisionTree,
    cumulative: ArrayLike,
    title: str,
    voted: ArrayLike | None = None,
    least_reach: float = 0.0,
) -> Figure:
    """Show a galaxy, and its tree: beside it, or under it if the tree is wide.

    Parameters
    ----------
    figure : Figure
        Empty, as `tree_figure` makes it.
    cutout : array of uint8, shape (H, W, 3)
    tree, cumulative, title, voted, least_reach
        As in `plot_tree`.

    Returns
    -------
    figure : Figure
    """
    wide, high = figure.get_size_inches()
    layout = layout_tree(tree, questions_reached(tree, [cumulative, voted], least_reach))
    if layout.n_levels <= _FEW_LEVELS:
        image, axes = figure.subplots(1, 2, width_ratios=(_CUTOUT, wide - _CUTOUT))
        image.set_anchor("N")
    else:
        image, axes = figure.subplots(2, 1, height_ratios=(_CUTOUT, high - _CUTOUT))
        image.set_anchor("W")
    image.imshow(cutout)
    image.set_axis_off()
    plot_tree(axes, tree, cumulative, title, voted, least_reach)
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
    prefix: str,
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
        if width == 0 and not prefix:
            axes.plot(x, y, color="0.7", lw=0.7, zorder=0)  # where nobody went
        if width > 0:
            edges = np.append(y - width / 2, (y + width / 2)[::-1])
            axes.fill(np.append(x, x[::-1]), edges, gid=f"{prefix}{name}", **look)

    for number in layout.shown:
        answers = tree.slices[number]
        x, middle = float(layout.level[number]), layout.question[number]
        column = tree.question_columns[number]
        there = [p for p in tree.parents[number] if tree.question_of[p] in layout.shown]
        ways_in = sorted(there, key=lambda parent: layout.answer[parent])
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
    leads_on = {parent for number in layout.shown for parent in tree.parents[number]}
    for number in layout.shown:
        x = layout.level[number]
        heading = axes.text(
            x, layout.header[number], layout.heading[number], fontsize=_TYPE, fontweight="bold",
            va="center", linespacing=1.0,
        )  # fmt: skip
        if filled is None:
            heading.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 1})
        for answer in range(tree.slices[number].start, tree.slices[number].stop):
            words = tree.answers[answer].label
            if filled is not None:
                words += f"\n{_number(filled[answer])}"
                if outline is not None and not np.isnan([filled[answer], outline[answer]]).all():
                    words += f" / {_number(outline[answer])}"
            # Grey enough to step back, dark enough to be read.
            colour = "black" if filled is None or filled[answer] >= 0.05 else "0.35"
            y = layout.answer[answer]
            text = axes.text(
                x + _WORDS, y, words, fontsize=_TYPE, va="center", color=colour, linespacing=1.0
            )
            if filled is None:  # lines instead of branches: under the words, from which they go on
                text.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 1})
                if answer in leads_on:
                    axes.plot([x + _WORDS, x + _ONWARD], [y, y], color="0.7", lw=0.7, zorder=0)


def _number(probability: float) -> str:
    return "not measured" if np.isnan(probability) else f"{probability:.2f}"
