"""The door of a Hugging Face model folder: complete, not cut off, and of a shape that the trainer knows."""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path

from fastjsonschema import JsonSchemaValueException

from .contract import validator
from .errors import CONFIG, LongPOError

INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"
HEADER_LENGTH_BYTES = 8
FULL_ATTENTION = "full_attention"


def check_model_folder(folder: Path) -> dict[str, object]:
    """Facts of the model (api/src/model-facts.ts); LongPOError(2) names what is missing, cut off or unsupported."""
    if not folder.is_dir():
        raise LongPOError(
            CONFIG, "MODEL_NOT_FOUND", f"{folder}: no such folder; give a Hugging Face model folder or hf://org/name."
        )
    config = _read_config(folder)
    _require(folder, "tokenizer.json")
    _require(folder, "tokenizer_config.json")
    _check_chat_template(folder)
    tensors: dict[str, list[int]] = {}
    for path in _weight_files(folder):
        tensors |= read_header(path)
    return _facts(config, tensors)


def read_header(path: Path) -> dict[str, list[int]]:
    """Shapes by tensor name; the data section must be as long as the header says."""
    size = path.stat().st_size
    with open(path, "rb") as file:
        prefix = file.read(HEADER_LENGTH_BYTES)
        length = struct.unpack("<Q", prefix)[0] if len(prefix) == HEADER_LENGTH_BYTES else 0
        text = file.read(length) if 0 < length <= size else b""
    try:
        header = json.loads(text)
    except ValueError as error:
        raise LongPOError(
            CONFIG, "MODEL_TRUNCATED", f"{path}: its safetensors header cannot be read; download the file again."
        ) from error
    header.pop("__metadata__", None)
    expected = HEADER_LENGTH_BYTES + length + max((entry["data_offsets"][1] for entry in header.values()), default=0)
    if size != expected:
        raise LongPOError(
            CONFIG,
            "MODEL_TRUNCATED",
            f"{path} has {size} bytes, its header describes {expected}; download the file again.",
        )
    return {name: entry["shape"] for name, entry in header.items()}


def _read_config(folder: Path) -> dict:
    _require(folder, "config.json")
    try:
        config = json.loads((folder / "config.json").read_text())
        config = validator("model-config")(config)
    except JsonSchemaValueException as error:
        raise LongPOError(CONFIG, "MODEL_INVALID", f"{folder / 'config.json'}: {error.message}") from error
    except ValueError as error:
        raise LongPOError(CONFIG, "MODEL_INVALID", f"{folder / 'config.json'} is not JSON: {error}") from error
    layers = config.get("layer_types") or []
    # Qwen2 configs name a window that use_sliding_window switches off.
    windowed = config.get("sliding_window") and config.get("use_sliding_window", True)
    if windowed or any(layer != FULL_ATTENTION for layer in layers):
        raise LongPOError(
            CONFIG,
            "MODEL_UNSUPPORTED",
            f"{folder / 'config.json'}: sliding_window or linear attention layers; LongPO needs full attention in "
            "every layer, since the exchange gives each rank the whole sequence.",
        )
    return config


def _require(folder: Path, name: str) -> None:
    if not (folder / name).is_file():
        raise LongPOError(CONFIG, "MODEL_INCOMPLETE", f"{folder / name} is missing; download the model again.")


def _check_chat_template(folder: Path) -> None:
    if (folder / "chat_template.jinja").is_file():
        return
    if not json.loads((folder / "tokenizer_config.json").read_text()).get("chat_template"):
        raise LongPOError(
            CONFIG,
            "MODEL_INCOMPLETE",
            f"{folder} has no chat template (chat_template.jinja, or chat_template in tokenizer_config.json); LongPO "
            "starts from an instruct model.",
        )


def _weight_files(folder: Path) -> list[Path]:
    index = folder / INDEX
    names = {SINGLE}
    if index.is_file():
        names = set(json.loads(index.read_text())["weight_map"].values())
    for name in sorted(names):
        _require(folder, name)
    return [folder / name for name in sorted(names)]


def _facts(config: dict, tensors: dict[str, list[int]]) -> dict[str, object]:
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
            math.prod(shape) for name, shape in tensors.items() if not (tied and name == "lm_head.weight")
        ),
    }
