"""A policy in the test's own process, without ranks."""

from pathlib import Path

import torch
from longpo_trainer.activations import Activations, save_activations
from longpo_trainer.model import Policy
from longpo_trainer.ulysses import ATTENTION
from torch import Tensor
from transformers import AutoModelForCausalLM
from two_sequences import Gradients, loss_of, packed_row


def unsharded_policy(folder: Path, activations: Activations, device: str = "cpu") -> Policy:
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation=ATTENTION)
    save_activations(model.get_decoder(), activations, torch.device(device))
    return Policy(model).to(device).train()


def sums_of(policy: Policy) -> Tensor:
    """The three sums of the packed row of two_sequences.example."""
    device = next(policy.parameters()).device
    return policy(packed_row(1).to(device), None)


def unsharded_gradients(policy: Policy) -> Gradients:
    loss_of(sums_of(policy).cpu(), packed_row(1)).backward()
    return {name.removeprefix("causal_lm."): p.grad.cpu() for name, p in policy.named_parameters()}
