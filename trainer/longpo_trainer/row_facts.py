"""The check of a whole preference file before anything is computed: each row is valid and fits the context.

A row of 512K tokens takes a second or two to tokenise, a large file hours of all ranks; so what was found is kept.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .config import TrainConfig
from .data import PreferenceFile
from .errors import TRY_AGAIN, LongPOError
from .facts_file import FactsFile
from .process_group import World
from .report import Reporter
from .tokens import Encoder, refuse_too_long, tokenizer_digest

PART_SECONDS = 20.0
"""Work that a killed check may lose."""


@dataclass(frozen=True)
class RowFacts:
    """What the later phases need to know of the rows without reading them again."""

    turns: np.ndarray
    """int32 [rows]."""
    tokens: np.ndarray
    """int32 [rows]: of the packed row."""

    def __len__(self) -> int:
        return len(self.turns)


def check_origin(config: TrainConfig, rows: PreferenceFile) -> dict[str, str | int]:
    """What decides the outcome of a check."""
    return {
        "rows": rows.digest,
        "tokenizer": tokenizer_digest(config.model),
        "method": config.method,
        "contextLength": config.context_length,
    }


@dataclass(frozen=True)
class RowCheck:
    """Validates and tokenises every row once; the ranks share the work."""

    rows: PreferenceFile
    encoder: Encoder
    context_length: int
    world: World
    reporter: Reporter
    stop: Callable[[], bool]
    part_seconds: float = PART_SECONDS

    def facts(self, kept: FactsFile) -> RowFacts:
        """From the file as far as it goes; checked and added to it from there on. Raises the first bad row's error."""
        facts = np.zeros((len(self.rows), 2), dtype=np.int32)
        known = self.world.from_rank_zero(kept.open)
        facts[: len(known)] = known
        done = len(known)
        while done < len(self.rows):
            begin, done = done, self._part(done, facts)
            part = facts[begin:done]
            self.world.from_rank_zero(lambda part=part: kept.append(part))
            if done < len(self.rows):
                self.reporter.progress("load", done, len(self.rows), "rows")
            if self.world.any_rank(self.stop()):
                message = f"stopped after {done} of {len(self.rows)} rows were checked; they are not checked again."
                raise LongPOError(TRY_AGAIN, "PREEMPTED", message)
        return RowFacts(turns=facts[:, 0], tokens=facts[:, 1])

    def _part(self, first: int, facts: np.ndarray) -> int:
        """Fills in the rows from ``first`` on for a while, and gives the row after them."""
        due, end = time.monotonic() + self.part_seconds, first
        mine: list[tuple[int, int]] = []
        error: LongPOError | None = None
        over = False
        while end < len(self.rows) and not over:
            if end + self.world.rank < len(self.rows):
                try:
                    mine.append(self._check(end + self.world.rank))
                except LongPOError as found:
                    error = found
            end = min(end + self.world.size, len(self.rows))
            over = self.world.any_rank(self.stop() or error is not None or time.monotonic() >= due)

        def share() -> np.ndarray:
            if error is not None:
                raise error
            return np.array(mine, dtype=np.int32).reshape(-1, 2)

        for rank, found in enumerate(self.world.from_every_rank(share)):
            facts[first + rank : end : self.world.size] = found
        return end

    def _check(self, index: int) -> tuple[int, int]:
        row = self.rows[index]
        example = self.encoder.policy_example(row)
        refuse_too_long(example, row["id"], self.context_length)
        return len(row["turns"]), example.tokens
