"""longpo-train: starts the ranks of one pod and gives the pod the exit code of the rank that failed first.

torchrun loses a rank's exit code, so this is a launcher of our own on torch's elastic API (training.md section 7).
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .config import TrainConfig, load_train_config
from .environment import PodEnvironment, set_worker_environment, use_loopback, worker_rank
from .errors import CONFIG, FAILED, TRY_AGAIN, LongPOError
from .report import Reporter
from .whole_file import write_whole_json

Train = Callable[[TrainConfig, Reporter, Callable[[], bool], Callable[[LongPOError], None]], dict]

RESULT = "result.json"
PR_SET_PDEATHSIG = 1
PATHS = ("checkpoint", "master")
SHUTDOWN_SECONDS = 110
"""For the ranks to end their micro-step and save; then they are killed. Below the pod's grace period of 120 s
(controller/src/objects/role-job.ts), so that the launcher can still say how it ended."""


@dataclass(frozen=True)
class Ending:
    """The process that ended the others, as the agent saw it; a negative code is a signal."""

    rank: int
    exit_code: int


STOPPED = Ending(rank=0, exit_code=TRY_AGAIN)
PEER_LOST = ("Connection closed by peer", "Connection reset by peer", "ncclRemoteError")
"""What gloo and NCCL say of a collective that a peer has left."""
TIMED_OUT = ("Timed out waiting", "collective operation timeout")
"""And of one that a peer has not come to: the hang watch says more, if it still can."""


def launch(environment: PodEnvironment, run_rank: Callable[..., None] | None = None) -> dict[str, object] | None:
    """Runs the ranks of this pod to their end and returns the result of rank 0; None from the pods without it."""
    config = load_train_config(environment)
    set_worker_environment(environment.threads or str(max(1, _processors() // config.processes_per_pod)))
    if config.pods > 1 and environment.coordinator is None:
        raise LongPOError(
            CONFIG, "ENVIRONMENT_INVALID", f"LONGPO_COORDINATOR is not set, and pods is {config.pods}: give host:port."
        )
    if config.pods == 1 or environment.is_on_one_machine():
        use_loopback()
    with tempfile.TemporaryDirectory(prefix="longpo-train-") as folder:
        ending = _run_ranks(environment, config, Path(folder), run_rank or rank_main)
        if ending is not None:
            raise _failure(Path(folder), ending)
        result = _read(Path(folder) / RESULT)
    if result is None:
        return None
    return result | {name: environment.relative(Path(result[name])) for name in PATHS if name in result}


def _processors() -> int:
    """Those that this process may use, which in a pod are often fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def _run_ranks(
    environment: PodEnvironment, config: TrainConfig, folder: Path, run_rank: Callable[..., None]
) -> Ending | None:
    from torch.distributed import DistError
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    alone = config.pods == 1
    settings = LaunchConfig(
        min_nodes=config.pods,
        max_nodes=config.pods,
        nproc_per_node=config.processes_per_pod,
        run_id=f"{config.training}-{config.stage}-{config.attempt}",
        rdzv_backend="c10d" if alone else "static",
        rdzv_endpoint="127.0.0.1:0" if alone else environment.coordinator or "",
        rdzv_configs={} if alone else {"rank": environment.completion_index, "timeout": config.ddp_timeout},
        max_restarts=0,
        monitor_interval=0.2,
        start_method="spawn",
        local_addr="127.0.0.1" if alone else None,
        shutdown_timeout=SHUTDOWN_SECONDS,
    )
    try:
        elastic_launch(settings, run_rank)(environment, config, str(folder), os.getpid())
    except ChildFailedError as error:
        return _ending({rank: failure.exitcode for rank, failure in error.failures.items()})
    except SignalException:
        return STOPPED
    except DistError as error:
        raise LongPOError(
            FAILED,
            "RANK_HUNG",
            f"the {config.pods} pods did not meet at {environment.coordinator} within ddpTimeout "
            f"{config.ddp_timeout} s: look for a pod of this Job that does not run. ({error})",
        ) from error
    return None


