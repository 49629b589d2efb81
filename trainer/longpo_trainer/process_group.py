"""The ranks of one training: their device, and the mesh of data-parallel groups x sequence-parallel ranks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh

from .errors import LongPOError

T = TypeVar("T")


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

    def any_rank(self, value: bool) -> bool:
        flag = torch.tensor(int(value), device=self.device)
        dist.all_reduce(flag, op=dist.ReduceOp.MAX)
        return bool(flag)

    def maximum(self, value: float) -> float:
        largest = torch.tensor(value, dtype=torch.float64, device=self.device)
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
        dist.broadcast_object_list(packed, src=0, device=self.device)
        return _unpack(packed[0])

    def from_every_rank(self, produce: Callable[[], T]) -> list[T]:
        """Runs on every rank and gives all of them all values, or the LongPOError of the lowest rank that has one."""
        try:
            mine = _pack(produce())
        except LongPOError as error:
            mine = _pack(error)
        everything: list[object] = [None] * self.size
        dist.all_gather_object(everything, mine)
        return [_unpack(packed) for packed in everything]


@contextmanager
def joined_world(sequence_parallel: int, data_parallel: int) -> Iterator[World]:
    """Joins the ranks that the launcher started; torch's own env (RANK, MASTER_ADDR, ...) says where they meet."""
    cuda = torch.cuda.is_available()
    dist.init_process_group("cpu:gloo,cuda:nccl" if cuda else "gloo")
    try:
        device = torch.device("cuda", dist.get_node_local_rank(fallback_rank=0)) if cuda else torch.device("cpu")
        if cuda:
            torch.cuda.set_device(device)
        yield _arrange(sequence_parallel, data_parallel, device)
    finally:
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
