"""Which rows each optimizer step trains on: a function of the seed and the counts, so a resume needs only the step."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Schedule:
    """Every epoch has its own order; its last step takes the rows that are left."""

    rows: np.ndarray
    """Numbers of the rows to train on, of those in the file."""
    seed: int
    rows_per_step: int
    epochs: int
    max_steps: int

    @property
    def steps(self) -> int:
        all_epochs = self._steps_per_epoch * self.epochs
        return min(all_epochs, self.max_steps) if self.max_steps else all_epochs

    @property
    def _steps_per_epoch(self) -> int:
        return math.ceil(len(self.rows) / self.rows_per_step)

    def rows_of(self, step: int) -> list[int]:
        """Row numbers of a step, both counted from 0."""
        epoch, within = divmod(step, self._steps_per_epoch)
        order = np.random.default_rng((self.seed % 2**32, epoch)).permutation(self.rows)
        return order[within * self.rows_per_step :][: self.rows_per_step].tolist()


@dataclass(frozen=True)
class Turn:
    """What one data-parallel group runs in a micro-step; a weight of 0 keeps it in step with the others."""

    row: int
    weight: float


def micro_steps(rows: list[int], data_rank: int, data_parallel: int) -> list[Turn]:
    """Deals the rows of a step out to the groups.

    FSDP averages the gradients of the groups. A step's gradient is the mean over its rows, so each row weighs
    groups / rows; a group that has no row left runs the first again with weight 0.
    """
    weight = data_parallel / len(rows)
    dealt = []
    for first in range(0, len(rows), data_parallel):
        mine = first + data_rank
        dealt.append(Turn(rows[mine], weight) if mine < len(rows) else Turn(rows[0], 0.0))
    return dealt
