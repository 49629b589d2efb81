"""JSON lines on stdout: a constant message, values as keys."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime


def log(msg: str, *, role: str, stage: str = "", level: str = "info", **values: object) -> None:
    line = {
        "ts": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "level": level,
        "msg": msg,
        "role": role,
        "stage": stage,
        **values,
    }
    print(json.dumps(line, default=str), file=sys.stdout, flush=True)
