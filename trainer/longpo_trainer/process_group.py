"""The ranks of one training: their device, and the mesh of data-parallel groups x sequence-parallel ranks.

Collectives of this file tell the progress that this rank has come and waits; see hang_watch.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh

from .environment import meeting_point, worker_rank, world_size
from .errors import LongPOError
from .hang_watch import HangWatch
from .progress import Progress

T = TypeVar("T")
OnHang = Callable[[LongPOError], None]

TIMEOUT_SECONDS = 1800
GRACE_SECONDS = 30
"""Of a collective's own timeout above that of the hang watch, whose message says more."""


@dataclass(frozen=True)
class World:
    """Neighbouring ranks form a sequence group, so that its all-to-all stays inside a machine where it can."""

    rank: int
    size: int
    device: torch.device
    mesh: DeviceMesh
    """All ranks in one dimension: the weights are sharded over it."""
    data_rank: int
    data_parallel: int
    sequence_rank: int
    sequence_parallel: int
    sequence_group: dist.ProcessGroup | None
    """None when one rank holds the whole row."""
    data_group: dist.ProcessGroup
    timeout_seconds: float = TIMEOUT_SECONDS
    """Of a collective."""
    progress: Progress = field(default_factory=Progress)

    def without_sequence_groups(self) -> World:
        """The same ranks, each a data group of its own: for rows that one rank holds easily."""
        return replace(
            self,
            data_rank=self.rank,
            data_parallel=self.size,
            sequence_rank=0,
            sequence_parallel=1,
            sequence_group=None,
            data_group=dist.group.WORLD,
        )

    def any_rank(self, value: bool) -> bool:
        flag = torch.tensor(int(value), device=self.device)
        with self.progress.meeting():
            dist.all_reduce(flag, op=dist.ReduceOp.MAX)
            return bool(flag)

    def maximum(self, value: float) -> float:
        largest = torch.tensor(value, dtype=torch.float64, device=self.device)
        with self.progress.meeting():
            dist.all_reduce(largest, op=dist.ReduceOp.MAX)
            return largest.item()

    def sum_over_data(self, values: Tensor) -> Tensor:
        dist.all_reduce(values, group=self.data_group)
        return values

    def from_rank_zero(self, produce: Callable[[], T]) -> T:
        """Runs on rank 0 and gives every rank its value, or its LongPOError, so that all go the same way."""
        outcome: list[T | LongPOError | None] = [None]
        if self.rank == 0:
            try:
                outcome[0] = produce()
            except LongPOError as error:
                outcome[0] = error
        packed = [_pack(outcome[0])]
        with self.progress.meeting():
            dist.broadcast_object_list(packed, src=0, device=self.device)
        return _unpack(packed[0])

    def from_every_rank(self, produce: Callable[[], T]) -> list[T]:
        """Runs on every rank and gives all of them all values, or the LongPOError of the lowest rank that has one."""
        try:
            mine = _pack(produce())
        except LongPOError as error:
            mine = _pack(error)
        everything: list[object] = [None] * self.size
        with self.progress.meeting():
            dist.all_gather_object(everything, mine)
        return [_unpack(packed) for packed in everything]


def tell_hang(error: LongPOError) -> None:
    print(f"{error.code}: {error.message}", file=sys.stderr, flush=True)


@contextmanager
def joined_world(
    sequence_parallel: int,
    data_parallel: int,
    timeout_seconds: float = TIMEOUT_SECONDS,
    on_hang: OnHang = tell_hang,
) -> Iterator[World]:
    """Joins the ranks that the launcher started; torch's own env (RANK, MASTER_ADDR, ...) says where they meet.

    ``on_hang`` hears of a rank that others wait for longer than ``timeout_seconds``; then this process ends.
    """
    cuda = torch.cuda.is_available()
    progress = Progress()
    watch = HangWatch(progress, worker_rank(), world_size(), meeting_point(), timeout_seconds, on_hang)
    watch.start()
    try:
        limit = timedelta(seconds=timeout_seconds + GRACE_SECONDS)
        progress.enter("first meeting")
        with progress.meeting():
            dist.init_process_group("cpu:gloo,cuda:nccl" if cuda else "gloo", timeout=limit)
        device = torch.device("cuda", dist.get_node_local_rank(fallback_rank=0)) if cuda else torch.device("cpu")
        if cuda:
            torch.cuda.set_device(device)
        world = _arrange(sequence_parallel, data_parallel, device)
        # A new group begins with torch's own 10 or 30 minutes.
        for group in (world.mesh.get_group(), world.data_group, world.sequence_group):
            if group is not None:
                dist.set_timeout(limit, group)
        yield replace(world, timeout_seconds=timeout_seconds, progress=progress)
    finally:
        watch.stop()
        if dist.is_initialized():
            dist.destroy_process_group()


def _arrange(sequence_parallel: int, data_parallel: int, device: torch.device) -> World:
    rank, size = dist.get_rank(), dist.get_world_size()
    if size != sequence_parallel * data_parallel:
        raise LongPOError(
            2,
            "WORLD_SIZE_MISMATCH",
            f"{size} ranks run, but sequenceParallel {sequence_parallel} x dataParallel {data_parallel} is "
            f"{sequence_parallel * data_parallel}; make pods x processesPerPod equal to that product.",
        )
    grid = init_device_mesh(device.type, (data_parallel, sequence_parallel), mesh_dim_names=("data", "sequence"))
    return World(
        rank=rank,
        size=size,
        device=device,
        mesh=init_device_mesh(device.type, (size,)),
        data_rank=grid.get_local_rank("data"),
        data_parallel=data_parallel,
        sequence_rank=grid.get_local_rank("sequence"),
        sequence_parallel=sequence_parallel,
        sequence_group=grid.get_group("sequence") if sequence_parallel > 1 else None,
        data_group=grid.get_group("data"),
    )


def _pack(outcome: object) -> tuple[str, object]:
    """An error travels as its fields: an exception with three arguments does not survive pickling."""
    if isinstance(outcome, LongPOError):
        return "error", (outcome.exit_code, outcome.code, outcome.message)
    return "value", outcome


def _unpack(packed: tuple[str, object]) -> object:
    kind, content = packed
    if kind == "error":
        raise LongPOError(*content)
    return content
