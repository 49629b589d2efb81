"""Headers of safetensors files, by themselves: what a file holds, and whether it is as long as it must be."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from pathlib import Path

from .errors import CONFIG, LongPOError

LENGTH_BYTES = 8
LIMIT_BYTES = 100_000_000
"""Of a header, as the safetensors library has it."""


@dataclass(frozen=True)
class StoredTensor:
    dtype: str
    """As safetensors writes it: F32, BF16, ..."""
    shape: list[int]
    offset: int
    """Bytes from the start of the file."""


def read_header(path: Path) -> dict[str, StoredTensor]:
    """Tensors by name; LongPOError(2, MODEL_TRUNCATED) where the data section is not as long as the header says."""
    size = path.stat().st_size
    with open(path, "rb") as file:
        prefix = file.read(LENGTH_BYTES)
        length = struct.unpack("<Q", prefix)[0] if len(prefix) == LENGTH_BYTES else 0
        text = file.read(length) if 0 < length <= min(size, LIMIT_BYTES) else b""
    start = LENGTH_BYTES + length
    try:
        header = json.loads(text)
        header.pop("__metadata__", None)
        tensors = {name: _tensor(entry, start) for name, entry in header.items()}
        expected = start + max((int(entry["data_offsets"][1]) for entry in header.values()), default=0)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise LongPOError(
            CONFIG,
            "MODEL_TRUNCATED",
            f"{path} ({size} bytes): its safetensors header cannot be read; download the file again.",
        ) from error
    if size != expected:
        raise LongPOError(
            CONFIG,
            "MODEL_TRUNCATED",
            f"{path} has {size} bytes, its header describes {expected}; download the file again.",
        )
    return tensors


def _tensor(entry: dict, start: int) -> StoredTensor:
    return StoredTensor(str(entry["dtype"]), [int(n) for n in entry["shape"]], start + int(entry["data_offsets"][0]))
