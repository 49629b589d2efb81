"""Randomly initialised models of a few thousand weights, as Hugging Face folders."""

from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    AutoModelForCausalLM,
    GraniteConfig,
    LlamaConfig,
    MistralConfig,
    Olmo2Config,
    Phi3Config,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen3Config,
    SmolLM3Config,
)

CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]

SHAPES = {
    "llama 9/3, tied": (LlamaConfig, 9, 3, {"tie_word_embeddings": True}),
    "mistral 8/2": (MistralConfig, 8, 2, {"sliding_window": None}),
    "qwen2 4/4": (Qwen2Config, 4, 4, {"tie_word_embeddings": False}),
    "llama 6/1": (LlamaConfig, 6, 1, {"tie_word_embeddings": False}),
}
"""Kind, query heads, KV heads, further options of the config."""
for kind, config, options in (
    ("llama", LlamaConfig, {"tie_word_embeddings": False}),
    ("mistral", MistralConfig, {"sliding_window": None}),
    ("qwen2", Qwen2Config, {"tie_word_embeddings": True}),
    ("qwen3", Qwen3Config, {"head_dim": 8}),
):
    SHAPES |= {f"{kind} {q}/{kv}": (config, q, kv, options) for q, kv in ((4, 4), (4, 2), (4, 1), (9, 3))}
SHAPES |= {
    "granite 4/2": (GraniteConfig, 4, 2, {"embedding_multiplier": 12.0, "residual_multiplier": 0.22}),
    "olmo2 4/2": (Olmo2Config, 4, 2, {}),
    "phi3 4/2": (Phi3Config, 4, 2, {"pad_token_id": None}),
    "smollm3 4/2": (SmolLM3Config, 4, 2, {"no_rope_layers": [1, 0, 1], "pad_token_id": None}),
}


def save_model(folder: Path, shape: str = "llama 9/3, tied", seed: int = 0) -> Path:
    """A model of one of SHAPES with a byte-level tokenizer and the ChatML template."""
    kind, heads, key_value_heads, options = SHAPES[shape]
    tokenizer = byte_tokenizer()
    config = kind(
        vocab_size=len(tokenizer),
        hidden_size=heads * 8,
        intermediate_size=48,
        num_hidden_layers=3,
        num_attention_heads=heads,
        num_key_value_heads=key_value_heads,
        max_position_embeddings=512,
        eos_token_id=2,
        bos_token_id=1,
        initializer_range=0.05,
        **options,
    )
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(config)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def byte_tokenizer(chat_template: str = CHATML) -> PreTrainedTokenizerFast:
    """One token a byte, so that the token counts of a test are the lengths of its texts."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: index for index, token in enumerate([*SPECIAL, *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=SPECIAL[1], eos_token=SPECIAL[2], pad_token=SPECIAL[2]
    )
    fast.add_special_tokens({"additional_special_tokens": SPECIAL[:1]})
    fast.chat_template = chat_template
    return fast
