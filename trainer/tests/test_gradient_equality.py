"""The packed row on 1, 2, 3 and 4 sequence-parallel ranks against two separate sequences on a stock model.

Nearly every sequence-parallel trainer has had a gradient of the wrong scale; this is the test that sees it.
"""

from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F
from longpo_trainer.layout import Branch, pack
from longpo_trainer.loss import longpo_loss
from longpo_trainer.model import Precision, load_policy, read_config
from longpo_trainer.process_group import World, joined_world
from longpo_trainer.ulysses import sequence_sum
from ranks import run_ranks
from tiny_models import SHAPES, save_model
from transformers import AutoModelForCausalLM

BETA, LAMBDA = 0.1, 0.5
REFERENCE = torch.tensor([-40.0, -31.0])


def example(seed: int = 1) -> tuple[torch.Tensor, Branch, Branch]:
    """51 prompt tokens, a chosen branch of two turns with 10 tokens and a rejected one with 6."""
    generator = torch.Generator().manual_seed(seed)
    prompt, chosen, rejected = (torch.randint(0, 97, (n,), generator=generator) for n in (51, 10, 6))
    turns = torch.tensor([True] * 4 + [False] * 3 + [True] * 3)
    return prompt, Branch(chosen, turns), Branch(rejected, torch.ones(6, dtype=torch.bool))


def stock_gradients(folder: Path) -> tuple[float, torch.Tensor, dict[str, torch.Tensor]]:
    """Loss, sums and gradients by transformers' own attention on prompt + chosen and prompt + rejected."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="sdpa")
    prompt, chosen, rejected = example()

    def log_probs(branch: Branch) -> torch.Tensor:
        ids = torch.cat((prompt, branch.ids))
        return -F.cross_entropy(model(ids[None]).logits[0, :-1], ids[1:], reduction="none")

    trunk, other = log_probs(chosen), log_probs(rejected)
    start = len(prompt) - 1
    sums = torch.stack((trunk[start:][chosen.written].sum(), other[start:].sum(), trunk.sum()))
    margin = BETA * ((sums[0] - REFERENCE[0]) - (sums[1] - REFERENCE[1]))
    loss = -LAMBDA * F.logsigmoid(margin) - sums[2] / len(trunk)
    loss.backward()
    return loss.item(), sums.detach(), {name: p.grad for name, p in model.named_parameters()}


def packed_gradients(world: World, folder: Path, checkpointing: bool, in_place: bool = False) -> dict[str, object]:
    """The same by the trainer's own parts."""
    policy = load_policy(folder, read_config(folder), Precision("f32", checkpointing), world)
    row = pack(*example(), world.sequence_parallel)
    sums = policy(row.shard(world.sequence_rank, world.sequence_parallel), world.sequence_group)
    if in_place:
        dist.all_reduce(sums)
    else:
        sums = sequence_sum(sums, world.sequence_group)
    loss, _ = longpo_loss(sums, row.nll_tokens, REFERENCE, BETA, LAMBDA)
    loss.backward()
    gradients = {name.removeprefix("causal_lm."): p.grad.full_tensor() for name, p in policy.named_parameters()}
    return {"loss": loss.item(), "sums": sums.tolist(), "gradients": gradients if world.rank == 0 else None}


def all_shapes(folders: dict[str, Path], degree: int) -> list[dict[str, object]]:
    with joined_world(degree, 1) as world:
        return [packed_gradients(world, folder, shape.startswith("llama")) for shape, folder in folders.items()]


def released_reduction(folder: Path, degree: int) -> dict[str, object]:
    """The released code sums with the in-place all-reduce, whose backward is the identity."""
    with joined_world(degree, 1) as world:
        return packed_gradients(world, folder, checkpointing=False, in_place=True)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {shape: save_model(tmp_path_factory.mktemp("model"), shape) for shape in SHAPES}


@pytest.fixture(scope="module")
def stock(folders: dict[str, Path]) -> dict[str, tuple]:
    return {shape: stock_gradients(folder) for shape, folder in folders.items()}


@pytest.mark.parametrize("degree", [1, 2, 3, 4])
def test_packed_row_has_the_loss_and_gradients_of_two_separate_sequences(folders, stock, degree):
    results = run_ranks(degree, all_shapes, folders, degree)[0]
    for shape, result in zip(folders, results, strict=True):
        loss, sums, gradients = stock[shape]
        assert result["loss"] == pytest.approx(loss, abs=1e-6), shape
        assert torch.allclose(torch.tensor(result["sums"]), sums, rtol=1e-6, atol=0), shape
        assert result["gradients"].keys() == gradients.keys()
        for name, gradient in gradients.items():
            difference = (result["gradients"][name] - gradient).abs().max().item()
            assert difference <= 1e-6, f"{shape}: {name} differs by {difference}"


@pytest.mark.parametrize("degree", [2, 3])
def test_in_place_all_reduce_makes_gradients_smaller_by_the_degree(folders, stock, degree):
    result = run_ranks(degree, released_reduction, folders["llama 9/3, tied"], degree)[0]
    loss, _, gradients = stock["llama 9/3, tied"]
    assert result["loss"] == pytest.approx(loss, abs=1e-6)
    ratio = norm(result["gradients"]) / norm(gradients)
    assert ratio == pytest.approx(1 / degree, rel=1e-5)


def norm(gradients: dict[str, torch.Tensor]) -> float:
    return torch.stack([gradient.norm() for gradient in gradients.values()]).norm().item()
