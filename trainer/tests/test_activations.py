"""What is kept for the backward pass: how much of it, where, and what cannot be asked for."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from longpo_trainer.activations import Activations, RecomputedLayers, save_activations
from longpo_trainer.errors import LongPOError
from tiny_models import save_model
from torch import nn
from torch.autograd.graph import save_on_cpu, saved_tensors_hooks
from two_sequences import largest_difference, packed_row
from unsharded import sums_of, unsharded_gradients, unsharded_policy

LAYERS, HIDDEN = 3, 32
TOKENS = len(packed_row(1).input_ids)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_model(tmp_path_factory.mktemp("model"), "llama 4/2")


@pytest.mark.parametrize("size", [1, 2, 3])
def test_a_group_of_layers_keeps_its_input_and_nothing_else(folder, size):
    kept: list[tuple[int, ...]] = []

    @contextmanager
    def keep() -> Iterator[None]:
        with saved_tensors_hooks(lambda tensor: kept.append(tuple(tensor.shape)) or tensor.clone(), lambda copy: copy):
            yield

    policy = unsharded_policy(folder, Activations(checkpointing=False))
    expected = unsharded_gradients(policy)
    policy.zero_grad()
    decoder = policy.causal_lm.get_decoder()
    decoder.layers = RecomputedLayers(decoder.layers, size, keep)
    found = unsharded_gradients(policy)
    groups = -(-LAYERS // size)
    assert [shape for shape in kept if shape != (0,)] == [(1, TOKENS, HIDDEN)] * groups
    assert largest_difference(found, expected) <= 1e-6


def test_recomputed_layers_keep_the_names_of_the_weights(folder):
    plain, recomputed = (unsharded_policy(folder, Activations(checkpointing=on, layers=2)) for on in (False, True))
    assert [name for name, _ in recomputed.named_parameters()] == [name for name, _ in plain.named_parameters()]


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("shards", [2, 8])
def test_tiled_mlps_run_on_one_part_at_a_time_and_again_for_each(folder, checkpointing, shards):
    policy = unsharded_policy(folder, Activations(checkpointing=checkpointing, mlp_shards=shards))
    lengths: list[int] = []
    for name, module in policy.named_modules():
        if name.endswith("down_proj"):
            module.register_forward_pre_hook(lambda _, arguments: lengths.append(arguments[0].shape[-2]))
    unsharded_gradients(policy)
    parts = [len(part) for part in torch.empty(TOKENS).chunk(shards)]
    # The recomputation of a layer stops at the last input that is needed, the last part's.
    recomputed = parts[:-1] if checkpointing else []
    assert sorted(lengths) == sorted((parts * 2 + recomputed) * LAYERS)


def test_offload_is_refused_where_there_is_no_gpu_or_nothing_is_recomputed(folder):
    decoder = unsharded_policy(folder, Activations(checkpointing=False)).causal_lm.get_decoder()
    for activations, device, reason in (
        (Activations(offload=True), "cpu", "runs on cpu"),
        (Activations(checkpointing=False, offload=True), "cuda", "gradientCheckpointing is false"),
    ):
        with pytest.raises(LongPOError, match=f"gradientCheckpointingOffload .* {reason}") as error:
            save_activations(decoder, activations, torch.device(device))
        assert (error.value.exit_code, error.value.code) == (2, "OFFLOAD_UNSUPPORTED")


def test_a_layer_without_an_mlp_cannot_be_tiled():
    decoder = nn.Module()
    decoder.layers = nn.ModuleList([nn.Linear(2, 2)])
    with pytest.raises(LongPOError, match="tiledMlpShards is 2, but Linear has no module named mlp") as error:
        save_activations(decoder, Activations(mlp_shards=2), torch.device("cpu"))
    assert error.value.exit_code == 2


def test_inputs_kept_by_the_hook_of_the_offload_give_the_same_gradients(folder):
    """torch's own hook with copies in pageable memory: on a CPU it shows that the hook is in the right place only."""
    plain = unsharded_gradients(unsharded_policy(folder, Activations()))
    policy = unsharded_policy(folder, Activations(checkpointing=False))
    decoder = policy.causal_lm.get_decoder()
    decoder.layers = RecomputedLayers(decoder.layers, 1, save_on_cpu)
    assert largest_difference(unsharded_gradients(policy), plain) == 0


if torch.cuda.is_available():  # Nothing else has pinned host memory, and here a skipped test counts as failed.

    @pytest.mark.parametrize("layers", [1, 2])
    def test_on_a_gpu_offloaded_inputs_give_the_same_gradients_from_less_memory(folder, layers):
        found, held = [], []
        for offload in (False, True):
            policy = unsharded_policy(folder, Activations(layers=layers, offload=offload), "cuda")
            before = torch.cuda.memory_allocated()
            sums = sums_of(policy)
            held.append(torch.cuda.memory_allocated() - before)
            del sums
            found.append(unsharded_gradients(policy))
        assert largest_difference(found[1], found[0]) == 0
        assert held[0] - held[1] >= -(-LAYERS // layers) * TOKENS * HIDDEN * 4
