"""JSON lines on stdout: a constant message, values as keys."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime


def log(msg: str, **values: object) -> None:
    line = {"ts": datetime.now(UTC).isoformat(timespec="milliseconds"), "level": "info", "msg": msg, **values}
    print(json.dumps(line, default=str), file=sys.stdout, flush=True)
