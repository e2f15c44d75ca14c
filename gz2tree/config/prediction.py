"""How predictions are made, and what becomes of them: one catalogue, or one in shards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from gz2tree.config.choices import (
    Columns,
    MoreColumns,
    OptionError,
    Precision,
    check,
    check_choice,
    check_workers,
)
from gz2tree.config.processes import ProcessOptions


@dataclass(frozen=True)
class PredictOptions:
    """How predictions are made.

    Parameters
    ----------
    views : {1, 8, 16}
        Orientations of each image to average over.
    gate : float, in [0, 1]
        Answers below this cumulative probability become exactly 0, with all that follows from them;
        but a question that is still reached keeps its most probable answer, even one below the gate
        (whose conditional probability becomes 1). 0 is no gate, 0.01 is a good one; above 0.1 it
        removes answers that people give. Of
        several networks together it is the mean that is gated.
    batch_size : int
    workers : int, optional
        Processes that decode images; as many as there are cores by default.
    precision : {"auto", "32", "bf16", "16"}
        Of the backbone; probabilities are always float32.
    device : str, optional
        A GPU if there is one, by default.
    keep_untrained : bool
        Write what a model says of answers that none of its training galaxies had measured, though
        it means nothing; by default these are left empty (NaN).

    Raises
    ------
    OptionError
        An option outside its range.

    Examples
    --------
    >>> PredictOptions(views=16, gate=0.01).views
    16
    """

    views: Literal[1, 8, 16] = 1
    gate: float = 0.0
    batch_size: int = 64
    workers: int | None = None
    precision: Precision = "auto"
    device: str | None = None
    keep_untrained: bool = False

    def __post_init__(self) -> None:
        check("views", self.views, self.views in (1, 8, 16), "1, 8 or 16")
        check("gate", self.gate, 0 <= self.gate <= 1, "a probability from 0 to 1")
        check("batch_size", self.batch_size, self.batch_size >= 1, "at least 1")
        check_workers(self.workers)
        check_choice("precision", self.precision, Precision)

    def refuse_gate(self, what: str) -> None:
        """Refuse a gate where no probabilities come out.

        Parameters
        ----------
        what : str
            What comes out instead, for the message.

        Raises
        ------
        OptionError
            A gate above 0.
        """
        check("gate", self.gate, self.gate == 0, f"none: {what} are no probabilities")


@dataclass(frozen=True)
class ShardOptions(ProcessOptions):
    """How a catalogue is written in shards into a folder, by one process or several.

    Parameters
    ----------
    galaxies_per_shard : int
        Images of a shard, which is what an interruption may cost.
    devices, num_nodes, strategy, accelerator
        As of `ProcessOptions`.

    Raises
    ------
    OptionError
        An option outside its range.
    """

    galaxies_per_shard: int = 10_000

    def __post_init__(self) -> None:
        super().__post_init__()
        n = self.galaxies_per_shard
        check("galaxies_per_shard", n, n >= 1, "at least 1")


@dataclass(frozen=True)
class TableOptions:
    """A table of the galaxies whose columns are carried into a catalogue of predictions.

    Parameters
    ----------
    table : str, optional
        CSV, Parquet, FITS, VOTable or ECSV: its columns come before those that are predicted, with
        their types, and with units and descriptions where OUT can hold them. Galaxies without an
        image are left out; of those that are not in it, its columns are empty.
    id_column : str, optional
        Its column of image names; found as train finds that of labels, by default.

    Raises
    ------
    OptionError
        A column of ids without a table.
    """

    table: str | None = None
    id_column: str | None = None

    def __post_init__(self) -> None:
        alone = self.table is None and self.id_column is not None
        check("id_column", self.id_column, not alone, "together with --table TABLE")


@dataclass(frozen=True)
class CatalogueOptions:
    """What a catalogue says of each galaxy.

    Parameters
    ----------
    columns : {"cumulative", "conditional", "reach", "uncertainty"}
        What to write of each answer, or (reach) of each question; ``_conditional`` and ``_reach``
        are a suffix in the names of their columns. Conditional probabilities of a question that is
        not reached are NaN. Uncertainty: see
        `gz2tree.catalogues.uncertainty.uncertainty_columns`.
    flags : tuple of str
        ``ANSWER=THRESHOLD``, as in ``merger=0.4``: a boolean column for each, set by the cumulative
        probability after the gate, whatever `columns` says. How many galaxies have it is logged.
    level : float, in (0, 1)
        Probability within the intervals that ``columns="uncertainty"`` writes.
    atypical : bool
        A column ``atypical`` besides: how unlike the training galaxies an image is, see
        `gz2tree.networks.typicality`; above 1 it is more so than 99 of 100 galaxies like those.
        Of several models the mean. A warning is logged if more galaxies are than chance has it.
    table : TableOptions
        A table of the galaxies whose columns are carried; see `gz2tree.tables.usertable`.
    model_names : str
        How the models are called, for the provenance.

    Raises
    ------
    OptionError
        Other columns, or a level that is no probability.
    """

    columns: Columns = "cumulative"
    flags: tuple[str, ...] = ()
    level: float = 0.8
    atypical: bool = False
    table: TableOptions = TableOptions()
    model_names: str = ""

    def __post_init__(self) -> None:
        check_choice("columns", self.columns, Columns)
        check("level", self.level, 0 < self.level < 1, "a probability between 0 and 1")


def which_columns(wanted: Sequence[MoreColumns]) -> tuple[Columns, bool]:
    """Tell what to write of each answer, and whether to say how atypical galaxies are.

    Parameters
    ----------
    wanted : sequence of str
        As ``--columns`` has them.

    Returns
    -------
    columns : str
    atypical : bool

    Raises
    ------
    OptionError
        More than one beside ``atypical``.
    """
    columns: list[Columns] = [each for each in wanted if each != "atypical"]
    if len(columns) > 1:
        raise OptionError(
            f"columns: expected one of {', '.join(get_args(Columns))}, and atypical if wanted, "
            f"found {' '.join(wanted)}"
        )
    return (columns or ["cumulative"])[0], "atypical" in wanted
