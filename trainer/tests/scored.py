"""Log-probs of answers by transformers alone, and the policy that has to agree with them."""

from pathlib import Path

import torch
import torch.nn.functional as F
from longpo_trainer.activations import Activations
from longpo_trainer.architecture import read_config
from longpo_trainer.layout import Branch
from longpo_trainer.model import Policy, load_policy
from longpo_trainer.process_group import World
from longpo_trainer.tokens import Encoder, Example
from transformers import AutoModelForCausalLM, PreTrainedModel


def policy_of(folder: Path, world: World, dtype: str = "f32") -> Policy:
    return load_policy(folder, read_config(folder), dtype, Activations(checkpointing=False), world)


def stock_model(folder: Path, dtype: torch.dtype = torch.float32) -> PreTrainedModel:
    return AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, attn_implementation="sdpa")


def stock_log_probs(model: PreTrainedModel, prompt: torch.Tensor, branch: Branch) -> torch.Tensor:
    """[tokens of the branch] of one sequence, prompt + branch."""
    ids = torch.cat((prompt, branch.ids))
    logits = model(ids[None]).logits[0, :-1].float()
    return -F.cross_entropy(logits, ids[1:], reduction="none")[len(prompt) - 1 :]


def stock_pairs(model: PreTrainedModel, example: Example) -> torch.Tensor:
    """[turns, 2] sums over each answer, of two separate sequences."""
    sides = []
    for branch in (example.chosen, example.rejected):
        log_probs = stock_log_probs(model, example.prompt, branch)
        turns = range(int(branch.turns.max()) + 1)
        sides.append(torch.stack([log_probs[branch.written & (branch.turns == turn)].sum() for turn in turns]))
    return torch.stack(sides, dim=1)


def stock_reference(folder: Path, rows: list[dict], long: bool = False) -> torch.Tensor:
    """[turns of all rows, 2] on the short chunks, or on the long documents."""
    model, encoder = stock_model(folder), Encoder(folder)
    examples = []
    for row in rows:
        examples += [encoder.policy_example(row)] if long else [encoder.reference_example(t) for t in row["turns"]]
    with torch.no_grad():
        return torch.cat([stock_pairs(model, example) for example in examples])
