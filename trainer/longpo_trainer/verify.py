"""longpo-verify: reads every byte of a published checkpoint again, and finds the digest that the trainer reported."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from math import prod
from pathlib import Path

import numpy as np
from safetensors import safe_open

from .config import VerifyConfig, load_verify_config
from .environment import PodEnvironment
from .errors import MISMATCH, LongPOError
from .log import log
from .manifest import read_manifest, verify_folder
from .model_folder import check_model_folder
from .report import Reporter
from .retention import remove_folders
from .safetensors_header import read_header

EXPONENTS = {"F32": (np.uint32, 0x7F80_0000), "BF16": (np.uint16, 0x7F80), "F16": (np.uint16, 0x7C00)}
"""By dtype: an integer of the same size, and the exponent bits that only infinity and nan have all set."""


def verify(environment: PodEnvironment) -> dict[str, object]:
    config = load_verify_config(environment)
    total = sum(entry["bytes"] for entry in read_manifest(config.checkpoint)["files"])
    with closing(Reporter(environment, "verify", config.stage, config.attempt)) as reporter:
        manifest = verify_folder(config.checkpoint, _counter(reporter, total))
    _check_digest(config, manifest["digest"])
    _check_model(config.checkpoint)
    for entry in manifest["files"]:
        if entry["path"].endswith(".safetensors"):
            check_finite(config.checkpoint / entry["path"])
    remove_folders(config.remove, environment.resolve(config.training))
    log(
        "checkpoint verified",
        role="verify",
        stage=config.stage,
        path=str(config.checkpoint),
        digest=manifest["digest"],
    )
    return {
        "checkpoint": environment.relative(config.checkpoint),
        "digest": manifest["digest"],
        "step": manifest["step"],
        "bytes": total,
    }


def _counter(reporter: Reporter, total: int) -> Callable[[int], None]:
    done = 0

    def on_bytes(count: int) -> None:
        nonlocal done
        done += count
        reporter.progress("verify", done, total, "bytes")

    return on_bytes


def _check_digest(config: VerifyConfig, found: str) -> None:
    if found != config.digest:
        raise LongPOError(
            MISMATCH,
            "CHECKPOINT_MISMATCH",
            f"{config.checkpoint} has digest {found}, the trainer reported {config.digest}: another run has written "
            "there; remove the stage's folder and train it again.",
        )


def _check_model(folder: Path) -> None:
    """What the trainer published must be a model too; that it is not is no fault of the config."""
    try:
        check_model_folder(folder)
    except LongPOError as error:
        raise LongPOError(MISMATCH, error.code, error.message) from error


def check_finite(path: Path) -> None:
    """One tensor a file: a checkpoint of nans hashes as well as any other. By its bits: numpy has no bfloat16."""
    with safe_open(path, "np"):
        pass  # its checks are those of everyone who reads the checkpoint
    for name, tensor in sorted(read_header(path).items()):
        if tensor.dtype in EXPONENTS:
            kind, exponent = EXPONENTS[tensor.dtype]
            bits = np.fromfile(path, kind, count=prod(tensor.shape), offset=tensor.offset)
            if ((bits & exponent) == exponent).any():
                raise LongPOError(MISMATCH, "CHECKPOINT_NOT_FINITE", f"{path}: {name} has values that are not finite.")
            return
