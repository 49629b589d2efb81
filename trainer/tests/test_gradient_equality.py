"""The packed row on 1, 2, 3 and 4 sequence-parallel ranks against two separate sequences on a stock model.

Nearly every sequence-parallel trainer has had a gradient of the wrong scale; this is the test that sees it. Ranks are
slow to start, so those of one degree measure everything, and each proof looks at its part.
"""

from pathlib import Path

import pytest
import torch
from longpo_trainer.activations import Activations
from longpo_trainer.head_shares import head_shares
from longpo_trainer.optimizer import clip_to_norm
from longpo_trainer.process_group import World, joined_world
from ranks import run_ranks
from tiny_models import save_model
from torch.profiler import ProfilerActivity, profile
from two_sequences import (
    Gradients,
    example,
    largest_difference,
    norm,
    packed_gradients,
    policy_of,
    released_gradients,
    stock_gradients,
)

GRID = [f"{kind} {heads}" for kind in ("llama", "mistral", "qwen2", "qwen3") for heads in ("4/4", "4/2", "4/1", "9/3")]
FURTHER = ["granite 4/2", "olmo2 4/2", "phi3 4/2", "smollm3 4/2"]
"""Architectures that nobody named, accepted by inspection; SmolLM3's second layer has no positions."""
UNEVEN = "llama 9/3"
DEGREES = (1, 2, 3, 4)
KEPT = {
    "everything": Activations(checkpointing=False),
    "inputs of layers": Activations(),
    "inputs of every second layer": Activations(layers=2),
    "one input": Activations(layers=3),
    "MLPs in 4 parts": Activations(checkpointing=False, mlp_shards=4),
    "every second input, MLPs in 3 parts": Activations(layers=2, mlp_shards=3),
    "MLPs in more parts than tokens": Activations(mlp_shards=100),
}

Stock = dict[str, tuple[float, torch.Tensor, Gradients]]


def measure(folders: dict[str, Path], stock_file: Path, degree: int) -> dict[str, object]:
    """Worst differences from the stock model, for each shape and setting, and what the other proofs look at."""
    stock: Stock = torch.load(stock_file)
    with joined_world(degree, 1) as world:
        found: dict[str, object] = {"differences": {}, "bytes": {}}
        for shape in (*GRID, *(FURTHER if degree == 2 else ())):
            for checkpointing in (False, True):
                policy = policy_of(folders[shape], world, Activations(checkpointing))
                found["differences"][shape, checkpointing] = differences(policy, world, stock[shape])
                sent = torch.tensor(policy.traffic.take())
                torch.distributed.all_reduce(sent)
                found["bytes"][shape, checkpointing] = sent.item()
        found["norm"], found["clipped"] = clip_near(policy_with_gradients(folders, world), norm(stock[UNEVEN][2]))
        if degree > 1:
            policy = policy_of(folders[UNEVEN], world, Activations())
            found["released"] = norm(released_gradients(policy, world))
        if degree in (1, 2):
            found["kept"], found["gathers"] = {}, {}
            for name, activations in KEPT.items():
                policy = policy_of(folders[UNEVEN], world, activations)
                with profile(activities=[ProfilerActivity.CPU]) as trace:
                    found["kept"][name] = differences(policy, world, stock[UNEVEN])
                found["gathers"][name] = gathers(trace)
        return found


def differences(policy, world: World, expected: tuple[float, torch.Tensor, Gradients]) -> tuple[float, float, float]:
    """Of the loss and the sums, relative, and of the gradients, the largest of which are near 1."""
    found = packed_gradients(policy, world)
    loss, sums, gradients = expected
    relative = ((found["sums"] - sums) / sums).abs().max().item()
    return abs(found["loss"] - loss) / loss, relative, largest_difference(found["gradients"], gradients)


def gathers(trace: profile) -> int:
    """How often FSDP gathered the weights of a unit."""
    names = (event.name for event in trace.events())
    return sum(name.startswith("FSDP::all_gather") and "copy" not in name for name in names)


