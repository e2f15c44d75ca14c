"""How contenders in other processes take their turns; needs no package.

A contender prints one line of JSON when it is ready. For every line that it then reads it runs a
round, and prints how many seconds that took.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any


def say(**values: object) -> None:
    """Answer with one line of JSON."""
    print(json.dumps(values), flush=True)


def serve(
    round_: Callable[[], object],
    warm_ups: int = 1,
    after: Callable[[], dict[str, Any]] = dict,
    **about: object,
) -> None:
    """Warm up, say so, and run a round whenever it is our turn; `after` it there is more to say."""
    for _ in range(warm_ups):
        round_()
    say(**about)
    for _ in sys.stdin:
        start = time.perf_counter()
        round_()
        seconds = time.perf_counter() - start
        say(seconds=seconds, **after())


class Turns:
    """A loader of one and the same batch for a Lightning trainer, which waits for its turns.

    It has a length, without which Lightning would ask for a batch in advance: as it is, the next
    batch is asked for when the step of the last one is done.
    """

    def __init__(self, batch: Any, steps: int, warm_ups: int = 1, **about: object) -> None:
        self.batch, self.steps, self.warm_ups, self.about = batch, steps, warm_ups, about

    def __len__(self) -> int:
        return 10**9

    def __iter__(self) -> Iterator[Any]:
        for _ in range(self.warm_ups):
            yield self.batch
        say(**self.about)
        for _ in sys.stdin:
            start = time.perf_counter()
            for _ in range(self.steps):
                yield self.batch
            say(seconds=time.perf_counter() - start)
        sys.exit()
