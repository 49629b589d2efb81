"""Posts the newest of some JSON values from a thread, so that whoever listens is never in the way of the work."""

from __future__ import annotations

import json
import ssl
import threading
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from urllib.request import HTTPSHandler, ProxyHandler, Request, build_opener

from .log import log

TIMEOUT_SECONDS = 5.0


@dataclass(frozen=True)
class Endpoint:
    """Where to post, and how to be let in."""

    url: str
    token_file: Path | None
    """Read for every post: a service account's token is renewed while the pod runs."""
    ca_file: Path | None = None
    """Of the certificate authority of an https URL; None takes those of the system."""
    period_seconds: float = 1.0
    """Least time between two posts; the last one goes at once."""


class LatestPoster:
    """Only the newest value waits: a slow or absent listener costs neither time nor memory. Nothing here raises."""

    def __init__(self, endpoint: Endpoint, origin: dict[str, str]) -> None:
        """``origin`` goes into the line of log that says that posts do not arrive."""
        self._endpoint = endpoint
        self._origin = origin
        self._waiting: dict[str, object] | None = None
        self._changed = threading.Condition()
        self._closing = False
        self._failing = False
        self._thread = threading.Thread(target=self._post_all, name="report", daemon=True)
        self._thread.start()

    def put(self, value: dict[str, object]) -> None:
        with self._changed:
            self._waiting = value
            self._changed.notify()

    def close(self) -> None:
        """Posts what still waits, then ends."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(timeout=2 * TIMEOUT_SECONDS)

    def _post_all(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting is not None or self._closing)
                value, self._waiting = self._waiting, None
            if value is not None:
                self._post(value)
            with self._changed:
                if self._closing and self._waiting is None:
                    return
                self._changed.wait_for(lambda: self._closing, timeout=self._endpoint.period_seconds)

    def _post(self, value: dict[str, object]) -> None:
        endpoint = self._endpoint
        try:
            token = endpoint.token_file.read_text().strip() if endpoint.token_file else ""
            request = Request(
                endpoint.url,
                data=json.dumps(value, allow_nan=False).encode(),
                headers={"Content-Type": "application/json", "Authorization": f"Bearer {token}"},
            )
            # The listener is a neighbour in the cluster: a proxy for the way out would see the token, and not find it.
            handlers = [ProxyHandler({})]
            if endpoint.ca_file is not None:
                handlers.append(HTTPSHandler(context=ssl.create_default_context(cafile=endpoint.ca_file)))
            with build_opener(*handlers).open(request, timeout=TIMEOUT_SECONDS):
                self._failing = False
        except (OSError, ValueError, HTTPException) as error:
            # The next value says more, so progress is never worth failing for; one line a streak is worth it.
            if not self._failing:
                log(
                    "progress report not delivered", **self._origin, level="warning", url=endpoint.url, error=str(error)
                )
            self._failing = True
