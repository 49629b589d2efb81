"""A file that appears under its name in one rename, when all of it is on the disk."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """``write`` gets another name in the same folder. Where it fails, that file goes and ``path`` is as it was."""
    temporary = temporary_of(path)
    try:
        write(temporary)
        sync_to_disk(temporary)
        temporary.rename(path)
    except OSError:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def write_whole_json(path: Path, content: dict[str, object]) -> None:
    write_whole(path, lambda temporary: temporary.write_text(f"{json.dumps(content, indent=2)}\n"))


def temporary_of(path: Path) -> Path:
    return path.with_name(f".{path.name}.tmp")


def sync_to_disk(path: Path) -> None:
    """A file's bytes, or the names in a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
