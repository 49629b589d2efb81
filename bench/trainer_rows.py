"""Forward and backward of the packed row [prompt | chosen | rejected] against two separate rows, in turn in one run.

Usage: python trainer_rows.py MODEL PROMPT_TOKENS ANSWER_TOKENS ROUNDS. One process, f32, random tokens.
"""

import json
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "trainer"))

import torch
from longpo_trainer.layout import Branch, PackedRow, pack
from longpo_trainer.loss import longpo_loss
from longpo_trainer.model import Policy, Precision, load_policy, read_config
from longpo_trainer.process_group import joined_world

REFERENCE = torch.tensor([-50.0, -60.0])


def branch(count: int) -> Branch:
    return Branch(torch.randint(10, 1000, (count,)), torch.ones(count, dtype=torch.bool))


def backward(policy: Policy, rows: list[PackedRow]) -> None:
    """One loss over the sums of all rows, as one preference pair has."""
    sums = sum(policy(row, None) for row in rows)
    loss, _ = longpo_loss(sums, rows[0].nll_tokens, REFERENCE, 0.1, 0.01)
    loss.backward()
    policy.zero_grad()


def main(model: str, prompt_tokens: int, answer_tokens: int, rounds: int) -> None:
    os.environ |= {"RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29511"}
    torch.manual_seed(0)
    prompt, chosen, rejected = torch.randint(10, 1000, (prompt_tokens,)), branch(answer_tokens), branch(answer_tokens)
    empty = Branch(torch.empty(0, dtype=torch.long), torch.empty(0, dtype=torch.bool))
    sides = {
        "packed": [pack(prompt, chosen, rejected)],
        "separate": [pack(prompt, chosen, empty), pack(prompt, rejected, empty)],
    }
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    with joined_world(1, 1) as world:
        folder = Path(model)
        policy = load_policy(folder, read_config(folder), Precision("f32", True), world)
        for turn in range(rounds + 1):
            for name, rows in sides.items():
                started = time.monotonic()
                backward(policy, rows)
                if turn > 0:  # the first only warms up
                    seconds[name].append(time.monotonic() - started)
    print(json.dumps(seconds))


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:5]))
