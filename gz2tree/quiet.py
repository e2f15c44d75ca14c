"""Libraries that talk of what does not concern our users, made quiet for a while."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager


@contextmanager
def quiet(loggers: Sequence[str], level: int, ignored: Sequence[str] = ()) -> Iterator[None]:
    """Without what some loggers say below a level, and without some warnings.

    Parameters
    ----------
    loggers : sequence of str
    level : int
        Of `logging`: what is at least as grave is still said.
    ignored : sequence of str
        Patterns of the messages of warnings.
    """
    known = [logging.getLogger(name) for name in loggers]
    levels = [logger.level for logger in known]
    for logger in known:
        logger.setLevel(level)
    try:
        with warnings.catch_warnings():
            for message in ignored:
                warnings.filterwarnings("ignore", message)
            yield
    finally:
        for logger, before in zip(known, levels, strict=True):
            logger.setLevel(before)
