"""Branches never see each other: a changed token of one leaves the other's log-probs as they were, bit for bit."""

from pathlib import Path

import torch
from longpo_trainer.activations import Activations
from longpo_trainer.architecture import read_config
from longpo_trainer.layout import CHOSEN, REJECTED, Branch, pack
from longpo_trainer.model import load_policy
from longpo_trainer.process_group import joined_world
from ranks import run_ranks
from tiny_models import save_model


def branch_sums(folder: Path, rows: list[tuple[list[int], list[int], list[int]]]) -> list[list[float]]:
    with joined_world(1, 1) as world:
        policy = load_policy(folder, read_config(folder), "f32", Activations(checkpointing=False), world)
        found = []
        for prompt, *branches in rows:
            chosen, rejected = (Branch(torch.tensor(ids), torch.ones(len(ids), dtype=torch.bool)) for ids in branches)
            with torch.no_grad():
                sums = policy(pack(torch.tensor(prompt), chosen, rejected), None)
            found.append([sums[CHOSEN].item(), sums[REJECTED].item()])
        return found


def test_proof_06_a_branch_moves_only_its_own_log_probs_and_the_prompt_moves_both(tmp_path):
    prompt, chosen, rejected = [5, 6, 7, 8], [20, 21, 22], [30, 31, 32, 33]
    rows = [
        (prompt, chosen, rejected),
        (prompt, [20, 40, 22], rejected),
        (prompt, chosen, [30, 31, 41, 33]),
        ([5, 42, 7, 8], chosen, rejected),
    ]
    plain, other_chosen, other_rejected, other_prompt = run_ranks(1, branch_sums, save_model(tmp_path), rows)[0]
    assert other_chosen[1] == plain[1]
    assert other_chosen[0] != plain[0]
    assert other_rejected[0] == plain[0]
    assert other_rejected[1] != plain[1]
    assert other_prompt[0] != plain[0]
    assert other_prompt[1] != plain[1]
