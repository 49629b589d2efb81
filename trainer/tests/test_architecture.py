"""Which models are taken, by what they compute and not by their name, and the rotary frequencies that they keep."""

from pathlib import Path

import pytest
import torch
from longpo_trainer.activations import Activations
from longpo_trainer.architecture import check_parts, policy_config, read_config
from longpo_trainer.errors import LongPOError
from tiny_models import SHAPES, save_model
from transformers import AutoConfig, AutoModelForCausalLM
from two_sequences import stock_gradients
from unsharded import sums_of, unsharded_policy

SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 64, "pad_token_id": None}
REFUSED = [
    ("mistral", {"sliding_window": 4096}, "ATTENTION_UNSUPPORTED", "sliding_window is 4096"),
    ("gemma3_text", {}, "ATTENTION_UNSUPPORTED", "layer_types has sliding_attention"),
    (
        "gemma2",
        {"layer_types": ["full_attention"] * 2},
        "ATTENTION_UNSUPPORTED",
        "attn_logit_softcapping is 50.0",
    ),
    ("nanochat", {}, "MODEL_UNSUPPORTED", "final_logit_softcapping"),
    ("granite", {"logits_scaling": 8.0}, "MODEL_UNSUPPORTED", "logits_scaling"),
    ("cohere", {}, "MODEL_UNSUPPORTED", "logit_scale"),
    ("phi", {}, "MODEL_UNSUPPORTED", "PhiModel has no norm"),
    ("mixtral", {}, "MODEL_UNSUPPORTED", "num_experts_per_tok"),
    ("qwen3_moe", {}, "MODEL_UNSUPPORTED", "num_experts_per_tok"),
    ("recurrent_gemma", {}, "MODEL_UNSUPPORTED", "does not leave attention"),
    ("mamba", {}, "MODEL_UNSUPPORTED", "does not leave attention"),
    ("gpt2", {}, "MODEL_UNSUPPORTED", "no rope_parameters"),
    ("bert", {}, "MODEL_UNSUPPORTED", "no rope_parameters"),
    ("gemma", {}, "MODEL_UNSUPPORTED", "no rule for the buffer model.embed_tokens.embed_scale"),
    ("llama", {"quantization_config": {"quant_method": "bitnet"}}, "MODEL_UNSUPPORTED", "quantised weights"),
    ("t5", {}, "MODEL_UNSUPPORTED", "not a language model for text alone"),
    (
        "llama",
        {"rope_parameters": {"rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0}},
        "ROPE_UNSUPPORTED",
        "dynamic",
    ),
]
YARN = {"rope_type": "yarn", "rope_theta": 1e4, "factor": 4.0, "original_max_position_embeddings": 64}
LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 1e4,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}


@pytest.mark.parametrize("shape", SHAPES)
def test_dense_models_with_full_attention_are_taken(shape, tmp_path):
    assert read_config(save_model(tmp_path, shape)).model_type in shape


@pytest.mark.parametrize(("model_type", "options", "code", "reason"), REFUSED)
def test_a_model_that_would_be_computed_wrongly_is_refused_with_the_field(model_type, options, code, reason, tmp_path):
    AutoConfig.for_model(model_type, **SMALL | options).save_pretrained(tmp_path)
    with pytest.raises(LongPOError, match=reason) as error:
        read_config(tmp_path)
    assert (error.value.exit_code, error.value.code) == (2, code)


def test_a_layer_with_a_buffer_is_refused_since_no_file_holds_it():
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(AutoConfig.for_model("apertus", **SMALL))
    with pytest.raises(LongPOError, match=r"no rule for the buffer model.layers.0.mlp.act_fn"):
        check_parts(model, Path("config.json"))


def test_dropout_is_off_as_the_reference_has_none(tmp_path):
    AutoConfig.for_model("seed_oss", **SMALL, residual_dropout=0.1, attention_dropout=0.1).save_pretrained(tmp_path)
    config = read_config(tmp_path)
    assert (config.residual_dropout, config.attention_dropout) == (0.0, 0.0)


@pytest.mark.parametrize("theta", [None, 5e6])
@pytest.mark.parametrize(
    "rope",
    [
        {"rope_type": "default", "rope_theta": 1e4},
        YARN,
        LLAMA3,
        {"rope_type": "linear", "rope_theta": 1e4, "factor": 4.0},
    ],
)
def test_the_policy_computes_what_its_published_config_says(rope, theta, tmp_path):
    """Scaled frequencies come from the length before the stage raised it; ropeTheta changes the base alone."""
    base, published = tmp_path / "base", tmp_path / "published"
    model = AutoModelForCausalLM.from_pretrained(save_model(base, "llama 4/2"))
    model.config.rope_parameters = rope
    model.config.max_position_embeddings = 64
    model.config.save_pretrained(base)
    settings = policy_config(read_config(base), theta, context_length=4096)
    policy = unsharded_policy(base, Activations())
    policy.set_rope(settings)
    model.save_pretrained(published)
    settings.save_pretrained(published)
    written = AutoConfig.from_pretrained(published)
    assert written.max_position_embeddings == 4096
    assert written.rope_parameters["rope_theta"] == (theta or 1e4)
    assert written.rope_parameters["rope_type"] == rope["rope_type"]
    if rope["rope_type"] in ("yarn", "llama3"):
        assert written.rope_parameters["original_max_position_embeddings"] == 64
    assert torch.allclose(sums_of(policy).detach(), stock_gradients(published)[1], rtol=1e-6, atol=0)
    if theta or rope["rope_type"] != "default":
        plain = stock_gradients(save_model(tmp_path / "plain", "llama 4/2"))[1]
        assert (sums_of(policy).detach() - plain).abs().max() > 1e-4, "the frequencies must matter"
