"""Seconds that training stands still for a step checkpoint, against writing the same files at once.

Usage: python checkpoint_side.py MODEL PROMPT ANSWER PORT FOLDER. One process, f32. Parts of a round, in this order:

- plain: an optimizer step that nothing disturbs.
- blocked: the trainer's save(), until training may go on.
- beside: the next step, while the checkpoint is written by threads on the same cores.
- rest: how long the write still takes then.
- atOnce: the same files written, digested and flushed before training goes on, as it was before.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import time
from pathlib import Path

import workload  # isort: skip  (finds the trainer)

import torch.distributed.checkpoint as dcp
from longpo_trainer.process_group import joined_world
from longpo_trainer.step_checkpoint import StepCheckpoints
from packed_side import PackedSteps, packed_steps
from rounds import Rounds, seconds_of
from torch.distributed.checkpoint.state_dict import get_state_dict


def save_at_once(steps: PackedSteps, folder: Path) -> int:
    """Bytes written."""
    shutil.rmtree(folder, ignore_errors=True)
    weights, moments = get_state_dict(steps.policy, steps.optimizer)
    dcp.save({"model": weights, "optimizer": moments}, checkpoint_id=folder)
    for file in folder.iterdir():
        with file.open("rb") as content:
            hashlib.file_digest(content, "sha256")
            os.fsync(content.fileno())
    return sum(file.stat().st_size for file in folder.iterdir())


def main(model: str, prompt: str, answer: str, port: str, folder: str) -> None:
    rounds = Rounds()
    workload.be_only_rank(int(port))
    with joined_world(1, 1) as world:
        steps = packed_steps(Path(model), workload.random_pair(int(prompt), int(answer)), "longpo", world)
        steps.step()
        checkpoints = StepCheckpoints(Path(folder) / "steps", {}, 1, world)
        rounds.ready(bytes=save_at_once(steps, Path(folder) / "at-once"))
        for number in rounds:
            cpu = time.process_time()
            seconds = {
                "plain": seconds_of(steps.step),
                "blocked": seconds_of(
                    lambda step=number + 1: checkpoints.save(step, {}, steps.policy, steps.optimizer)
                ),
                "beside": seconds_of(steps.step),
                "rest": seconds_of(checkpoints.wait),
                "atOnce": seconds_of(lambda: save_at_once(steps, Path(folder) / "at-once")),
            }
            rounds.answer(seconds, time.process_time() - cpu)
        checkpoints.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
