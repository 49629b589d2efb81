"""Progress reports: the last value, authorised, and never in the way."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from longpo_trainer.contract import validator
from longpo_trainer.environment import read_environment
from longpo_trainer.report import Reporter


@pytest.fixture
def controller():
    """A real HTTP server that keeps what it is sent."""
    received: list[tuple[str, dict]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            received.append((self.headers["authorization"], json.loads(body)))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/progress", received
    server.shutdown()
    server.server_close()


def reporter(url: str, token: Path) -> Reporter:
    environment = read_environment({"LONGPO_REPORT_URL": url, "LONGPO_TOKEN_FILE": str(token)})
    return Reporter(environment, "train", "1k", 2)


def test_reports_carry_the_token_and_the_last_value_wins(controller, tmp_path):
    url, received = controller
    (tmp_path / "token").write_text("secret\n")
    ours = reporter(url, tmp_path / "token")
    for step in range(100):
        ours.progress("train", step, 100, "steps", tokens_per_second=5.0, metrics={"loss": 1.0, "bad": float("nan")})
    ours.close()
    assert 1 <= len(received) <= 3
    assert {token for token, _ in received} == {"Bearer secret"}
    last = received[-1][1]
    validator("progress-report")(last)
    assert (last["stage"], last["attempt"], last["completed"], last["metrics"]) == ("1k", 2, 99, {"loss": 1.0})


def test_an_absent_controller_costs_neither_time_nor_an_error(tmp_path):
    started = time.monotonic()
    ours = reporter("http://127.0.0.1:9/progress", tmp_path / "no-token")
    ours.progress("train", 1, 2, "steps")
    ours.close()
    assert time.monotonic() - started < 5


def test_without_an_url_nothing_is_posted():
    ours = Reporter(read_environment({}), "fetch", "", 1)
    ours.progress("fetch", 1, 2, "bytes")
    ours.close()
