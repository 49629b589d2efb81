"""A launcher whose ranks behave as told instead of training; run by test_launch.py."""

import os
import sys
import time
from functools import partial
from pathlib import Path

from longpo_trainer import launch, role
from longpo_trainer.errors import LongPOError


def behave(behaviour: str, config, reporter, stop, on_hang) -> dict:
    """In place of longpo_trainer.train.train."""
    import torch
    import torch.distributed as dist

    volume = config.directory.parent.parent
    (volume / f"pid-{os.environ['RANK']}").write_text(str(os.getpid()))
    dist.init_process_group("gloo")
    kind, _, code = behaviour.partition("-")
    if kind == "fail" and dist.get_rank() == 1:
        raise LongPOError(int(code), "TRIED", "as asked")
    while kind in ("wait", "fail", "work"):
        if kind == "work":
            dist.all_reduce(torch.ones(1))
            (volume / f"met-{dist.get_rank()}").touch()
        if stop():
            raise LongPOError(75, "PREEMPTED", "stopped")
        time.sleep(0.02)
    ranks = [None] * 3
    dist.all_gather_object(ranks, dist.get_rank())
    return {"ranks": len(ranks), "checkpoint": str(config.directory / "checkpoint")}


def run_rank(environment, config, folder: str, launcher: int) -> None:
    launch.run_worker(partial(behave, sys.argv[1]), environment, config, Path(folder), launcher)


if __name__ == "__main__":
    role.ROLES["train"] = lambda environment: launch.launch(environment, run_rank)
    sys.exit(role.run_role("train"))