def policy_with_gradients(folders: dict[str, Path], world: World):
    policy = policy_of(folders[UNEVEN], world, Activations())
    packed_gradients(policy, world)
    return policy


def clip_near(policy, expected: float) -> tuple[float, list[float]]:
    """The norm, and the norms after a threshold just above and one just below the stock model's."""
    parameters = list(policy.parameters())
    whole = clip_to_norm(parameters, 0.0)
    clip_to_norm(parameters, expected * 1.0001)
    above = clip_to_norm(parameters, expected * 0.9999)
    return whole, [above, clip_to_norm(parameters, 0.0)]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {shape: save_model(tmp_path_factory.mktemp("model"), shape) for shape in (*GRID, *FURTHER)}


@pytest.fixture(scope="module")
def stock(folders: dict[str, Path]) -> Stock:
    return {shape: stock_gradients(folder) for shape, folder in folders.items()}


@pytest.fixture(scope="module", params=DEGREES)
def measured(request, folders, stock, tmp_path_factory) -> tuple[int, dict]:
    # Tensors among the arguments of a process travel as open files, and there are too many for that.
    file = tmp_path_factory.mktemp("stock") / "stock.pt"
    torch.save(stock, file)
    return request.param, run_ranks(request.param, measure, folders, file, request.param)[0]


def assert_equal(differences: dict[object, tuple[float, float, float]]) -> None:
    for case, (loss, sums, gradient) in differences.items():
        assert max(loss, sums, gradient) <= 1e-6, f"{case}: loss {loss}, sums {sums}, gradients {gradient}"


def test_proof_01_and_02_packed_row_has_the_loss_and_gradients_of_two_separate_sequences(measured):
    """1: one process; 2: 2, 3 and 4 ranks; MHA, GQA, MQA and 9/3 heads, with and without checkpointing."""
    degree, found = measured
    assert len(found["differences"]) == 2 * (len(GRID) + (len(FURTHER) if degree == 2 else 0))
    assert_equal(found["differences"])


def test_proof_03_in_place_all_reduce_makes_gradients_smaller_by_the_degree(measured, stock):
    degree, found = measured
    if degree == 1:
        assert "released" not in found, "one rank has nothing to sum"
    else:
        assert found["released"] / norm(stock[UNEVEN][2]) == pytest.approx(1 / degree, rel=1e-5)


def test_proof_05_what_is_kept_for_the_backward_pass_changes_no_gradient(measured):
    """Checkpoints of 1, 2 and 3 layers, MLPs in parts; test_loss.py has the chunks of the loss."""
    degree, found = measured
    if degree in (1, 2):
        assert found["kept"].keys() == KEPT.keys()
        assert_equal(found["kept"])


def test_weights_are_gathered_once_forward_and_once_backward_whatever_is_kept(measured):
    """Of 3 layers, and once of the root, which keeps its own: parts of an MLP and groups of layers gather no more."""
    degree, found = measured
    if degree == 2:
        assert found["gathers"] == dict.fromkeys(KEPT, 3 * 2 + 1)


def test_proof_10_the_gradient_norm_is_the_stock_models_so_the_same_threshold_clips(measured, stock):
    expected = norm(stock[UNEVEN][2])
    whole, (above, below) = measured[1]["norm"], measured[1]["clipped"]
    assert whole == pytest.approx(expected, rel=1e-6)
    assert above == whole, "a threshold just above must not clip"
    assert below == pytest.approx(expected * 0.9999, rel=1e-6)


def test_the_bytes_that_all_to_alls_move_are_those_of_the_formula(measured):
    """See ulysses.Traffic: forward, recomputation and backward of 3 layers of f32."""
    degree, found = measured
    length = -(-sum(len(part) for part in example()) // degree)
    for (shape, checkpointing), sent in found["bytes"].items():
        query, key_value = (int(heads) for heads in shape.split()[1].split("/"))
        copies = sum(len(share.key_value) for share in head_shares(query, key_value, degree))
        once = (degree - 1) * length * 8 * 4 * (2 * query + 2 * copies)
        assert sent == once * 3 * (3 if checkpointing else 2), (shape, checkpointing)
