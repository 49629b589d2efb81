"""Checkpoint manifests: written last, after everything else is on the disk; verified by every byte.

Format: api/src/checkpoint-manifest.ts. The digest of a folder is SHA-256 over the lines "<sha256>  <path>\\n" of its
files, sorted by path. For a model folder without a manifest the files are those that decide what the model says, at
the top level: *.json (but longpo-*.json), *.safetensors, *.jinja, *.model, *.txt, and no hidden ones;
server/src/model/digest.ts has the same list.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path

from fastjsonschema import JsonSchemaValueException

from . import __version__
from .contract import validator
from .errors import MISMATCH, LongPOError
from .whole_file import sync_to_disk, temporary_of, write_whole_json

MANIFEST = "longpo-checkpoint.json"
MODEL_SUFFIXES = (".json", ".safetensors", ".jinja", ".model", ".txt")
BLOCK_BYTES = 1 << 20

OnBytes = Callable[[int], None]


def ignore_bytes(_count: int) -> None:
    pass


def file_sha256(path: Path, on_bytes: OnBytes = ignore_bytes) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(BLOCK_BYTES):
            digest.update(block)
            on_bytes(len(block))
    return digest.hexdigest()


def folder_digest(files: Iterable[dict[str, object]]) -> str:
    lines = sorted((str(file["path"]), str(file["sha256"])) for file in files)
    return "sha256:" + hashlib.sha256("".join(f"{sha}  {path}\n" for path, sha in lines).encode()).hexdigest()


def model_files(folder: Path) -> list[Path]:
    """Files of a plain model folder that its digest covers."""
    return sorted(
        path
        for path in folder.iterdir()
        if path.is_file() and path.suffix in MODEL_SUFFIXES and not path.name.startswith(".") and not _is_ours(path)
    )


def _is_ours(path: Path) -> bool:
    """About a model, not of it."""
    return path.name.startswith("longpo-") and path.suffix == ".json"


def model_digest(folder: Path, on_bytes: OnBytes = ignore_bytes) -> str:
    return folder_digest({"path": path.name, "sha256": file_sha256(path, on_bytes)} for path in model_files(folder))


def write_manifest(
    folder: Path,
    *,
    training: str,
    stage: str,
    step: int,
    context_length: int,
    dtype: str,
    base_model_digest: str,
    metrics: dict[str, float],
) -> dict:
    """Hashes and fsyncs every file of the folder, then writes the manifest, whole or not at all."""
    files = []
    own = (MANIFEST, temporary_of(folder / MANIFEST).name)
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and path.name not in own):
        sync_to_disk(path)
        files.append(
            {"path": path.relative_to(folder).as_posix(), "bytes": path.stat().st_size, "sha256": file_sha256(path)}
        )
    manifest = {
        "apiVersion": "longpo.dev/v1alpha1",
        "kind": "LongPOCheckpoint",
        "training": training,
        "stage": stage,
        "step": step,
        "contextLength": context_length,
        "dtype": dtype,
        "baseModelDigest": base_model_digest,
        "digest": folder_digest(files),
        "files": files,
        "metrics": metrics,
        "createdAt": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "trainerVersion": __version__,
    }
    validator("checkpoint-manifest")(manifest)
    for path in [path for path in folder.rglob("*") if path.is_dir()]:
        sync_to_disk(path)
    write_whole_json(folder / MANIFEST, manifest)
    sync_to_disk(folder)
    return manifest


def read_manifest(folder: Path) -> dict:
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        return validator("checkpoint-manifest")(manifest)
    except FileNotFoundError as error:
        raise LongPOError(
            MISMATCH,
            "CHECKPOINT_MISSING_MANIFEST",
            f"{folder} has no {MANIFEST}: it is not a finished checkpoint; run the stage's training again.",
        ) from error
    except (ValueError, JsonSchemaValueException) as error:
        raise LongPOError(MISMATCH, "CHECKPOINT_INVALID", f"{folder / MANIFEST} cannot be read: {error}") from error


def verify_folder(folder: Path, on_bytes: OnBytes = ignore_bytes) -> dict:
    """The manifest, once every file that it names has the size and the digest that it says."""
    manifest = read_manifest(folder)
    for entry in manifest["files"]:
        path = folder / entry["path"]
        if not path.is_file():
            raise LongPOError(MISMATCH, "CHECKPOINT_FILE_MISSING", f"{path} is named by {MANIFEST} but is not there.")
        found = file_sha256(path, on_bytes)
        if found != entry["sha256"] or path.stat().st_size != entry["bytes"]:
            raise LongPOError(
                MISMATCH,
                "CHECKPOINT_CORRUPT",
                f"{path} has SHA-256 {found} and {path.stat().st_size} bytes, the manifest says {entry['sha256']} and "
                f"{entry['bytes']}: restore the file, or remove the checkpoint folder to write it again.",
            )
    if folder_digest(manifest["files"]) != manifest["digest"]:
        raise LongPOError(
            MISMATCH, "CHECKPOINT_CORRUPT", f"{folder / MANIFEST}: its digest is not that of the files it lists."
        )
    return manifest
