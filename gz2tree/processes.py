"""Several processes, on one machine or many, as Lightning launches them."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal, TypeVar

import torch

from gz2tree.config import ProcessOptions
from gz2tree.config.choices import Accelerator
from gz2tree.errors import InputError
from gz2tree.quiet import quiet

Result = TypeVar("Result")

_LIGHTNING = ("lightning.fabric", "lightning.pytorch")  # they tell what they launch


def choose_accelerator(asked: Accelerator) -> Literal["cpu", "gpu"]:
    """Resolve ``"auto"``: GPUs where there are any."""
    if asked != "auto":
        return asked
    return "gpu" if torch.cuda.is_available() else "cpu"


@contextmanager
def launch_errors_named() -> Iterator[None]:
    """Turn what Lightning refuses of devices, nodes and strategy into an InputError."""
    from lightning.fabric.utilities.exceptions import MisconfigurationException

    try:
        yield
    except InputError:
        raise
    except (ValueError, MisconfigurationException) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"accelerator, devices, num_nodes, strategy: {reason}") from error


class Processes:
    """One of the processes that share a job: Lightning's Fabric, and what it leaves to do.

    Parameters
    ----------
    options : ProcessOptions

    Attributes
    ----------
    rank : int
        Which of the processes this is.
    n : int
        How many there are.
    per_node : int
        How many there are on each node.
    device : torch.device
        This process's.

    Raises
    ------
    InputError
        What Lightning refuses, or another number of processes than were launched.

    Notes
    -----
    Without a launcher (torchrun, srun) Lightning starts the other processes of this node itself:
    each runs this program's command from its beginning to this same place.
    """

    def __init__(self, options: ProcessOptions) -> None:
        from lightning.fabric import Fabric

        with launch_errors_named(), quiet(_LIGHTNING, logging.WARNING):
            self._fabric = Fabric(
                accelerator=choose_accelerator(options.accelerator),
                devices=options.devices,
                num_nodes=options.num_nodes,
                strategy=options.strategy,
            )
            self._fabric.launch()
        self.rank, self.n = self._fabric.global_rank, self._fabric.world_size
        launched = int(os.environ.get("WORLD_SIZE", self.n))
        if launched != self.n:  # each would do all of the work
            raise InputError(
                f"devices, num_nodes: expected {launched} processes, as were launched, found "
                f"{self.n}"
            )
        self.per_node = max(1, self.n // options.num_nodes)
        self.device = self._fabric.device

    def first(self, work: Callable[[], Result]) -> Result:
        """Let the first process do something; its result, or refusal, is that of all.

        Raises
        ------
        InputError
            What the first process refuses. The others leave in silence: one tells it.
        """
        result: Result | None = None
        refusal: InputError | OSError | None = None
        if self.rank == 0:
            try:
                result = work()
            except (InputError, OSError) as error:
                refusal = error
        result, refusal = self._fabric.broadcast((result, refusal))
        if refusal is not None:
            raise refusal if self.rank == 0 else SystemExit(0)
        return result  # type: ignore[return-value]

    def wait_for_launched(self) -> None:
        """Return when the processes that Lightning has started from this one have ended.

        No barrier, whose patience ends after half an hour: processes may be hours apart.

        Raises
        ------
        InputError
            One of them failed.
        """
        launcher = self._fabric.strategy.launcher
        for process in getattr(launcher, "procs", ()):
            if process.wait():
                raise InputError(
                    f"a process ended with code {process.returncode}; the same command goes on "
                    "where it stopped"
                )
