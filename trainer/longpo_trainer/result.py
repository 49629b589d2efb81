"""The pod's last word: its result or its error, as a termination message of at most 4,096 bytes."""

from __future__ import annotations

import json
from pathlib import Path

from .errors import LongPOError

LIMIT_BYTES = 4096
MESSAGE_LIMIT = 2000


def error_result(error: LongPOError) -> dict[str, object]:
    message = error.message
    if len(message) > MESSAGE_LIMIT:
        message = message[: MESSAGE_LIMIT - 3] + "..."
    return {"error": {"code": error.code, "message": message}}


def write_result(path: Path | None, result: dict[str, object]) -> None:
    """Written in place: a kubelet mounts the file itself, so nothing can be renamed onto it."""
    if path is None:
        return
    text = json.dumps(result, ensure_ascii=False)
    size = len(text.encode())
    if size > LIMIT_BYTES:
        raise ValueError(f"a termination message has at most {LIMIT_BYTES} bytes, this one {size}")
    path.write_text(text)
