"""The preference file: one JSON line a row, checked against the generated contract."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import fastjsonschema

from .contract import validator
from .errors import LongPOError


class PreferenceFile:
    """Rows by number. Only the line offsets stay in memory: at 512K tokens a row, the file does not fit there."""

    def __init__(self, path: Path) -> None:
        self._path = path
        if not path.is_file():
            raise LongPOError(2, "ROWS_MISSING", f"rows: {path} is not a file; give a preference file (JSON lines).")
        digest = hashlib.sha256()
        self._offsets: list[tuple[int, int, int]] = []
        with path.open("rb") as lines:
            offset = 0
            for number, line in enumerate(lines, start=1):
                digest.update(line)
                if line.strip():
                    self._offsets.append((offset, len(line), number))
                offset += len(line)
        self.digest = f"sha256:{digest.hexdigest()}"
        if not self._offsets:
            raise LongPOError(4, "ROWS_EMPTY", f"{path} has no rows; generate preference data first.")

    def __len__(self) -> int:
        return len(self._offsets)

    def __getitem__(self, index: int) -> dict:
        offset, length, number = self._offsets[index]
        with self._path.open("rb") as file:
            file.seek(offset)
            line = file.read(length)
        return _parse_row(line, f"{self._path}:{number}")

    def line(self, index: int) -> int:
        """Line number of a row, as an editor shows it."""
        return self._offsets[index][2]


def _parse_row(line: bytes, place: str) -> dict:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise LongPOError(4, "ROW_INVALID", f"{place}: not JSON ({error}); one object a line.") from error
    try:
        return validator("preference-row")(row)
    except fastjsonschema.JsonSchemaValueException as error:
        field = (error.path and ".".join(str(part) for part in error.path[1:])) or "the row"
        raise LongPOError(
            4, "ROW_INVALID", f"{place}: {field}: {error.message.removeprefix(error.name + ' ')}."
        ) from error
