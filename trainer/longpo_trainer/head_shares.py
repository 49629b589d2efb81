"""Which heads each rank of a sequence group computes. Pure.

The slowest rank decides how long attention takes, so none has more query heads than an even split gives: query heads /
degree, rounded up. Within that, the key-value heads that more than one rank needs are as few as they can be, since
each copy is sent, kept and given back as a gradient.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True)
class HeadShare:
    """The heads one rank computes."""

    query: range
    key_value: range
    reads: tuple[int, ...]
    """Of each query head of the share: the KV head of the share that it reads."""

    @property
    def heads(self) -> int:
        """Heads on the wire: queries, keys and values."""
        return len(self.query) + 2 * len(self.key_value)


@lru_cache
def head_shares(query_heads: int, key_value_heads: int, degree: int) -> tuple[HeadShare, ...]:
    """The share of each rank, in the order of the query heads; every rank has at least one."""
    group = query_heads // key_value_heads
    shares, start = [], 0
    for size in _share_sizes(key_value_heads, group, degree):
        query = range(start, start + size)
        key_value = range(query.start // group, (query.stop - 1) // group + 1)
        shares.append(HeadShare(query, key_value, tuple(head // group - key_value.start for head in query)))
        start = query.stop
    return tuple(shares)


def _share_sizes(groups: int, group: int, degree: int) -> list[int]:
    """Query heads of each rank: each block of KV groups is split over the ranks of the block alone.

    Ranks that share a KV head hang together, and ``a`` groups on ``b`` ranks that hang together make ``a + b - 1``
    pairs of a rank and a group it reads. So the KV heads sent are ``groups + degree - blocks``: fewest with the most
    blocks.
    """
    blocks = _most_blocks(groups, group, degree)
    for _ in range(degree - sum(ranks for _, ranks in blocks)):
        fullest = max(range(len(blocks)), key=lambda block: blocks[block][0] / blocks[block][1])
        blocks[fullest] = (blocks[fullest][0], blocks[fullest][1] + 1)
    return [size for block, ranks in blocks for size in _even(block * group, ranks)]


def _most_blocks(groups: int, group: int, degree: int) -> list[tuple[int, int]]:
    """(KV groups, ranks they need) of each block: as many blocks as the ranks are enough for.

    ``plans[c]`` covers the groups so far with ``c`` blocks on the fewest ranks, the most alike blocks among those.
    """
    limit = -(-groups * group // degree)
    covered: list[dict[int, tuple[int, int, list[int]]]] = [{0: (0, 0, [])}]
    for covering in range(1, groups + 1):
        plans: dict[int, tuple[int, int, list[int]]] = {}
        for block in range(1, covering + 1):
            ranks = -(-block * group // limit)
            for count, (used, uneven, blocks) in covered[covering - block].items():
                plan = (used + ranks, uneven + block * block, [*blocks, block])
                if plan[0] <= degree and (count + 1 not in plans or plan < plans[count + 1]):
                    plans[count + 1] = plan
        covered.append(plans)
    blocks = covered[groups][max(covered[groups])][2]
    return [(block, -(-block * group // limit)) for block in blocks]


def _even(heads: int, ranks: int) -> list[int]:
    size, larger = divmod(heads, ranks)
    return [size + (rank < larger) for rank in range(ranks)]
