"""The objective on one row: with its gradient in training, without it on rows that are held out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from .config import TrainConfig
from .data import PreferenceFile
from .flops import ModelShape, model_flops, model_shape
from .layout import PackedRow
from .loss import METRICS, longpo_loss
from .model import Policy
from .process_group import World
from .reference_cache import ReferenceSums
from .tokens import Encoder
from .ulysses import sequence_sum

COUNTED = (*METRICS, "tokens", "flops")
"""Names of what a micro-step gives; see flops.model_flops for the last."""


@dataclass(frozen=True)
class MicroStep:
    """One preference file with its reference sums, and the policy that is trained or measured on it.

    Every rank of a sequence group calls it with the same row, and all ranks make the same number of calls: the
    weights are gathered in each.
    """

    config: TrainConfig
    world: World
    policy: Policy
    encoder: Encoder
    rows: PreferenceFile
    reference: ReferenceSums | None
    """Of ``rows``; None for sft, which has no reference."""

    def train(self, index: int, weight: float) -> Tensor:
        """Adds ``weight`` times the row's gradient; gives COUNTED, all zero where the weight is.

        Reduced at once: gradients that wait are not sharded.
        """
        loss, counted = self._objective(index)
        (loss * weight).backward()
        return counted if weight else torch.zeros_like(counted)

    @torch.no_grad()
    def measure(self, index: int) -> Tensor:
        """COUNTED of a row, without a gradient; the weights are given up after it, as a backward pass would."""
        _, counted = self._objective(index)
        self.policy.reshard()
        return counted

    def _objective(self, index: int) -> tuple[Tensor, Tensor]:
        config = self.config
        example = self.encoder.policy_example(self.rows[index])
        per_turn = config.multi_turn_loss == "perTurn"
        row = example.packed(self.world.sequence_parallel, per_turn)
        if config.method == "sft":
            row = row.with_nll_of_answers()
        loss, metrics = longpo_loss(
            row_sums(self.policy, row, self.world),
            row.nll_tokens,
            self._reference(index, per_turn),
            config.beta,
            config.lambda_,
            config.nll_weight,
        )
        flops = model_flops(self._shape, row.branches, len(row.positions))
        return loss, torch.cat((metrics.double(), metrics.new_tensor([example.tokens, flops], dtype=torch.float64)))

    @cached_property
    def _shape(self) -> ModelShape:
        return model_shape(self.policy.causal_lm)

    def _reference(self, index: int, per_turn: bool) -> Tensor | None:
        """[terms, 2] of a row: the joint log-prob of all turns is one sum."""
        if self.reference is None:
            return None
        sums = self.reference.of(index)
        return (sums if per_turn else sums.sum(dim=0)).to(self.world.device, torch.float32)


def row_sums(policy: Policy, row: PackedRow, world: World) -> Tensor:
    """Log-prob sums of a whole row, in the columns of its weights; the same on every rank of the sequence group."""
    shard = row.shard(world.sequence_rank, world.sequence_parallel).to(world.device)
    return sequence_sum(policy(shard, world.sequence_group), world.sequence_group)
