"""The released recipe on the trainer's own model: what its code does in one step, written anew from its description.

Usage: python recipe_side.py MODEL PROMPT ANSWER PORT. One process, f32. A step is

- chosen and rejected row as one batch of two whole sequences, right-padded;
- logits of every position of both rows in f32, at once (the head's product in the model's dtype);
- a second model, resident, that scores both answers on the short chunk in every step, as a batch of two rows;
- one logistic loss over the sums, and the NLL of the whole chosen row.

Kinder than the release: its two cross-entropies over the same logits (answers, NLL) are one here, rows of a batch have
the same length, and the pads that it counts in its NLL are not there. Sharding, checkpointing, clipping and optimizer
are the trainer's, as on the other side.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from types import MethodType

import workload  # isort: skip  (finds the trainer)

import torch
import torch.nn.functional as F
from longpo_trainer.activations import Activations
from longpo_trainer.architecture import read_config
from longpo_trainer.model import Policy, load_policy
from longpo_trainer.optimizer import build_optimizer, clip_to_norm, set_learning_rate
from longpo_trainer.process_group import World, joined_world
from rounds import run_rounds
from torch import Tensor
from torch.distributed.fsdp import register_fsdp_forward_method


class TokenLogProbs(torch.autograd.Function):
    """Log-prob of each target from whole logits, as flash-attention's cross-entropy: it keeps the logits and one
    number a token, and its gradient is one more tensor of the logits' size."""

    @staticmethod
    def forward(ctx, logits: Tensor, targets: Tensor) -> Tensor:
        normalizers = torch.logsumexp(logits, dim=-1)
        ctx.save_for_backward(logits, targets, normalizers)
        return logits.gather(-1, targets[..., None]).squeeze(-1) - normalizers

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:
        logits, targets, normalizers = ctx.saved_tensors
        scale = gradient[..., None]
        result = logits.sub(normalizers[..., None]).exp_().mul_(-scale)
        return result.scatter_add_(-1, targets[..., None], scale), None


def row_log_probs(policy: Policy, ids: Tensor) -> Tensor:
    """[2, s] token ids -> [2, s - 1] log-probs of each next token; runs as the root's forward."""
    decoder, head = policy.causal_lm.get_decoder(), policy.causal_lm.get_output_embeddings()
    hidden = decoder(input_ids=ids, use_cache=False).last_hidden_state
    return TokenLogProbs.apply(head(hidden).float()[:, :-1], ids[:, 1:])


def load(folder: Path, world: World) -> Policy:
    """The trainer's model with transformers' own attention of plain rows."""
    policy = load_policy(folder, read_config(folder), "f32", Activations(), world)
    policy.causal_lm.set_attn_implementation("sdpa")
    policy.row_log_probs = MethodType(row_log_probs, policy)
    register_fsdp_forward_method(policy, "row_log_probs")
    return policy


@dataclass(frozen=True)
class RecipeSteps:
    policy: Policy
    reference: Policy
    optimizer: torch.optim.Optimizer
    pair: workload.Pair

    def step(self) -> None:
        answers = len(self.pair.chosen)
        log_probs = self.policy.row_log_probs(self._rows(self.pair.prompt))
        with torch.no_grad():
            reference = self.reference.row_log_probs(self._rows(self.pair.chunk))[:, -answers:].sum(dim=1)
        self.reference.reshard()
        rewards = workload.BETA * (log_probs[:, -answers:].sum(dim=1) - reference)
        preference = -F.logsigmoid(rewards[0] - rewards[1])
        loss = workload.LAMBDA * preference - log_probs[0].mean()
        loss.backward()
        clip_to_norm(self.policy.parameters(), workload.MAX_NORM)
        self.optimizer.step()
        self.optimizer.zero_grad()

    def _rows(self, prompt: Tensor) -> Tensor:
        return torch.stack([torch.cat((prompt, answer)) for answer in (self.pair.chosen, self.pair.rejected)])


def main(model: str, prompt: str, answer: str, port: str) -> None:
    workload.be_only_rank(int(port))
    with joined_world(1, 1) as world:
        policy, reference = (load(Path(model), world) for _ in range(2))
        optimizer = build_optimizer(policy, "rmsprop", 0.0)
        set_learning_rate(optimizer, workload.LEARNING_RATE)
        pair = workload.random_pair(int(prompt), int(answer))
        steps = RecipeSteps(policy, reference.eval().requires_grad_(False), optimizer, pair)
        run_rounds({"step": steps.step})


if __name__ == "__main__":
    main(*sys.argv[1:])
