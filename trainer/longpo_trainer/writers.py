"""tensorboard and wandb, where ``reportTo`` asks for one; the packages are optional and imported only here."""

from __future__ import annotations

import importlib
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from .errors import CONFIG, LongPOError


class Writer(Protocol):
    """A further place for the metrics of a step."""

    name: str

    def start(self, resumed_step: int) -> None:
        """Steps after this one come again."""

    def write(self, step: int, values: Mapping[str, float]) -> None: ...

    def close(self) -> None: ...


def build_writers(report_to: str, directory: Path, run: str) -> list[Writer]:
    """The writer of the ``reportTo`` field. Refused with exit code 2 before any work where it cannot start."""
    match report_to:
        case "tensorboard":
            return [_Tensorboard(directory)]
        case "wandb":
            return [_Wandb(directory, run)]
        case _:
            return []


class _Tensorboard:
    """Event files in ``<directory>/tensorboard``, one for each start of the run."""

    name = "tensorboard"

    def __init__(self, directory: Path) -> None:
        _require("tensorboard")
        self._module = importlib.import_module("torch.utils.tensorboard")
        self._folder = directory / "tensorboard"

    def start(self, resumed_step: int) -> None:
        # Readers forget what earlier files say of the steps that come again.
        self._writer = self._module.SummaryWriter(self._folder, purge_step=resumed_step + 1)

    def write(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()


class _Wandb:
    """One run for a stage's folder, however often it is resumed; WANDB_* variables configure it as usual.

    wandb keeps the first value of a step. Values of steps that come again are dropped, and are the same ones anyway.
    """

    name = "wandb"

    def __init__(self, directory: Path, run: str) -> None:
        wandb = _require("wandb")
        try:
            self._run = wandb.init(
                project="longpo", id=_run_id(directory), name=run, resume="allow", dir=os.fspath(directory)
            )
        except wandb.errors.Error as error:
            raise LongPOError(
                CONFIG,
                "REPORT_REFUSED",
                f"reportTo: wandb does not start ({error}); give WANDB_API_KEY from a secret, or WANDB_MODE=offline.",
            ) from error

    def start(self, resumed_step: int) -> None:
        """The run has begun, so that a wrong key is told before the reference phase."""

    def write(self, step: int, values: Mapping[str, float]) -> None:
        self._run.log(dict(values), step=step)

    def close(self) -> None:
        self._run.finish()


def _run_id(directory: Path) -> str:
    """Drawn once for a folder: a training of the same name in another place is another run."""
    file = directory / "wandb-run-id"
    if not file.is_file():
        file.write_text(secrets.token_hex(8))
    return file.read_text().strip()


def _require(package: str):
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise LongPOError(
            CONFIG,
            "REPORT_PACKAGE_MISSING",
            f"reportTo: {package} is not installed; `pip install {package}` in the trainer image, or use none.",
        ) from error
