"""Progress of the optimizer steps for the TrainJob of Kubeflow Trainer that the pod runs in, where it runs in one.

Kubeflow Trainer from 2.2 on (KEP-2779, feature gate TrainJobStatus) puts the endpoint into three variables of the
pod and shows in the TrainJob's status what is posted there.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from .posting import Endpoint, LatestPoster

PERIOD_SECONDS = 5.0
"""Kubeflow asks for no more."""


class KubeflowProgress:
    """Posts ``trainerStatus`` of the newest step."""

    def __init__(self, endpoint: Endpoint, origin: dict[str, str]) -> None:
        self._poster = LatestPoster(endpoint, origin)

    def step(self, completed: float, total: float, eta_seconds: float | None, metrics: Mapping[str, float]) -> None:
        """``metrics`` are finite; Kubeflow wants them as strings."""
        status: dict[str, object] = {
            "progressPercentage": min(100, int(100 * completed / total)) if total else 0,
            "metrics": [{"name": name, "value": f"{value:.6g}"} for name, value in metrics.items()],
            "lastUpdatedTime": datetime.now(UTC).isoformat(timespec="milliseconds"),
        }
        if eta_seconds is not None:
            status["estimatedRemainingSeconds"] = max(0, int(eta_seconds))
        self._poster.put({"trainerStatus": status})

    def close(self) -> None:
        self._poster.close()
