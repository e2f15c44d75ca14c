"""Worker processes that read images: how many there are, and how they end."""

from __future__ import annotations

import multiprocessing
import os
import threading
from multiprocessing.connection import wait

# Beyond this many processes reading is bound by the disk and by whoever consumes the cutouts.
_MOST_WORKERS = 16


def available_cores() -> int:
    """Count the processor cores that this process may use, which may be fewer than there are."""
    has_affinity = hasattr(os, "sched_getaffinity")
    return len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1


def default_workers(n_batches: int | None = None) -> int:
    """Choose how many processes read: one a core and batch; 0, none but this, if that were one."""
    cores = available_cores()
    workers = min(cores, n_batches or cores, _MOST_WORKERS)
    return workers if workers > 1 else 0


def end_with_parent(worker: int) -> None:
    """Let this worker of a DataLoader end when the process that started it does.

    torch's workers look whether their parent lives, but one whose last batch does not fit into
    the pipe waits for a reader that will never come, and keeps its memory.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_after, args=(parent.sentinel,), daemon=True).start()


def _end_after(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)
