"""First phase of a stage: log-probs of both answers of every turn, by the model as the stage finds it.

They are constants of the training (both terms of Eq. 12 that stand below a fraction), so they are computed once,
kept, and no second model stays in memory. LongPO takes them on the short chunk, each turn by itself: such rows need
no sequence parallelism, and every rank computes its own. DPO takes them on the long document, from the very row that
the policy is trained on, spread over a sequence group like there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

from .config import TrainConfig
from .data import PreferenceFile
from .errors import TRY_AGAIN, LongPOError
from .layout import NLL
from .micro_step import row_sums
from .model import Policy
from .process_group import World
from .reference_cache import Origin, ReferenceCache, ReferenceSums
from .report import Reporter
from .tokens import Encoder, Example, tokenizer_digest

PART_SECONDS = 60.0
"""Work that a killed phase may lose."""


def reference_origin(config: TrainConfig, rows: PreferenceFile) -> Origin:
    """What the sums depend on. A long document is read at the policy's positions, a chunk at the model's own."""
    long = config.method == "dpo"
    return {
        "method": config.method,
        "modelDigest": config.model_digest,
        "tokenizerDigest": tokenizer_digest(config.model),
        "dtype": config.dtype,
        "rowsDigest": rows.digest,
        "ropeTheta": config.rope_theta if long else None,
        "contextLength": config.context_length if long else None,
    }


@dataclass(frozen=True)
class ReferencePhase:
    """One preference file and the model that its answers are scored by. Every rank makes the same calls."""

    method: str
    world: World
    policy: Policy
    encoder: Encoder
    rows: PreferenceFile
    turns: Sequence[int]
    """Of each row."""
    reporter: Reporter
    stop: Callable[[], bool]
    part_seconds: float = PART_SECONDS

    def sums(self, cache: ReferenceCache) -> ReferenceSums:
        """From the cache as far as it goes, computed and added to it from there on."""
        starts = torch.cat((torch.zeros(1, dtype=torch.long), torch.as_tensor(self.turns).cumsum(0)))
        kept = self.world.from_rank_zero(cache.open)
        values = torch.zeros(int(starts[-1]), 2, dtype=torch.float64)
        values[: len(kept)] = kept
        items = _LongRows(self, starts) if self.method == "dpo" else _ShortTurns(self, starts)
        progress = _Progress(self.reporter, starts, first=len(kept))
        done = items.item_of(len(kept))
        while done < len(items):
            begin, done = done, self._part(items, done, values, progress)
            part = slice(items.turn_of(begin), items.turn_of(done))
            self.world.from_rank_zero(lambda part=part: cache.append(part.start, values[part]))
            if self.world.any_rank(self.stop()):
                message = f"stopped in the reference phase after {part.stop} of {len(values)} turns, which are saved."
                raise LongPOError(TRY_AGAIN, "PREEMPTED", message)
        return ReferenceSums(starts, values)

    def _part(self, items: _ShortTurns | _LongRows, first: int, values: Tensor, progress: _Progress) -> int:
        """Fills in the values of the items from ``first`` on for a minute, and gives the item after them.

        All ranks run the same number of forward passes, since the weights are gathered in each; a rank without an
        item left runs the last one again and leaves the result out, and of a sequence group, where every rank has
        the same sums, one rank hands them in.
        """
        lanes, due, end = items.world, time.monotonic() + self.part_seconds, first
        over = False
        while end < len(items) and not over:
            mine = end + lanes.data_rank
            item = min(mine, len(items) - 1)
            example = items.example(item)
            with torch.no_grad():
                sums = row_sums(
                    self.policy, example.packed(lanes.sequence_parallel, per_turn=True).without_nll(), lanes
                )
            if item == mine and lanes.sequence_rank == 0:
                values[items.turn_of(item) : items.turn_of(item + 1)] = sums[:NLL].view(-1, 2).cpu()
            end = min(end + lanes.data_parallel, len(items))
            progress.report(items.turn_of(end), example.tokens * lanes.data_parallel)
            over = self.world.any_rank(self.stop() or time.monotonic() >= due)
        self.policy.reshard()
        part = values[items.turn_of(first) : items.turn_of(end)]
        everywhere = part.to(self.world.device)
        dist.all_reduce(everywhere)
        part.copy_(everywhere)
        return end


class _ShortTurns:
    """Every turn is an item, its chunk the prompt; every rank is a data group of its own."""

    def __init__(self, phase: ReferencePhase, starts: Tensor) -> None:
        self._phase, self._starts = phase, starts
        self.world = phase.world.without_sequence_groups()

    def __len__(self) -> int:
        return int(self._starts[-1])

    def turn_of(self, item: int) -> int:
        return item

    def item_of(self, turn: int) -> int:
        return turn

    def example(self, item: int) -> Example:
        row = int(torch.searchsorted(self._starts, item, right=True)) - 1
        return self._phase.encoder.reference_example(self._phase.rows[row]["turns"][item - int(self._starts[row])])


class _LongRows:
    """Every row is an item: the whole dialogue on the long document."""

    def __init__(self, phase: ReferencePhase, starts: Tensor) -> None:
        self._phase, self._starts = phase, starts
        self.world = phase.world

    def __len__(self) -> int:
        return len(self._starts) - 1

    def turn_of(self, item: int) -> int:
        return int(self._starts[item])

    def item_of(self, turn: int) -> int:
        return int(torch.searchsorted(self._starts, turn))

    def example(self, item: int) -> Example:
        return self._phase.encoder.policy_example(self._phase.rows[item])


class _Progress:
    """Rows that are done and the speed of this run, as rank 0 sees it: its own rows stand for the others'."""

    def __init__(self, reporter: Reporter, starts: Tensor, first: int) -> None:
        self._reporter, self._starts, self._first = reporter, starts, first
        self._tokens, self._begun = 0, time.monotonic()

    def report(self, turns: int, tokens: int) -> None:
        self._tokens += tokens
        seconds = time.monotonic() - self._begun
        total = int(self._starts[-1])
        self._reporter.progress(
            "reference",
            int(torch.searchsorted(self._starts, turns, right=True)) - 1,
            len(self._starts) - 1,
            "rows",
            tokens_per_second=self._tokens / seconds,
            eta_seconds=seconds * (total - turns) / (turns - self._first),
        )
