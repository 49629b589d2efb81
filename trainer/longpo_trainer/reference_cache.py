"""The folder of a reference phase: what its sums were made from, and the sums in parts, each whole or not there.

A manifest says what the sums depend on and comes first. Parts follow one another from the first turn on, so a phase
that was stopped goes on behind the last of them, on as many ranks as it likes.
"""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from .errors import FAILED, MISMATCH, LongPOError
from .whole_file import write_whole, write_whole_json

VERSION = 2
"""Of the folder's form. A folder of another version is made anew."""
MANIFEST_FILE = "reference.json"
Origin = dict[str, str | int | float | None]


@dataclass(frozen=True)
class ReferenceSums:
    """Two numbers for each turn, whatever its length."""

    starts: Tensor
    """[rows + 1] turns before each row."""
    values: Tensor
    """[turns, 2] chosen and rejected log-prob, f64, on the CPU."""

    def of(self, row: int) -> Tensor:
        """[turns of the row, 2]"""
        return self.values[self.starts[row] : self.starts[row + 1]]


@dataclass(frozen=True)
class ReferenceCache:
    """Used by rank 0 only."""

    folder: Path
    origin: Origin
    """All that decides the sums: method, weights, tokenizer, dtype and the text of the rows."""

    def open(self) -> Tensor:
        """[turns, 2] the sums that are there, which may be none.

        A folder made from other rows or another model is refused: training against it would go wrong in silence.
        """
        manifest = self._manifest()
        if manifest is None:
            self._start()
            return torch.zeros(0, 2, dtype=torch.float64)
        for name, value in self.origin.items():
            if manifest.get(name) != value:
                raise LongPOError(
                    MISMATCH,
                    "REFERENCE_MISMATCH",
                    f"{self.folder} was made with {name} {manifest.get(name)}, this training has {value}; "
                    "remove the stage's folder to train with the new one.",
                )
        return self._parts()

    def append(self, first: int, sums: Tensor) -> None:
        """Keeps the sums of the turns from ``first`` on."""
        content = save({"sums": sums.contiguous()}, metadata={"sha256": _sha256(sums)})
        try:
            write_whole(self._part(first), lambda path: path.write_bytes(content))
        except OSError as error:
            message = f"{self._part(first)}: {error.strerror}; make room on the volume, the run goes on from there."
            raise LongPOError(FAILED, "REFERENCE_NOT_WRITTEN", message) from error

    def _manifest(self) -> dict | None:
        file = self.folder / MANIFEST_FILE
        if not file.is_file():
            return None
        try:
            manifest = json.loads(file.read_text())
        except ValueError:
            print(f"{file} is damaged; the reference is computed again.", file=sys.stderr)
            return None
        if manifest.get("version") != VERSION:
            print(f"{file} is not of version {VERSION}; the reference is computed again.", file=sys.stderr)
            return None
        return manifest

    def _start(self) -> None:
        """An empty folder with a manifest: what lay there before belongs to nothing."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for file in self.folder.iterdir():
            if file.name.startswith(("part-", ".part-", "reference.", ".reference.")):
                file.unlink()
        write_whole_json(self.folder / MANIFEST_FILE, {"version": VERSION, **self.origin})

    def _parts(self) -> Tensor:
        parts, turns = [torch.zeros(0, 2, dtype=torch.float64)], 0
        while (file := self._part(turns)).is_file():
            sums = _read(file)
            if sums is None:
                print(f"{file} is damaged; the reference is computed again from there on.", file=sys.stderr)
                break
            parts.append(sums)
            turns += len(sums)
        return torch.cat(parts)

    def _part(self, first: int) -> Path:
        return self.folder / f"part-{first:010d}.safetensors"


def _read(file: Path) -> Tensor | None:
    try:
        with safe_open(file, framework="pt") as content:
            sums, digest = content.get_tensor("sums"), (content.metadata() or {}).get("sha256")
    except SafetensorError:
        return None
    return sums if len(sums) and _sha256(sums) == digest else None


def _sha256(sums: Tensor) -> str:
    return hashlib.sha256(sums.contiguous().numpy().tobytes()).hexdigest()
