"""longpo-verify: reads every byte of a published checkpoint again, and finds the digest that the trainer reported."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors import safe_open

from .config import load_verify_config
from .environment import PodEnvironment
from .errors import MISMATCH, LongPOError
from .log import log
from .manifest import read_manifest, verify_folder
from .model_folder import check_model_folder
from .report import Reporter


def verify(environment: PodEnvironment) -> dict[str, object]:
    config = load_verify_config(environment)
    reporter = Reporter(environment, "verify", config.stage, config.attempt)
    total = sum(entry["bytes"] for entry in read_manifest(config.checkpoint)["files"])
    done = 0

    def on_bytes(count: int) -> None:
        nonlocal done
        done += count
        reporter.progress("verify", done, total, "bytes")

    manifest = verify_folder(config.checkpoint, on_bytes)
    reporter.close()
    if manifest["digest"] != config.digest:
        raise LongPOError(
            MISMATCH,
            "CHECKPOINT_MISMATCH",
            f"{config.checkpoint} has digest {manifest['digest']}, the trainer reported {config.digest}: another run "
            "has written there; remove the stage's folder and train it again.",
        )
    check_model_folder(config.checkpoint)
    for path in sorted(config.checkpoint.glob("*.safetensors")):
        _check_finite(path)
    log("checkpoint verified", path=str(config.checkpoint), digest=manifest["digest"])
    return {
        "checkpoint": environment.relative(config.checkpoint),
        "digest": manifest["digest"],
        "step": manifest["step"],
        "bytes": total,
    }


def _check_finite(path: Path) -> None:
    """One tensor a file: a checkpoint of NaNs hashes as well as any other."""
    with safe_open(path, "numpy") as file:
        for name in file.keys():
            if file.get_slice(name).get_dtype() != "F32":
                continue
            if not np.isfinite(file.get_tensor(name)).all():
                raise LongPOError(MISMATCH, "CHECKPOINT_NOT_FINITE", f"{path}: {name} has values that are not finite.")
            return
