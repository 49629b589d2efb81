"""How much of a stage's update its published copy keeps.

A stage moves weights by less than half the spacing of bf16: most then round back to where they began, and a few jump
by a whole spacing. The f32 master that the next stage starts from has all of it.
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor

from .model import weight_files

BLOCK_WEIGHTS = 1 << 24
"""At a time: a large embedding in f32 thrice is gigabytes."""


class UpdateKept:
    """Adds up weight by weight, on rank 0, so that no second model is ever in memory."""

    def __init__(self, base: Path) -> None:
        self._files = weight_files(base)
        self._weights = 0
        self._changed = 0
        self._update, self._published, self._common = 0.0, 0.0, 0.0

    def add(self, name: str, trained: Tensor, dtype: torch.dtype) -> None:
        """One whole weight as trained, in f32; ``dtype`` is the export's."""
        with safe_open(self._files[name], framework="pt") as tensors:
            stored = tensors.get_slice(name)
            rows = max(1, BLOCK_WEIGHTS // (trained[0].numel() or 1))
            for start in range(0, len(trained), rows):
                block = trained[start : start + rows]
                self._add(stored[start : start + rows].to(block.device), block, block.to(dtype))

    def _add(self, base: Tensor, trained: Tensor, published: Tensor) -> None:
        before = base.to(published.dtype)
        update, kept = trained - base.float(), published.float() - before.float()
        self._weights += base.numel()
        self._changed += int((published != before).sum())
        self._update += _dot(update, update)
        self._published += _dot(kept, kept)
        self._common += _dot(update, kept)

    def figures(self) -> dict[str, float]:
        """changed_share: of the weights, how many differ from the base in the export's dtype.

        update_norm_ratio: norm of the published update over that of the true one; rounding up can bring it above 1.
        update_kept: share of the true update that the published one has along it (1 is all, 0 is nothing).
        """
        if not self._update:
            return {"export/changed_share": 0.0, "export/update_norm_ratio": 1.0, "export/update_kept": 1.0}
        return {
            "export/changed_share": self._changed / self._weights,
            "export/update_norm_ratio": (self._published / self._update) ** 0.5,
            "export/update_kept": self._common / self._update,
        }


def _dot(left: Tensor, right: Tensor) -> float:
    return float((left * right).sum(dtype=torch.float64))
