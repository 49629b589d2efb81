"""How the benchmark runs two sides in turn: each is a process that computes once for every line it is given.

A side waits while the other computes, so that what else the machine does falls on both, and each has a peak memory of
its own. An answer is one line of JSON on stdout; whatever libraries print goes to stderr.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator


class Rounds:
    """The clock of one side."""

    def __init__(self) -> None:
        self._answers = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)

    def ready(self, **facts: object) -> None:
        """Tells that everything is loaded."""
        self._answer(facts)

    def __iter__(self) -> Iterator[int]:
        """One number for every line that comes, from 0."""
        for number, _ in enumerate(sys.stdin):
            yield number

    def answer(self, seconds: dict[str, float], cpu_seconds: float, **facts: object) -> None:
        """Wall seconds of each part of a round, and the CPU seconds of all of it."""
        self._answer({"seconds": seconds, "cpuSeconds": cpu_seconds, "peakBytes": peak_bytes(), **facts})

    def _answer(self, content: dict[str, object]) -> None:
        self._answers.write(json.dumps(content) + "\n")
        self._answers.flush()


def run_rounds(parts: dict[str, Callable[[], None]], **facts: object) -> None:
    """Runs all parts in each round until stdin ends."""
    rounds = Rounds()
    rounds.ready(**facts)
    for _ in rounds:
        cpu = time.process_time()
        seconds = {name: seconds_of(part) for name, part in parts.items()}
        rounds.answer(seconds, time.process_time() - cpu)


def seconds_of(work: Callable[[], object]) -> float:
    started = time.monotonic()
    work()
    return time.monotonic() - started


def peak_bytes() -> int:
    """Highest resident set of this process; Linux counts in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
