"""Progress reports of rank 0: the last value, posted by a thread, never in the way of the work."""

from __future__ import annotations

import json
import math
import threading
import urllib.request
from datetime import UTC, datetime
from http.client import HTTPException

from .environment import PodEnvironment

PERIOD_SECONDS = 1.0
TIMEOUT_SECONDS = 5.0


class Reporter:
    """Posts api/src/progress-report.ts to the report URL; without one it does nothing.

    Only the newest report waits: a slow or absent controller costs neither time nor memory. Nothing here raises.
    """

    def __init__(self, environment: PodEnvironment, role: str, stage: str, attempt: int) -> None:
        self._environment = environment
        self._origin = {"role": role, "stage": stage, "attempt": attempt}
        self._waiting: dict[str, object] | None = None
        self._changed = threading.Condition()
        self._closing = False
        self._thread: threading.Thread | None = None
        if environment.report_url is not None:
            self._thread = threading.Thread(target=self._post_all, name="report", daemon=True)
            self._thread.start()

    def progress(
        self,
        phase: str,
        completed: float,
        total: float,
        unit: str,
        tokens_per_second: float | None = None,
        eta_seconds: float | None = None,
        metrics: dict[str, float] | None = None,
    ) -> None:
        optional = {"tokensPerSecond": tokens_per_second, "etaSeconds": eta_seconds}
        report: dict[str, object] = {
            **self._origin,
            "phase": phase,
            "completed": completed,
            "total": total,
            "unit": unit,
            **{name: value for name, value in optional.items() if value is not None and math.isfinite(value)},
            "reportedAt": datetime.now(UTC).isoformat(timespec="milliseconds"),
        }
        finite = {name: value for name, value in (metrics or {}).items() if math.isfinite(value)}
        if finite:
            report["metrics"] = finite
        with self._changed:
            self._waiting = report
            self._changed.notify()

    def close(self) -> None:
        """Posts what still waits, then ends."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(timeout=2 * TIMEOUT_SECONDS)

    def _post_all(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting is not None or self._closing)
                report, self._waiting = self._waiting, None
            if report is not None:
                self._post(report)
            with self._changed:
                if self._closing and self._waiting is None:
                    return
                self._changed.wait_for(lambda: self._closing, timeout=PERIOD_SECONDS)

    def _post(self, report: dict[str, object]) -> None:
        try:
            token_file = self._environment.token_file
            token = token_file.read_text().strip() if token_file else ""
            request = urllib.request.Request(
                self._environment.report_url or "",
                data=json.dumps(report).encode(),
                headers={"Content-Type": "application/json", "Authorization": f"Bearer {token}"},
            )
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS):
                pass
        except (OSError, ValueError, HTTPException):
            pass  # the next report says more; progress is never worth failing for
