"""Heads of each rank: the even split's longest rank, and as few copies of KV heads as any split with it."""

from functools import cache

import pytest
from longpo_trainer.head_shares import head_shares

SMALL = [(q, kv, p) for q in range(1, 13) for kv in range(1, q + 1) if q % kv == 0 for p in range(1, min(q, 6) + 1)]


def fewest_key_value_heads(query_heads: int, key_value_heads: int, degree: int) -> int:
    """By trying every way to deal the heads of one KV group after another to ranks with room."""
    limit = -(-query_heads // degree)

    @cache
    def deal(groups: int, rooms: tuple[int, ...]) -> float:
        if groups == 0:
            return 0 if all(room < limit for room in rooms) else float("inf")
        return min(
            (used + deal(groups - 1, left) for used, left in portions(query_heads // key_value_heads, rooms)),
            default=float("inf"),
        )

    return int(deal(key_value_heads, (limit,) * degree))


def portions(heads: int, rooms: tuple[int, ...]) -> set[tuple[int, tuple[int, ...]]]:
    """(Ranks that get some, room left on each) for every way to deal so many heads; ranks are alike, so sorted."""
    if not rooms:
        return {(0, ())} if heads == 0 else set()
    return {
        (used + (taken > 0), tuple(sorted((*left, rooms[0] - taken))))
        for taken in range(min(heads, rooms[0]) + 1)
        for used, left in portions(heads - taken, rooms[1:])
    }


def test_no_split_with_the_same_longest_rank_sends_fewer_key_value_heads():
    for shape in SMALL:
        sent = sum(len(share.key_value) for share in head_shares(*shape))
        assert sent == fewest_key_value_heads(*shape), shape


@pytest.mark.parametrize("shape", [*SMALL, (28, 4, 8), (32, 8, 16), (32, 8, 8), (32, 1, 32), (64, 8, 24), (40, 10, 7)])
def test_every_head_is_computed_once_by_ranks_of_which_none_has_too_many(shape):
    query_heads, key_value_heads, degree = shape
    shares = head_shares(*shape)
    assert [head for share in shares for head in share.query] == list(range(query_heads))
    assert len(shares) == degree
    assert all(1 <= len(share.query) <= -(-query_heads // degree) for share in shares)
    for share in shares:
        assert [share.key_value[read] for read in share.reads] == [
            head // (query_heads // key_value_heads) for head in share.query
        ]


@pytest.mark.parametrize(
    ("shape", "sizes", "sent"),
    [
        ((9, 3, 2), [5, 4], 4),
        ((9, 3, 4), [2, 1, 3, 3], 4),
        ((28, 4, 8), [4, 3] * 4, 8),
        ((32, 8, 16), [2] * 16, 16),
        ((32, 8, 8), [4] * 8, 8),
        ((6, 1, 4), [2, 2, 1, 1], 4),
        ((7, 7, 3), [3, 2, 2], 7),
    ],
)
def test_known_shapes(shape, sizes, sent):
    shares = head_shares(*shape)
    assert sorted(len(share.query) for share in shares) == sorted(sizes)
    assert sum(len(share.key_value) for share in shares) == sent
