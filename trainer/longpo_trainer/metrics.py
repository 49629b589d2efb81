"""metrics.jsonl: one JSON line per logged step and one per evaluation, and the same numbers to further writers."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path

from .log import log
from .whole_file import write_whole
from .writers import Writer

METRICS_FILE = "metrics.jsonl"


class MetricsLog:
    """Appends the lines of rank 0. Lines after the step that training resumes from are dropped: they come again.

    A line is ``{"step": 50, name: number, ...}``; a number that is not finite is null, which JSON has a word for.
    """

    def __init__(self, directory: Path, resumed_step: int, writers: list[Writer]) -> None:
        self._path = directory / METRICS_FILE
        self._writers = list(writers)
        self._kept = [line for line in _lines(self._path) if line["step"] <= resumed_step]
        kept = "".join(f"{json.dumps(line)}\n" for line in self._kept)
        write_whole(self._path, lambda temporary: temporary.write_text(kept))
        for writer in writers:
            writer.start(resumed_step)

    def newest(self, name: str) -> tuple[int, dict[str, float]] | None:
        """Step and values of the last line with this name that was there before this process."""
        for line in reversed(self._kept):
            if name in line:
                values = {key: math.nan if value is None else value for key, value in line.items() if key != "step"}
                return line["step"], values
        return None

    def write(self, step: int, values: Mapping[str, float]) -> None:
        finite = {name: value if math.isfinite(value) else None for name, value in values.items()}
        try:
            with self._path.open("a") as file:
                file.write(f"{json.dumps({'step': step, **finite}, allow_nan=False)}\n")
        except OSError as error:  # a full disk, which the step checkpoints judge
            log("metrics not written", role="train", level="warning", step=step, error=str(error))
        for writer in list(self._writers):
            try:
                writer.write(step, values)
            except Exception as error:  # whatever a package of somebody else raises, a run of days goes on
                self._writers.remove(writer)
                log("metrics writer stopped", role="train", level="warning", writer=writer.name, error=repr(error))

    def close(self) -> None:
        for writer in self._writers:
            writer.close()


def _lines(path: Path) -> list[dict]:
    """Whole lines: a process that was killed may have left half of the last one."""
    if not path.is_file():
        return []
    lines = []
    for text in path.read_text().splitlines():
        try:
            lines.append(json.loads(text))
        except ValueError:
            break
    return lines
