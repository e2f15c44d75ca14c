"""Ctrl-C in a training: the step is finished and a checkpoint written before it ends."""

from __future__ import annotations

import logging
import signal
import threading
from types import FrameType
from typing import Any

import lightning as L

from gz2tree.runs.callbacks import RunKeeper

_log = logging.getLogger("gz2tree")


class StopAfterStep(L.Callback):
    """Let a first Ctrl-C, or SIGTERM, end the training after a step; a second ends it at once.

    Within a step the weights may be half those before it and half those after it, from which no
    run could be resumed exactly. Signals for which the process has a handler of its own are left
    to it, as is SIGTERM where it ends Python; on the command line it is as Ctrl-C.

    Parameters
    ----------
    keeper : RunKeeper
        It writes a checkpoint and raises the KeyboardInterrupt.
    """

    def __init__(self, keeper: RunKeeper) -> None:
        self.keeper = keeper
        # Asked now: Lightning puts a handler of its own before that of SIGTERM.
        main = threading.current_thread() is threading.main_thread()
        self._signals = [
            number
            for number in (signal.SIGINT, signal.SIGTERM)
            if main and signal.getsignal(number) is signal.default_int_handler
        ]
        self._before: dict[int, Any] = {}

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Take the signals over."""
        self._before = {number: signal.signal(number, self._stop) for number in self._signals}

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Give them back."""
        self._give_back()

    def on_exception(self, trainer: L.Trainer, pl_module: Any, exception: BaseException) -> None:
        """Give them back."""
        self._give_back()

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self._give_back()
        self.keeper.stop_asked = True
        _log.info("a checkpoint is written after this step; Ctrl-C again stops at once")

    def _give_back(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}
