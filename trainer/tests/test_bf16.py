"""Proof 16: in bf16 the packed row has the sums of separate sequences."""

from pathlib import Path

import pytest
import torch
from longpo_trainer.layout import NO_BRANCH, Branch, pack
from longpo_trainer.model import Policy
from longpo_trainer.process_group import joined_world
from ranks import run_ranks
from scored import policy_of
from tiny_models import save_model

LENGTHS = ((33, 7, 5), (257, 31, 40), (500, 90, 64), (1000, 64, 128))
"""Prompt, chosen and rejected."""
TOLERANCE = 1e-5
"""Of a sum, relative, at every length. On a CPU 1.3e-7 was the largest that was seen, with SmolLM2-135M at 500 and 1500
prompt tokens too; kernels of a GPU may split a longer row otherwise, and were not measured."""


def random_example(prompt: int, chosen: int, rejected: int) -> tuple[torch.Tensor, Branch, Branch]:
    generator = torch.Generator().manual_seed(prompt)
    ids = [torch.randint(3, 200, (length,), generator=generator) for length in (prompt, chosen, rejected)]
    return ids[0], *(Branch(part, torch.ones(len(part), dtype=torch.bool)) for part in ids[1:])


def packed_and_separate(policy: Policy, lengths: tuple[int, int, int]) -> tuple[list[float], list[float]]:
    """Chosen, rejected and NLL sums: of one row, and of two as a batch of pairs would have them."""
    prompt, chosen, rejected = random_example(*lengths)
    with torch.no_grad():
        packed = policy(pack(prompt, chosen, rejected), None)
        first, second = (policy(pack(prompt, branch, NO_BRANCH), None) for branch in (chosen, rejected))
    return packed.tolist(), [first[0].item(), second[0].item(), first[2].item()]


def sums(folder: Path) -> dict[str, list[tuple[list[float], list[float]]]]:
    with joined_world(1, 1) as world:
        policies = {dtype: policy_of(folder, world, dtype) for dtype in ("bf16", "f32")}
        return {
            dtype: [packed_and_separate(policy, lengths) for lengths in LENGTHS] for dtype, policy in policies.items()
        }


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> dict[str, list[tuple[list[float], list[float]]]]:
    return run_ranks(1, sums, save_model(tmp_path_factory.mktemp("model")))[0]


@pytest.mark.parametrize("at", range(len(LENGTHS)))
def test_proof_16_bf16_sums_of_a_packed_row_are_those_of_separate_sequences(found, at):
    packed, separate = found["bf16"][at]
    assert packed == pytest.approx(separate, rel=TOLERANCE)


def test_the_sums_were_computed_in_bf16(found):
    """Else the proof would be that of f32."""
    for (half, _), (full, _) in zip(found["bf16"], found["f32"], strict=True):
        assert half != pytest.approx(full, rel=1e-6)
        assert half == pytest.approx(full, rel=1e-2)
