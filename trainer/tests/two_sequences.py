"""One example as two separate sequences on a stock model, and as a packed row on the trainer's own parts."""

from functools import lru_cache
from pathlib import Path

import torch
import torch.distributed as dist
import torch.nn.functional as F
from longpo_trainer.activations import Activations
from longpo_trainer.architecture import read_config
from longpo_trainer.layout import Branch, PackedRow, pack
from longpo_trainer.loss import longpo_loss
from longpo_trainer.micro_step import row_sums
from longpo_trainer.model import Policy, load_policy
from longpo_trainer.process_group import World
from torch import Tensor
from transformers import AutoModelForCausalLM

BETA, LAMBDA = 0.1, 0.5
REFERENCE = torch.tensor([[-40.0, -31.0]])

Gradients = dict[str, Tensor]
config_of = lru_cache(maxsize=None)(read_config)


def example(seed: int = 1) -> tuple[Tensor, Branch, Branch]:
    """51 prompt tokens, a chosen branch of two turns with 10 tokens and a rejected one with 6."""
    generator = torch.Generator().manual_seed(seed)
    prompt, chosen, rejected = (torch.randint(0, 97, (n,), generator=generator) for n in (51, 10, 6))
    turns = torch.tensor([True] * 4 + [False] * 3 + [True] * 3)
    return prompt, Branch(chosen, turns), Branch(rejected, torch.ones(6, dtype=torch.bool))


def stock_gradients(folder: Path, seeds: tuple[int, ...] = (1,)) -> tuple[float, Tensor, Gradients]:
    """Mean loss of some examples, sums of the last, and gradients, by transformers' own attention."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="sdpa")
    losses = []
    for prompt, chosen, rejected in map(example, seeds):
        branches = (torch.cat((prompt, branch.ids)) for branch in (chosen, rejected))
        trunk, other = (
            -F.cross_entropy(model(ids[None]).logits[0, :-1], ids[1:], reduction="none") for ids in branches
        )
        start = len(prompt) - 1
        sums = torch.stack((trunk[start:][chosen.written].sum(), other[start:].sum(), trunk.sum()))
        margin = BETA * ((sums[0] - REFERENCE[0, 0]) - (sums[1] - REFERENCE[0, 1]))
        losses.append(-LAMBDA * F.logsigmoid(margin) - sums[2] / len(trunk))
    loss = torch.stack(losses).mean()
    loss.backward()
    return loss.item(), sums.detach(), {name: p.grad for name, p in model.named_parameters()}


def policy_of(folder: Path, world: World, activations: Activations) -> Policy:
    return load_policy(folder, config_of(folder), "f32", activations, world)


def packed_row(degree: int, seed: int = 1) -> PackedRow:
    return pack(*example(seed), degree)


def loss_of(sums: Tensor, row: PackedRow) -> Tensor:
    return longpo_loss(sums, row.nll_tokens, REFERENCE, BETA, LAMBDA)[0]


def packed_gradients(policy: Policy, world: World) -> dict[str, object]:
    """Loss, sums and whole gradients of the packed row; the policy's own gradients stay, sharded."""
    row = packed_row(world.sequence_parallel)
    sums = row_sums(policy, row, world)
    loss = loss_of(sums, row)
    loss.backward()
    return {"loss": loss.item(), "sums": sums.detach(), "gradients": gradients_of(policy)}


def released_gradients(policy: Policy, world: World) -> Gradients:
    """As the released code sums: with the in-place all-reduce, whose backward is the identity."""
    row = packed_row(world.sequence_parallel)
    sums = policy(row.shard(world.sequence_rank, world.sequence_parallel), world.sequence_group)
    dist.all_reduce(sums)
    loss_of(sums, row).backward()
    return gradients_of(policy)


def gradients_of(policy: Policy) -> Gradients:
    return {name.removeprefix("causal_lm."): p.grad.full_tensor() for name, p in policy.named_parameters()}


def largest_difference(found: Gradients, expected: Gradients) -> float:
    assert found.keys() == expected.keys()
    return max((found[name] - gradient).abs().max().item() for name, gradient in expected.items())


def norm(gradients: Gradients) -> float:
    return torch.stack([gradient.double().norm() for gradient in gradients.values()]).norm().item()
