"""Where this rank is: the phase it works in, and whether it waits for the others there. Pure, but for a lock.

A lane is a thread of work: training, or the write of a checkpoint beside it. The hang watch (hang_watch) publishes
these places, and from them says which rank the others wait for.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

TRAINING = "training"


@dataclass
class Place:
    phase: str
    moves: int = 0
    """Grows with every step of the work; a number that stands still is what a hang looks like."""
    waits: bool = False
    """In a collective, for the other ranks."""


class Progress:
    def __init__(self) -> None:
        self._places = {TRAINING: Place("start")}
        self._lock = threading.Lock()

    def enter(self, phase: str, lane: str = TRAINING) -> None:
        with self._lock:
            place = self._places.setdefault(lane, Place(phase))
            place.phase = phase
            place.moves += 1

    def leave(self, lane: str) -> None:
        with self._lock:
            del self._places[lane]

    def moved(self, lane: str = TRAINING) -> None:
        with self._lock:
            self._places[lane].moves += 1

    @contextmanager
    def meeting(self, lane: str = TRAINING) -> Iterator[None]:
        """Around a collective: this rank has come, and waits for those that have not."""
        self._wait(lane, True)
        try:
            yield
        finally:
            self._wait(lane, False)

    def places(self) -> dict[str, dict[str, object]]:
        with self._lock:
            return {lane: asdict(place) for lane, place in self._places.items()}

    def _wait(self, lane: str, waits: bool) -> None:
        with self._lock:
            place = self._places[lane]
            place.waits = waits
            place.moves += 1
