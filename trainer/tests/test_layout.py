"""The packed row: every target once, pads weightless, shards that add up to the row."""

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise

import pytest
import torch
from longpo_trainer.layout import CHOSEN, NLL, NO_BRANCH, REJECTED, Branch, PackedRow, pack

PROMPT = torch.tensor([10, 11, 12])
SHAPES = 300
"""Random rows of a proof; the first ones are the smallest there can be."""


def branch(*ids: int, written: list[bool] | None = None) -> Branch:
    return Branch(torch.tensor(ids), torch.tensor(written or [True] * len(ids)))


def predictions(row: PackedRow, column: int) -> list[tuple[int, int]]:
    return [
        (position, target)
        for position, target, weight in zip(
            row.positions.tolist(), row.targets.tolist(), row.weights[:, column].tolist(), strict=True
        )
        if weight
    ]


@dataclass(frozen=True)
class Shape:
    """A row drawn from a seed, and what is known of it without the code under test."""

    prompt: torch.Tensor
    chosen: Branch
    rejected: Branch
    answers: tuple[list[list[int]], list[list[int]]]
    """Of both branches and each turn: places of the answer's tokens in the branch."""
    degree: int


def draw(seed: int) -> Shape:
    """All tokens of a row differ, so that a target says which token it is."""
    generator = torch.Generator().manual_seed(seed)

    def number(low: int, high: int) -> int:
        return int(torch.randint(low, high + 1, (), generator=generator))

    largest = 1 + seed // 10
    prompt, turns, degree = number(1, largest), number(1, min(4, largest)), number(1, 9)
    start, branches, answers = prompt, [], []
    for _ in range(2):
        written, places = [], []
        for turn in range(turns):
            written += [False] * number(min(turn, 1), largest)
            length = number(1, largest)
            places.append(list(range(len(written), len(written) + length)))
            written += [True] * length
        written += [False] * number(0, 1)
        branches.append(Branch(torch.arange(start, start + len(written)), torch.tensor(written)))
        answers.append(places)
        start += len(written)
    return Shape(torch.arange(prompt), *branches, tuple(answers), degree)


def wanted(shape: Shape, per_turn: bool) -> dict[int, Counter[tuple[int, int]]]:
    """(predicting token, target) of each column of weights, from the two dialogues as separate sequences."""
    columns: dict[int, Counter[tuple[int, int]]] = {}
    terms = len(shape.answers[0]) if per_turn else 1
    for side, dialogue in enumerate((shape.chosen, shape.rejected)):
        sequence = [*shape.prompt.tolist(), *dialogue.ids.tolist()]
        for turn, places in enumerate(shape.answers[side]):
            column = columns.setdefault(2 * (turn if per_turn else 0) + side, Counter())
            column.update((sequence[len(shape.prompt) + at - 1], dialogue.ids[at].item()) for at in places)
        if side == 0:
            columns[2 * terms] = Counter(pairwise(sequence))
    return columns


@pytest.mark.parametrize("per_turn", [False, True])
def test_proof_07_every_target_is_used_once_for_each_branch_whatever_the_shape(per_turn: bool):
    for seed in range(SHAPES):
        shape = draw(seed)
        row = pack(shape.prompt, shape.chosen, shape.rejected, shape.degree, per_turn)
        tokens = row.input_ids.tolist()
        for column, expected in wanted(shape, per_turn).items():
            found = Counter((tokens[position], target) for position, target in predictions(row, column))
            assert found == expected, f"seed {seed}, column {column}"
        assert row.weights.shape[1] == (2 * len(shape.answers[0]) if per_turn else 2) + 1


def test_proof_07_weights_sum_to_the_lengths_of_the_answers_and_of_the_whole_chosen_sequence():
    for seed in range(SHAPES):
        shape = draw(seed)
        row = pack(shape.prompt, shape.chosen, shape.rejected, shape.degree)
        p, c, r = row.branches
        assert row.weights.sum(dim=0).tolist() == [
            shape.chosen.written.sum(),
            shape.rejected.written.sum(),
            p + c - 1,
        ], f"seed {seed}"
        assert row.nll_tokens == p + c - 1
        plain = pack(shape.prompt, branch(*range(c)), branch(*range(r)), shape.degree)
        assert plain.weights.sum(dim=0).tolist() == [c, r, p + c - 1], f"seed {seed}"


