"""The packed row ``[prompt | chosen | rejected | pad]``: token ids, positions, and who predicts what. Pure.

Both answer branches continue the same prompt, so both start at position ``len(prompt)`` and the prompt is computed
once. What the row has to predict is kept as a list of predictions (position, target, weights) instead of one target
per position, because the last prompt token predicts two tokens: the first of each branch.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

CHOSEN, REJECTED, NLL = 0, 1, -1
"""Columns of ``PackedRow.weights``: a pair of them for each preference term, and the NLL as the last."""


@dataclass(frozen=True)
class Branch:
    """One dialogue after the prompt. ``written`` marks what the model wrote: its answers with their end of turn."""

    ids: Tensor
    written: Tensor

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def turns(self) -> Tensor:
        """[tokens] the answer that a token belongs to, or the last one before it: a question stands between any two."""
        before = torch.cat((self.written.new_zeros(1), self.written[:-1]))
        return (self.written & ~before).cumsum(0) - 1


NO_BRANCH = Branch(torch.empty(0, dtype=torch.long), torch.empty(0, dtype=torch.bool))
"""In the place of a rejected branch that a method does not look at."""


@dataclass(frozen=True)
class PackedRow:
    """A row, or one rank's slice of it; ``branches`` and ``nll_tokens`` always describe the whole row."""

    input_ids: Tensor
    position_ids: Tensor
    branches: tuple[int, int, int]
    """Lengths of prompt, chosen and rejected."""
    positions: Tensor
    """Of each prediction: the index in ``input_ids`` of the token that predicts."""
    targets: Tensor
    weights: Tensor
    """[predictions, 2 x terms + 1]: chosen and rejected sum of each preference term, then the NLL sum."""
    nll_tokens: int
    """Predictions that the NLL is the mean of."""

    def shard(self, rank: int, degree: int) -> PackedRow:
        """The contiguous slice of one sequence-parallel rank, with the predictions its positions make."""
        length = len(self.input_ids) // degree
        start = rank * length
        mine = (self.positions >= start) & (self.positions < start + length)
        return replace(
            self,
            input_ids=self.input_ids[start : start + length],
            position_ids=self.position_ids[start : start + length],
            positions=self.positions[mine] - start,
            targets=self.targets[mine],
            weights=self.weights[mine],
        )

    def to(self, device: torch.device) -> PackedRow:
        """The same row on a device."""
        return replace(
            self,
            input_ids=self.input_ids.to(device),
            position_ids=self.position_ids.to(device),
            positions=self.positions.to(device),
            targets=self.targets.to(device),
            weights=self.weights.to(device),
        )

    def without_nll(self) -> PackedRow:
        """The same row without its NLL predictions: a reference needs the answers, and the head is the dear part."""
        return self._with_nll(torch.zeros(len(self.weights)))

    def with_nll_of_answers(self) -> PackedRow:
        """The same row with an NLL of the chosen answers' own tokens only, without the prompt and the questions."""
        return self._with_nll(self.weights[:, CHOSEN:NLL:2].sum(dim=1))

    def _with_nll(self, column: Tensor) -> PackedRow:
        weights = torch.cat((self.weights[:, :NLL], column[:, None]), dim=1)
        kept = weights.any(dim=1)
        return replace(
            self,
            positions=self.positions[kept],
            targets=self.targets[kept],
            weights=weights[kept],
            nll_tokens=int(column.sum()),
        )


def pack(prompt: Tensor, chosen: Branch, rejected: Branch, degree: int = 1, per_turn: bool = False) -> PackedRow:
    """Packs one example and pads it to a multiple of the sequence-parallel degree; pads predict nothing.

    All answers of a branch share one sum, their joint log-prob, or have one for each turn.
    """
    p, c, r = len(prompt), len(chosen), len(rejected)
    ids = torch.cat((prompt, chosen.ids, rejected.ids))
    positions = torch.cat((torch.arange(p + c), torch.arange(p, p + r)))
    pad = -len(ids) % degree
    terms = _turn_count(chosen, rejected) if per_turn else 1
    trunk = _trunk_predictions(ids, chosen, p, terms)
    branch = _rejected_predictions(rejected, p, c, terms)
    return PackedRow(
        input_ids=torch.cat((ids, ids.new_zeros(pad))),
        position_ids=torch.cat((positions, positions.new_zeros(pad))),
        branches=(p, c, r),
        positions=torch.cat((trunk[0], branch[0])),
        targets=torch.cat((trunk[1], branch[1])),
        weights=torch.cat((trunk[2], branch[2])),
        nll_tokens=p + c - 1,
    )


def _turn_count(chosen: Branch, rejected: Branch) -> int:
    """Answers of a branch; both have as many, unless the rejected branch is left out."""
    counts = {int(branch.turns[branch.written].max()) + 1 for branch in (chosen, rejected) if len(branch)}
    if len(counts) != 1:
        raise ValueError(f"the two branches have {counts} answers; a term for each turn pairs them")
    return counts.pop()


def _answer_weights(branch: Branch, column: int, terms: int) -> Tensor:
    """[tokens, 2 x terms + 1]: 1 for each token of an answer, in ``column`` of its term."""
    weights = torch.zeros(len(branch), 2 * terms + 1)
    written = branch.written.nonzero()[:, 0]
    term = branch.turns[written] if terms > 1 else torch.zeros_like(written)
    weights[written, 2 * term + column] = 1
    return weights


def _trunk_predictions(ids: Tensor, chosen: Branch, p: int, terms: int) -> tuple[Tensor, Tensor, Tensor]:
    """Prompt and chosen branch: each token predicts the next."""
    last = p + len(chosen) - 1
    weights = torch.cat((torch.zeros(p - 1, 2 * terms + 1), _answer_weights(chosen, CHOSEN, terms)))
    weights[:, NLL] = 1
    return torch.arange(last), ids[1 : last + 1], weights


def _rejected_predictions(rejected: Branch, p: int, c: int, terms: int) -> tuple[Tensor, Tensor, Tensor]:
    """Rejected branch: its first token is predicted by the last prompt token. Only its answers weigh anything."""
    positions = torch.arange(p + c - 1, p + c + len(rejected) - 1)
    positions[:1] = p - 1
    written = rejected.written
    return positions[written], rejected.ids[written], _answer_weights(rejected, REJECTED, terms)[written]
