"""The FLOPs formula against torch's own counter."""

import pytest
import torch
import torch.nn.functional as F
from longpo_trainer import flops
from longpo_trainer.layout import NO_BRANCH, Branch, PackedRow, pack
from longpo_trainer.model import Policy
from longpo_trainer.ulysses import ATTENTION
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoModelForCausalLM, LlamaConfig, PretrainedConfig, Qwen3Config

SIZES = {
    "vocab_size": 211,
    "hidden_size": 48,
    "intermediate_size": 80,
    "num_hidden_layers": 2,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
}
CONFIGS = {
    "llama": LlamaConfig(**SIZES),
    "qwen3": Qwen3Config(**SIZES, head_dim=16, tie_word_embeddings=True),
}
BRANCHES = (60, 9, 5)


PROMPT, CHOSEN, _ = BRANCHES


def unpaired_row() -> PackedRow:
    """Without a rejected branch: under the counter torch does not make the bias that this one's attention takes."""
    return pack(torch.arange(PROMPT), Branch(torch.arange(CHOSEN), torch.ones(CHOSEN, dtype=torch.bool)), NO_BRANCH)


def counted(config: PretrainedConfig, backward: bool) -> tuple[flops.ModelShape, dict[str, int]]:
    """FLOPs of one row by operation."""
    # In bf16, since the counter does not know the product in place that accumulates an f32 gradient.
    model = AutoModelForCausalLM.from_config(config, attn_implementation=ATTENTION, dtype=torch.bfloat16)
    policy = Policy(model)
    with FlopCounterMode(display=False) as counter, torch.set_grad_enabled(backward):
        sums = policy(unpaired_row(), None)
        if backward:
            sums.sum().backward()
    shape = flops.model_shape(policy.causal_lm)
    return shape, {str(operation): count for operation, count in counter.get_flop_counts()["Global"].items()}


@pytest.mark.parametrize("name", CONFIGS)
def test_proof_15_the_forward_pass_is_as_long_as_torch_counts_it(name):
    """The counter takes a causal block for a full one, so the attention is compared by itself in the next test."""
    shape, counts = counted(CONFIGS[name], backward=False)
    tokens = PROMPT + CHOSEN
    full_attention = 4 * shape.layers * shape.query_heads * shape.head_size * tokens**2
    expected = flops.matmul_flops(shape, tokens, tokens - 1) + full_attention
    assert sum(counts.values()) == pytest.approx(expected, rel=0.05)


def test_proof_15_the_attention_is_the_sum_over_queries_of_the_keys_they_see():
    shape = flops.model_shape(AutoModelForCausalLM.from_config(CONFIGS["llama"]))
    _, _, rejected = BRANCHES
    seen = [*range(1, PROMPT + CHOSEN + 1), *range(PROMPT + 1, PROMPT + rejected + 1)]
    with FlopCounterMode(display=False) as counter:
        for keys in seen:
            query, key = (torch.zeros(1, shape.query_heads, length, shape.head_size) for length in (1, keys))
            F.scaled_dot_product_attention(query, key, key)
    assert counter.get_total_flops() * shape.layers == flops.attention_flops(shape, BRANCHES)


def test_proof_15_a_step_is_three_forward_passes():
    """Of the products of weights; the backward pass of the log-probs makes their logits once more."""
    shape, counts = counted(CONFIGS["llama"], backward=True)
    products = sum(count for operation, count in counts.items() if operation in ("aten.mm", "aten.addmm"))
    tokens, predictions = PROMPT + CHOSEN, PROMPT + CHOSEN - 1
    matmul = flops.matmul_flops(shape, tokens, predictions)
    logits_again = 2 * shape.vocabulary * shape.hidden * predictions
    assert products == pytest.approx(flops.MODEL_PASSES * matmul + logits_again, rel=0.05)
    forward = matmul + flops.attention_flops(shape, (PROMPT, CHOSEN, 0))
    assert flops.model_flops(shape, (PROMPT, CHOSEN, 0), predictions) == flops.MODEL_PASSES * forward


def test_mfu_is_told_of_cards_whose_peak_is_known():
    assert flops.peak_bf16("NVIDIA H100 80GB HBM3") == 989e12
    assert flops.peak_bf16("NVIDIA H100 PCIe") == 756e12
    assert flops.peak_bf16("NVIDIA A100-SXM4-80GB") == 312e12
    assert flops.peak_bf16("NVIDIA L40S") == 362e12
    assert flops.peak_bf16("NVIDIA H100 80GB HBM3 MIG 1g.10gb") is None
    assert flops.peak_bf16("NVIDIA GeForce RTX 4090") is None
    cpu = torch.device("cpu")
    assert flops.speed_values(6e12, 2.0, 3, "bf16", cpu) == {"tflops_per_rank": pytest.approx(1.0)}
