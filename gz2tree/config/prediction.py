"""How predictions are made, and what becomes of them: one catalogue, or one in shards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gz2tree.config.choices import Accelerator, Precision, check, check_choice, check_workers


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
        removes answers that people give.
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


@dataclass(frozen=True)
class ShardOptions:
    """How a catalogue is written in shards into a folder, by one process or several.

    Parameters
    ----------
    galaxies_per_shard : int
        Images of a shard, which is what an interruption may cost.
    devices : int
        GPUs, or processes on CPUs, on each node.
    num_nodes : int
        Nodes, that is machines.
    strategy : str
        How the processes work together, as Lightning names it.
    accelerator : {"auto", "cpu", "gpu"}
        GPUs where there are any, by default.

    Raises
    ------
    OptionError
        An option outside its range.
    """

    galaxies_per_shard: int = 10_000
    devices: int = 1
    num_nodes: int = 1
    strategy: str = "auto"
    accelerator: Accelerator = "auto"

    def __post_init__(self) -> None:
        for name in ("galaxies_per_shard", "devices", "num_nodes"):
            check(name, getattr(self, name), getattr(self, name) >= 1, "at least 1")
        check_choice("accelerator", self.accelerator, Accelerator)


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
