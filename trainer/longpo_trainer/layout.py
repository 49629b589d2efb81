"""The packed row ``[prompt | chosen | rejected | pad]``: token ids, positions, and who predicts what. Pure.

Both answer branches continue the same prompt, so both start at position ``len(prompt)`` and the prompt is computed
once. What the row has to predict is kept as a list of predictions (position, target, weights) instead of one target
per position, because the last prompt token predicts two tokens: the first of each branch.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

CHOSEN, REJECTED, NLL = 0, 1, 2
"""Columns of ``PackedRow.weights``."""


@dataclass(frozen=True)
class Branch:
    """One dialogue after the prompt. ``written`` marks what the model wrote: its answers with their end of turn."""

    ids: Tensor
    written: Tensor

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class PackedRow:
    """A row, or one rank's slice of it; ``branches`` always describes the whole row."""

    input_ids: Tensor
    position_ids: Tensor
    branches: tuple[int, int, int]
    """Lengths of prompt, chosen and rejected."""
    positions: Tensor
    """Of each prediction: the index in ``input_ids`` of the token that predicts."""
    targets: Tensor
    weights: Tensor
    """Of each prediction, one column each for the chosen sum, the rejected sum and the NLL sum."""

    @property
    def nll_tokens(self) -> int:
        """Every token of prompt and chosen branch is predicted, except the first."""
        prompt, chosen, _ = self.branches
        return prompt + chosen - 1

    def shard(self, rank: int, degree: int) -> PackedRow:
        """The contiguous slice of one sequence-parallel rank, with the predictions its positions make."""
        length = len(self.input_ids) // degree
        start = rank * length
        mine = (self.positions >= start) & (self.positions < start + length)
        return PackedRow(
            input_ids=self.input_ids[start : start + length],
            position_ids=self.position_ids[start : start + length],
            branches=self.branches,
            positions=self.positions[mine] - start,
            targets=self.targets[mine],
            weights=self.weights[mine],
        )

    def to(self, device: torch.device) -> PackedRow:
        """The same row on a device."""
        return PackedRow(
            input_ids=self.input_ids.to(device),
            position_ids=self.position_ids.to(device),
            branches=self.branches,
            positions=self.positions.to(device),
            targets=self.targets.to(device),
            weights=self.weights.to(device),
        )

    def answers_only(self) -> PackedRow:
        """The same row without its NLL predictions: a reference needs the answers, and the head is the dear part."""
        weights = self.weights.clone()
        weights[:, NLL] = 0
        kept = weights.any(dim=1)
        return PackedRow(
            input_ids=self.input_ids,
            position_ids=self.position_ids,
            branches=self.branches,
            positions=self.positions[kept],
            targets=self.targets[kept],
            weights=weights[kept],
        )


def pack(prompt: Tensor, chosen: Branch, rejected: Branch, degree: int = 1) -> PackedRow:
    """Packs one example and pads it to a multiple of the sequence-parallel degree; pads predict nothing."""
    p, c, r = len(prompt), len(chosen), len(rejected)
    ids = torch.cat((prompt, chosen.ids, rejected.ids))
    positions = torch.cat((torch.arange(p + c), torch.arange(p, p + r)))
    pad = -len(ids) % degree
    trunk, branch = _trunk_predictions(ids, chosen, p), _rejected_predictions(rejected, p, c)
    return PackedRow(
        input_ids=torch.cat((ids, ids.new_zeros(pad))),
        position_ids=torch.cat((positions, positions.new_zeros(pad))),
        branches=(p, c, r),
        positions=torch.cat((trunk[0], branch[0])),
        targets=torch.cat((trunk[1], branch[1])),
        weights=torch.cat((trunk[2], branch[2])),
    )


def _trunk_predictions(ids: Tensor, chosen: Branch, p: int) -> tuple[Tensor, Tensor, Tensor]:
    """Prompt and chosen branch: each token predicts the next."""
    last = p + len(chosen) - 1
    weights = torch.zeros(last, 3)
    weights[:, NLL] = 1
    weights[p - 1 :, CHOSEN] = chosen.written.float()
    return torch.arange(last), ids[1 : last + 1], weights


def _rejected_predictions(rejected: Branch, p: int, c: int) -> tuple[Tensor, Tensor, Tensor]:
    """Rejected branch: its first token is predicted by the last prompt token. Only its answers weigh anything."""
    positions = torch.cat((torch.tensor([p - 1]), torch.arange(p + c, p + c + len(rejected) - 1)))
    weights = torch.zeros(len(rejected), 3)
    weights[:, REJECTED] = 1
    written = rejected.written
    return positions[written], rejected.ids[written], weights[written]
