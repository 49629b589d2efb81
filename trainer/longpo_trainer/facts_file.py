"""What the check of a preference file found, kept so that a run that is started again does not check the rows anew.

One line of JSON says what was checked, then each row has two int32: its turns, which are never 0, and its tokens. A
part that a crash left half written, or as zeros, ends what is kept.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .errors import FAILED, LongPOError

ROW = np.dtype((np.int32, 2))


@dataclass(frozen=True)
class FactsFile:
    """Used by rank 0 only."""

    path: Path
    origin: dict[str, str | int]
    """All that the check depends on."""

    def open(self) -> np.ndarray:
        """[rows, 2] of the rows that are checked, from the first on. A file of another origin is made anew."""
        header = f"{json.dumps(self.origin)}\n".encode()
        content = self.path.read_bytes() if self.path.is_file() else b""
        facts = np.zeros((0, 2), dtype=np.int32)
        if content.startswith(header):
            body = content[len(header) :]
            facts = np.frombuffer(body[: len(body) // ROW.itemsize * ROW.itemsize], dtype=ROW)
            facts = facts[: np.logical_and.accumulate(facts[:, 0] > 0).sum()]
        self._write("wb", header + facts.tobytes())
        return facts

    def append(self, facts: np.ndarray) -> None:
        self._write("ab", facts.tobytes())

    def _write(self, mode: str, content: bytes) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open(mode) as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            message = f"{self.path}: {error.strerror}; make room on the volume, the run goes on from there."
            raise LongPOError(FAILED, "FACTS_NOT_WRITTEN", message) from error
