"""fetch and verify as processes: what they leave in the termination log, and how they end."""

import json
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_models import save_model

TRAINER = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return save_model(tmp_path_factory.mktemp("models") / "tiny")


def run_role(role: str, config: dict, volume: Path) -> tuple[int, dict, str]:
    log = volume / "termination-log"
    env = {
        **os.environ,
        "LONGPO_PYTHON": sys.executable,
        "LONGPO_VOLUME_ROOT": str(volume),
        "LONGPO_TERMINATION_LOG": str(log),
        "LONGPO_CONFIG": json.dumps(config),
    }
    done = subprocess.run([TRAINER / "bin" / f"longpo-{role}"], env=env, capture_output=True, text=True, timeout=120)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, json.loads(log.read_text()), done.stderr


def fetch(uri: Path | str, volume: Path) -> tuple[int, dict, str]:
    return run_role("fetch", {"training": "t", "uri": str(uri), "destination": "models/m"}, volume)


def test_fetch_tells_digest_and_shape_of_a_folder(model, tmp_path):
    code, result, _ = fetch(model, tmp_path)
    facts = result["fetch"]["model"]
    assert code == 0
    assert result["fetch"]["path"] == str(model.resolve())
    assert (facts["attentionHeads"], facts["keyValueHeads"], facts["layers"]) == (9, 3, 3)
    tied = sum(9 * 8 * n for n in (259, 1)) + 3 * (72 * (72 + 24 + 24 + 72) + 3 * 72 * 48 + 2 * 72)
    assert facts["parameters"] == tied


def test_fetch_finds_a_claim_path_below_the_volume(model, tmp_path):
    shutil.copytree(model, tmp_path / "models" / "mine")
    code, result, _ = fetch("pvc://longpo/models/mine", tmp_path)
    assert (code, result["fetch"]["path"]) == (0, "models/mine")


def broken(model: Path, folder: Path, spoil) -> Path:
    shutil.copytree(model, folder)
    spoil(folder)
    return folder


def test_fetch_refuses_what_is_not_whole_by_name(model, tmp_path):
    def cut(folder: Path) -> None:
        path = folder / "model.safetensors"
        os.truncate(path, path.stat().st_size - 10)

    def no_template(folder: Path) -> None:
        (folder / "chat_template.jinja").unlink()

    def sliding(folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**config, "sliding_window": 4096}))

    cases = {
        "MODEL_TRUNCATED": cut,
        "MODEL_UNSUPPORTED": sliding,
        "MODEL_INCOMPLETE": lambda folder: (folder / "tokenizer.json").unlink(),
    }
    for expected, spoil in cases.items():
        code, result, stderr = fetch(broken(model, tmp_path / expected, spoil), tmp_path)
        assert (code, result["error"]["code"]) == (2, expected)
        assert stderr.startswith(f"error[{expected}]: ")
    code, result, _ = fetch(broken(model, tmp_path / "template", no_template), tmp_path)
    assert (code, "chat template" in result["error"]["message"]) == (2, True)
    code, result, _ = fetch(tmp_path / "nowhere", tmp_path)
    assert (code, result["error"]["code"]) == (2, "MODEL_NOT_FOUND")


def test_a_config_that_breaks_a_rule_names_the_field(tmp_path):
    code, result, _ = run_role("fetch", {"training": "t", "uri": ""}, tmp_path)
    assert (code, result["error"]["code"]) == (2, "CONFIG_INVALID")
    code, result, _ = run_role(
        "verify", {"training": "t", "stage": "s", "attempt": 0, "checkpoint": "c", "digest": "d"}, tmp_path
    )
    assert code == 2
    assert "attempt" in result["error"]["message"]


def verify_config(folder: Path, digest: str) -> dict:
    return {"training": "t", "stage": "s", "attempt": 1, "checkpoint": str(folder), "digest": digest}


def test_verify_reads_every_byte_again(model, tmp_path):
    from longpo_trainer.manifest import write_manifest

    folder = tmp_path / "run" / "checkpoint"
    shutil.copytree(model, folder)
    origin = {"training": "t", "stage": "s", "step": 3, "context_length": 64, "dtype": "f32", "metrics": {}}
    digest = write_manifest(folder, base_model_digest="sha256:" + "0" * 64, **origin)["digest"]
    code, result, _ = run_role("verify", verify_config(folder, digest), tmp_path)
    assert (code, result["verify"]["checkpoint"], result["verify"]["digest"]) == (0, "run/checkpoint", digest)

    code, result, _ = run_role("verify", verify_config(folder, "sha256:" + "1" * 64), tmp_path)
    assert (code, result["error"]["code"]) == (4, "CHECKPOINT_MISMATCH")

    path = folder / "model.safetensors"
    header = struct.unpack("<Q", path.read_bytes()[:8])[0]
    data = bytearray(path.read_bytes())
    data[8 + header + 5] ^= 1
    path.write_bytes(data)
    code, result, _ = run_role("verify", verify_config(folder, digest), tmp_path)
    assert (code, result["error"]["code"]) == (4, "CHECKPOINT_CORRUPT")
