"""Proof 4: a step over several rows has the mean of their gradients, however the rows are dealt to groups and turns."""

from pathlib import Path

import pytest
import torch
from longpo_trainer.activations import Activations
from longpo_trainer.micro_step import row_sums
from longpo_trainer.process_group import joined_world
from longpo_trainer.schedule import micro_steps
from ranks import run_ranks
from tiny_models import save_model
from two_sequences import gradients_of, largest_difference, loss_of, packed_row, policy_of, stock_gradients

STEPS = ((1, 2), (1, 2, 3))
"""Seeds of the rows of a step. With three rows on two groups one group has nothing to do in the last turn."""


def differences(folder: Path, stock_file: Path, sequence_parallel: int, data_parallel: int) -> list[float]:
    """Of the gradients of each of STEPS."""
    expected = torch.load(stock_file)
    found = []
    with joined_world(sequence_parallel, data_parallel) as world:
        for seeds in STEPS:
            policy = policy_of(folder, world, Activations())
            for turn in micro_steps(list(seeds), world.data_rank, data_parallel):
                row = packed_row(sequence_parallel, turn.row)
                (loss_of(row_sums(policy, row, world), row) * turn.weight).backward()
            found.append(largest_difference(gradients_of(policy), expected[seeds]))
    return found


@pytest.mark.parametrize(("sequence_parallel", "data_parallel"), [(2, 2), (2, 1), (1, 3)])
def test_proof_04_rows_over_groups_and_turns_have_the_mean_gradient_of_one_process(
    tmp_path, sequence_parallel, data_parallel
):
    """DP 2 x SP 2; accumulation of 2 and 3 rows on SP 2; DP 3."""
    folder, file = save_model(tmp_path / "model", "llama 9/3"), tmp_path / "stock.pt"
    torch.save({seeds: stock_gradients(folder, seeds)[2] for seeds in STEPS}, file)
    ranks = sequence_parallel * data_parallel
    found = run_ranks(ranks, differences, folder, file, sequence_parallel, data_parallel)[0]
    assert max(found) <= 1e-6, dict(zip(STEPS, found, strict=True))
