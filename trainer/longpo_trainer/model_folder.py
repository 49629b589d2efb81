"""The door of a Hugging Face model folder: complete, not cut off, and of a shape that the trainer knows."""

from __future__ import annotations

import json
import math
from pathlib import Path

from fastjsonschema import JsonSchemaValueException

from .contract import validator
from .errors import CONFIG, LongPOError
from .safetensors_header import StoredTensor, read_header

INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"
FULL_ATTENTION = "full_attention"


def check_model_folder(folder: Path) -> dict[str, object]:
    """Facts of the model (api/src/model-facts.ts); LongPOError(2) names what is missing, cut off or unsupported."""
    if not folder.is_dir():
        raise LongPOError(
            CONFIG, "MODEL_NOT_FOUND", f"{folder}: no such folder; give a Hugging Face model folder or hf://org/name."
        )
    config = _read_config(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        _read_object(folder / name)
    _check_chat_template(folder)
    tensors: dict[str, StoredTensor] = {}
    for path, expected in _weight_files(folder):
        found = read_header(path)
        missing = sorted(expected - found.keys())
        if missing:
            raise LongPOError(
                CONFIG, "MODEL_INCOMPLETE", f"{path} lacks the tensor {missing[0]}; download the file again."
            )
        tensors |= found
    return _facts(config, tensors)


def _read_config(folder: Path) -> dict:
    path = folder / "config.json"
    try:
        config = validator("model-config")(_read_object(path))
    except JsonSchemaValueException as error:
        raise LongPOError(
            CONFIG, "MODEL_INVALID", f"{path}: {error.message.replace('data', 'config', 1)}; LongPO needs it."
        ) from error
    layers = config.get("layer_types") or []
    if _has_window(config) or any(layer != FULL_ATTENTION for layer in layers):
        raise LongPOError(
            CONFIG,
            "MODEL_UNSUPPORTED",
            f"{path}: sliding_window or linear attention layers; LongPO needs full attention in every layer, since "
            "the exchange gives each rank the whole sequence.",
        )
    return config


def _has_window(config: dict) -> bool:
    """Qwen's configs carry a sliding_window that they do not use unless use_sliding_window says so."""
    unsaid = not config["architectures"][0].startswith("Qwen")
    return bool(config.get("sliding_window")) and bool(config.get("use_sliding_window", unsaid))


def _read_object(path: Path) -> dict:
    _require(path.parent, path.name)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise LongPOError(CONFIG, "MODEL_INVALID", f"{path} is not JSON: {error}; download the file again.") from error
    if not isinstance(content, dict):
        raise LongPOError(CONFIG, "MODEL_INVALID", f"{path} is not a JSON object; download the file again.")
    return content


def _require(folder: Path, name: str) -> None:
    if not (folder / name).is_file():
        raise LongPOError(CONFIG, "MODEL_INCOMPLETE", f"{folder / name} is missing; download the model again.")


def _check_chat_template(folder: Path) -> None:
    if (folder / "chat_template.jinja").is_file():
        return
    if not _read_object(folder / "tokenizer_config.json").get("chat_template"):
        raise LongPOError(
            CONFIG,
            "MODEL_INCOMPLETE",
            f"{folder} has no chat template (chat_template.jinja, or chat_template in tokenizer_config.json); LongPO "
            "starts from an instruct model.",
        )


def _weight_files(folder: Path) -> list[tuple[Path, set[str]]]:
    """Each file with the tensors that the index promises in it."""
    index = folder / INDEX
    promised: dict[str, set[str]] = {SINGLE: set()}
    if index.is_file():
        weight_map = _read_object(index).get("weight_map")
        if not isinstance(weight_map, dict) or not weight_map:
            raise LongPOError(CONFIG, "MODEL_INVALID", f"{index} has no weight_map; download the file again.")
        promised = {}
        for tensor, name in weight_map.items():
            promised.setdefault(str(name), set()).add(tensor)
    for name in sorted(promised):
        _require(folder, name)
    return [(folder / name, promised[name]) for name in sorted(promised)]


def _facts(config: dict, tensors: dict[str, StoredTensor]) -> dict[str, object]:
    heads = config["num_attention_heads"]
    rope = config.get("rope_parameters") or {}
    tied = config.get("tie_word_embeddings", False)
    return {
        "architecture": config["architectures"][0],
        "layers": config["num_hidden_layers"],
        "hiddenSize": config["hidden_size"],
        "intermediateSize": config["intermediate_size"],
        "attentionHeads": heads,
        "keyValueHeads": config.get("num_key_value_heads") or heads,
        "headDim": config.get("head_dim") or config["hidden_size"] // heads,
        "vocabularySize": config["vocab_size"],
        "maxPositionEmbeddings": config["max_position_embeddings"],
        "ropeTheta": rope.get("rope_theta") or config.get("rope_theta") or 10_000.0,
        "parameters": sum(
            math.prod(tensor.shape) for name, tensor in tensors.items() if not (tied and name == "lm_head.weight")
        ),
    }
