"""Optimizer steps: micro-steps forward and backward, one update, one line of metrics, now and then a checkpoint."""

from __future__ import annotations

import math
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from .config import TrainConfig
from .data import PreferenceFile
from .errors import LongPOError
from .flops import speed_values
from .held_out import Evaluation
from .loss import METRICS
from .metrics import MetricsLog
from .micro_step import COUNTED, MicroStep
from .model import Policy
from .non_finite import NonFiniteSteps, RowMetrics, finite_only
from .optimizer import clip_to_norm, learning_rate_factor, set_learning_rate
from .process_group import World
from .report import Reporter
from .schedule import Schedule, micro_steps
from .step_checkpoint import StepCheckpoints


@dataclass
class Speed:
    """Tokens and seconds of the steps that this process ran."""

    tokens: int = 0
    seconds: float = 0.0

    @property
    def tokens_per_second(self) -> float:
        return self.tokens / self.seconds if self.seconds else 0.0


@dataclass(frozen=True)
class Loop:
    """Everything a step needs; only weights, optimizer state and files change while it runs."""

    config: TrainConfig
    world: World
    policy: Policy
    optimizer: torch.optim.Optimizer
    rows: PreferenceFile
    micro_step: MicroStep
    evaluation: Evaluation
    schedule: Schedule
    checkpoints: StepCheckpoints
    non_finite: NonFiniteSteps
    log: MetricsLog | None
    """Of rank 0."""
    reporter: Reporter
    stop: Callable[[], bool]

    def run(self, done: int, metrics: dict[str, float]) -> tuple[dict[str, float], Speed]:
        """Runs from ``done`` steps to the last and gives the metrics of the last step that trained."""
        speed = Speed()
        self._evaluate(done, metrics)
        for step in range(done, self.schedule.steps):
            self.world.progress.enter(f"step {step + 1}")
            values = self._step(step, metrics)
            speed.tokens += int(values["tokens"])
            speed.seconds += values["seconds"]
            metrics = {**metrics, **values}
            last = step + 1 == self.schedule.steps
            if last or (step + 1) % self.config.logging_steps == 0:
                self._write(step + 1, values, speed)
            if last or (step + 1) % self.config.save_steps == 0:
                self._save(step + 1, metrics)
            self._evaluate(step + 1, metrics)
        # An export needs no step checkpoint: that the last one failed is no reason to lose the run.
        self.checkpoints.wait(give_up=False)
        if "loss" not in metrics:
            raise LongPOError(70, "NON_FINITE_LOSS", "every step was left out: no loss is finite; see non-finite/.")
        return metrics, speed

    def _step(self, step: int, before: dict[str, float]) -> dict[str, float]:
        started = time.monotonic()
        self.policy.traffic.take()  # of an evaluation before it
        rows = self.schedule.rows_of(step)
        sums, mine = self._gradient(step, rows, before)
        means = dict(zip(COUNTED, (self.world.sum_over_data(sums) / len(rows)).tolist(), strict=True))
        norm = clip_to_norm(self.policy.parameters(), self.config.max_grad_norm)
        rate = self._learning_rate(step)
        tokens, flops = (round(means.pop(name) * len(rows)) for name in ("tokens", "flops"))
        values = {**means, "grad_norm": norm, "learning_rate": rate, "tokens": tokens}
        left_out = self.world.any_rank(not (math.isfinite(means["loss"]) and math.isfinite(norm)))
        if left_out:
            self.non_finite.leave_out(step + 1, values, mine)
            values = finite_only(values)
        else:
            self.non_finite.finite()
            set_learning_rate(self.optimizer, rate)
            self.optimizer.step()
        self.optimizer.zero_grad()
        seconds = time.monotonic() - started
        return {
            **values,
            "skipped_steps": before.get("skipped_steps", 0) + left_out,
            "tokens_per_second": tokens / seconds,
            **speed_values(flops, seconds, self.world.size, self.config.dtype, self.world.device),
            "seconds": seconds,
            "exchange/bytes": self.world.maximum(self.policy.traffic.take()),
            "peak_memory_bytes": self.world.maximum(peak_memory_bytes(self.world.device)),
        }

    def _gradient(self, step: int, rows: list[int], before: dict[str, float]) -> tuple[Tensor, RowMetrics]:
        """Of the rows that are this rank's: the sums of COUNTED, and COUNTED of each."""
        sums = torch.zeros(len(COUNTED), dtype=torch.float64, device=self.world.device)
        mine: dict[int, Tensor] = {}
        for turn in micro_steps(rows, self.world.data_rank, self.world.data_parallel):
            if self.world.any_rank(self.stop()):
                self._preempt(step, before)
            counted = self.micro_step.train(turn.row, turn.weight)
            sums += counted
            if turn.weight:
                mine[turn.row] = counted
        return sums, {row: dict(zip(COUNTED, counted.tolist(), strict=True)) for row, counted in mine.items()}

    def _save(self, step: int, metrics: dict[str, float]) -> None:
        """Refuses weights that the update itself has broken: every resume would begin with them."""
        shards = [parameter.detach().to_local() for parameter in self.policy.parameters()]
        if self.world.any_rank(not all(shard.isfinite().all() for shard in shards)):
            raise LongPOError(
                70,
                "NON_FINITE_WEIGHTS",
                f"after step {step} the weights are not finite, so they are not saved: lower learningRate; "
                f"started again, the run goes on after step {self.checkpoints.saved}.",
            )
        self.checkpoints.save(step, metrics, self.policy, self.optimizer)

    def _evaluate(self, step: int, metrics: dict[str, float]) -> None:
        """Of the finished step, on the held-out rows."""
        if not self.evaluation.after(step):
            self._preempt(step, metrics)

    def _learning_rate(self, step: int) -> float:
        factor = learning_rate_factor(
            step, self.schedule.steps, self.config.warmup_ratio, self.config.lr_scheduler_type
        )
        return self.config.learning_rate * factor

    def _preempt(self, step: int, metrics: dict[str, float]) -> None:
        """Gives up the unfinished step; the weights are still those of the last finished one."""
        self.checkpoints.wait(give_up=False)
        if step > self.checkpoints.saved:
            self.optimizer.zero_grad()
            self._save(step, metrics)
            self.checkpoints.wait(give_up=False)
        raise LongPOError(
            75,
            "PREEMPTED",
            f"stopped after step {step} of {self.schedule.steps}; the run goes on after step {self.checkpoints.saved}.",
        )

    def _write(self, step: int, metrics: dict[str, float], speed: Speed) -> None:
        if self.log is None:
            return
        self.log.write(step, {**metrics, **self.checkpoints.figures()})
        self.reporter.progress(
            "train",
            step,
            self.schedule.steps,
            "steps",
            tokens_per_second=speed.tokens_per_second,
            eta_seconds=metrics["seconds"] * (self.schedule.steps - step),
            metrics={name: metrics[name] for name in (*METRICS, "grad_norm", "learning_rate") if name in metrics}
            | self.evaluation.progress(),
        )


def peak_memory_bytes(device: torch.device) -> int:
    """Of this rank: of the card on a GPU, of the process else (Linux counts in KiB)."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
