"""Ends a gang in which a rank hangs, with a message that names the rank and the phase, instead of waiting for ever.

Every rank sends a beat with its places (progress) to the store where the ranks met, and reads those of the others.
A rank whose beat has stopped is frozen, or its node is gone; one that beats but has not come to a collective where
others wait is stuck in its own work. Neither depends on the backend: NCCL and gloo hang alike.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from torch.distributed import PrefixStore, Store, TCPStore

from .errors import FAILED, LongPOError
from .progress import TRAINING, Progress

PERIOD_SECONDS = 5.0


@dataclass
class Seen:
    """What this rank knows of another one; moments are its own monotonic clock's."""

    beat: dict | None = None
    """None before the first."""
    beat_at: float = 0.0
    moved_at: dict[str, float] = field(default_factory=dict)
    """By lane: when its moves last changed."""

    def take(self, beat: dict, now: float) -> None:
        if self.beat is None or beat["number"] != self.beat["number"]:
            self.beat_at = now
        before = self.beat["places"] if self.beat else {}
        for lane, place in beat["places"].items():
            if before.get(lane, {}).get("moves") != place["moves"]:
                self.moved_at[lane] = now
        self.beat = beat

    @property
    def phases(self) -> str:
        return " and ".join(place["phase"] for place in self.beat["places"].values()) if self.beat else "start"


@dataclass(frozen=True)
class Hang:
    ranks: list[int]
    message: str


def find_hang(seen: list[Seen], now: float, limit: float) -> Hang | None:
    """The ranks that the others wait for, once one was silent, or waited for, longer than ``limit`` seconds."""
    present = [(rank, other) for rank, other in enumerate(seen) if not (other.beat and other.beat["left"])]
    silent = [rank for rank, other in present if now - other.beat_at > limit]
    if len(silent) == len(seen):
        return Hang([], f"the place where the ranks meet, in the pod of rank 0, has not answered for {limit:g} s")
    if silent:
        what = "sent no sign of life" if seen[silent[0]].beat else "never came"
        return Hang(silent, f"{_named(silent, seen)} {what} for {limit:g} s; its process or its node is frozen or gone")
    heard = [(rank, other) for rank, other in present if other.beat]
    lanes = {lane: _still(lane, heard, now, limit) for _, other in heard for lane in other.beat["places"]}
    for still in lanes.values():
        waiting, stuck = ([rank for rank, place in still.items() if place["waits"] is waits] for waits in (True, False))
        if waiting and stuck:
            return Hang(stuck, f"{_named(stuck, seen)} did not come for {limit:g} s, {_named(waiting, seen)} waited")
    for still in lanes.values():
        if len(still) == len(present):
            least = min(place["moves"] for place in still.values())
            last = [rank for rank, place in still.items() if place["moves"] == least]
            return Hang([], f"no rank has moved for {limit:g} s; the furthest behind: {_named(last, seen)}")
    return None


def _still(lane: str, heard: list[tuple[int, Seen]], now: float, limit: float) -> dict[int, dict]:
    """Places of the ranks that have not moved in this lane."""
    return {
        rank: other.beat["places"][lane]
        for rank, other in heard
        if lane in other.beat["places"] and now - other.moved_at[lane] > limit
    }


def _named(ranks: list[int], seen: list[Seen]) -> str:
    return ", ".join(
        f"rank {rank} ({seen[rank].phases}{', host ' + seen[rank].beat['host'] if seen[rank].beat else ''})"
        for rank in ranks
    )


class HangWatch:
    """Two threads of this rank: one beats and reads, the other judges, also while the store does not answer."""

    def __init__(
        self,
        progress: Progress,
        rank: int,
        size: int,
        meeting_point: tuple[str, int],
        limit_seconds: float,
        on_hang: Callable[[LongPOError], None],
    ) -> None:
        self._progress = progress
        self._rank = rank
        self._meeting_point = meeting_point
        self._limit = limit_seconds
        self._period = min(PERIOD_SECONDS, limit_seconds / 10)
        self._on_hang = on_hang
        started = time.monotonic()
        self._seen = [Seen(beat_at=started) for _ in range(size)]
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._beat, self._judge)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Says goodbye, so that a rank that is done is not taken for a frozen one."""
        self._ended.set()
        for thread in self._threads:
            thread.join(timeout=2 * self._period)

    def _beat(self) -> None:
        number = 0
        try:
            store = self._store()
            # The first beat at once: a rank that freezes within its first period has come all the same.
            while True:
                number += 1
                self._send(store, number)
                self._read(store)
                if self._ended.wait(self._period):
                    break
            self._send(store, number + 1)
        except RuntimeError:
            # Its host is gone. Where the others notice in a collective they say so; else silence is what is judged.
            return

    def _store(self) -> Store:
        """A connection of its own: the process group holds its own one while it waits for a key."""
        host, port = self._meeting_point
        limit = timedelta(seconds=self._limit)
        return PrefixStore("hang-watch", TCPStore(host, port, None, False, limit, wait_for_workers=False))

    def _send(self, store: Store, number: int) -> None:
        beat = {
            "number": number,
            "places": self._progress.places(),
            "left": self._ended.is_set(),
            "host": socket.gethostname(),
            "process": os.getpid(),
            "launcher": os.getppid(),
        }
        store.set(str(self._rank), json.dumps(beat))

    def _read(self, store: Store) -> None:
        known = [rank for rank, other in enumerate(self._seen) if other.beat or store.check([str(rank)])]
        beats = store.multi_get([str(rank) for rank in known])
        now = time.monotonic()
        for rank, beat in zip(known, beats, strict=True):
            self._seen[rank].take(json.loads(beat), now)

    def _judge(self) -> None:
        """Judges twice: a process that was frozen itself must hear of the others first."""
        suspected = False
        while not self._ended.wait(self._period):
            hang = find_hang(self._seen, time.monotonic(), self._limit)
            if hang is not None and suspected and not self._ended.is_set():
                self._end(hang)
                return
            suspected = hang is not None

    def _end(self, hang: Hang) -> None:
        """Tells, then ends this process: a thread cannot raise in the one that waits in a collective.

        Frozen ranks do not hear the launcher's SIGTERM, so those of this pod are killed here.
        """
        phase = self._progress.places()[TRAINING]["phase"]
        self._on_hang(
            LongPOError(
                FAILED,
                "RANK_HUNG",
                f"{hang.message} (seen by rank {self._rank} in {phase}). Look at that node; where the work itself "
                "takes so long, raise ddpTimeout. Started again, the run goes on from its newest step checkpoint.",
            )
        )
        own = self._seen[self._rank].beat
        for other in (self._seen[rank].beat for rank in hang.ranks if rank != self._rank):
            if own and other and (own["host"], own["launcher"]) == (other["host"], other["launcher"]):
                os.kill(other["process"], signal.SIGKILL)
        os._exit(FAILED)
