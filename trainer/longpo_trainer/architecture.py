"""Which models this trainer computes rightly: any of transformers whose layers are all plain full causal attention.

Nothing is accepted by its name. The config tells what would be computed otherwise, and the output layer is tried.
"""

from __future__ import annotations

import copy
from pathlib import Path

import torch
from transformers import (
    MODEL_FOR_CAUSAL_LM_MAPPING,
    AutoConfig,
    AutoModelForCausalLM,
    PretrainedConfig,
    PreTrainedModel,
)

from .errors import CONFIG, LongPOError

FULL_ATTENTION = "full_attention"
ROPE_TYPES = ("default", "linear", "llama3", "yarn")
"""Frequencies that are the same for every length: the branches of a row, and the slices of it, must agree on them."""

PARTS = ("embed_tokens", "layers", "norm", "rotary_emb")
"""Modules of a decoder."""


def read_config(folder: Path) -> PretrainedConfig:
    """The model's config, refused where this trainer would compute something else than the model does."""
    file = folder / "config.json"
    if not file.is_file():
        raise LongPOError(CONFIG, "MODEL_INCOMPLETE", f"{folder} has no config.json; give a Hugging Face model folder.")
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True)
    except (ValueError, KeyError) as error:
        raise LongPOError(CONFIG, "MODEL_UNSUPPORTED", f"{file}: transformers does not know it: {error}") from error
    _check_class(config, file)
    _check_attention(config, file)
    _check_rope(config, file)
    config.dtype = torch.float32
    config.use_cache = False
    # The policy is compared with its reference: neither leaves anything out by chance.
    for name, value in vars(config).items():
        if name.endswith(("dropout", "pdrop")) and isinstance(value, float):
            setattr(config, name, 0.0)
    _check_head(config, file)
    return config


def policy_config(config: PretrainedConfig, rope_theta: float | None, context_length: int) -> PretrainedConfig:
    """The config the policy trains with and is published with: its rope theta, and a length that servers accept.

    Scaled frequencies stay those of the model: they come from rope_parameters, whose
    original_max_position_embeddings transformers fills in before the length is raised.
    """
    policy = copy.deepcopy(config)
    if rope_theta is not None:
        policy.rope_parameters = {**policy.rope_parameters, "rope_theta": rope_theta}
    policy.max_position_embeddings = max(policy.max_position_embeddings, context_length)
    return policy


def _check_class(config: PretrainedConfig, file: Path) -> None:
    kind = MODEL_FOR_CAUSAL_LM_MAPPING.get(type(config), None)
    if kind is None or config.get_text_config() is not config:
        raise _unsupported(file, f"model_type {config.model_type} is not a language model for text alone")
    if not kind._supports_attention_backend or kind._is_stateful or not kind._supports_context_parallel:
        raise _unsupported(file, f"model_type {config.model_type} does not leave attention to transformers' interface")
    if getattr(config, "quantization_config", None) is not None:
        raise _unsupported(file, "quantization_config: quantised weights cannot be trained")
    experts = [name for name, value in vars(config).items() if "expert" in name.strip("_") and name[0] != "_" and value]
    if experts:
        raise _unsupported(file, f"{experts[0]}: mixtures of experts have a router with a loss of its own")


def _check_attention(config: PretrainedConfig, file: Path) -> None:
    layers = getattr(config, "layer_types", None)
    window = getattr(config, "sliding_window", None)
    if layers is not None and set(layers) != {FULL_ATTENTION}:
        reason = f"layer_types has {', '.join(sorted(set(layers) - {FULL_ATTENTION}))}"
    # Without layer_types a window, once set, is on every layer.
    elif layers is None and window is not None:
        reason = f"sliding_window is {window}"
    elif getattr(config, "attn_logit_softcapping", None) is not None:
        reason = f"attn_logit_softcapping is {config.attn_logit_softcapping}"
    else:
        return
    raise LongPOError(
        CONFIG, "ATTENTION_UNSUPPORTED", f"{file}: {reason}; every layer must be full attention (sliding_window null)."
    )


def _check_rope(config: PretrainedConfig, file: Path) -> None:
    rope = getattr(config, "rope_parameters", None)
    if not rope or "rope_theta" not in rope:
        raise _unsupported(file, "it has no rope_parameters for all layers, and positions must be rotary")
    kind = rope.get("rope_type", "default")
    if kind not in ROPE_TYPES:
        raise LongPOError(
            CONFIG,
            "ROPE_UNSUPPORTED",
            f"{file}: rope_type {kind} changes with the length that a rank sees, and the two answers of a row have "
            f"different lengths; use one of {', '.join(ROPE_TYPES)} in rope_parameters, or ropeTheta.",
        )


def check_parts(model: PreTrainedModel, file: Path) -> None:
    """Refuses a model, built on meta, with tensors that load_policy has no rule for."""
    decoder = model.get_decoder()
    missing = [name for name in PARTS if not hasattr(decoder, name)]
    if missing or model.get_output_embeddings() is None:
        raise _unsupported(file, f"{type(decoder).__name__} has no {', '.join(missing) or 'output embedding'}")
    # A buffer is in no file: what it holds would have to be computed here.
    buffers = [name for name, _ in model.named_buffers() if ".rotary_emb." not in name]
    if buffers:
        raise _unsupported(file, f"no rule for the buffer {buffers[0]}")
    known = [getattr(decoder, name) for name in PARTS] + [model.get_output_embeddings()]
    covered = {id(parameter) for part in known for parameter in part.parameters()}
    others = [name for name, parameter in model.named_parameters() if id(parameter) not in covered]
    if others:
        raise _unsupported(file, f"no rule for the weight {others[0]}")


def _check_head(config: PretrainedConfig, file: Path) -> None:
    """Runs the output layer of a model without layers: a scale, a soft cap or a bias would be lost in the loss."""
    small = copy.deepcopy(config)
    small.num_hidden_layers, small.vocab_size, small.pad_token_id = 0, 8, None
    if getattr(small, "layer_types", None) is not None:
        small.layer_types = []
    with torch.device("meta"):
        check_parts(AutoModelForCausalLM.from_config(small), file)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(small, dtype=torch.float32)
        head = model.get_output_embeddings()
        for parameter in head.parameters():
            torch.nn.init.normal_(parameter)
        ids = torch.arange(8)[None]
        expected = model.get_decoder()(input_ids=ids).last_hidden_state @ head.weight.T
        found = model(input_ids=ids).logits
    if not torch.allclose(found, expected, rtol=1e-4, atol=1e-4):
        fields = [name for name, value in vars(config).items() if "logit" in name and value is not None]
        raise _unsupported(
            file,
            f"the logits are not the hidden states times the output embedding ({', '.join(fields) or 'a bias'}), "
            "which the loss takes them for",
        )


def _unsupported(file: Path, reason: str) -> LongPOError:
    return LongPOError(
        CONFIG,
        "MODEL_UNSUPPORTED",
        f"{file}: {reason}; use a dense model with full causal attention in every layer, such as Llama, Mistral, "
        "Qwen2 or Qwen3.",
    )
