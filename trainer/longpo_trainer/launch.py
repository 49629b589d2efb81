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
from pathlib import Path

from .config import TrainConfig, load_train_config
from .environment import PodEnvironment, set_worker_environment, use_loopback, worker_rank
from .errors import TRY_AGAIN, LongPOError
from .report import Reporter

Train = Callable[[TrainConfig, Reporter, Callable[[], bool]], dict]

RESULT = "result.json"
PR_SET_PDEATHSIG = 1
PATHS = ("checkpoint", "master")


def launch(environment: PodEnvironment, run_rank: Callable[..., None] | None = None) -> dict[str, object]:
    """Runs the ranks of this pod to their end; the pod with index 0 returns the result of rank 0."""
    config = load_train_config(environment)
    threads = environment.threads or max(1, (os.cpu_count() or 1) // config.processes_per_pod)
    set_worker_environment(threads)
    if environment.is_on_one_machine():
        use_loopback()
    with tempfile.TemporaryDirectory(prefix="longpo-train-") as folder:
        code = _run_ranks(environment, config, Path(folder), run_rank or rank_main)
        if code != 0:
            raise _failure(Path(folder), code)
        result = _read(Path(folder) / RESULT)
    if result is None:
        return {}  # only rank 0 has one
    return result | {name: environment.relative(Path(result[name])) for name in PATHS if name in result}


def _run_ranks(environment: PodEnvironment, config: TrainConfig, folder: Path, run_rank: Callable[..., None]) -> int:
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    endpoint = environment.coordinator or "127.0.0.1:0"
    alone = config.pods == 1
    settings = LaunchConfig(
        min_nodes=config.pods,
        max_nodes=config.pods,
        nproc_per_node=config.processes_per_pod,
        run_id=f"{config.training}-{config.stage}-{config.attempt}",
        rdzv_backend="c10d" if alone else "static",
        rdzv_endpoint=endpoint,
        rdzv_configs={} if alone else {"rank": environment.completion_index},
        max_restarts=0,
        monitor_interval=0.2,
        start_method="spawn",
        local_addr="127.0.0.1" if alone else None,
    )
    try:
        elastic_launch(settings, run_rank)(environment, config, str(folder), os.getpid())
    except ChildFailedError as error:
        _, failure = error.get_first_failure()
        return failure.exitcode if failure.exitcode > 0 else 1
    except SignalException:
        return TRY_AGAIN
    return 0


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
        result = train(config, reporter, stopping)
        if rank == 0:
            (folder / RESULT).write_text(json.dumps(result))
    except LongPOError as error:
        _write_error(folder, rank, error)
        sys.exit(error.exit_code)
    except Exception as error:
        traceback.print_exc()
        _write_error(folder, rank, LongPOError(1, "INTERNAL", f"rank {rank}: {type(error).__name__}: {error}"))
        sys.exit(1)
    finally:
        reporter.close()


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
    content = {"exitCode": error.exit_code, "code": error.code, "message": error.message}
    temporary = folder / f".error-{rank}.tmp"
    temporary.write_text(json.dumps(content))
    temporary.rename(folder / f"error-{rank}.json")


def _failure(folder: Path, code: int) -> LongPOError:
    """The error that started it: the agent ends the other ranks, and these then say that they were stopped."""
    errors = [error for path in sorted(folder.glob("error-*.json")) if (error := _read(path)) is not None]
    own = [error for error in errors if error["exitCode"] != TRY_AGAIN]
    for error in sorted(own, key=lambda error: error["exitCode"] == 1):
        return LongPOError(error["exitCode"], error["code"], error["message"])
    if code == TRY_AGAIN:
        return LongPOError(TRY_AGAIN, "PREEMPTED", "stopped from outside; start again to go on.")
    return LongPOError(1, "RANK_DIED", f"a rank ended with exit code {code} and left no error; its log is above.")


def _read(path: Path) -> dict | None:
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        return None
