"""FLOPs of a packed row, and what they say of the speed: model TFLOP/s of a rank and MFU. Pure.

L layers, N weights of the projections and MLPs of all of them, V vocabulary, h hidden size, a query heads, d head
size; a row of S tokens, ``[prompt p | chosen c | rejected r]``, that makes n predictions:

    matmul  = 2 (N S + V h n)                     each weight multiplies and adds once for each token
    attn    = block(p + c, p + c) + block(r, p + r)
    block   = 4 L a d (q k - q (q - 1) / 2)       q queries, the last of which sees all k keys: scores and values
    forward = matmul + attn
    step    = 3 forward                           backward is twice forward: "model FLOPs", the numerator of MFU

What the hardware does is more: with checkpointing a second forward, and 2.5 attn in a flash backward, together
4 matmul + 4.5 attn. The embedding is a look-up. Reference: training.md section 3.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from transformers import PreTrainedModel

MODEL_PASSES = 3

PEAK_BF16 = {
    "A100": 312e12,
    "H100 PCIe": 756e12,
    "H100 NVL": 835e12,
    "H100": 989e12,
    "H200 NVL": 836e12,
    "H200": 989e12,
    "B200": 2250e12,
    "L40S": 362e12,
    "L4": 121e12,
}
"""Dense FLOP/s by a part of the name, of NVIDIA's data sheets; the first that fits."""


@dataclass(frozen=True)
class ModelShape:
    """What the FLOPs of a decoder depend on."""

    layers: int
    weights: int
    """Of the matrices of all layers, which every token passes through."""
    query_heads: int
    head_size: int
    hidden: int
    vocabulary: int


def model_shape(model: PreTrainedModel) -> ModelShape:
    """From the weights that are there, so that it needs no rule for each architecture."""
    config, layers = model.config, model.get_decoder().layers
    vocabulary, hidden = model.get_output_embeddings().weight.shape
    return ModelShape(
        layers=len(layers),
        weights=sum(weight.numel() for weight in layers.parameters() if weight.ndim > 1),
        query_heads=config.num_attention_heads,
        head_size=getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads,
        hidden=hidden,
        vocabulary=vocabulary,
    )


def matmul_flops(shape: ModelShape, tokens: int, predictions: int) -> int:
    """Of one forward pass."""
    return 2 * (shape.weights * tokens + shape.vocabulary * shape.hidden * predictions)


def attention_flops(shape: ModelShape, branches: tuple[int, int, int]) -> int:
    """Of one forward pass over prompt, chosen and rejected of these lengths."""
    prompt, chosen, rejected = branches
    seen = _causal_pairs(prompt + chosen, prompt + chosen) + _causal_pairs(rejected, prompt + rejected)
    return 4 * shape.layers * shape.query_heads * shape.head_size * seen


def _causal_pairs(queries: int, keys: int) -> int:
    return queries * keys - queries * (queries - 1) // 2


def model_flops(shape: ModelShape, branches: tuple[int, int, int], predictions: int) -> int:
    """Of training on one row; pads count for nothing."""
    forward = matmul_flops(shape, sum(branches), predictions) + attention_flops(shape, branches)
    return MODEL_PASSES * forward


def speed_values(flops: float, seconds: float, ranks: int, dtype: str, device: torch.device) -> dict[str, float]:
    """``tflops_per_rank``, and ``mfu`` where the peak of the device is known: the share of it that was model FLOPs."""
    rate = flops / seconds / ranks
    peak = _peak(dtype, device)
    return {"tflops_per_rank": rate / 1e12} | ({} if peak is None else {"mfu": rate / peak})


def _peak(dtype: str, device: torch.device) -> float | None:
    if dtype != "bf16" or device.type != "cuda":
        return None
    return peak_bf16(torch.cuda.get_device_name(device))


def peak_bf16(name: str) -> float | None:
    """FLOP/s of a card by its name, as "NVIDIA H100 80GB HBM3"; not of a part of one (MIG)."""
    if "MIG" in name:
        return None
    words = f" {name.replace('-', ' ')} "
    return next((peak for part, peak in PEAK_BF16.items() if f" {part} " in words), None)
