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
from .layout import pack
from .loss import METRICS, longpo_loss
from .metrics import MetricsLog
from .model import Policy
from .optimizer import clip_to_norm, learning_rate_factor, set_learning_rate
from .process_group import World
from .report import Reporter
from .schedule import Schedule, Turn, micro_steps
from .step_checkpoint import StepCheckpoints
from .tokens import Encoder
from .ulysses import sequence_sum


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
    encoder: Encoder
    reference: Tensor
    schedule: Schedule
    checkpoints: StepCheckpoints
    log: MetricsLog | None
    """Of rank 0."""
    reporter: Reporter
    stop: Callable[[], bool]

    def run(self, done: int, metrics: dict[str, float]) -> tuple[dict[str, float], Speed]:
        """Runs from ``done`` steps to the last and gives the metrics of the last step."""
        speed, saved = Speed(), done
        for step in range(done, self.schedule.steps):
            values = self._step(step, metrics, saved)
            speed.tokens += int(values["tokens"])
            speed.seconds += values["seconds"]
            metrics = values
            last = step + 1 == self.schedule.steps
            if last or (step + 1) % self.config.logging_steps == 0:
                self._write(step + 1, metrics, speed)
            if last or (step + 1) % self.config.save_steps == 0:
                self.checkpoints.save(step + 1, metrics, self.policy, self.optimizer)
                saved = step + 1
        return metrics, speed

    def _step(self, step: int, before: dict[str, float], saved: int) -> dict[str, float]:
        started = time.monotonic()
        rows = self.schedule.rows_of(step)
        sums = torch.zeros(len(METRICS) + 1, dtype=torch.float64, device=self.world.device)
        for turn in micro_steps(rows, self.world.data_rank, self.world.data_parallel):
            if self.world.any_rank(self.stop()):
                self._preempt(step, before, saved)
            sums += self._micro_step(turn)
        means = dict(zip((*METRICS, "tokens"), (self.world.sum_over_data(sums) / len(rows)).tolist(), strict=True))
        norm = clip_to_norm(self.policy.parameters(), self.config.max_grad_norm)
        if not (math.isfinite(means["loss"]) and math.isfinite(norm)):
            raise LongPOError(
                70,
                "NON_FINITE_LOSS",
                f"step {step + 1}: loss {means['loss']}, gradient norm {norm}, "
                f"rows {sorted(self.rows.line(r) for r in rows)} "
                f"(line numbers of {self.config.rows}); look at these rows, or lower learningRate.",
            )
        rate = self._learning_rate(step)
        set_learning_rate(self.optimizer, rate)
        self.optimizer.step()
        self.optimizer.zero_grad()
        seconds = time.monotonic() - started
        tokens = round(means.pop("tokens") * len(rows))
        return {
            **means,
            "grad_norm": norm,
            "learning_rate": rate,
            "tokens": tokens,
            "tokens_per_second": tokens / seconds,
            "seconds": seconds,
            "peak_memory_bytes": self.world.maximum(peak_memory_bytes(self.world.device)),
        }

    def _micro_step(self, turn: Turn) -> Tensor:
        """Gradient of one row; its metrics and token count. Reduced at once: gradients that wait are not sharded."""
        example = self.encoder.policy_example(self.rows[turn.row])
        row = pack(example.prompt, example.chosen, example.rejected, self.world.sequence_parallel)
        shard = row.shard(self.world.sequence_rank, self.world.sequence_parallel).to(self.world.device)
        sums = sequence_sum(self.policy(shard, self.world.sequence_group), self.world.sequence_group)
        loss, metrics = longpo_loss(
            sums,
            row.nll_tokens,
            self.reference[turn.row].to(sums),
            self.config.beta,
            self.config.lambda_,
        )
        (loss * turn.weight).backward()
        counted = torch.cat((metrics.double(), metrics.new_tensor([example.tokens], dtype=torch.float64)))
        return counted if turn.weight else torch.zeros_like(counted)

    def _learning_rate(self, step: int) -> float:
        factor = learning_rate_factor(
            step, self.schedule.steps, self.config.warmup_ratio, self.config.lr_scheduler_type
        )
        return self.config.learning_rate * factor

    def _preempt(self, step: int, metrics: dict[str, float], saved: int) -> None:
        """Gives up the unfinished step; the weights are still those of the last finished one."""
        if step > saved:
            self.optimizer.zero_grad()
            self.checkpoints.save(step, metrics, self.policy, self.optimizer)
        raise LongPOError(75, "PREEMPTED", f"stopped after step {step} of {self.schedule.steps}, which is saved.")

    def _write(self, step: int, metrics: dict[str, float], speed: Speed) -> None:
        if self.log is None:
            return
        self.log.write(step, metrics)
        self.reporter.progress(
            "train",
            step,
            self.schedule.steps,
            "steps",
            tokens_per_second=speed.tokens_per_second,
            eta_seconds=metrics["seconds"] * (self.schedule.steps - step),
            metrics={name: metrics[name] for name in (*METRICS, "grad_norm", "learning_rate")},
        )


def peak_memory_bytes(device: torch.device) -> int:
    """Of this rank: of the card on a GPU, of the process else (Linux counts in KiB)."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
