"""The LongPO objective (paper Eq. 12 and Eq. 14) and the token log-probs it is made of. Pure: no process group."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from .layout import CHOSEN, NLL, REJECTED

METRICS = (
    "loss",
    "loss/preference",
    "loss/nll",
    "rewards/chosen",
    "rewards/rejected",
    "rewards/margins",
    "rewards/accuracies",
    "logps/chosen",
    "logps/rejected",
)
LOGITS_BYTES = {"cpu": 1 << 26, "cuda": 1 << 28}
"""Of one chunk of f32 logits; larger chunks gain nothing on the device."""


def longpo_loss(
    sums: Tensor,
    nll_tokens: int,
    reference: Tensor | None,
    beta: float,
    lambda_: float,
    nll_weight: float = 1.0,
) -> tuple[Tensor, Tensor]:
    """Loss of one row, lambda x preference + nll_weight x NLL, and the values of METRICS.

    ``sums`` [2 x terms + 1] are the policy's log-prob sums on the long context, in the columns of PackedRow.weights;
    ``reference`` [terms, 2] are the chosen and rejected sums of the reference. As released, a row has one term, the
    joint log-prob of all its turns; else one for each turn, and the preference, the rewards and the log-probs are
    their means. Without a reference there is no preference: it is 0, and so are the rewards.
    """
    log_probs = sums[:NLL].view(-1, 2)
    nll = -sums[NLL] / nll_tokens
    if reference is None:
        rewards, margins = torch.zeros_like(log_probs), sums.new_zeros(len(log_probs))
        preference = sums.new_zeros(())
    else:
        rewards = beta * (log_probs - reference.view(-1, 2))
        margins = rewards[:, CHOSEN] - rewards[:, REJECTED]
        preference = -F.logsigmoid(margins).mean()
    loss = lambda_ * preference + nll_weight * nll
    means = (
        *rewards.mean(dim=0),
        margins.mean(),
        (margins > 0).to(margins.dtype).mean(),
        *log_probs.mean(dim=0),
    )
    return loss, torch.stack((loss, preference, nll, *means)).detach()


def chunk_tokens(vocabulary: int, device_type: str) -> int:
    """Predictions per chunk of logits."""
    return max(1, LOGITS_BYTES[device_type] // (4 * vocabulary))


def token_log_probs(hidden: Tensor, weight: Tensor, targets: Tensor, chunk: int) -> Tensor:
    """Log-prob of each target, in f32, without ever holding the logits of more than one chunk.

    ``hidden`` is [predictions, hidden size], ``weight`` the output embedding. The matrix product runs in their
    dtype, the softmax in f32.
    """
    return _ChunkedLogProbs.apply(hidden, weight, targets, chunk)


class _ChunkedLogProbs(torch.autograd.Function):
    """Keeps one number per token from the forward pass and computes each chunk's logits again in the backward pass.

    Written by hand rather than with a checkpoint per chunk so that the gradient of the output embedding, as large
    as the embedding, is accumulated in one buffer instead of being made anew and added for every chunk.
    """

    @staticmethod
    def forward(ctx, hidden: Tensor, weight: Tensor, targets: Tensor, chunk: int) -> Tensor:
        log_probs = hidden.new_empty(len(targets), dtype=torch.float32)
        normalizers = torch.empty_like(log_probs)
        for rows in _chunks(len(targets), chunk):
            logits = (hidden[rows] @ weight.T).float()
            normalizers[rows] = torch.logsumexp(logits, dim=1)
            log_probs[rows] = logits.gather(1, targets[rows, None]).squeeze(1) - normalizers[rows]
        ctx.save_for_backward(hidden, weight, targets, normalizers)
        ctx.chunk = chunk
        return log_probs

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, Tensor, None, None]:
        hidden, weight, targets, normalizers = ctx.saved_tensors
        hidden_gradient = torch.empty_like(hidden)
        weight_gradient = torch.zeros_like(weight, dtype=torch.float32)
        for rows in _chunks(len(targets), ctx.chunk):
            scale = gradient[rows, None]
            logits = (hidden[rows] @ weight.T).float()
            logits.sub_(normalizers[rows, None]).exp_().mul_(-scale)
            logits.scatter_add_(1, targets[rows, None], scale)
            logits = logits.to(weight.dtype)
            hidden_gradient[rows] = logits @ weight
            if weight.dtype == torch.float32:
                weight_gradient.addmm_(logits.T, hidden[rows])
            else:
                weight_gradient.add_(logits.T @ hidden[rows])
        return hidden_gradient, weight_gradient.to(weight.dtype), None, None


def _chunks(length: int, chunk: int) -> list[slice]:
    return [slice(start, min(start + chunk, length)) for start in range(0, length, chunk)]
