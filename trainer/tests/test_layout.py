"""The packed row: every target once, pads weightless, shards that add up to the row."""

import pytest
import torch
from longpo_trainer.layout import CHOSEN, NLL, REJECTED, Branch, pack

PROMPT = torch.tensor([10, 11, 12])


def branch(*ids: int, written: list[bool] | None = None) -> Branch:
    return Branch(torch.tensor(ids), torch.tensor(written or [True] * len(ids)))


def predictions(row, column: int) -> list[tuple[int, int]]:
    return [
        (position, target)
        for position, target, weight in zip(
            row.positions.tolist(), row.targets.tolist(), row.weights[:, column].tolist(), strict=True
        )
        if weight
    ]


def test_last_prompt_token_predicts_the_first_token_of_both_branches():
    row = pack(PROMPT, branch(20, 21), branch(30, 31, 32))
    assert row.input_ids.tolist() == [10, 11, 12, 20, 21, 30, 31, 32]
    assert row.position_ids.tolist() == [0, 1, 2, 3, 4, 3, 4, 5]
    assert predictions(row, CHOSEN) == [(2, 20), (3, 21)]
    assert predictions(row, REJECTED) == [(2, 30), (5, 31), (6, 32)]
    assert predictions(row, NLL) == [(0, 11), (1, 12), (2, 20), (3, 21)]
    assert row.nll_tokens == 4


def test_questions_between_answers_weigh_in_the_nll_only():
    row = pack(PROMPT, branch(20, 21, 22, written=[True, False, True]), branch(30))
    assert predictions(row, CHOSEN) == [(2, 20), (4, 22)]
    assert len(predictions(row, NLL)) == row.nll_tokens == 5


@pytest.mark.parametrize("degree", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("lengths", [(1, 1), (4, 2), (1, 9)])
def test_shards_hold_every_token_and_every_prediction_once(degree: int, lengths: tuple[int, int]):
    chosen, rejected = (branch(*range(50, 50 + n)) for n in lengths)
    whole = pack(PROMPT, chosen, rejected)
    padded = pack(PROMPT, chosen, rejected, degree)
    assert len(padded.input_ids) % degree == 0
    shards = [padded.shard(rank, degree) for rank in range(degree)]
    assert torch.cat([shard.input_ids for shard in shards]).equal(padded.input_ids)
    size = len(padded.input_ids) // degree
    for column in (CHOSEN, REJECTED, NLL):
        found = [
            (rank * size + position, target)
            for rank, shard in enumerate(shards)
            for position, target in predictions(shard, column)
        ]
        assert sorted(found) == sorted(predictions(whole, column))
    assert padded.positions.max() < len(whole.input_ids), "a pad predicts something"
