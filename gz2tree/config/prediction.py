"""How predictions are made, and what becomes of them: one catalogue, or one in shards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gz2tree.config.choices import Precision, check, check_choice, check_workers
from gz2tree.config.processes import ProcessOptions


@dataclass(frozen=True)
class PredictOptions:
    """How predictions are made.

    Parameters
    ----------
    views : {1, 8, 16}
        Orientations of each image to average over.
    gate : float, in [0, 1]
        Answers below this cumulative probability become exactly 0, with all that follows.
    batch_size : int
    workers : int, optional
        Processes that decode images; as many as there are cores by default.
    precision : {"auto", "32", "bf16", "16"}
        Of the backbone; probabilities are always float32.
    device : str, optional
        A GPU if there is one, by default.

    Raises
    ------
    OptionError
        An option outside its range.
    """

    views: Literal[1, 8, 16] = 1
    gate: float = 0.0
    batch_size: int = 64
    workers: int | None = None
    precision: Precision = "auto"
    device: str | None = None

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
