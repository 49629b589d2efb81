"""Step checkpoints: weights and optimizer state of a finished optimizer step, to resume from.

``steps/step-000010`` appears in one rename, with its manifest (a SHA-256 of every file) inside, so a folder of that
name is whole unless its bytes were changed later; that is what the digests tell.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sys
from functools import partial
from pathlib import Path

import torch
import torch.distributed.checkpoint as dcp
from torch import nn
from torch.distributed.checkpoint.state_dict import get_state_dict, set_state_dict

from .errors import LongPOError
from .process_group import World

MANIFEST_FILE = "longpo-step.json"
KEPT = 2
"""The newest is written before the oldest goes, and one may be found damaged."""


class StepCheckpoints:
    """The steps folder of one stage. ``fingerprint`` is what must be the same for a resume to continue the run."""

    def __init__(self, folder: Path, fingerprint: dict[str, object], world: World) -> None:
        self._folder = folder
        self._fingerprint = fingerprint
        self._world = world

    def save(self, step: int, metrics: dict[str, float], model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        """Writes the state after ``step`` steps. Called by all ranks."""
        name = f"step-{step:06d}"
        temporary, final = self._folder / f"{name}.tmp", self._folder / name
        self._world.from_rank_zero(lambda: _make_empty(temporary))
        dcp.save(_state(model, optimizer), checkpoint_id=temporary)
        digests = self._digests(temporary)
        manifest = {"step": step, "fingerprint": self._fingerprint, "metrics": metrics, "files": digests}
        self._world.from_rank_zero(lambda: self._publish(temporary, final, manifest))

    def resume(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> tuple[int, dict[str, float]]:
        """Loads the newest whole checkpoint: its step and metrics, or step 0 where there is none."""
        while (name := self._world.from_rank_zero(self._newest)) is not None:
            folder = self._folder / name
            manifest = self._world.from_rank_zero(partial(_read_manifest, folder))
            if manifest is not None and self._digests(folder) == manifest["files"]:
                self._refuse_other_run(folder, manifest)
                self._load(folder, model, optimizer)
                return manifest["step"], manifest["metrics"]
            self._world.from_rank_zero(partial(_set_aside, folder))
        return 0, {}

    def _load(self, folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        state = _state(model, optimizer)
        dcp.load(state, checkpoint_id=folder)
        set_state_dict(model, optimizer, model_state_dict=state["model"], optim_state_dict=state["optimizer"])

    def _refuse_other_run(self, folder: Path, manifest: dict) -> None:
        for name, value in self._fingerprint.items():
            found = manifest["fingerprint"].get(name)
            if found != value:
                raise LongPOError(
                    4,
                    "STEP_CHECKPOINT_MISMATCH",
                    f"{folder} was trained with {name} {found}, this training has {value}; "
                    "remove the stage's folder to train anew.",
                )

    def _digests(self, folder: Path) -> dict[str, str]:
        """SHA-256 of each file; the ranks share the reading."""
        names = self._world.from_rank_zero(lambda: _file_names(folder))
        mine = names[self._world.rank :: self._world.size]
        shares = self._world.from_every_rank(lambda: {name: _sha256(folder / name) for name in mine})
        return {name: digest for share in shares for name, digest in sorted(share.items())}

    def _newest(self) -> str | None:
        return max(_names(self._folder), default=None)

    def _publish(self, temporary: Path, final: Path, manifest: dict) -> None:
        for name in manifest["files"]:
            _sync(temporary / name)
        with (temporary / MANIFEST_FILE).open("w") as file:
            json.dump(manifest, file, indent=2)
        _sync(temporary / MANIFEST_FILE)
        if final.exists():
            shutil.rmtree(final)
        temporary.rename(final)
        _sync(self._folder)
        for old in sorted(_names(self._folder))[:-KEPT]:
            shutil.rmtree(self._folder / old)


def _state(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, dict]:
    weights, moments = get_state_dict(model, optimizer)
    return {"model": weights, "optimizer": moments}


def _names(folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    return [entry.name for entry in folder.iterdir() if re.fullmatch(r"step-\d{6,}", entry.name)]


def _make_empty(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def _file_names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir() if entry.name != MANIFEST_FILE)


def _read_manifest(folder: Path) -> dict | None:
    try:
        manifest = json.loads((folder / MANIFEST_FILE).read_text())
        return manifest if {"step", "fingerprint", "metrics", "files"} <= manifest.keys() else None
    except (OSError, ValueError, AttributeError):
        return None


def _set_aside(folder: Path) -> None:
    number = 1
    while (aside := folder.with_name(f"{folder.name}.damaged-{number}")).exists():
        number += 1
    folder.rename(aside)
    print(f"{folder} is damaged (kept as {aside.name}); resuming from the step checkpoint before it.", file=sys.stderr)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
