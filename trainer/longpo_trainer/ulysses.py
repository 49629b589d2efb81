"""Ulysses sequence parallelism for packed rows, as an attention of transformers' AttentionInterface.

Each rank holds a contiguous slice of the row. An all-to-all gives it the whole row for some of the heads, where
``[prompt | chosen | rejected]`` is two stock causal attention calls; a second all-to-all gives its slice back. Heads
need not divide by the degree: the split sizes differ by at most one query head, and each rank receives just the KV
heads that its query heads read.

No mask function is registered for "ulysses", so transformers builds no mask; what may see what is decided here.

Gradient rule: the sum over the sequence group has a backward that is also a sum, and FSDP divides by all ranks. The
result is the exact mean over the rows of the data-parallel groups, with no factor anywhere.

Shapes: N heads, S tokens of the whole row, s tokens of a slice, D head size; the batch is always one row.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention.bias import causal_lower_right
from transformers import AttentionInterface

ATTENTION = "ulysses"


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
    """Splits the query heads as evenly as possible; a KV head goes to every rank with a query head that reads it."""
    group = query_heads // key_value_heads
    size, larger = divmod(query_heads, degree)
    shares, start = [], 0
    for rank in range(degree):
        query = range(start, start + size + (rank < larger))
        key_value = range(query.start // group, (query.stop - 1) // group + 1)
        shares.append(HeadShare(query, key_value, tuple(head // group - key_value.start for head in query)))
        start = query.stop
    return tuple(shares)


class _AllToAll(torch.autograd.Function):
    """Exchanges unequal parts of a flat tensor; its own inverse with the split sizes swapped."""

    @staticmethod
    def forward(ctx, flat: Tensor, sent: list[int], received: list[int], group: dist.ProcessGroup) -> Tensor:
        ctx.exchange = (received, sent, group)
        output = flat.new_empty(sum(received))
        # A permuted gradient keeps its strides, and gloo would send its memory as it lies, without an error.
        dist.all_to_all_single(output, flat.contiguous(), received, sent, group=group)
        return output

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        return _AllToAll.apply(gradient, *ctx.exchange), None, None, None


class _SequenceSum(torch.autograd.Function):
    """Sum over the group whose backward is also a sum (an in-place all_reduce would pass the gradient through)."""

    @staticmethod
    def forward(ctx, value: Tensor, group: dist.ProcessGroup) -> Tensor:
        ctx.group = group
        total = value.clone()
        dist.all_reduce(total, group=group)
        return total

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:
        return _SequenceSum.apply(gradient.contiguous(), ctx.group), None


def sequence_sum(value: Tensor, group: dist.ProcessGroup | None) -> Tensor:
    """Sums the ranks' shares of a value; without a group there is one rank, which holds it all."""
    return value if group is None else _SequenceSum.apply(value, group)


def gather_heads(query: Tensor, key: Tensor, value: Tensor, group: dist.ProcessGroup) -> tuple[Tensor, ...]:
    """[N, s, D] of all heads -> [n, S, D] of this rank's heads, one exchange for the three."""
    degree, rank = dist.get_world_size(group), dist.get_rank(group)
    query_heads, key_value_heads = len(query), len(key)
    shares = head_shares(query_heads, key_value_heads, degree)
    order = [
        head
        for share in shares
        for head in (
            *share.query,
            *(query_heads + head for head in share.key_value),
            *(query_heads + key_value_heads + head for head in share.key_value),
        )
    ]
    # index_select copies a KV head to each rank that reads it, and its backward adds their gradients up.
    sent = torch.cat((query, key, value)).index_select(0, torch.tensor(order, device=query.device))
    _, length, size = sent.shape
    mine = shares[rank]
    received = _AllToAll.apply(
        sent.flatten(),
        [share.heads * length * size for share in shares],
        [mine.heads * length * size] * degree,
        group,
    )
    heads = received.view(degree, mine.heads, length, size).transpose(0, 1).reshape(mine.heads, -1, size)
    return heads.split((len(mine.query), len(mine.key_value), len(mine.key_value)))


def scatter_heads(output: Tensor, query_heads: int, key_value_heads: int, group: dist.ProcessGroup) -> Tensor:
    """[n, S, D] of this rank's heads -> [N, s, D] of all heads."""
    degree = dist.get_world_size(group)
    shares = head_shares(query_heads, key_value_heads, degree)
    heads, tokens, size = output.shape
    length = tokens // degree
    sent = output.view(heads, degree, length, size).transpose(0, 1).reshape(-1)
    received = _AllToAll.apply(
        sent,
        [heads * length * size] * degree,
        [len(share.query) * length * size for share in shares],
        group,
    )
    return received.view(query_heads, length, size)


def _causal(query: Tensor, key: Tensor, value: Tensor, reads: tuple[int, ...], scale: float | None) -> Tensor:
    """Causal attention with the last query on the last key (bottom-right); ``reads`` maps query to KV heads."""
    if reads != tuple(range(len(key))):
        index = torch.tensor(reads, device=key.device)
        key, value = key.index_select(0, index), value.index_select(0, index)
    queries, keys = query.shape[1], key.shape[1]
    square = queries == keys
    return F.scaled_dot_product_attention(
        query[None],
        key[None],
        value[None],
        attn_mask=None if square else causal_lower_right(queries, keys),
        is_causal=square,
        scale=scale,
    )[0]


def packed_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    branches: tuple[int, int, int],
    reads: tuple[int, ...],
    scale: float | None = None,
) -> Tensor:
    """Attention over a whole packed row: chosen and rejected both see the prompt, never each other; pads give 0."""
    prompt, chosen, rejected = branches
    trunk, end = prompt + chosen, prompt + chosen + rejected
    parts = [_causal(query[:, :trunk], key[:, :trunk], value[:, :trunk], reads, scale)]
    if rejected:
        seen = [torch.cat((x[:, :prompt], x[:, trunk:end]), dim=1) for x in (key, value)]
        parts.append(_causal(query[:, trunk:end], *seen, reads, scale))
    if end < query.shape[1]:
        parts.append(torch.zeros_like(query[:, end:]))
    return torch.cat(parts, dim=1)


def ulysses_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    branches: tuple[int, int, int],
    sequence_group: dist.ProcessGroup | None,
    scaling: float | None = None,
    **others: object,
) -> tuple[Tensor, None]:
    """The function transformers calls in every layer: [1, N, s, D] in, [1, s, N, D] out."""
    unknown = [name for name in ("sliding_window", "softcap", "s_aux") if others.get(name) is not None]
    if attention_mask is not None or unknown:
        raise ValueError(f"ulysses attention is full causal attention; {unknown or 'a mask'} cannot be honoured")
    query, key, value = query[0], key[0], value[0]
    query_heads, key_value_heads = len(query), len(key)
    if sequence_group is None:
        reads = head_shares(query_heads, key_value_heads, 1)[0].reads
        output = packed_attention(query, key, value, branches, reads, scaling)
    else:
        degree, rank = dist.get_world_size(sequence_group), dist.get_rank(sequence_group)
        reads = head_shares(query_heads, key_value_heads, degree)[rank].reads
        query, key, value = gather_heads(query, key, value, sequence_group)
        output = packed_attention(query, key, value, branches, reads, scaling)
        output = scatter_heads(output, query_heads, key_value_heads, sequence_group)
    return output.transpose(0, 1)[None], None


AttentionInterface.register(ATTENTION, ulysses_attention)
