"""Makes what the benchmark of the server reads: random models, and GGUF files for llama.cpp.

Usage: python models.py random CONFIG.json DIRECTORY TOKENIZER.json
       python models.py requantise SOURCE.gguf TARGET.gguf Q4_0|Q8_0
       python models.py gguf DIRECTORY TARGET.gguf Q4_0|Q8_0

What is made appears whole, renamed into place, or not at all. `gguf` takes a Qwen2 folder; its tokenizer is made up,
as only token ids are read. The embedding, which is the head too, has 8 bits, as ours and as files on the hub have.
"""

import os
import shutil
import sys
from pathlib import Path

import torch
from gguf import MODEL_ARCH, GGMLQuantizationType, GGUFReader, GGUFValueType, GGUFWriter, get_tensor_name_map
from gguf.quants import dequantize, quantize
from tokenizers.pre_tokenizers import ByteLevel
from transformers import AutoConfig, AutoModelForCausalLM

EMBEDDING = "token_embd.weight"


def make_random(config_file: str, target: str, tokenizer: str) -> None:
    """No side reads the tokenizer, but a model folder without one is not whole."""
    torch.manual_seed(1)
    torch.set_default_dtype(torch.bfloat16)
    config = AutoConfig.from_pretrained(config_file)
    AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16).save_pretrained(target)
    shutil.copy(tokenizer, target)


def add_tensor(writer: GGUFWriter, name: str, values, kind: str) -> None:
    """Vectors stay float32."""
    if values.ndim == 1:
        writer.add_tensor(name, values)
        return
    quantisation = GGMLQuantizationType["Q8_0" if name == EMBEDDING else kind]
    writer.add_tensor(name, quantize(values, quantisation), raw_dtype=quantisation)


def finish(writer: GGUFWriter) -> None:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def requantise(source: str, target: str, kind: str) -> None:
    reader = GGUFReader(source)
    writer = GGUFWriter(target, reader.fields["general.architecture"].contents())
    for field in reader.fields.values():
        if field.name.startswith("GGUF.") or field.name in ("general.architecture", "general.file_type"):
            continue
        inner = field.types[-1] if field.types[0] == GGUFValueType.ARRAY else None
        writer.add_key_value(field.name, field.contents(), field.types[0], inner)
    for tensor in reader.tensors:
        add_tensor(writer, tensor.name, dequantize(tensor.data, tensor.tensor_type), kind)
    finish(writer)


def add_made_up_tokenizer(writer: GGUFWriter, size: int) -> None:
    """llama.cpp loads no model without one; single bytes and one merge are the least that it takes."""
    letters = sorted(ByteLevel.alphabet())
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list([*letters, *(f"<{i}>" for i in range(len(letters), size))])
    writer.add_token_types([1] * size)
    writer.add_token_merges([f"{letters[0]} {letters[1]}"])
    writer.add_eos_token_id(size - 1)


def convert(directory: str, target: str, kind: str) -> None:
    model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.bfloat16)
    config = model.config
    writer = GGUFWriter(target, "qwen2")
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)
    add_made_up_tokenizer(writer, config.vocab_size)
    names = get_tensor_name_map(MODEL_ARCH.QWEN2, config.num_hidden_layers)
    for name, values in model.state_dict().items():
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        stem, kind_of_tensor = name.rsplit(".", 1)
        add_tensor(writer, f"{names.get_name(stem)}.{kind_of_tensor}", values.float().numpy(), kind)
    finish(writer)


def main(what: str, source: str, target: str, *further: str) -> None:
    Path(target).parent.mkdir(parents=True, exist_ok=True)
    unfinished = f"{target}.unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    {"random": make_random, "requantise": requantise, "gguf": convert}[what](source, unfinished, *further)
    os.rename(unfinished, target)


if __name__ == "__main__":
    main(*sys.argv[1:])
