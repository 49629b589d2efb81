"""The check of a whole preference file before anything is computed: each row is valid and fits the context."""

from __future__ import annotations

from dataclasses import dataclass

from .data import PreferenceFile
from .process_group import World
from .tokens import Encoder, refuse_too_long


@dataclass(frozen=True)
class RowFacts:
    """What the later phases need to know of a row without reading it again."""

    turns: int
    tokens: int
    """Of the packed row."""


def check_rows(rows: PreferenceFile, encoder: Encoder, context_length: int, world: World) -> list[RowFacts]:
    """Validates and tokenises every row once; the ranks share the work. Raises the first bad row's error."""

    def mine() -> list[RowFacts]:
        return [_check(rows[index], encoder, context_length) for index in range(world.rank, len(rows), world.size)]

    shares = world.from_every_rank(mine)
    return [shares[index % world.size][index // world.size] for index in range(len(rows))]


def _check(row: dict, encoder: Encoder, context_length: int) -> RowFacts:
    example = encoder.policy_example(row)
    refuse_too_long(example, row["id"], context_length)
    return RowFacts(turns=len(row["turns"]), tokens=example.tokens)
