"""The only reader of the environment: the names of the pod contract (api/src/pod-contract/env.ts), and Kubeflow's."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from .errors import CONFIG, LongPOError

HOST_AND_PORT = re.compile(r"^.+:\d+$")
MMAP_THRESHOLD_BYTES = 4 << 20
LOOPBACK = ("127.", "localhost:", "[::1]:")


@dataclass(frozen=True)
class PodEnvironment:
    volume_root: Path
    config: str
    """The role's config as JSON text."""
    report_url: str | None
    token_file: Path | None
    kubeflow_url: str | None
    """Of the TrainJob's status; the next two let a pod in there."""
    kubeflow_ca_file: Path | None
    kubeflow_token_file: Path | None
    termination_log: Path | None
    coordinator: str | None
    """host:port of the pod with index 0; None for a pod on its own."""
    completion_index: int
    threads: str | None
    """OMP_NUM_THREADS, where the user set it: passed on as it is, OpenMP takes lists too."""
    hf_token: str | None

    def resolve(self, path: str) -> Path:
        """A path of a config: absolute, pvc://<claim>/<path>, or below the volume root."""
        if path.startswith("pvc://"):
            path = path.removeprefix("pvc://").partition("/")[2]
        return self.volume_root / path

    def is_on_one_machine(self) -> bool:
        """Whether the ranks meet on loopback: a pod on its own, or pods that a laptop runs as processes."""
        return self.coordinator is None or self.coordinator.startswith(LOOPBACK)

    def silent(self) -> PodEnvironment:
        """The same without anybody to report to: only rank 0 reports."""
        return replace(self, report_url=None, kubeflow_url=None)

    def relative(self, path: Path) -> str:
        """The other way round: below the volume root where it is, so that a result holds in every pod."""
        root = self.volume_root.resolve()
        resolved = path.resolve()
        return str(resolved.relative_to(root)) if resolved.is_relative_to(root) else str(resolved)


def read_environment(env: Mapping[str, str] = os.environ) -> PodEnvironment:
    def path(name: str) -> Path | None:
        return Path(env[name]) if env.get(name) else None

    coordinator = env.get("LONGPO_COORDINATOR") or None
    if coordinator is not None and not HOST_AND_PORT.match(coordinator):
        raise LongPOError(
            CONFIG, "ENVIRONMENT_INVALID", f"LONGPO_COORDINATOR is {coordinator!r}; it must be host:port."
        )
    index = env.get("JOB_COMPLETION_INDEX") or "0"
    if not index.isdecimal():
        raise LongPOError(
            CONFIG, "ENVIRONMENT_INVALID", f"JOB_COMPLETION_INDEX is {index!r}; it must be an integer from 0 on."
        )
    return PodEnvironment(
        volume_root=Path(env.get("LONGPO_VOLUME_ROOT") or os.getcwd()),
        config=env.get("LONGPO_CONFIG", ""),
        report_url=env.get("LONGPO_REPORT_URL") or None,
        token_file=path("LONGPO_TOKEN_FILE"),
        kubeflow_url=env.get("KUBEFLOW_TRAINER_SERVER_URL") or None,
        kubeflow_ca_file=path("KUBEFLOW_TRAINER_SERVER_CA_CERT"),
        kubeflow_token_file=path("KUBEFLOW_TRAINER_SERVER_TOKEN"),
        termination_log=read_termination_log(env),
        coordinator=coordinator,
        completion_index=int(index),
        threads=env.get("OMP_NUM_THREADS") or None,
        hf_token=env.get("HF_TOKEN") or None,
    )


def read_termination_log(env: Mapping[str, str] = os.environ) -> Path | None:
    """On its own, so that an environment that cannot be read still has a place for its error."""
    return Path(env["LONGPO_TERMINATION_LOG"]) if env.get("LONGPO_TERMINATION_LOG") else None


def set_worker_environment(threads: str) -> None:
    """What the ranks inherit: their thread count, and an allocator that gives large tensors back.

    glibc raises its mmap threshold with every large block that is freed, and its heap then keeps a third of a rank's
    memory in fragments.
    """
    os.environ.setdefault("MALLOC_MMAP_THRESHOLD_", str(MMAP_THRESHOLD_BYTES))
    os.environ["OMP_NUM_THREADS"] = threads
    os.environ["TOKENIZERS_PARALLELISM"] = "false"


def use_loopback() -> None:
    """gloo would look up the name of the machine, which a laptop cannot always resolve."""
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"


def worker_rank() -> int:
    """Global rank, as torch's elastic agent gives it to the processes it starts."""
    return int(os.environ["RANK"])


def world_size() -> int:
    """Ranks of all pods, from the same agent."""
    return int(os.environ["WORLD_SIZE"])


def meeting_point() -> tuple[str, int]:
    """Host and port of the store through which the ranks find each other, in the pod of rank 0."""
    return os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
