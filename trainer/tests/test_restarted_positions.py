"""Proof 8: positions that start again at the rejected branch must not go through transformers' own masks.

transformers takes them for a second document in the row and hides the prompt from it. This is what the trainer's
attention is for, and why no mask function is registered for it.
"""

import pytest
import torch
from longpo_trainer.errors import LongPOError
from longpo_trainer.ulysses import ATTENTION
from tiny_models import save_model
from transformers import AttentionMaskInterface, AutoModelForCausalLM
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, sdpa_mask
from two_sequences import packed_row

PROMPT, CHOSEN, REJECTED = 51, 10, 6


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_model(tmp_path_factory.mktemp("model"), "llama 4/2")


def hidden(folder, attention: str, ids: torch.Tensor, positions: torch.Tensor, **options: object) -> torch.Tensor:
    model = AutoModelForCausalLM.from_pretrained(folder, attn_implementation=attention).model
    with torch.no_grad():
        return model(ids[None], position_ids=positions[None], use_cache=False, **options).last_hidden_state[0]


def test_proof_08_stock_attention_loses_the_prompt_of_the_rejected_branch(folder):
    row = packed_row(1)
    start = PROMPT + CHOSEN
    alone = torch.cat((row.input_ids[:PROMPT], row.input_ids[start:]))
    expected = hidden(folder, "sdpa", alone, torch.arange(PROMPT + REJECTED))[PROMPT:]
    stock = hidden(folder, "sdpa", row.input_ids, row.position_ids)
    ours = hidden(
        folder, ATTENTION, row.input_ids, row.position_ids, branches=row.branches, sequence_group=None, traffic=None
    )
    assert (ours[start:] - expected).abs().max() < 1e-5
    assert (stock[start:] - expected).abs().max() > 0.1
    assert (stock[:start] - ours[:start]).abs().max() < 1e-5, "prompt and chosen branch are one document"


def test_proof_08_with_a_mask_function_registered_the_trainer_refuses_to_run(folder):
    row = packed_row(1)
    AttentionMaskInterface.register(ATTENTION, sdpa_mask)
    try:
        with pytest.raises(LongPOError, match="LlamaAttention wants attention_mask"):
            hidden(
                folder,
                ATTENTION,
                row.input_ids,
                row.position_ids,
                branches=row.branches,
                sequence_group=None,
                traffic=None,
            )
    finally:
        del ALL_MASK_ATTENTION_FUNCTIONS._global_mapping[ATTENTION]
