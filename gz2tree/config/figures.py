"""What a figure shows, and by which quantity galaxies are compared."""

from __future__ import annotations

from dataclasses import dataclass

from gz2tree.config.choices import Probability, check, check_choice


@dataclass(frozen=True)
class FigureOptions:
    """What a figure shows of the data.

    Parameters
    ----------
    what : {"cumulative", "conditional"}
        Which probabilities are correlated.
    question : str, optional
        Column or name of the question whose correlations are shown; all by default.
    answer : str, optional
        Name, column or label of the answer whose scatter is shown (all by default), or whose mean
        by a quantity (the first answer of the first question by default).
    by : str, optional
        Quantity by which error and mean answer are shown: a numeric column of the table of labels,
        or apparent_size, in pixels that the crop counts.
    bins : int
        Bins of that quantity, of equal numbers of galaxies.
    flag : str, optional
        ANSWER=THRESHOLD, as in merger=0.4: the flag whose purity and completeness are shown.
        Volunteers flag a galaxy by the same threshold.
    galaxy : str, optional
        Id of the galaxy whose tree or path is drawn; by default the tree is the mean of all.
    n : int, optional
        Galaxies shown: by default 4 examples of each answer, 24 cutouts, 16 with their paths,
        1,000 in a scatter plot.
    seed : int
        Of the choice of galaxies.
    least_reach : float
        In the tree, questions that are reached with a lower probability, or of which nothing is
        measured, are left out; 0 shows all.

    Raises
    ------
    OptionError
        No galaxies, fewer than 2 bins, a negative seed, or a reach outside 0 to 1.
    """

    what: Probability = "cumulative"
    question: str | None = None
    answer: str | None = None
    by: str | None = None
    bins: int = 5
    flag: str | None = None
    galaxy: str | None = None
    n: int | None = None
    seed: int = 0
    least_reach: float = 0.0

    def __post_init__(self) -> None:
        check_choice("what", self.what, Probability)
        check("bins", self.bins, self.bins >= 2, "at least 2")
        check("n", self.n, self.n is None or self.n >= 1, "at least 1, or none")
        check("seed", self.seed, self.seed >= 0, "at least 0")
        check("least_reach", self.least_reach, 0 <= self.least_reach <= 1, "0 to 1")


@dataclass(frozen=True)
class ByOptions:
    """A quantity by which predictions are compared with labels.

    Parameters
    ----------
    by : str, optional
        A numeric column of the table of labels, or apparent_size: half-light radius measured on
        the cutout, in pixels that the crop counts (those of the original image, unless its scale
        was given). Prints error and mean answer in bins of it.
    answer : str, optional
        Whose mean probability is compared, by its label or column; the first answer of the first
        question by default.
    bins : int
        Bins of equal numbers of galaxies.

    Raises
    ------
    OptionError
        Fewer than 2 bins, or an answer without a quantity.
    """

    by: str | None = None
    answer: str | None = None
    bins: int = 5

    def __post_init__(self) -> None:
        check("bins", self.bins, self.bins >= 2, "at least 2")
        alone = self.by is None and self.answer is not None
        check("answer", self.answer, not alone, "together with --by COLUMN")
