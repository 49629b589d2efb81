"""Progress reports of rank 0: to the controller, and to Kubeflow where the pod belongs to one of its TrainJobs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime

from .environment import PodEnvironment
from .kubeflow import PERIOD_SECONDS, KubeflowProgress
from .posting import Endpoint, LatestPoster


class Reporter:
    """Posts api/src/progress-report.ts to the report URL; without one it does nothing. Nothing here raises."""

    def __init__(self, environment: PodEnvironment, role: str, stage: str, attempt: int) -> None:
        self._origin = {"role": role, "stage": stage, "attempt": attempt}
        names = {"role": role, "stage": stage}
        self._controller: LatestPoster | None = None
        self._kubeflow: KubeflowProgress | None = None
        if environment.report_url is not None:
            self._controller = LatestPoster(Endpoint(environment.report_url, environment.token_file), names)
        if environment.kubeflow_url is not None:
            endpoint = Endpoint(
                environment.kubeflow_url,
                environment.kubeflow_token_file,
                environment.kubeflow_ca_file,
                PERIOD_SECONDS,
            )
            self._kubeflow = KubeflowProgress(endpoint, names)

    def progress(
        self,
        phase: str,
        completed: float,
        total: float,
        unit: str,
        tokens_per_second: float | None = None,
        eta_seconds: float | None = None,
        metrics: Mapping[str, float] | None = None,
    ) -> None:
        speed, finite = _finite({"tokens_per_second": tokens_per_second}), _finite(metrics or {})
        eta = _finite({"etaSeconds": eta_seconds})
        if self._kubeflow is not None and phase == "train":
            self._kubeflow.step(completed, total, eta.get("etaSeconds"), finite | speed)
        if self._controller is None:
            return
        report: dict[str, object] = {
            **self._origin,
            "phase": phase,
            "completed": completed,
            "total": total,
            "unit": unit,
            **({"tokensPerSecond": speed["tokens_per_second"]} if speed else {}),
            **eta,
            "reportedAt": datetime.now(UTC).isoformat(timespec="milliseconds"),
        }
        if finite:
            report["metrics"] = finite
        self._controller.put(report)

    def close(self) -> None:
        """Posts what still waits, then ends."""
        for destination in (self._controller, self._kubeflow):
            if destination is not None:
                destination.close()


def _finite(values: Mapping[str, float | None]) -> dict[str, float]:
    """What JSON can say: plain numbers; nan and infinity it has no words for."""
    plain = {name: float(value) for name, value in values.items() if value is not None}
    return {name: value for name, value in plain.items() if math.isfinite(value)}
