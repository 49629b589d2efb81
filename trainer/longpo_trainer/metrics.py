"""metrics.jsonl: one JSON line per logged step, and the same numbers to tensorboard or wandb where asked for."""

from __future__ import annotations

import importlib
import json
import os
from pathlib import Path
from typing import Protocol

from .errors import LongPOError

METRICS_FILE = "metrics.jsonl"


class Writer(Protocol):
    """A further place for the metrics of a step."""

    def write(self, step: int, values: dict[str, float]) -> None: ...

    def close(self) -> None: ...


class MetricsLog:
    """Appends the lines of rank 0. Lines after the step that training resumes from are dropped: they come again."""

    def __init__(self, directory: Path, resumed_step: int, writers: list[Writer]) -> None:
        self._path = directory / METRICS_FILE
        self._writers = writers
        kept = [line for line in _lines(self._path) if line["step"] <= resumed_step]
        temporary = self._path.with_suffix(".tmp")
        temporary.write_text("".join(f"{json.dumps(line)}\n" for line in kept))
        temporary.rename(self._path)

    def write(self, step: int, values: dict[str, float]) -> None:
        with self._path.open("a") as file:
            file.write(f"{json.dumps({'step': step, **values})}\n")
        for writer in self._writers:
            writer.write(step, values)

    def close(self) -> None:
        for writer in self._writers:
            writer.close()


def _lines(path: Path) -> list[dict]:
    """Whole lines: a process that was killed may have left half of the last one."""
    if not path.is_file():
        return []
    lines = []
    for text in path.read_text().splitlines():
        try:
            lines.append(json.loads(text))
        except ValueError:
            break
    return lines


def build_writers(report_to: str, directory: Path, run: str) -> list[Writer]:
    """The writer of the ``reportTo`` field; its package is imported only here."""
    match report_to:
        case "tensorboard":
            return [_Tensorboard(directory)]
        case "wandb":
            return [_Wandb(directory, run)]
        case _:
            return []


class _Tensorboard:
    def __init__(self, directory: Path) -> None:
        _require("tensorboard")
        module = importlib.import_module("torch.utils.tensorboard")
        self._writer = module.SummaryWriter(directory / "tensorboard")

    def write(self, step: int, values: dict[str, float]) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        self._writer.close()


class _Wandb:
    def __init__(self, directory: Path, run: str) -> None:
        self._run = _require("wandb").init(
            project="longpo", id=run.replace("/", "-"), resume="allow", dir=os.fspath(directory)
        )

    def write(self, step: int, values: dict[str, float]) -> None:
        self._run.log(values, step=step)

    def close(self) -> None:
        self._run.finish()


def _require(package: str):
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise LongPOError(
            2,
            "REPORT_PACKAGE_MISSING",
            f"reportTo: {package} is not installed; `pip install {package}` in the trainer image, or use none.",
        ) from error
