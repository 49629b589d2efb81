"""Step checkpoints: the state of a finished optimizer step, to resume from, written beside the training.

Training stands still only while the state is copied to host memory (and while an earlier write is still under way:
one at a time). Threads then write the copy, read it back for its digests and publish it; see step_folder.

A checkpoint holds weights, optimizer moments and generator states, and in its manifest the fingerprint of the run and
the shape of its world. Learning rate and row order have no state: both are functions of the step (optimizer, schedule).
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch import nn
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.staging import DefaultStager, StagingOptions
from torch.distributed.checkpoint.state_dict import get_state_dict, set_state_dict

from .errors import FAILED, LongPOError
from .generators import generator_states, set_generator_states
from .log import log
from .process_group import World
from .step_folder import (
    digests,
    file_names,
    file_names_of,
    make_empty,
    newest,
    publish,
    read_step_manifest,
    remove_half_written,
    set_aside,
    step_name,
)

FAILURES_IN_A_ROW = 3
"""A full disk may be seen to, and the work in memory is worth more than the run's end; but not for days."""
WRITING = "checkpoint write"


@dataclass(frozen=True)
class Written:
    """How the write of a step ended, the same on all ranks."""

    step: int
    seconds: float
    """From the copy to the rename."""
    error: str
    """Empty where the checkpoint is there."""


