"""First phase of a stage: log-probs of both answers of every turn on the short chunk, by the model as it starts.

They are constants of the training (both terms of Eq. 12 that stand below a fraction), so they are computed once,
kept, and no second model stays in memory. Short rows need no sequence parallelism: each rank computes its own.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from .data import PreferenceFile
from .errors import LongPOError
from .layout import NLL, pack
from .model import Policy
from .process_group import World
from .report import Reporter
from .row_facts import RowFacts
from .tokens import Encoder

SUMS_FILE, MANIFEST_FILE = "reference.safetensors", "reference.json"


def reference_sums(
    folder: Path,
    origin: dict[str, str],
    compute: Callable[[], Tensor],
    world: World,
) -> Tensor:
    """[rows, 2] sums, from the folder where it holds those of this ``origin``; computed and written where it is new.

    A folder made from other rows or another model is refused: training against it would go wrong in silence.
    """
    kept = world.from_rank_zero(lambda: _read(folder, origin))
    if kept is not None:
        return kept
    sums = compute()
    world.from_rank_zero(lambda: _write(folder, origin, sums))
    return sums


def compute_reference(
    policy: Policy,
    rows: PreferenceFile,
    facts: list[RowFacts],
    encoder: Encoder,
    world: World,
    reporter: Reporter,
    stop: Callable[[], bool],
) -> Tensor:
    """Chosen and rejected log-prob of each row, summed over its turns.

    All ranks run the same number of forward passes, since the weights are gathered in each; a rank without a turn
    left runs its last one again and leaves the result out.
    """
    turns = [(index, turn) for index, row in enumerate(facts) for turn in range(row.turns)]
    sums = torch.zeros(len(rows), 2, dtype=torch.float64, device=world.device)
    started, tokens = time.monotonic(), 0
    for first in range(0, len(turns), world.size):
        if world.any_rank(stop()):
            raise LongPOError(75, "PREEMPTED", "stopped in the reference phase, which starts again from its beginning.")
        mine = first + world.rank
        index, turn = turns[min(mine, len(turns) - 1)]
        example = encoder.reference_example(rows[index]["turns"][turn])
        row = pack(example.prompt, example.chosen, example.rejected).answers_only()
        with torch.no_grad():
            pair = policy(row.to(world.device), None)[:NLL]
        if mine < len(turns):
            sums[index] += pair.double()
        if world.rank == 0:
            tokens += example.tokens * world.size
            done = min(first + world.size, len(turns))
            seconds = time.monotonic() - started
            _report(reporter, turns[done - 1][0] + 1, len(rows), tokens, done / len(turns), seconds)
    policy.reshard()
    torch.distributed.all_reduce(sums)
    return sums.cpu()


def _report(reporter: Reporter, done: int, total: int, tokens: int, share: float, seconds: float) -> None:
    reporter.progress(
        "reference",
        done,
        total,
        "rows",
        tokens_per_second=tokens / seconds,
        eta_seconds=seconds * (1 - share) / share,
    )


def _read(folder: Path, origin: dict[str, str]) -> Tensor | None:
    manifest_file, sums_file = folder / MANIFEST_FILE, folder / SUMS_FILE
    if not manifest_file.is_file():
        return None
    try:
        manifest = json.loads(manifest_file.read_text())
    except ValueError:
        print(f"{manifest_file} is damaged; the reference is computed again.", file=sys.stderr)
        return None
    for name, value in origin.items():
        if manifest.get(name) != value:
            raise LongPOError(
                4,
                "REFERENCE_MISMATCH",
                f"{folder} was made with {name} {manifest.get(name)}, this training has {value}; "
                "remove the stage's folder to train with the new one.",
            )
    if not sums_file.is_file() or _sha256(sums_file) != manifest.get("sumsDigest"):
        print(f"{sums_file} is missing or damaged; the reference is computed again.", file=sys.stderr)
        return None
    sums = load_file(sums_file)
    return torch.stack((sums["chosen"], sums["rejected"]), dim=1)


def _write(folder: Path, origin: dict[str, str], sums: Tensor) -> None:
    """The manifest last, so that a folder with one is whole."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MANIFEST_FILE).unlink(missing_ok=True)
    chosen, rejected = (column.contiguous() for column in sums.unbind(dim=1))
    save_file({"chosen": chosen, "rejected": rejected}, folder / SUMS_FILE)
    manifest = {**origin, "rows": len(sums), "sumsDigest": _sha256(folder / SUMS_FILE)}
    temporary = folder / f"{MANIFEST_FILE}.tmp"
    with temporary.open("w") as file:
        json.dump(manifest, file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(folder / MANIFEST_FILE)


def _sha256(file: Path) -> str:
    return f"sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}"