def _ending(exit_codes: dict[int, int]) -> Ending:
    """The rank that failed of itself, if there is one: its peers notice within milliseconds, and only ask to go on."""
    rank = min(exit_codes, key=lambda rank: (exit_codes[rank] == TRY_AGAIN, rank))
    return Ending(rank, exit_codes[rank])


def rank_main(environment: PodEnvironment, config: TrainConfig, folder: str, launcher: int) -> None:
    """One rank. Its error goes through a file, since a process can only give a number back."""
    from .train import train

    run_worker(train, environment, config, Path(folder), launcher)


def run_worker(train: Train, environment: PodEnvironment, config: TrainConfig, folder: Path, launcher: int) -> None:
    _die_with(launcher)
    stopping = _stop_flag()
    rank = worker_rank()
    reporter = Reporter(environment if rank == 0 else environment.silent(), "train", config.stage, config.attempt)
    try:
        result = train(config, reporter, stopping, lambda error: _write_error(folder, rank, error))
        if rank == 0:
            (folder / RESULT).write_text(json.dumps(result))
    except LongPOError as error:
        _write_error(folder, rank, error)
        sys.exit(error.exit_code)
    except Exception as error:
        traceback.print_exc()
        seen = _of_peers(error) or LongPOError(FAILED, "INTERNAL", f"rank {rank}: {type(error).__name__}: {error}")
        _write_error(folder, rank, seen)
        sys.exit(seen.exit_code)
    finally:
        reporter.close()


def _of_peers(error: Exception) -> LongPOError | None:
    """No failure of this rank: the one that left has its own exit code, or was lost with its node and has none."""
    if any(words in str(error) for words in PEER_LOST):
        return LongPOError(TRY_AGAIN, "PEER_LOST", "another rank has left; started again, the run goes on.")
    if any(words in str(error) for words in TIMED_OUT):
        return LongPOError(FAILED, "RANK_HUNG", f"another rank did not come within ddpTimeout: {error}")
    return None


def _die_with(launcher: int) -> None:
    """A rank whose launcher was killed would hold its memory, and its peers, for ever."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != launcher:
        sys.exit(TRY_AGAIN)


def _stop_flag() -> Callable[[], bool]:
    stopping = False

    def on_signal(_number: int, _frame: object) -> None:
        nonlocal stopping
        stopping = True

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return lambda: stopping


def _write_error(folder: Path, rank: int, error: LongPOError) -> None:
    """The first one of a rank: a rank that hangs is told before its end disturbs the collective it hangs in."""
    if (folder / f"error-{rank}.json").exists():
        return
    content = {"exitCode": error.exit_code, "code": error.code, "message": error.message}
    write_whole_json(folder / f"error-{rank}.json", content)


def _failure(folder: Path, ending: Ending) -> LongPOError:
    """The error that started it: the agent ends the other ranks, and these then say that they were stopped, or that a
    peer has left them."""
    errors = [error for path in sorted(folder.glob("error-*.json")) if (error := _read(path)) is not None]
    for error in sorted(errors, key=_weight):
        if error["code"] == "INTERNAL" and ending.exit_code < 0:
            break  # a peer of the rank that was killed
        if error["exitCode"] != TRY_AGAIN or ending.exit_code == TRY_AGAIN:
            return LongPOError(error["exitCode"], error["code"], error["message"])
    if ending.exit_code == TRY_AGAIN:
        return LongPOError(TRY_AGAIN, "PREEMPTED", "stopped from outside; start again to go on.")
    how = f"exit code {ending.exit_code}" if ending.exit_code > 0 else f"signal {-ending.exit_code}"
    memory = " (out of memory, if nobody sent it)" if ending.exit_code == -signal.SIGKILL else ""
    return LongPOError(1, "RANK_DIED", f"rank {ending.rank} ended by {how}{memory} and left no error.")


def _weight(error: dict) -> int:
    """What a rank says of itself, before what befell it; a stop comes last, it is asked for once all else failed."""
    if error["code"] == "INTERNAL":
        return 1
    if error["code"] == "PEER_LOST":
        return 2
    return 3 if error["exitCode"] == TRY_AGAIN else 0


def _read(path: Path) -> dict | None:
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        return None
