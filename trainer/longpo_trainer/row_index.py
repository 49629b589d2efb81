"""Where the rows of a preference file are: 12 bytes a row, made by one pass that never holds a whole line."""

from __future__ import annotations

import hashlib
import json
import zlib
from array import array
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .errors import LongPOError

BLOCK_BYTES = 1 << 20


@dataclass(frozen=True)
class RowIndex:
    """Rows are lines with something on them, counted from 0."""

    starts: np.ndarray
    """int64 [rows]: offset of each row's first byte."""
    checksums: np.ndarray
    """uint32 [rows]: CRC-32 of each line without its line break; a row that changes under a run is seen when read."""
    blanks: np.ndarray
    """int64 [blank lines]: the row that follows each blank line."""
    size: int
    """Of the file, in bytes."""
    digest: str
    """SHA-256 of the file."""

    def __len__(self) -> int:
        return len(self.starts)

    def span(self, row: int) -> tuple[int, int]:
        """First byte of a row, and of the next one: the line ends before it."""
        return int(self.starts[row]), int(self.starts[row + 1]) if row + 1 < len(self) else self.size

    def line(self, row: int) -> int:
        """Line number of a row, as an editor shows it."""
        return row + 1 + int(np.searchsorted(self.blanks, row, side="right"))


def index_rows(path: Path) -> RowIndex:
    """Reads the file once. Refused with exit code 2 where there is none, 4 where it is empty or its end is cut off."""
    if not path.is_file():
        raise LongPOError(2, "ROWS_MISSING", f"rows: {path} is not a file; give a preference file (JSON lines).")
    starts, checksums, blanks = array("q"), array("I"), array("q")
    digest = hashlib.sha256()
    offset = start = checksum = 0
    has_text, at_line_start = False, True
    with path.open("rb", buffering=BLOCK_BYTES) as file:
        while piece := file.readline(BLOCK_BYTES):
            digest.update(piece)
            checksum = zlib.crc32(piece.removesuffix(b"\n"), checksum)
            has_text = has_text or not piece.isspace()
            offset += len(piece)
            at_line_start = piece.endswith(b"\n")
            if at_line_start:
                _add_line(starts, checksums, blanks, start, checksum, has_text)
                start, checksum, has_text = offset, 0, False
    if not at_line_start:
        _add_line(starts, checksums, blanks, start, checksum, has_text)
    if not starts:
        raise LongPOError(4, "ROWS_EMPTY", f"{path} has no rows; generate preference data first.")
    index = RowIndex(
        starts=np.frombuffer(starts, dtype=np.int64),
        checksums=np.frombuffer(checksums, dtype=np.uint32),
        blanks=np.array(blanks, dtype=np.int64),
        size=offset,
        digest=f"sha256:{digest.hexdigest()}",
    )
    if not at_line_start and has_text:
        _refuse_cut_off(path, index)
    return index


def _add_line(starts: array, checksums: array, blanks: array, start: int, checksum: int, has_text: bool) -> None:
    if has_text:
        starts.append(start)
        checksums.append(checksum)
    else:
        blanks.append(len(starts))


def _refuse_cut_off(path: Path, index: RowIndex) -> None:
    """The last line has no line break: written by hand, or the rest of it is missing."""
    with path.open("rb") as file:
        file.seek(index.starts[-1])
        line = file.read()
    try:
        json.loads(line)
    except ValueError as error:
        raise LongPOError(
            4,
            "ROWS_TRUNCATED",
            f"{path}:{index.line(len(index) - 1)}: the last line is cut off ({len(line)} bytes without a line break, "
            "no whole JSON); copy or generate the file again.",
        ) from error