def test_proof_07_pads_are_fewer_than_the_degree_and_predict_nothing():
    """Defects 6 and 7 of the released code: rows as long as the longer answer twice, pads that are trained on."""
    for seed in range(SHAPES):
        shape = draw(seed)
        row = pack(shape.prompt, shape.chosen, shape.rejected, shape.degree)
        tokens = sum(row.branches)
        assert len(row.input_ids) % shape.degree == 0
        assert 0 <= len(row.input_ids) - tokens < shape.degree
        assert row.positions.max() < tokens, f"seed {seed}: a pad predicts something"


def test_proof_07_a_prediction_stands_one_position_before_its_target():
    """Both branches begin at position len(prompt), and a target's own position follows its predictor's."""
    for seed in range(SHAPES):
        shape = draw(seed)
        row = pack(shape.prompt, shape.chosen, shape.rejected, shape.degree)
        place = dict(zip(row.input_ids.tolist(), row.position_ids.tolist(), strict=False))
        p, c, r = row.branches
        assert row.position_ids[: p + c + r].tolist() == [*range(p + c), *range(p, p + r)]
        for position, target in zip(row.positions.tolist(), row.targets.tolist(), strict=True):
            if target:  # a pad has the id of token 0, which nothing predicts
                assert row.position_ids[position] + 1 == place[target], f"seed {seed}"


@pytest.mark.parametrize("per_turn", [False, True])
def test_proof_07_shards_hold_every_token_and_every_prediction_once(per_turn: bool):
    """Defect 17 of the released code: the prediction of the next rank's first token was dropped at each boundary."""
    for seed in range(SHAPES):
        shape = draw(seed)
        row = pack(shape.prompt, shape.chosen, shape.rejected, shape.degree, per_turn)
        shards = [row.shard(rank, shape.degree) for rank in range(shape.degree)]
        assert torch.cat([shard.input_ids for shard in shards]).equal(row.input_ids)
        assert torch.cat([shard.position_ids for shard in shards]).equal(row.position_ids)
        size = len(row.input_ids) // shape.degree
        for column in range(row.weights.shape[1]):
            found = [
                (rank * size + position, target)
                for rank, shard in enumerate(shards)
                for position, target in predictions(shard, column)
            ]
            assert sorted(found) == sorted(predictions(row, column)), f"seed {seed}"
        assert {shard.nll_tokens for shard in shards} == {row.nll_tokens}


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


def test_each_turn_has_its_own_pair_of_sums():
    chosen = branch(20, 21, 22, 23, written=[True, False, True, True])
    rejected = branch(30, 31, 32, written=[True, False, True])
    row = pack(PROMPT, chosen, rejected, per_turn=True)
    assert [predictions(row, column) for column in range(4)] == [
        [(2, 20)],
        [(2, 30)],
        [(4, 22), (5, 23)],
        [(8, 32)],
    ]
    assert len(predictions(row, NLL)) == row.nll_tokens == 6


def test_terms_for_each_turn_need_as_many_answers_in_both_branches():
    two = branch(20, 21, 22, written=[True, False, True])
    with pytest.raises(ValueError, match=r"\{1, 2\} answers"):
        pack(PROMPT, two, branch(30), per_turn=True)


def test_defect_02_a_row_without_its_nll_predicts_the_answers_only():
    """Defect 2 of the released code: logits at every position. What predicts nothing costs no logits."""
    chosen = branch(20, 21, 22, 23, written=[False, True, True, False])
    row = pack(PROMPT, chosen, branch(30, 31, written=[False, True])).without_nll()
    assert list(zip(row.positions.tolist(), row.targets.tolist(), strict=True)) == [(3, 21), (4, 22), (7, 31)]
    assert row.weights.tolist() == [[1, 0, 0], [1, 0, 0], [0, 1, 0]]


def test_supervised_rows_predict_what_the_model_wrote_and_nothing_else():
    chosen = branch(20, 21, 22, 23, written=[False, True, False, True])
    row = pack(PROMPT, chosen, NO_BRANCH, degree=2).with_nll_of_answers()
    assert row.input_ids.tolist() == [10, 11, 12, 20, 21, 22, 23, 0]
    assert predictions(row, NLL) == predictions(row, CHOSEN) == [(3, 21), (5, 23)]
    assert (row.nll_tokens, row.branches) == (2, (3, 4, 0))
