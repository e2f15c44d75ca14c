"""Galaxies to look at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gz2tree.plots.style import answer_title, panels
from gz2tree.science.explaining import most_probable_path
from gz2tree.tree import DecisionTree

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WHITE = 255


def plot_galaxy(
    axes: Axes, cutout: NDArray[np.uint8], tree: DecisionTree, cumulative: ArrayLike, title: str
) -> Axes:
    """Show a galaxy and its most probable path through the tree.

    Parameters
    ----------
    axes : Axes
    cutout : array of uint8, shape (H, W, 3)
    tree : DecisionTree
    cumulative : array_like, shape (n_answers,), in [0, 1]
    title : str

    Returns
    -------
    axes : Axes
    """
    axes.imshow(cutout)
    axes.set_axis_off()
    axes.set_title(title, fontsize=8)
    lines = [
        f"{answer_title(tree, answer)}  {share:.2f}"
        for answer, share in most_probable_path(tree, cumulative)
    ]
    axes.text(
        0.0,
        -0.03,
        "\n".join([*lines, ""]),  # room above the next row's title
        transform=axes.transAxes,
        fontsize=5.5,
        va="top",
        linespacing=1.3,
    )
    return axes


def draw_galaxies(
    figure: Figure,
    cutouts: Iterable[NDArray[np.uint8]],
    tree: DecisionTree,
    cumulative: NDArray[np.float64],
    titles: Sequence[str],
    columns: int = 4,
) -> Figure:
    """Show galaxies, each with its most probable path through the tree.

    Parameters
    ----------
    figure : Figure
        Empty.
    cutouts : iterable of n arrays of uint8, shapes (H, W, 3)
    tree : DecisionTree
    cumulative : array of float64, shape (n, n_answers), in [0, 1]
    titles : sequence of str, length n
    columns : int

    Returns
    -------
    figure : Figure
    """
    grid = panels(figure, len(cumulative), columns)
    for axes, cutout, shares, title in zip(grid, cutouts, cumulative, titles, strict=False):
        plot_galaxy(axes, cutout, tree, shares, title)
    return figure


def plot_cutouts(
    axes: Axes,
    cutouts: NDArray[np.uint8],
    title: str,
    captions: Sequence[str] = (),
    columns: int | None = None,
) -> Axes:
    """Show galaxies side by side, row by row.

    Parameters
    ----------
    axes : Axes
    cutouts : array of uint8, shape (n, size, size, 3)
    title : str
    captions : sequence of str, length n, optional
        Written into the lower left corners.
    columns : int, optional
        About as many as rows by default.

    Returns
    -------
    axes : Axes
    """
    n, size = cutouts.shape[:2]
    columns = columns or int(np.ceil(np.sqrt(n)))
    rows = -(-n // columns)
    gap = max(1, size // 32)
    step = size + gap
    mosaic = np.full((rows * step - gap, columns * step - gap, 3), _WHITE, dtype=np.uint8)
    corners = [(step * (place // columns), step * (place % columns)) for place in range(n)]
    for cutout, (top, left) in zip(cutouts, corners, strict=True):
        mosaic[top : top + size, left : left + size] = cutout
    axes.imshow(mosaic)
    for caption, (top, left) in zip(captions, corners, strict=False):
        axes.text(
            left + 0.04 * size, top + 0.95 * size, caption, color="white", fontsize=6, va="bottom"
        )
    axes.set_axis_off()
    axes.set_title(title, fontsize=8)
    return axes


def draw_examples(
    figure: Figure,
    tree: DecisionTree,
    examples: Mapping[int, tuple[NDArray[np.uint8], Sequence[float]]],
    title: str,
    columns: int = 6,
) -> Figure:
    """Show galaxies for each of some answers, with their votes.

    Parameters
    ----------
    figure : Figure
        Empty.
    tree : DecisionTree
    examples : mapping of int to (array of uint8, sequence of float)
        By the position of the answer: cutouts, shape (n, size, size, 3), and n probabilities.
    title : str
    columns : int

    Returns
    -------
    figure : Figure
    """
    grid = panels(figure, len(examples), columns)
    for axes, (answer, (cutouts, votes)) in zip(grid, examples.items(), strict=False):
        question = tree.questions[tree.question_of[answer]].label
        captions = [f"{vote:.2f}" for vote in votes]
        plot_cutouts(axes, cutouts, f"{question}\n{tree.answers[answer].label}", captions)
    figure.suptitle(title)
    return figure
