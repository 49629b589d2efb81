"""Publishes the trained weights as a Hugging Face folder, one weight in memory at a time.

The folder is filled under a temporary name, its manifest is written last, and one rename makes it the checkpoint.
The same weights give the same bytes: nothing in the files but the manifest names a moment or a machine.
"""

from __future__ import annotations

import json
import shutil
import struct
import sys
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from transformers import PretrainedConfig

from .errors import FAILED, LongPOError
from .log import log
from .manifest import verify_folder, write_manifest
from .model import Policy
from .process_group import World
from .report import Reporter
from .tokens import TOKENIZER_FILES
from .update_kept import UpdateKept

DTYPES = {"f32": (torch.float32, "F32", "float32"), "bf16": (torch.bfloat16, "BF16", "bfloat16")}
"""Of an export: torch's, safetensors' and transformers' names."""


@dataclass(frozen=True)
class Publication:
    """What a checkpoint folder says about itself."""

    training: str
    stage: str
    step: int
    context_length: int
    base_model_digest: str
    metrics: dict[str, float]


def export_folder(
    folder: Path,
    dtype: str,
    keep: bool,
    policy: Policy,
    config: PretrainedConfig,
    base: Path,
    publication: Publication,
    world: World,
    reporter: Reporter,
) -> str:
    """Writes ``folder`` and gives its digest. Called by all ranks.

    ``keep`` says that the weights are those of an earlier run's end: then a whole folder of that name stays.
    """
    found = world.from_rank_zero(lambda: published_digest(folder))
    if found is not None and keep:
        return found
    temporary = folder.with_name(f"{folder.name}.tmp")
    world.from_rank_zero(lambda: _prepare(temporary, base, dtype, config))
    kept = UpdateKept(base)
    try:
        _write_weights(temporary / "model.safetensors", dtype, policy, kept, world, reporter)
        return world.from_rank_zero(lambda: _publish(temporary, folder, dtype, publication, kept.figures()))
    except OSError as error:
        raise LongPOError(
            FAILED,
            "EXPORT_NOT_WRITTEN",
            f"{temporary}: {error}. Give the volume room for it; started again, only the export is made again.",
        ) from error


def published_digest(folder: Path) -> str | None:
    """Digest of a whole checkpoint folder, None where there is none; a damaged one is moved aside."""
    if not folder.exists():
        return None
    try:
        return verify_folder(folder)["digest"]
    except LongPOError as error:
        aside = _set_aside(folder, "damaged")
        print(f"{error.message} It is kept as {aside.name} and written again.", file=sys.stderr)
        return None


def _set_aside(folder: Path, why: str) -> Path:
    number = 1
    while (aside := folder.with_name(f"{folder.name}.{why}-{number}")).exists():
        number += 1
    return folder.rename(aside)


def _prepare(folder: Path, base: Path, dtype: str, config: PretrainedConfig) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in (*TOKENIZER_FILES, "generation_config.json"):
        if (base / name).is_file():
            shutil.copyfile(base / name, folder / name)
    stated = json.loads((base / "config.json").read_text())
    (folder / "config.json").write_text(
        json.dumps(_config_json(stated, dtype, config), indent=2, sort_keys=True) + "\n"
    )


def _config_json(stated: dict, dtype: str, config: PretrainedConfig) -> dict:
    """The base model's config.json with what training changed, under the names that the file already uses."""
    theta = config.rope_parameters["rope_theta"]
    changed = dict(stated)
    if "rope_theta" in stated or "rope_parameters" not in stated:
        changed["rope_theta"] = theta
    if "rope_parameters" in stated:
        changed["rope_parameters"] = {**stated["rope_parameters"], "rope_theta": theta}
    changed["max_position_embeddings"] = config.max_position_embeddings
    changed["torch_dtype" if "torch_dtype" in stated else "dtype"] = DTYPES[dtype][2]
    return changed


def _write_weights(path: Path, dtype: str, policy: Policy, kept: UpdateKept, world: World, reporter: Reporter) -> None:
    """One safetensors file, written as it is gathered: safetensors' own writer wants all weights in memory at once."""
    torch_dtype = DTYPES[dtype][0]
    weights = sorted((name.removeprefix("causal_lm."), p) for name, p in policy.named_parameters())
    header = _header([(name, list(p.shape)) for name, p in weights], dtype)
    total = sum(p.numel() for _, p in weights) * torch_dtype.itemsize
    file = path.open("wb") if world.rank == 0 else None
    try:
        if file:
            file.write(header)
        done = 0
        for name, parameter in weights:
            world.progress.moved()
            whole = parameter.detach().full_tensor()
            if file:
                kept.add(name, whole, torch_dtype)
                done += file.write(_bytes(whole.to(torch_dtype)))
                reporter.progress("export", done, total, "bytes")
    finally:
        if file:
            file.close()


def _header(weights: list[tuple[str, list[int]]], dtype: str) -> bytes:
    """safetensors: eight bytes of length, then JSON padded to eight bytes, then the tensors back to back."""
    torch_dtype, name_of_dtype, _ = DTYPES[dtype]
    entries: dict[str, object] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for name, shape in weights:
        end = offset + torch.Size(shape).numel() * torch_dtype.itemsize
        entries[name] = {"dtype": name_of_dtype, "shape": shape, "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text


def _bytes(weight: Tensor) -> memoryview:
    return memoryview(weight.cpu().contiguous().view(torch.uint8).reshape(-1).numpy())


def _publish(temporary: Path, folder: Path, dtype: str, publication: Publication, update_kept: dict[str, float]) -> str:
    manifest = write_manifest(
        temporary,
        training=publication.training,
        stage=publication.stage,
        step=publication.step,
        context_length=publication.context_length,
        dtype=dtype,
        base_model_digest=publication.base_model_digest,
        metrics=publication.metrics | update_kept,
    )
    if folder.exists():
        _set_aside(folder, "replaced")
    temporary.rename(folder)
    log("exported", role="train", stage=publication.stage, path=str(folder), dtype=dtype, **update_kept)
    return manifest["digest"]
