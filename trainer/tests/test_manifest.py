"""Checkpoint folders: whole or refused, by name."""

import json
from pathlib import Path

import pytest
from longpo_trainer.errors import LongPOError
from longpo_trainer.manifest import MANIFEST, model_digest, verify_folder, write_manifest


@pytest.fixture
def checkpoint(tmp_path) -> Path:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(bytes(range(100)))
    origin = {"training": "t", "stage": "s", "step": 3, "context_length": 64, "dtype": "f32", "metrics": {"loss": 1.5}}
    write_manifest(tmp_path, base_model_digest="sha256:" + "0" * 64, **origin)
    return tmp_path


def code_of(folder: Path) -> tuple[str, str]:
    with pytest.raises(LongPOError) as raised:
        verify_folder(folder)
    assert raised.value.exit_code == 4
    return raised.value.code, raised.value.message


def test_a_whole_checkpoint_is_verified(checkpoint):
    manifest = verify_folder(checkpoint)
    assert [entry["path"] for entry in manifest["files"]] == ["config.json", "model.safetensors"]
    assert manifest["metrics"] == {"loss": 1.5}


def test_the_digest_names_the_content_and_not_the_moment(checkpoint, tmp_path):
    first = verify_folder(checkpoint)
    origin = {"training": "t", "stage": "s", "step": 3, "context_length": 64, "dtype": "f32", "metrics": {}}
    again = write_manifest(checkpoint, base_model_digest="sha256:" + "0" * 64, **origin)
    assert again["digest"] == first["digest"]


def test_a_changed_byte_names_the_file(checkpoint):
    data = bytearray((checkpoint / "model.safetensors").read_bytes())
    data[50] ^= 1
    (checkpoint / "model.safetensors").write_bytes(data)
    code, message = code_of(checkpoint)
    assert code == "CHECKPOINT_CORRUPT"
    assert "model.safetensors" in message


def test_a_missing_file_and_a_missing_manifest_are_named(checkpoint):
    (checkpoint / "config.json").unlink()
    assert code_of(checkpoint)[0] == "CHECKPOINT_FILE_MISSING"
    (checkpoint / MANIFEST).unlink()
    assert code_of(checkpoint)[0] == "CHECKPOINT_MISSING_MANIFEST"


def test_a_manifest_that_was_edited_is_refused(checkpoint):
    manifest = json.loads((checkpoint / MANIFEST).read_text())
    manifest["files"].pop()
    (checkpoint / MANIFEST).write_text(json.dumps(manifest))
    assert code_of(checkpoint)[0] == "CHECKPOINT_CORRUPT"


def test_a_plain_model_is_named_by_the_files_that_decide_what_it_says(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    before = model_digest(tmp_path)
    (tmp_path / "README.md").write_text("hello")
    (tmp_path / "longpo-note.json").write_text("{}")
    assert model_digest(tmp_path) == before
    (tmp_path / "chat_template.jinja").write_text("x")
    assert model_digest(tmp_path) != before
