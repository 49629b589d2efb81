"""What tiny layers and steps of the trainer really take, for planner.test.ts: bytes a token, and operations.

Prints JSON. Bytes are those of all storages that live in recompute and backward of one layer (bf16), as the slope over
two lengths, so that weights and their gradients drop out. Operations are torch's own count of a step on a packed row.
SDPA is put on the CPU's flash kernel, which keeps what the GPU's keeps: q, k, v, output, log-sum-exp. To count
operations it is replaced by flash attention's products written out, a query at a time: torch's counter would count the
upper triangle of a causal kernel, too.
"""

from __future__ import annotations

import json
import os
import sys
import weakref
from pathlib import Path
from types import SimpleNamespace

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "trainer"))

import torch
from longpo_trainer import ulysses
from longpo_trainer.activations import Activations, save_activations
from longpo_trainer.layout import Branch, PackedRow, pack
from longpo_trainer.loss import longpo_loss
from longpo_trainer.model import Policy
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.checkpoint import checkpoint, set_checkpoint_early_stop
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoModelForCausalLM, LlamaConfig, MistralConfig, Qwen2Config, Qwen3Config

SHAPES = {
    "MistralForCausalLM": (MistralConfig, 128, 448, 8, 2, 16, {"sliding_window": None}),
    "LlamaForCausalLM": (LlamaConfig, 144, 384, 9, 3, 16, {}),
    "Qwen2ForCausalLM": (Qwen2Config, 112, 592, 7, 1, 16, {}),
    "Qwen3ForCausalLM": (Qwen3Config, 128, 384, 8, 2, 16, {}),
}
"""Ratios of the 7B and 8B models and of SmolLM2, narrow."""
VOCABULARY, LAYERS = 256, 1
ROW = (48, 5, 4)
TILES = 8


