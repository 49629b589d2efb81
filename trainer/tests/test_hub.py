"""Downloads against a small hub of our own: whole or not at all, and each refusal by its meaning."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save
from test_roles import run_role

COMMIT = "0" * 40
CONFIG = {
    "architectures": ["Qwen2ForCausalLM"],
    "hidden_size": 8,
    "intermediate_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "vocab_size": 16,
    "max_position_embeddings": 64,
    "rms_norm_eps": 1e-5,
    "sliding_window": 32768,
    "use_sliding_window": False,
}
FILES = {
    "config.json": json.dumps(CONFIG).encode(),
    "tokenizer.json": b"{}",
    "tokenizer_config.json": b'{"chat_template": "x"}',
    "model.safetensors": save({"a": np.ones(4, np.float32)}),
    "README.md": b"not asked for",
    "onnx/config.json": b"not asked for",
}


class Hub(BaseHTTPRequestHandler):
    """The three routes that a download uses; a repository named by a number answers with it."""

    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        name = self.path.split("/revision/")[0].removeprefix("/api/models/org/")
        if name.isdecimal():
            return self._answer(int(name), b"")
        if "/revision/" in self.path:
            return self._answer(200, json.dumps({"id": "org/model", "sha": COMMIT, "siblings": []}).encode())
        if "/tree/" in self.path:
            entries = [{"type": "file", "path": n, "size": len(c), "oid": "1"} for n, c in FILES.items()]
            return self._answer(200, json.dumps(entries).encode())
        name = self.path.split(f"/resolve/{COMMIT}/")[1]
        return self._answer(200, FILES[name])

    do_HEAD = do_GET

    def _answer(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", '"1"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hub(monkeypatch, tmp_path):
    handler = type("Asked", (Hub,), {"asked": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub-cache"))
    yield handler.asked
    server.shutdown()
    server.server_close()


def fetch(uri: str, volume: Path) -> tuple[int, dict, str]:
    return run_role("fetch", {"training": "t", "uri": uri, "destination": "models/m/main"}, volume)


def test_a_model_comes_whole_and_is_used_again_and_mended(hub, tmp_path):
    folder = tmp_path / "models" / "m" / "main"
    code, first, _ = fetch("hf://org/model", tmp_path)
    assert (code, first["fetch"]["path"]) == (0, "models/m/main")
    assert {path.name for path in folder.iterdir()} == {n for n in FILES if n.split(".")[-1] != "md" and "/" not in n}
    hub.clear()
    assert fetch("hf://org/model", tmp_path)[1] == first
    assert hub == []
    (folder / "tokenizer.json").unlink()
    assert fetch("hf://org/model", tmp_path)[1] == first


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("hf://org/401", (2, "HUB_UNAUTHORIZED")),
        ("hf://org/403", (2, "HUB_UNAUTHORIZED")),
        ("hf://org/404", (2, "MODEL_NOT_FOUND")),
        ("hf://org/500", (75, "HUB_UNREACHABLE")),
        ("hf://org/name/extra", (2, "URI_INVALID")),
    ],
)
def test_a_refusal_ends_by_what_a_retry_would_do(hub, tmp_path, uri, expected):
    code, result, _ = fetch(uri, tmp_path)
    assert (code, result["error"]["code"]) == expected
    assert not (tmp_path / "models" / "m" / "main").exists()
