"""Learning rate, clipping and the optimizer. The learning rate is a function of the step, so it has no state."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.tensor import DTensor

OPTIMIZERS = {"rmsprop": torch.optim.RMSprop, "adamw": torch.optim.AdamW}


def build_optimizer(model: nn.Module, kind: str, weight_decay: float) -> torch.optim.Optimizer:
    """Biases and norms are not decayed, as transformers does it."""
    parameters = list(model.parameters())
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return OPTIMIZERS[kind](groups)


def learning_rate_factor(step: int, total: int, warmup_ratio: float, kind: str) -> float:
    """Share of the peak learning rate in a step, counted from 0.

    The warmup rises to the peak in its last step. transformers starts it at zero, which of the few steps of a small
    run wastes one.
    """
    warmup = math.ceil(total * warmup_ratio)
    if step < warmup:
        return (step + 1) / warmup
    progress = (step - warmup) / max(1, total - warmup)
    match kind:
        case "cosine":
            return 0.5 * (1 + math.cos(math.pi * progress))
        case "linear":
            return 1 - progress
        case _:
            return 1.0


def set_learning_rate(optimizer: torch.optim.Optimizer, value: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = value


def clip_to_norm(parameters: Iterable[DTensor], max_norm: float) -> float:
    """Norm of the whole gradient over all ranks; scales it down to ``max_norm`` unless that is 0."""
    shards = [p.grad.to_local() for p in parameters if p.grad is not None]
    squares = torch.stack([torch.linalg.vector_norm(shard, dtype=torch.float64) ** 2 for shard in shards]).sum()
    dist.all_reduce(squares)
    norm = squares.sqrt().item()
    if 0 < max_norm < norm:
        torch._foreach_mul_(shards, max_norm / norm)
    return norm
