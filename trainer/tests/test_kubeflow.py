"""Progress for a TrainJob of Kubeflow: over TLS with the CA of the pod's files, with the token of the moment."""

import json
import ssl
import subprocess
import threading
from datetime import datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from longpo_trainer.environment import read_environment
from longpo_trainer.kubeflow import PERIOD_SECONDS, KubeflowProgress
from longpo_trainer.posting import Endpoint
from longpo_trainer.report import Reporter

METRICS = {"loss": 0.15, "rewards/margins": 1.25, "bad": float("inf")}


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """Certificate, which is its own CA, and key of 127.0.0.1."""
    certificate, key = folder / "ca.crt", folder / "tls.key"
    options = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=status-server"
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate]
    subprocess.run(["openssl", *options.split(), *names], check=True, capture_output=True)
    return certificate, key


@pytest.fixture(scope="module")
def certificate(tmp_path_factory) -> tuple[Path, Path]:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def status_server(certificate):
    """A real HTTPS server that keeps what it is sent."""
    received: list[tuple[str, dict]] = []
    arrived = threading.Semaphore(0)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            received.append((self.headers["authorization"], json.loads(body)))
            self.send_response(200)
            self.end_headers()
            arrived.release()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"https://127.0.0.1:{server.server_port}/trainjobs/default/mine/status", received, arrived
    server.shutdown()
    server.server_close()


def reporter(url: str, ca_file: Path, token: Path) -> Reporter:
    variables = {"URL": url, "CA_CERT": str(ca_file), "TOKEN": str(token)}
    environment = read_environment({f"KUBEFLOW_TRAINER_SERVER_{name}": value for name, value in variables.items()})
    return Reporter(environment, "train", "1k", 1)


def test_the_status_of_the_newest_step_is_posted_with_the_token_of_the_moment(status_server, certificate, tmp_path):
    url, received, arrived = status_server
    token = tmp_path / "token"
    token.write_text("first\n")
    ours = reporter(url, certificate[0], token)
    ours.progress("reference", 1, 8, "rows")
    ours.progress("train", 1, 8, "steps", tokens_per_second=4096.5, eta_seconds=119.9, metrics=METRICS)
    assert arrived.acquire(timeout=20)
    token.write_text("renewed\n")
    for step in range(2, 9):
        ours.progress("train", step, 8, "steps", eta_seconds=0.0, metrics=METRICS)
    ours.close()
    assert [authorization for authorization, _ in received] == ["Bearer first", "Bearer renewed"]
    first, last = (body.pop("trainerStatus") for _, body in received)
    assert datetime.fromisoformat(first.pop("lastUpdatedTime")).tzinfo is not None
    assert first == {
        "progressPercentage": 12,
        "estimatedRemainingSeconds": 119,
        "metrics": [
            {"name": "loss", "value": "0.15"},
            {"name": "rewards/margins", "value": "1.25"},
            {"name": "tokens_per_second", "value": "4096.5"},
        ],
    }
    assert (last["progressPercentage"], last["estimatedRemainingSeconds"]) == (100, 0)


def test_a_period_lies_between_two_posts(status_server, certificate, tmp_path):
    """Here it is so long that a post before the end would be one too many."""
    assert PERIOD_SECONDS == 5.0
    url, received, arrived = status_server
    (tmp_path / "token").write_text("t")
    endpoint = Endpoint(url, tmp_path / "token", certificate[0], period_seconds=3600)
    ours = KubeflowProgress(endpoint, {"role": "train"})
    for step in range(1, 50):
        ours.step(step, 50, None, {})
        if step == 1:
            assert arrived.acquire(timeout=20)
    ours.close()
    assert [body["trainerStatus"]["progressPercentage"] for _, body in received] == [2, 98]


def test_a_server_of_another_ca_or_without_files_is_told_nothing_and_raises_nothing(
    status_server, certificate, tmp_path, capsys
):
    url, received, _ = status_server
    (tmp_path / "token").write_text("t")
    other, _ = make_certificate(tmp_path)
    for ca_file, token in ((other, tmp_path / "token"), (certificate[0], tmp_path / "absent")):
        ours = reporter(url, ca_file, token)
        ours.progress("train", 1, 2, "steps")
        ours.close()
    assert received == []
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["msg"] for line in lines] == ["progress report not delivered"] * 2


def test_the_other_ranks_are_silent(tmp_path):
    environment = read_environment({"KUBEFLOW_TRAINER_SERVER_URL": "https://127.0.0.1:9", "LONGPO_REPORT_URL": "u"})
    silent = environment.silent()
    assert (silent.kubeflow_url, silent.report_url) == (None, None)
