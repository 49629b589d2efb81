"""What every side trains on: one pair on a long prompt, with a short chunk of it for the reference. Random tokens."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "trainer"))

import torch
from longpo_trainer.layout import Branch
from torch import Tensor

BETA, LAMBDA, LEARNING_RATE, MAX_NORM = 0.01, 0.01, 5e-7, 1.0
"""The released command's; optimizer RMSprop, gradient checkpointing of every layer."""
CHUNK_SHARE = 4
"""The prompt is so many chunks long, as 128K documents of 32K chunks are."""


@dataclass(frozen=True)
class Pair:
    """Both answers have the same length, so that rows of two sequences have no padding: kind to the others' side."""

    prompt: Tensor
    chosen: Tensor
    rejected: Tensor

    @property
    def chunk(self) -> Tensor:
        return self.prompt[: len(self.prompt) // CHUNK_SHARE]


def random_pair(prompt: int, answer: int) -> Pair:
    generator = torch.Generator().manual_seed(0)
    draw = lambda count: torch.randint(10, 200, (count,), generator=generator)  # noqa: E731
    return Pair(draw(prompt), draw(answer), draw(answer))


def branch(ids: Tensor) -> Branch:
    return Branch(ids, torch.ones(len(ids), dtype=torch.bool))


def be_only_rank(port: int) -> None:
    """A world of one process, as torch's env tells it."""
    be_rank(0, 1, port)


def be_rank(rank: int, size: int, port: int) -> None:
    os.environ.update(
        RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(size), MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port)
    )
