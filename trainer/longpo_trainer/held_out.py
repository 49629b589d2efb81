"""Held-out rows: never trained on, measured every so many steps by the same micro-step without its gradient.

They are a share of the rows, drawn by the seed, or a file of their own. An evaluation belongs to a finished step and
is the same however often the run was stopped: one that a stop kept from ending is made when the run goes on.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from .config import TrainConfig
from .data import PreferenceFile
from .errors import CONFIG, LongPOError
from .loss import METRICS
from .metrics import MetricsLog
from .micro_step import COUNTED, MicroStep
from .process_group import World
from .schedule import micro_steps

PREFIX = "eval/"
UNPAIRED = ("loss", "loss/nll", "logps/chosen")
"""What sft measures, which looks at no rejected answer and has no reference."""
DRAW = 1
"""Keeps this draw of the seed apart from the orders of the epochs (schedule.py)."""


def held_out_fraction(config: TrainConfig) -> float:
    """Of the rows; a file of held-out rows leaves all of them to the training."""
    return 0.0 if config.eval_rows is not None else config.eval_fraction


def split_rows(count: int, fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the rows to train on and of those held out, both rising; at least one is held out of a share."""
    if fraction == 0:
        return np.arange(count), np.arange(0)
    size = max(1, round(count * fraction))
    if size >= count:
        raise LongPOError(
            CONFIG,
            "EVAL_LEAVES_NO_ROWS",
            f"evalFraction {fraction} of {count} rows holds out {size} and leaves none to train on; generate more "
            "rows, or give evalRows.",
        )
    order = np.random.default_rng((seed % 2**32, 0, DRAW)).permutation(count)
    return np.sort(order[size:]), np.sort(order[:size])


@dataclass(frozen=True)
class RowSets:
    """What is trained on and what is held out: rows of two files, or of one."""

    trained: PreferenceFile
    trained_rows: np.ndarray
    """Numbers in the file."""
    held_out: PreferenceFile
    held_out_rows: np.ndarray
    """Numbers in its file; may be none."""

    @property
    def reference_folders(self) -> dict[PreferenceFile, str]:
        """Of each file, the folder with the reference sums of all its rows."""
        return {self.held_out: "reference-eval", self.trained: "reference"}


def choose_rows(config: TrainConfig, rows: PreferenceFile, open_rows: Callable[[Path], PreferenceFile]) -> RowSets:
    trained_rows, held_out_rows = split_rows(len(rows), held_out_fraction(config), config.seed)
    if config.eval_rows is None:
        return RowSets(rows, trained_rows, rows, held_out_rows)
    held_out = open_rows(config.eval_rows)
    refuse_shared_rows(rows, held_out)
    return RowSets(rows, trained_rows, held_out, np.arange(len(held_out)))


def refuse_shared_rows(rows: PreferenceFile, held_out: PreferenceFile) -> None:
    """A row in both files would be trained on and then measured as if it were new."""
    _, ours, theirs = np.intersect1d(rows.index.checksums, held_out.index.checksums, return_indices=True)
    for row, twin in zip(ours.tolist(), theirs.tolist(), strict=True):
        if rows.text(row).strip() == held_out.text(twin).strip():
            raise LongPOError(
                CONFIG,
                "EVAL_ROWS_TRAINED",
                f"evalRows: line {held_out.line(twin)} is line {rows.line(row)} of the rows too; take it out of one "
                "of the files, or use evalFraction.",
            )


@dataclass
class Evaluation:
    """Every rank makes the same calls."""

    micro_step: MicroStep
    rows: np.ndarray
    """Numbers in the micro-step's file; may be none."""
    every: int
    """Steps."""
    last: int
    """Step that is always evaluated."""
    log: MetricsLog | None
    """Of rank 0."""
    stop: Callable[[], bool]

    def __post_init__(self) -> None:
        kept = self._world.from_rank_zero(lambda: self.log.newest(f"{PREFIX}loss") if self.log else None)
        self._step, self._values = kept or (0, {})

    def progress(self) -> dict[str, float]:
        """What a report of progress tells of the newest evaluation."""
        names = (f"{PREFIX}loss", f"{PREFIX}rewards/accuracies")
        return {name: self._values[name] for name in names if name in self._values}

    def result(self) -> dict[str, float]:
        """Fields of the train role's result: of the newest evaluation, none without one."""
        names = {"evalLoss": f"{PREFIX}loss", "evalRewardAccuracy": f"{PREFIX}rewards/accuracies"}
        return {
            field: self._values[name]
            for field, name in names.items()
            if math.isfinite(self._values.get(name, math.nan))
        }

    @property
    def _world(self) -> World:
        return self.micro_step.world

    def after(self, step: int) -> bool:
        """Evaluates a finished step where that is due; False where a stop came before the end."""
        due = step > 0 and (step == self.last or step % self.every == 0)
        if not due or len(self.rows) == 0 or step == self._step:
            return True
        self._world.progress.enter(f"evaluation after step {step}")
        values = self._measure()
        if values is None:
            return False
        self._step, self._values = step, values
        if self.log is not None:
            self.log.write(step, values)
        return True

    def _measure(self) -> dict[str, float] | None:
        """Means over the rows, which the data-parallel groups share."""
        world, started = self._world, time.monotonic()
        sums = torch.zeros(len(COUNTED), dtype=torch.float64, device=world.device)
        for turn in micro_steps(self.rows.tolist(), world.data_rank, world.data_parallel):
            if world.any_rank(self.stop()):
                return None
            counted = self.micro_step.measure(turn.row)
            sums += counted if turn.weight else 0
        means = dict(zip(COUNTED, (world.sum_over_data(sums) / len(self.rows)).tolist(), strict=True))
        names = METRICS if self.micro_step.reference is not None else UNPAIRED
        values = {f"{PREFIX}{name}": means[name] for name in names}
        return values | {f"{PREFIX}rows": len(self.rows), f"{PREFIX}seconds": time.monotonic() - started}