class StepCheckpoints:
    """The steps folder of one stage, with the newest ``kept`` checkpoints in it. Every method is called by all ranks.

    ``fingerprint`` is what must be the same for a resume to continue the run.
    """

    def __init__(self, folder: Path, fingerprint: dict[str, object], kept: int, world: World) -> None:
        self._folder = folder
        self._kept = kept
        self._fingerprint = fingerprint
        self._world = world
        # Of its own, since training's group is busy meanwhile; of gloo, since the copy is in host memory.
        self._group = dist.new_group(backend="gloo", timeout=timedelta(seconds=world.timeout_seconds))
        # Pinned memory is slow to get and fast to copy to: it is kept from one checkpoint to the next.
        self._stager = DefaultStager(StagingOptions(True, False, False, False)) if _is_cuda(world) else None
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="step-checkpoint")
        self._running: Future[Written] | None = None
        self._failures = 0
        self._blocked_seconds = 0.0
        self._write_seconds: float | None = None
        self.saved = 0
        """Step of the newest whole checkpoint; of one under way it counts once it was waited for."""

    def save(self, step: int, metrics: dict[str, float], model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        """Copies the state after ``step`` steps, once the write before it has ended, and begins to write it."""
        self.wait()
        started = time.monotonic()
        temporary = self._folder / f"{step_name(step)}.tmp"
        error = self._world.from_rank_zero(lambda: make_empty(temporary))
        if error:
            self._settle(Written(step, 0.0, error))
        else:
            manifest = {"step": step, "fingerprint": self._fingerprint, "world": self._shape(), "metrics": metrics}
            state = _state(model, optimizer) | self._generators()
            upload = dcp.async_save(
                state, checkpoint_id=temporary, process_group=self._group, async_stager=self._stager
            )
            self._running = self._threads.submit(self._finish, upload, temporary, manifest, started)
        self._blocked_seconds += time.monotonic() - started

    def wait(self, give_up: bool = True) -> None:
        """Until nothing is being written.

        Raises LongPOError (exit 1) at the third write in a row that failed, unless ``give_up`` is False: at its end a
        run has nothing left to lose by going on.
        """
        if self._running is None:
            return
        started = time.monotonic()
        with self._world.progress.meeting():
            written = self._running.result()
        self._running = None
        self._blocked_seconds += time.monotonic() - started
        self._settle(written, give_up)

    def close(self) -> None:
        """Lets a write under way end: also on the way out with an error, as far as the other ranks are there."""
        if self._running is not None:
            self._running.exception()
            self._running = None
        self._threads.shutdown()
        if self._stager is not None:
            self._stager.close()

    def figures(self) -> dict[str, float]:
        """What checkpoints cost since the last call."""
        values = {"checkpoint/blocked_seconds": self._blocked_seconds, "checkpoint/failures_in_a_row": self._failures}
        if self._write_seconds is not None:
            values["checkpoint/write_seconds"] = self._write_seconds
        self._blocked_seconds, self._write_seconds = 0.0, None
        return values

    def resume(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> tuple[int, dict[str, float]]:
        """Loads the newest whole checkpoint: its step and metrics, or step 0 where there is none."""
        self._world.from_rank_zero(lambda: remove_half_written(self._folder))
        while (name := self._world.from_rank_zero(lambda: newest(self._folder))) is not None:
            folder = self._folder / name
            manifest = self._world.from_rank_zero(partial(read_step_manifest, folder))
            if manifest is not None and self._digests(folder) == manifest["files"]:
                self._refuse_other_run(folder, manifest)
                self._load(folder, manifest, model, optimizer)
                self.saved = manifest["step"]
                return manifest["step"], manifest["metrics"]
            self._world.from_rank_zero(partial(set_aside, folder))
        return 0, {}

    def _finish(self, upload: Future, temporary: Path, manifest: dict, started: float) -> Written:
        """In the thread of every rank. What fails on one fails on all: a checkpoint without one file is none."""
        progress = self._world.progress
        progress.enter(f"{WRITING} of step {manifest['step']}", WRITING)
        mine = _attempt(lambda: self._written_files(upload, temporary))
        everyone: list[tuple[dict, str]] = [({}, "")] * self._world.size
        with progress.meeting(WRITING):
            dist.all_gather_object(everyone, mine, group=self._group)
        error = next((error for _, error in everyone if error), "")
        ended = [(None, error)]
        if self._world.rank == 0 and not error:
            files = {name: digest for share, _ in everyone for name, digest in share.items()}
            ended = [_attempt(lambda: publish(temporary, {**manifest, "files": files}, self._kept))]
        with progress.meeting(WRITING):
            dist.broadcast_object_list(ended, src=0, group=self._group)
        progress.leave(WRITING)
        written = Written(manifest["step"], time.monotonic() - started, ended[0][1])
        if self._world.rank == 0:
            self._tell(written, temporary)
        return written

    def _written_files(self, upload: Future, temporary: Path) -> dict[str, str]:
        upload.result()
        return digests(temporary, file_names_of(temporary, self._world.rank))

    def _tell(self, written: Written, temporary: Path) -> None:
        """At once: training may take hours to the next line of metrics."""
        if written.error:
            # Half a checkpoint helps nobody, and on a full disk its room is what the next one needs.
            shutil.rmtree(temporary, ignore_errors=True)
            log("step checkpoint not written", role="train", level="warning", step=written.step, error=written.error)
        else:
            log("step checkpoint written", role="train", step=written.step, seconds=round(written.seconds, 3))

    def _settle(self, written: Written, give_up: bool = True) -> None:
        if not written.error:
            self.saved, self._failures, self._write_seconds = written.step, 0, written.seconds
            return
        self._failures += 1
        if give_up and self._failures >= FAILURES_IN_A_ROW:
            raise LongPOError(
                FAILED,
                "CHECKPOINT_WRITE_FAILED",
                f"{self._failures} step checkpoints in a row could not be written to {self._folder}, the last of step "
                f"{written.step}: {written.error}. Give the volume room for saveTotalLimit + 1 checkpoints, or mend "
                f"it; started again, the run goes on after step {self.saved}.",
            )

    def _shape(self) -> dict[str, int]:
        return {
            "ranks": self._world.size,
            "sequenceParallel": self._world.sequence_parallel,
            "dataParallel": self._world.data_parallel,
        }

    def _generators(self) -> dict[str, dict]:
        return {"generators": {str(self._world.rank): generator_states(self._world.device)}}

    def _load(self, folder: Path, manifest: dict, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        """Another world than the one that wrote it resharded by torch; its ranks have no generators to go on with."""
        state = _state(model, optimizer)
        same_world = manifest["world"] == self._shape()
        if same_world:
            state |= self._generators()
        dcp.load(state, checkpoint_id=folder, process_group=self._group)
        set_state_dict(model, optimizer, model_state_dict=state["model"], optim_state_dict=state["optimizer"])
        if same_world:
            set_generator_states(state["generators"][str(self._world.rank)], self._world.device)

    def _refuse_other_run(self, folder: Path, manifest: dict) -> None:
        for name, value in self._fingerprint.items():
            found = manifest["fingerprint"].get(name)
            if found != value:
                raise LongPOError(
                    4,
                    "STEP_CHECKPOINT_MISMATCH",
                    f"{folder} was trained with {name} {found}, this training has {value}; "
                    "remove the stage's folder to train anew.",
                )

    def _digests(self, folder: Path) -> dict[str, str]:
        """SHA-256 of each file; the ranks share the reading."""
        names = self._world.from_rank_zero(lambda: file_names(folder))
        mine = names[self._world.rank :: self._world.size]
        shares = self._world.from_every_rank(lambda: digests(folder, mine))
        return {name: digest for share in shares for name, digest in share.items()}


def _attempt(work: Callable[[], object]) -> tuple[object, str]:
    """Its value, or what it raised in words: the ranks must hear of it before anyone acts on it."""
    try:
        return work(), ""
    except CheckpointException as error:
        return None, "; ".join(f"rank {rank}: {cause}" for rank, (cause, _) in sorted(error.failures.items()))
    except Exception as error:
        return None, str(error) or type(error).__name__


def _state(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, dict]:
    weights, moments = get_state_dict(model, optimizer)
    return {"model": weights, "optimizer": moments}


def _is_cuda(world: World) -> bool:
    return world.device.type == "cuda"
