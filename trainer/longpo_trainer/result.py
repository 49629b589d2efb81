"""The pod's last word: its result or its error, as a termination message of at most 4,096 bytes."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path

from .errors import LongPOError

LIMIT_BYTES = 4096
MESSAGE_LIMIT = 2000
"""Characters of an error's message; the contract's own limit is a little higher."""
ELLIPSIS = "..."


def error_result(error: LongPOError) -> dict[str, object]:
    """Fits the limit whatever the message: a quote or a line break takes two bytes or more, a kanji three."""
    message = error.message.encode("utf-8", "replace").decode("utf-8")
    cut = message if len(message) <= MESSAGE_LIMIT else message[: MESSAGE_LIMIT - len(ELLIPSIS)] + ELLIPSIS
    while len(_encode(result := {"error": {"code": error.code, "message": cut}})) > LIMIT_BYTES:
        cut = cut[: (len(cut) - len(ELLIPSIS)) * 9 // 10] + ELLIPSIS
    return result


def write_result(path: Path | None, result: dict[str, object]) -> None:
    """Whole by a rename where that is possible: a kubelet mounts the file itself, which nothing can be renamed onto."""
    if path is None:
        return
    content = _encode(result)
    if len(content) > LIMIT_BYTES:
        raise ValueError(f"a termination message has at most {LIMIT_BYTES} bytes, this one {len(content)}")
    temporary = path.with_name(f".{path.name}.tmp-{os.getpid()}")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    except OSError:
        _discard(temporary)
        _write_in_place(path, content)


def _write_in_place(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise LongPOError(
            1, "RESULT_NOT_WRITTEN", f"{path}: {error.strerror}; LONGPO_TERMINATION_LOG must name a writable file."
        ) from error


def _discard(path: Path) -> None:
    with suppress(OSError):  # a folder that takes no files has none to remove
        path.unlink(missing_ok=True)


def _encode(result: dict[str, object]) -> bytes:
    return json.dumps(result, ensure_ascii=False, allow_nan=False).encode()
