"""The only reader of the environment: the names of the pod contract (api/src/pod-contract/env.ts)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

MMAP_THRESHOLD_BYTES = 4 << 20
LOOPBACK = ("127.", "localhost:", "[::1]:")


@dataclass(frozen=True)
class PodEnvironment:
    volume_root: Path
    config: str
    """The role's config as JSON text."""
    report_url: str | None
    token_file: Path | None
    termination_log: Path | None
    coordinator: str | None
    """host:port of the pod with index 0; None for a pod on its own."""
    completion_index: int
    threads: int | None
    """OMP_NUM_THREADS, where the user set it."""
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
        """The same without a report URL: only rank 0 reports."""
        return replace(self, report_url=None)

    def relative(self, path: Path) -> str:
        """The other way round: below the volume root where it is, so that a result holds in every pod."""
        root = self.volume_root.resolve()
        resolved = path.resolve()
        return str(resolved.relative_to(root)) if resolved.is_relative_to(root) else str(resolved)


def read_environment(env: Mapping[str, str] = os.environ) -> PodEnvironment:
    def path(name: str) -> Path | None:
        return Path(env[name]) if env.get(name) else None

    return PodEnvironment(
        volume_root=Path(env.get("LONGPO_VOLUME_ROOT") or os.getcwd()),
        config=env.get("LONGPO_CONFIG", ""),
        report_url=env.get("LONGPO_REPORT_URL") or None,
        token_file=path("LONGPO_TOKEN_FILE"),
        termination_log=path("LONGPO_TERMINATION_LOG"),
        coordinator=env.get("LONGPO_COORDINATOR") or None,
        completion_index=int(env.get("JOB_COMPLETION_INDEX") or 0),
        threads=int(env["OMP_NUM_THREADS"]) if env.get("OMP_NUM_THREADS") else None,
        hf_token=env.get("HF_TOKEN") or None,
    )


def set_worker_environment(threads: int) -> None:
    """What the ranks inherit: their thread count, and an allocator that gives large tensors back.

    glibc raises its mmap threshold with every large block that is freed, and its heap then keeps a third of a rank's
    memory in fragments.
    """
    os.environ.setdefault("MALLOC_MMAP_THRESHOLD_", str(MMAP_THRESHOLD_BYTES))
    os.environ["OMP_NUM_THREADS"] = str(threads)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"


def use_loopback() -> None:
    """gloo would look up the name of the machine, which a laptop cannot always resolve."""
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"


def worker_rank() -> int:
    """Global rank, as torch's elastic agent gives it to the processes it starts."""
    return int(os.environ["RANK"])
