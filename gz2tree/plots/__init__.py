"""Figures: one function each, from data and an Axes to the Axes; ``draw_…`` fill a whole Figure."""

from gz2tree.plots.correlations import plot_correlations as plot_correlations
from gz2tree.plots.curves import plot_by as plot_by
from gz2tree.plots.curves import plot_fractions as plot_fractions
from gz2tree.plots.curves import plot_purity_completeness as plot_purity_completeness
from gz2tree.plots.galaxies import draw_examples as draw_examples
from gz2tree.plots.galaxies import draw_galaxies as draw_galaxies
from gz2tree.plots.galaxies import plot_cutouts as plot_cutouts
from gz2tree.plots.galaxies import plot_galaxy as plot_galaxy
from gz2tree.plots.history import draw_history as draw_history
from gz2tree.plots.history import plot_history as plot_history
from gz2tree.plots.history import plot_learning_curves as plot_learning_curves
from gz2tree.plots.layout import layout_tree as layout_tree
from gz2tree.plots.predictions import draw_scatter as draw_scatter
from gz2tree.plots.predictions import plot_agreement as plot_agreement
from gz2tree.plots.predictions import plot_calibration as plot_calibration
from gz2tree.plots.predictions import plot_null_rmse as plot_null_rmse
from gz2tree.plots.predictions import plot_scatter as plot_scatter
from gz2tree.plots.style import COLOURS as COLOURS
from gz2tree.plots.style import new_figure as new_figure
from gz2tree.plots.trees import draw_galaxy_tree as draw_galaxy_tree
from gz2tree.plots.trees import plot_tree as plot_tree
from gz2tree.plots.trees import tree_figure as tree_figure
