"""How trainings went, and what they gain by more labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from gz2tree.plots.style import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Curve = Literal["loss", "rmse", "learning_rate"]

_LABELS: dict[Curve, str] = {
    "loss": "loss",
    "rmse": "validation RMSE (probability)",
    "learning_rate": "learning rate",
}


def plot_history(axes: Axes, histories: Mapping[str, pd.DataFrame], curve: Curve) -> Axes:
    """Show how trainings went, epoch by epoch.

    Parameters
    ----------
    axes : Axes
    histories : mapping of str to DataFrame
        The table ``history.csv`` of each run, by its name.
    curve : {"loss", "rmse", "learning_rate"}
        Loss in training (dashed) and validation (solid); RMSE in validation, its best epoch
        marked; learning rate at the end of the epoch. What a run did not measure is not drawn.

    Returns
    -------
    axes : Axes
    """
    for number, (name, history) in enumerate(histories.items()):
        look: dict[str, Any] = style(number) | {"markersize": 3, "linewidth": 1.2}
        label = f"{name} ({len(history)} epochs)"
        epoch = history["epoch"]
        column = {"loss": "valid_loss", "rmse": "valid_rmse"}.get(curve, curve)
        if curve == "loss":
            dashed = look | {"linestyle": "--", "linewidth": 0.8, "marker": ""}
            axes.plot(epoch, history["train_loss"], **dashed, label=f"{label}, training")
            label = f"{label}, validation"
        values = history[column].where(history[column] > 0)  # cosine ends at 0: no logarithm
        if values.notna().any():
            axes.plot(epoch, values, **look, label=label)
        if curve == "rmse" and values.notna().any():
            best = int(values.fillna(np.inf).to_numpy().argmin())
            axes.scatter(
                epoch.iloc[best], values.iloc[best], 60, edgecolors=look["color"], facecolors="none"
            )
    if curve == "learning_rate":
        axes.set_yscale("log")
    axes.set_xlabel("epoch")
    axes.set_ylabel(_LABELS[curve])
    axes.grid(alpha=0.3)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=7)
    return axes


def draw_history(figure: Figure, histories: Mapping[str, pd.DataFrame]) -> Figure:
    """Show loss, RMSE and learning rate of some trainings beside one another.

    Parameters
    ----------
    figure : Figure
        Empty.
    histories : mapping of str to DataFrame
        As in `plot_history`.

    Returns
    -------
    figure : Figure
    """
    panels = dict(zip(_LABELS, figure.subplots(1, len(_LABELS)), strict=True))
    for curve, axes in panels.items():
        plot_history(axes, histories, curve)
        # One legend for all: within, that of several runs hides their curves.
        if axes.get_legend() is not None:
            axes.get_legend().remove()
    panels["loss"].set_title("dashed: training, solid: validation", fontsize=8)
    lines, names = panels["learning_rate"].get_legend_handles_labels()
    figure.legend(lines, names, loc="outside lower center", ncols=3, fontsize=8, frameon=False)
    return figure


def plot_learning_curves(axes: Axes, table: pd.DataFrame) -> Axes:
    """Show the accuracy of several starts against the number of labels they were trained on.

    Parameters
    ----------
    axes : Axes
    table : DataFrame
        Columns ``start`` (a name), ``labels`` (galaxies), ``accuracy`` (a share) and ``error``
        (its standard error), a row for each training.

    Returns
    -------
    axes : Axes
        A curve for each start, side by side, so that their bars can be told apart.
    """
    for number, (start, rows) in enumerate(table.groupby("start", sort=False)):
        look: dict[str, Any] = {"label": f"from {start}", "capsize": 3, **style(number)}
        axes.errorbar(rows["labels"] * 1.04**number, rows["accuracy"], rows["error"], **look)
    sizes = sorted(set(table["labels"]))
    axes.set(xscale="log", xticks=sizes, xticklabels=sizes)
    axes.set(xlabel="labelled galaxies", ylabel="accuracy (bars: standard error)")
    axes.minorticks_off()
    axes.legend(frameon=False)
    return axes
