"""The preference file: one JSON line a row, read by number and checked against the generated contract."""

from __future__ import annotations

import json
import os
import zlib
from pathlib import Path

import fastjsonschema

from .contract import validator
from .errors import LongPOError
from .row_index import RowIndex, index_rows


class PreferenceFile:
    """Rows by number. Only their index stays in memory: at 512K tokens a row, the file does not fit there."""

    def __init__(self, path: Path, index: RowIndex | None = None) -> None:
        """``index`` as another rank has made it: one that reads the whole file is enough."""
        self._path = path
        self.index = index or index_rows(path)

    @property
    def digest(self) -> str:
        return self.index.digest

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, row: int) -> dict:
        return _parse_row(self.text(row), f"{self._path}:{self.line(row)}")

    def line(self, row: int) -> int:
        """Line number of a row, as an editor shows it."""
        return self.index.line(row)

    def text(self, row: int) -> bytes:
        """The line of a row. Raises ROWS_CHANGED where the file is no longer the one that was indexed."""
        start, stop = self.index.span(row)
        try:
            with self._path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                file.seek(start)
                line = file.readline(stop - start)
        except FileNotFoundError as error:
            raise self._changed(row, "the file is gone") from error
        if size != self.index.size:
            raise self._changed(row, f"the file had {self.index.size} bytes and has {size}")
        if zlib.crc32(line.removesuffix(b"\n")) != self.index.checksums[row]:
            raise self._changed(row, "its bytes are others")
        return line

    def _changed(self, row: int, how: str) -> LongPOError:
        return LongPOError(
            4,
            "ROWS_CHANGED",
            f"{self._path}:{self.line(row)}: changed since the run began ({how}); put the file back, or remove the "
            "stage's folder to train on the new one.",
        )


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
