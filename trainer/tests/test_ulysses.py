"""The exchange of heads for positions, of all ranks in one process: the real parts, with only the wire between them
replaced by indexing. Degrees that are too many ranks for a test machine are measured here."""

import pytest
import torch
import torch.nn.functional as F
from longpo_trainer.errors import LongPOError
from longpo_trainer.head_shares import head_shares
from longpo_trainer.ulysses import (
    heads_to_send,
    join_slices,
    packed_attention,
    slices_to_send,
    ulysses_attention,
)
from torch import Tensor, nn

BRANCHES = (19, 5, 7)
TOKENS, SIZE = 32, 4
"""One pad after the branches, so that the length divides by every degree here."""


def heads_of(query: int, key_value: int) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(query)
    return tuple(
        torch.randn(heads, TOKENS, SIZE, generator=generator, dtype=torch.float64).requires_grad_()
        for heads in (query, key_value, key_value)
    )


def attention_of_all_ranks(query: Tensor, key: Tensor, value: Tensor, degree: int) -> tuple[Tensor, int]:
    """Output of all heads and positions, and the numbers that went from one rank to another."""
    shares = head_shares(len(query), len(key), degree)
    slices = [heads.chunk(degree, dim=1) for heads in (query, key, value)]
    sizes = [share.heads for share in shares]
    sent = [heads_to_send(*rank, shares).split(sizes) for rank in zip(*slices, strict=True)]
    moved = sum(part.numel() for rank, parts in enumerate(sent) for to, part in enumerate(parts) if to != rank)
    returned = []
    for rank, share in enumerate(shares):
        received = torch.cat([parts[rank].flatten() for parts in sent])
        output = packed_attention(*join_slices(received, share, degree, SIZE), BRANCHES, share.reads)
        returned.append(slices_to_send(output, degree))
        moved += returned[-1].numel() // degree * (degree - 1)
    whole = [torch.cat([output[rank] for output in returned]) for rank in range(degree)]
    return torch.cat(whole, dim=1), moved


def stock_attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Prompt + chosen and prompt + rejected as two sequences with every KV head expanded; pads give 0."""
    prompt, chosen, rejected = BRANCHES
    trunk, end = prompt + chosen, prompt + chosen + rejected
    key, value = (heads.repeat_interleave(len(query) // len(key), dim=0) for heads in (key, value))

    def causal(places: list[int]) -> Tensor:
        return F.scaled_dot_product_attention(
            *(heads[None, :, places] for heads in (query, key, value)), is_causal=True
        )

    first = causal([*range(trunk)])[0]
    second = causal([*range(prompt), *range(trunk, end)])[0, :, prompt:]
    return torch.cat((first, second, torch.zeros(len(query), TOKENS - end, SIZE, dtype=query.dtype)), dim=1)


@pytest.mark.parametrize(
    ("query_heads", "key_value_heads", "degree"),
    [(9, 3, 2), (9, 3, 4), (28, 4, 8), (32, 8, 16), (32, 8, 8), (8, 1, 8), (6, 1, 4), (7, 7, 4)],
)
def test_outputs_and_gradients_of_all_ranks_are_those_of_expanded_heads(query_heads, key_value_heads, degree):
    heads = heads_of(query_heads, key_value_heads)
    weights = torch.randn(query_heads, TOKENS, SIZE, dtype=torch.float64)
    output, _ = attention_of_all_ranks(*heads, degree)
    expected = stock_attention(*heads)
    assert (output - expected).abs().max() < 1e-12
    found, wanted = (torch.autograd.grad((x * weights).sum(), heads) for x in (output, expected))
    for gradient, other in zip(found, wanted, strict=True):
        assert (gradient - other).abs().max() < 1e-12


def test_at_mistrals_shape_expanded_key_value_heads_would_move_1_6_times_as_much():
    """Defect 4 of the released code, which repeats the KV heads before the exchange."""
    query, key, value = heads_of(32, 8)
    expanded = [heads.repeat_interleave(4, dim=0) for heads in (key, value)]
    moved, released = (attention_of_all_ranks(query, *pair, 8)[1] for pair in ((key, value), expanded))
    assert moved == 7 * (TOKENS // 8) * SIZE * (2 * 32 + 2 * 8)
    assert released == 1.6 * moved


@pytest.mark.parametrize("name", ["sliding_window", "softcap", "s_aux"])
def test_what_a_layer_wants_beyond_causal_attention_is_refused(name):
    heads = [x.detach()[None].float() for x in heads_of(4, 2)]
    with pytest.raises(LongPOError, match=f"wants {name}"):
        ulysses_attention(nn.Linear(1, 1), *heads, None, branches=BRANCHES, **{name: 8})
