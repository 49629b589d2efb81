"""What a layer keeps for the backward pass: groups of layers that run again, on the host or not, and MLPs in tiles.

Transformers' own modules are left as they are: a decoder loops over ``layers`` and a layer calls its ``mlp``, and
these two are what is changed here. The names of the weights stay.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.autograd.graph import save_on_cpu
from torch.utils.checkpoint import checkpoint

from .errors import CONFIG, LongPOError

Keep = Callable[[], AbstractContextManager]
"""Where the inputs of groups are kept: a context for the hooks of autograd's saved tensors."""


@dataclass(frozen=True)
class Activations:
    """The fields gradientCheckpointing, -Layers, -Offload and tiledMlpShards of the config."""

    checkpointing: bool = True
    layers: int = 1
    offload: bool = False
    mlp_shards: int = 1


def save_activations(decoder: nn.Module, activations: Activations, device: torch.device) -> None:
    """Applies the settings to a decoder, before its weights are sharded; LongPOError(2) where they cannot work."""
    if activations.mlp_shards > 1:
        tile_mlps(decoder, activations.mlp_shards)
    if activations.offload and not (activations.checkpointing and device.type == "cuda"):
        raise LongPOError(
            CONFIG,
            "OFFLOAD_UNSUPPORTED",
            "gradientCheckpointingOffload moves the inputs of layers from a GPU to the host, but "
            + (f"this rank runs on {device.type}" if activations.checkpointing else "gradientCheckpointing is false")
            + "; set it to false.",
        )
    if activations.checkpointing:
        keep = partial(save_on_cpu, pin_memory=True, device_type="cuda") if activations.offload else nullcontext
        decoder.layers = RecomputedLayers(decoder.layers, activations.layers, keep)


class RecomputedLayers(nn.ModuleList):
    """Layers that a decoder's loop gets in groups: in place of the layers' own activations, each group keeps its
    input, [1, s, hidden], and runs forward once more in the backward pass.

    With ``n`` layers in a group there are ``n`` times fewer inputs and the activations of ``n`` layers at once. Each
    layer stays a unit of FSDP; its weights are gathered for the forward pass and once more for recomputation and
    backward pass together.
    """

    def __init__(self, layers: nn.ModuleList, size: int, keep: Keep = nullcontext) -> None:
        super().__init__(layers)
        self._size, self._keep = size, keep

    def each(self) -> list[nn.Module]:
        """The layers themselves."""
        return list(self._modules.values())

    def __iter__(self) -> Iterator[Group]:
        layers = self.each()
        return (Group(layers[start : start + self._size], self._keep) for start in range(0, len(layers), self._size))

    def __getitem__(self, index: int | slice) -> nn.Module | list[Group]:
        return list(self)[index] if isinstance(index, slice) else super().__getitem__(index)


class Group:
    """Layers that run one after another as if they were one."""

    def __init__(self, layers: list[nn.Module], keep: Keep) -> None:
        self._layers, self._keep = layers, keep

    def __getattr__(self, name: str) -> object:
        """What a decoder asks a layer for, such as its attention_type; read_config lets only equal layers pass."""
        return getattr(self._layers[0], name)

    def __call__(self, hidden: Tensor, *arguments: object, **options: object) -> Tensor:
        def run(hidden: Tensor) -> Tensor:
            for layer in self._layers:
                hidden = layer(hidden, *arguments, **options)
            return hidden

        # Only ``hidden`` is an argument of the checkpoint: what all layers share, as the rotary angles, is kept once.
        with self._keep():
            return checkpoint(run, hidden, use_reentrant=False, preserve_rng_state=False)


def tile_mlps(decoder: nn.Module, shards: int) -> None:
    """Makes each layer's MLP run on that many parts of the sequence, and again part by part in the backward pass.

    Its widest tensors, [1, s, intermediate], then exist for one part at a time. It costs a forward pass of the MLP.
    The weights belong to the layer's FSDP unit, so they are gathered once for all parts; their gradients are added up
    over the parts in the dtype of the weights.
    """
    for layer in decoder.layers:
        mlp = getattr(layer, "mlp", None)
        if mlp is None:
            raise LongPOError(
                CONFIG,
                "TILED_MLP_UNSUPPORTED",
                f"tiledMlpShards is {shards}, but {type(layer).__name__} has no module named mlp; set it to 1.",
            )
        mlp.forward = partial(_tiled, mlp.forward, shards)


def _tiled(forward: Callable[[Tensor], Tensor], shards: int, hidden: Tensor) -> Tensor:
    parts = (
        checkpoint(forward, part, use_reentrant=False, preserve_rng_state=False) for part in hidden.chunk(shards, dim=1)
    )
    return torch.cat(list(parts), dim=1)
