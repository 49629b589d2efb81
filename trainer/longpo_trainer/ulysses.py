"""Ulysses sequence parallelism for packed rows, as an attention of transformers' AttentionInterface.

Each rank holds a contiguous slice of the row. An all-to-all gives it the whole row for some of the heads, where
``[prompt | chosen | rejected]`` is two stock causal attention calls; a second all-to-all gives its slice back. Heads
need not divide by the degree, and each rank receives just the KV heads that its query heads read (head_shares).

No mask function is registered for "ulysses", so transformers builds no mask; what may see what is decided here.

Gradient rule: the sum over the sequence group has a backward that is also a sum, and FSDP divides by all ranks. The
result is the exact mean over the rows of the data-parallel groups, with no factor anywhere.

Shapes: N heads, S tokens of the whole row, s tokens of a slice, D head size; the batch is always one row.
"""

from __future__ import annotations

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention.bias import causal_lower_right
from transformers import AttentionInterface

from .errors import CONFIG, LongPOError
from .head_shares import HeadShare, head_shares

ATTENTION = "ulysses"
NOT_HONOURED = ("attention_mask", "sliding_window", "softcap", "s_aux", "position_bias")
"""What layers may give an attention function, and what would change what it computes."""


class Traffic:
    """Bytes that the all-to-alls of this rank sent to other ranks.

    Of one layer, summed over the ``P`` ranks of a group, for each time that it runs:

        (P - 1) * s * D * bytes of the dtype * (2 * query heads + 2 * KV heads sent)

    Queries and outputs travel once, keys and values once to each rank that reads them (head_shares). A step runs a
    layer forward, again where the backward pass recomputes it, and backward, and each moves as much: 3 times with
    gradient checkpointing, 2 without. Keys and values expanded to the query heads would make the bracket
    4 * query heads: 1.6 times as much for 32 / 8 heads on 8 ranks.
    """

    def __init__(self) -> None:
        self._sent = 0

    def add(self, sent: int) -> None:
        self._sent += sent

    def take(self) -> int:
        """Bytes since the last take."""
        sent, self._sent = self._sent, 0
        return sent


class _AllToAll(torch.autograd.Function):
    """Exchanges unequal parts of a flat tensor; its own inverse with the split sizes swapped."""

    @staticmethod
    def forward(
        ctx, flat: Tensor, sent: list[int], received: list[int], group: dist.ProcessGroup, traffic: Traffic
    ) -> Tensor:
        ctx.exchange = (received, sent, group, traffic)
        output = flat.new_empty(sum(received))
        # A permuted gradient keeps its strides, and gloo would send its memory as it lies, without an error.
        dist.all_to_all_single(output, flat.contiguous(), received, sent, group=group)
        traffic.add((sum(sent) - sent[dist.get_rank(group)]) * flat.element_size())
        return output

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None, None, None, None]:
        return _AllToAll.apply(gradient, *ctx.exchange), None, None, None, None


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


def heads_to_send(query: Tensor, key: Tensor, value: Tensor, shares: tuple[HeadShare, ...]) -> Tensor:
    """[N, s, D] each -> [heads of all shares, s, D], what goes to rank 0 first."""
    queries, keys = len(query), len(key)
    order = [
        head
        for share in shares
        for head in (
            *share.query,
            *(queries + head for head in share.key_value),
            *(queries + keys + head for head in share.key_value),
        )
    ]
    # index_select copies a KV head to each rank that reads it, and its backward adds their gradients up.
    return torch.cat((query, key, value)).index_select(0, torch.tensor(order, device=query.device))


def join_slices(received: Tensor, share: HeadShare, degree: int, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """What all ranks sent of a share's heads, one rank after another -> query, key, value of [n, S, D]."""
    heads = received.view(degree, share.heads, -1, size).transpose(0, 1).reshape(share.heads, -1, size)
    query, key, value = heads.split((len(share.query), len(share.key_value), len(share.key_value)))
    return query, key, value


def slices_to_send(output: Tensor, degree: int) -> Tensor:
    """[n, S, D] of this rank's heads -> [degree, n, s, D], the slice of rank 0 first."""
    heads, tokens, size = output.shape
    return output.view(heads, degree, tokens // degree, size).transpose(0, 1)


def _attend_over_group(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    branches: tuple[int, int, int],
    scale: float | None,
    group: dist.ProcessGroup,
    traffic: Traffic,
) -> Tensor:
    """[N, s, D] of all heads -> the same of the output, by two exchanges with the attention of few heads between."""
    degree, rank = dist.get_world_size(group), dist.get_rank(group)
    shares = head_shares(len(query), len(key), degree)
    mine = shares[rank]
    heads, length, size = query.shape
    part = length * size
    sent = heads_to_send(query, key, value, shares).flatten()
    received = _AllToAll.apply(
        sent, [share.heads * part for share in shares], [mine.heads * part] * degree, group, traffic
    )
    output = packed_attention(*join_slices(received, mine, degree, size), branches, mine.reads, scale)
    returned = _AllToAll.apply(
        slices_to_send(output, degree).reshape(-1),
        [len(mine.query) * part] * degree,
        [len(share.query) * part for share in shares],
        group,
        traffic,
    )
    return returned.view(heads, length, size)


def _causal(query: Tensor, key: Tensor, value: Tensor, reads: tuple[int, ...], scale: float | None) -> Tensor:
    """Causal attention with the last query on the last key (bottom-right); ``reads`` maps query to KV heads."""
    # Copies of KV heads would be kept for the backward pass; the kernels read groups of one size without any, except
    # for f32 on CUDA.
    grouped = len(reads) % len(key) == 0 and reads == tuple(head * len(key) // len(reads) for head in range(len(reads)))
    if not grouped or (query.is_cuda and query.dtype == torch.float32):
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
        enable_gqa=len(key) < len(query),
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
    branches: tuple[int, int, int] | None = None,
    sequence_group: dist.ProcessGroup | None = None,
    traffic: Traffic | None = None,
    scaling: float | None = None,
    **others: object,
) -> tuple[Tensor, None]:
    """The function transformers calls in every layer: [1, N, s, D] in, [1, s, N, D] out.

    LongPOError(2) where a layer wants something else, or its model does not hand ``branches`` down to it.
    """
    if attention_mask is not None:
        others["attention_mask"] = attention_mask
    reasons = [f"wants {name}" for name in NOT_HONOURED if others.get(name) is not None]
    if query.shape[-1] != value.shape[-1]:
        reasons.append(f"has value heads of {value.shape[-1]} beside query heads of {query.shape[-1]}")
    if branches is None:
        reasons.append("is not handed the branches of the row")
    if reasons:
        raise LongPOError(
            CONFIG,
            "ATTENTION_UNSUPPORTED",
            f"{type(module).__name__} {', '.join(reasons)}; every layer must be plain full causal attention, so use "
            "another model.",
        )
    query, key, value = query[0], key[0], value[0]
    if sequence_group is None:
        reads = head_shares(len(query), len(key), 1)[0].reads
        output = packed_attention(query, key, value, branches, reads, scaling)
    else:
        output = _attend_over_group(query, key, value, branches, scaling, sequence_group, traffic)
    return output.transpose(0, 1)[None], None


AttentionInterface.register(ATTENTION, ulysses_attention)