class LiveStorages(TorchDispatchMode):
    """Bytes of all storages that operations make, while they live."""

    def __init__(self) -> None:
        super().__init__()
        self.peak = self._live = 0
        self._seen: set[int] = set()

    def __torch_dispatch__(self, function, types, arguments=(), options=None):
        result = function(*arguments, **(options or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor):
                self._add(tensor.untyped_storage())
        return result

    def _add(self, storage: torch.UntypedStorage) -> None:
        if storage._cdata in self._seen:
            return
        self._seen.add(storage._cdata)
        self._live += storage.nbytes()
        self.peak = max(self.peak, self._live)
        weakref.finalize(storage, self._drop, storage._cdata, storage.nbytes())

    def _drop(self, key: int, size: int) -> None:
        self._seen.discard(key)
        self._live -= size


class CountedFlash(torch.autograd.Function):
    """Flash attention's products: two of each pair of positions forward, five backward (the scores once more)."""

    @staticmethod
    def forward(ctx, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        ctx.save_for_backward(query, key, value)
        outputs = [
            (_weights(query, key, i)[..., None, :] @ _seen(query, value, i))[..., 0, :] for i in range(query.shape[-2])
        ]
        return torch.stack(outputs, dim=-2)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        query, key, value = ctx.saved_tensors
        of_query, of_key, of_value = (torch.zeros_like(x) for x in (query, key, value))
        for i in range(query.shape[-2]):
            weights, got = _weights(query, key, i), gradient[..., i, :]
            keys, values = _seen(query, key, i), _seen(query, value, i)
            of_weights = values @ got[..., None]
            of_scores = weights[..., None] * (of_weights - (weights[..., None] * of_weights).sum(-2, keepdim=True))
            of_value[..., : values.shape[-2], :] += weights[..., None] @ got[..., None, :]
            of_query[..., i, :] = (of_scores.transpose(-1, -2) @ keys)[..., 0, :]
            of_key[..., : keys.shape[-2], :] += of_scores @ query[..., i, None, :]
        return of_query, of_key, of_value


def _seen(query: Tensor, keys: Tensor, i: int) -> Tensor:
    """Keys or values that query ``i`` sees: the last query sees all."""
    return keys[..., : keys.shape[-2] - query.shape[-2] + i + 1, :]


def _weights(query: Tensor, key: Tensor, i: int) -> Tensor:
    return torch.softmax((_seen(query, key, i) @ query[..., i, :, None])[..., 0], dim=-1)


def counted_attention(query: Tensor, key: Tensor, value: Tensor, **_: object) -> Tensor:
    group = query.shape[1] // key.shape[1]
    return CountedFlash.apply(query, *(x.repeat_interleave(group, dim=1) for x in (key, value)))


def flash_attention(query: Tensor, key: Tensor, value: Tensor, is_causal: bool = False, **_: object) -> Tensor:
    """For its memory only: the rejected block's mask, which is no tensor on a GPU, is left out."""
    return torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(query, key, value, 0.0, is_causal)[0]


def use_attention(attention) -> None:
    """In place of torch's SDPA, and no mask: its class cannot be made while storages are tracked."""
    ulysses.F = SimpleNamespace(scaled_dot_product_attention=attention)
    ulysses.causal_lower_right = lambda *_: None


def causal_lm(architecture: str, dtype: torch.dtype):
    kind, hidden, intermediate, heads, key_value_heads, size, options = SHAPES[architecture]
    config = kind(
        vocab_size=VOCABULARY,
        hidden_size=hidden,
        intermediate_size=intermediate,
        num_hidden_layers=LAYERS,
        num_attention_heads=heads,
        num_key_value_heads=key_value_heads,
        head_dim=size,
        max_position_embeddings=4096,
        tie_word_embeddings=False,
        **options,
    )
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(config, attn_implementation=ulysses.ATTENTION, dtype=dtype).train()


def layer_peak(architecture: str, tokens: int, tiles: int) -> int:
    """Of recompute and backward of one layer on a packed row, its input and output gradient left out."""
    decoder = causal_lm(architecture, torch.bfloat16).get_decoder()
    save_activations(decoder, Activations(checkpointing=False, mlp_shards=tiles), torch.device("cpu"))
    layer = next(iter(decoder.layers))
    hidden = torch.randn(1, tokens, decoder.config.hidden_size, dtype=torch.bfloat16, requires_grad=True)
    positions = torch.arange(tokens)[None]
    options = {
        "attention_mask": None,
        "position_ids": positions,
        "position_embeddings": decoder.rotary_emb(hidden, positions),
        "use_cache": False,
        "branches": (tokens * 31 // 32, tokens // 64, tokens // 64),
    }
    output = checkpoint(lambda x: layer(x, **options), hidden, use_reentrant=False)
    gradient = torch.randn_like(output)
    with LiveStorages() as storages:
        output.backward(gradient)
    return storages.peak


def layer_bytes_per_token(architecture: str, tiles: int = 1) -> float:
    short, long = (layer_peak(architecture, tokens, tiles) for tokens in (512, 1024))
    return (long - short) / 512


def packed_row() -> PackedRow:
    prompt, chosen, rejected = (torch.randint(0, VOCABULARY, (count,)) for count in ROW)
    branches = (Branch(ids, torch.ones(len(ids), dtype=torch.bool)) for ids in (chosen, rejected))
    return pack(prompt, *branches)


def step_flops(architecture: str, whole_recompute: bool) -> int:
    """Forward, recompute and backward of one row, every layer checkpointed.

    Torch ends a recompute at the last tensor that the backward pass needs, which leaves out a layer's last product.
    """
    policy = Policy(causal_lm(architecture, torch.float32))
    save_activations(policy.causal_lm.get_decoder(), Activations(), torch.device("cpu"))
    row = packed_row()
    with FlopCounterMode(display=False) as counter, set_checkpoint_early_stop(not whole_recompute):
        loss, _ = longpo_loss(policy(row, None), row.nll_tokens, torch.zeros(1, 2), 0.1, 0.01)
        loss.backward()
    return counter.get_total_flops()


def facts(architecture: str) -> dict[str, object]:
    """The shape as the planner knows it."""
    model = causal_lm(architecture, torch.float32)
    config = model.config
    return {
        "architecture": architecture,
        "layers": config.num_hidden_layers,
        "hiddenSize": config.hidden_size,
        "intermediateSize": config.intermediate_size,
        "attentionHeads": config.num_attention_heads,
        "keyValueHeads": config.num_key_value_heads,
        "headDim": config.head_dim,
        "vocabularySize": config.vocab_size,
        "maxPositionEmbeddings": config.max_position_embeddings,
        "ropeTheta": config.rope_parameters["rope_theta"],
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
    }


def main() -> None:
    use_attention(flash_attention)
    measured = {
        name: {
            "model": facts(name),
            "layerBytesPerToken": layer_bytes_per_token(name),
            "tiledLayerBytesPerToken": layer_bytes_per_token(name, TILES),
        }
        for name in SHAPES
    }
    use_attention(counted_attention)
    for name in SHAPES:
        measured[name]["stepFlops"] = step_flops(name, whole_recompute=True)
        measured[name]["realStepFlops"] = step_flops(name, whole_recompute=False)
    prompt, chosen, rejected = ROW
    row = {"prompt": prompt, "chosen": chosen, "rejected": rejected}
    print(json.dumps({"row": row, "tiles": TILES, "shapes": list(measured.values())}))


if __name__ == "__main__":
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    main()
