"""The policy: a transformers model on Ulysses attention, sharded by FSDP2 over all ranks.

Every rank reads only its own rows of each weight from the safetensors file, so that nothing is sent and no rank ever
holds the whole model. Master weights are f32 whatever the file holds.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor
from transformers import AutoModelForCausalLM, PretrainedConfig, PreTrainedModel

from .activations import Activations, save_activations
from .architecture import check_parts
from .errors import LongPOError
from .layout import PackedRow
from .loss import chunk_tokens, token_log_probs
from .process_group import World
from .ulysses import ATTENTION, Traffic


class Policy(nn.Module):
    """Root of the sharded model. Its forward goes as far as the log-prob sums, so that the output embedding, which
    belongs to the root, is gathered once for all chunks of the loss."""

    def __init__(self, causal_lm: PreTrainedModel) -> None:
        super().__init__()
        self.causal_lm = causal_lm
        self.traffic = Traffic()

    def forward(self, row: PackedRow, sequence_group: torch.distributed.ProcessGroup | None) -> Tensor:
        """This rank's share of the three sums of PackedRow.weights."""
        hidden = self.causal_lm.get_decoder()(
            input_ids=row.input_ids[None],
            position_ids=row.position_ids[None],
            use_cache=False,
            branches=row.branches,
            sequence_group=sequence_group,
            traffic=self.traffic,
        ).last_hidden_state[0]
        weight = self.causal_lm.get_output_embeddings().weight
        chunk = chunk_tokens(len(weight), weight.device.type)
        log_probs = token_log_probs(hidden.index_select(0, row.positions), weight, row.targets, chunk)
        return (log_probs[:, None] * row.weights).sum(dim=0)

    def set_rope(self, config: PretrainedConfig) -> None:
        """Rotary frequencies of another config, in place: the weights stay."""
        rotary = self.causal_lm.get_decoder().rotary_emb
        self.causal_lm.get_decoder().rotary_emb = type(rotary)(config=config).to(rotary.inv_freq.device)


def load_policy(folder: Path, config: PretrainedConfig, dtype: str, activations: Activations, world: World) -> Policy:
    """The model of a folder, sharded over all ranks; ``dtype`` is bf16 or f32, of the forward and backward pass."""
    if world.sequence_parallel > config.num_attention_heads:
        raise LongPOError(
            2,
            "SEQUENCE_PARALLEL_TOO_HIGH",
            f"sequenceParallel {world.sequence_parallel} is above the {config.num_attention_heads} query heads of "
            f"{folder}; use at most {config.num_attention_heads}.",
        )
    with torch.device("meta"):
        policy = Policy(AutoModelForCausalLM.from_config(config, attn_implementation=ATTENTION))
    check_parts(policy.causal_lm, folder / "config.json")
    layers = list(policy.causal_lm.get_decoder().layers)
    save_activations(policy.causal_lm.get_decoder(), activations, world.device)
    _shard(policy, layers, dtype, world)
    _fill(policy, folder, world)
    policy.train()
    return policy


def _shard(policy: Policy, layers: list[nn.Module], dtype: str, world: World) -> None:
    """Layer by layer from meta to a shard, so that one unsharded layer at a time has memory.

    The embeddings stay with the root: the two of a model may be one tensor, which must not belong to two groups.
    """
    kept = torch.bfloat16 if dtype == "bf16" else torch.float32
    options = {
        "mesh": world.mesh,
        "mp_policy": MixedPrecisionPolicy(param_dtype=kept, reduce_dtype=torch.float32),
    }
    for layer in layers:
        layer.to_empty(device=world.device)
        fully_shard(layer, **options)
    decoder, model = policy.causal_lm.get_decoder(), policy.causal_lm
    rest = [decoder.embed_tokens, decoder.norm, model.get_output_embeddings()]
    for module in rest:
        module.to_empty(device=world.device)
    model.tie_weights()
    decoder.rotary_emb = type(decoder.rotary_emb)(config=model.config).to(world.device)
    fully_shard(policy, **options)


def _fill(policy: Policy, folder: Path, world: World) -> None:
    """Reads this rank's rows of each weight."""
    files = weight_files(folder)
    wanted = {name.removeprefix("causal_lm."): parameter for name, parameter in policy.named_parameters()}
    missing = sorted(set(wanted) - set(files))
    if missing:
        raise LongPOError(
            2,
            "MODEL_INCOMPLETE",
            f"{folder} lacks {len(missing)} weights of its config.json, the first is {missing[0]}.",
        )
    for file in sorted({files[name] for name in wanted}):
        with _open(file) as tensors:
            for name in sorted(name for name in wanted if files[name] == file):
                _fill_parameter(wanted[name], tensors.get_slice(name), f"{file}: {name}", world)


def _fill_parameter(parameter: DTensor, stored, place: str, world: World) -> None:
    shape = list(stored.get_shape())
    if shape != list(parameter.shape):
        raise LongPOError(
            2, "MODEL_INCOMPLETE", f"{place} has shape {shape}, but config.json says {list(parameter.shape)}."
        )
    # FSDP2 gives each rank an equal run of rows, rounded up; the last ranks may have fewer, or none.
    rows = -(-shape[0] // world.size)
    start = min(world.rank * rows, shape[0])
    local = parameter.to_local()
    with torch.no_grad():
        local.copy_(stored[start : start + len(local)])


def weight_files(folder: Path) -> dict[str, Path]:
    """Name of each stored tensor -> its safetensors file."""
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        names = json.loads(index.read_text())["weight_map"]
        absent = sorted({file for file in names.values() if not (folder / file).is_file()})
        if absent:
            raise LongPOError(2, "MODEL_INCOMPLETE", f"{folder} lacks {', '.join(absent)}, which its index names.")
        return {name: folder / file for name, file in names.items()}
    single = folder / "model.safetensors"
    if not single.is_file():
        raise LongPOError(2, "MODEL_INCOMPLETE", f"{folder} has no model.safetensors and no index of several files.")
    with _open(single) as tensors:
        return dict.fromkeys(tensors.keys(), single)


def _open(file: Path):
    try:
        return safe_open(file, framework="pt")
    except SafetensorError as error:
        raise LongPOError(2, "MODEL_INVALID", f"{file} cannot be read ({error}); copy or download it again.") from error
