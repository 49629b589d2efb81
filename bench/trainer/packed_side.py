"""Our side: the packed row, with the reference on the short chunk (longpo) or on the long prompt (dpo).

Usage: python packed_side.py MODEL PROMPT ANSWER METHOD PORT. One process, f32. A round is the reference phase and the
optimizer step of one pair: the trainer runs the phase before all steps, and it costs the same there.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path

import workload  # isort: skip  (finds the trainer)

import torch
from longpo_trainer.activations import Activations
from longpo_trainer.architecture import read_config
from longpo_trainer.layout import NLL, PackedRow, pack
from longpo_trainer.loss import longpo_loss
from longpo_trainer.micro_step import row_sums
from longpo_trainer.model import Policy, load_policy
from longpo_trainer.optimizer import build_optimizer, clip_to_norm, set_learning_rate
from longpo_trainer.process_group import World, joined_world
from rounds import run_rounds
from torch import Tensor


@dataclass
class PackedSteps:
    """The trainer's parts in the order of its loop."""

    policy: Policy
    world: World
    row: PackedRow
    reference_row: PackedRow
    nll_weight: float
    optimizer: torch.optim.Optimizer
    reference: Tensor = field(default_factory=lambda: torch.zeros(2))

    def score(self) -> None:
        """One row of the reference phase."""
        with torch.no_grad():
            self.reference = row_sums(self.policy, self.reference_row, self.world)[:NLL]
        self.policy.reshard()

    def step(self) -> None:
        sums = row_sums(self.policy, self.row, self.world)
        loss, _ = longpo_loss(
            sums, self.row.nll_tokens, self.reference, workload.BETA, workload.LAMBDA, self.nll_weight
        )
        loss.backward()
        clip_to_norm(self.policy.parameters(), workload.MAX_NORM)
        self.optimizer.step()
        self.optimizer.zero_grad()


def packed_steps(folder: Path, pair: workload.Pair, method: str, world: World) -> PackedSteps:
    """Plain DPO has no NLL term, so its row predicts the answers only."""
    chosen, rejected = workload.branch(pair.chosen), workload.branch(pair.rejected)
    row = pack(pair.prompt, chosen, rejected, world.sequence_parallel)
    short = pack(pair.chunk, chosen, rejected, world.sequence_parallel).without_nll()
    is_dpo = method == "dpo"
    policy = load_policy(folder, read_config(folder), "f32", Activations(), world)
    optimizer = build_optimizer(policy, "rmsprop", 0.0)
    set_learning_rate(optimizer, workload.LEARNING_RATE)
    return PackedSteps(
        policy=policy,
        world=world,
        row=row.without_nll() if is_dpo else row,
        reference_row=row.without_nll() if is_dpo else short,
        nll_weight=0.0 if is_dpo else 1.0,
        optimizer=optimizer,
    )


def main(model: str, prompt: str, answer: str, method: str, port: str) -> None:
    workload.be_only_rank(int(port))
    with joined_world(1, 1) as world:
        steps = packed_steps(Path(model), workload.random_pair(int(prompt), int(answer)), method, world)
        run_rounds({"reference": steps.score, "step": steps.step})


if __name__ == "__main__":
    main(*sys.argv[1:])
