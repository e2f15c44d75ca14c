"""How several processes share a job."""

from __future__ import annotations

from dataclasses import dataclass

from gz2tree.config.choices import Accelerator, check, check_choice


@dataclass(frozen=True, kw_only=True)  # what extends it has options of its own before these
class ProcessOptions:
    """How several processes share a job.

    Parameters
    ----------
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

    devices: int = 1
    num_nodes: int = 1
    strategy: str = "auto"
    accelerator: Accelerator = "auto"

    def __post_init__(self) -> None:
        for name in ("devices", "num_nodes"):
            check(name, getattr(self, name), getattr(self, name) >= 1, "at least 1")
        check_choice("accelerator", self.accelerator, Accelerator)

    @property
    def n_processes(self) -> int:
        """How many processes there are, on all nodes."""
        return self.devices * self.num_nodes
