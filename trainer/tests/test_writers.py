"""metrics.jsonl, tensorboard and wandb hold the same numbers, each step once however often the run was stopped."""

import json
import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from longpo_trainer.metrics import MetricsLog
from longpo_trainer.writers import build_writers

TESTS = Path(__file__).resolve().parent


def lines(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_lines_after_the_resumed_step_and_half_lines_are_dropped(tmp_path):
    log = MetricsLog(tmp_path, 0, [])
    for step in (1, 2, 3):
        log.write(step, {"loss": 1 / step, "grad_norm": float("inf")})
        log.write(step, {"eval/loss": 2 / step})
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 2, "lo')
    resumed = MetricsLog(tmp_path, 2, [])
    assert [line["step"] for line in lines(tmp_path)] == [1, 1, 2, 2]
    assert lines(tmp_path)[2] == {"step": 2, "loss": 0.5, "grad_norm": None}
    assert resumed.newest("eval/loss") == (2, {"eval/loss": 1.0})
    assert resumed.newest("absent") is None


def test_tensorboard_reads_each_step_once(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for resumed, scale in ((0, 1.0), (2, 10.0)):
        log = MetricsLog(tmp_path, resumed, build_writers("tensorboard", tmp_path, "test/one"))
        for step in range(resumed + 1, 5):
            log.write(step, {"loss": scale * step, "rewards/margins": -scale})
        log.write(4, {"eval/loss": scale})
        log.close()
    reader = EventAccumulator(str(tmp_path / "tensorboard"))
    reader.Reload()
    assert sorted(reader.Tags()["scalars"]) == ["eval/loss", "loss", "rewards/margins"]
    assert [(event.step, event.value) for event in reader.Scalars("loss")] == [(1, 1), (2, 2), (3, 30), (4, 40)]
    assert [(event.step, event.value) for event in reader.Scalars("eval/loss")] == [(4, 10)]


def write_to_wandb(folder: Path, **variables: str) -> subprocess.CompletedProcess:
    env = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
    env |= {"PYTHONPATH": os.pathsep.join([str(TESTS.parent), *sys.path]), "HOME": str(folder), **variables}
    command = [sys.executable, TESTS / "write_metrics.py", folder]
    return subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True, timeout=300)


def test_wandb_offline_keeps_one_run_with_every_value(tmp_path):
    done = write_to_wandb(tmp_path, WANDB_MODE="offline")
    assert done.returncode == 0, done.stderr[-2000:]
    files = sorted((tmp_path / "wandb").glob("offline-run-*/run-*.wandb"))
    assert len(files) == 2
    assert {file.stem for file in files} == {f"run-{(tmp_path / 'wandb-run-id').read_text()}"}
    first, second = ([values_of(record) for record in records(file) if record.HasField("history")] for file in files)
    assert first == [
        {"_step": 1, "loss": 1.0, "tokens": 100},
        {"_step": 2, "loss": 0.5, "tokens": 200},
        {"_step": 3, "loss": pytest.approx(1 / 3), "tokens": 300, "eval/loss": 0.5},
    ]
    assert second == first[2:]


def test_wandb_without_a_key_is_refused_before_any_work(tmp_path):
    done = write_to_wandb(tmp_path)
    assert done.returncode == 1
    assert "2 REPORT_REFUSED: reportTo: wandb does not start" in done.stderr
    assert not (tmp_path / "metrics.jsonl").exists()


def values_of(record) -> dict[str, float]:
    values = {item.key or ".".join(item.nested_key): json.loads(item.value_json) for item in record.history.item}
    return {name: value for name, value in values.items() if name not in ("_timestamp", "_runtime")}


def records(file: Path) -> Iterator:
    """Of a .wandb file: a LevelDB log, so a header, then blocks of 32 KiB that hold (checksum, length, kind) chunks."""
    from wandb.proto.wandb_internal_pb2 import Record

    data, at, whole = file.read_bytes(), 7, b""
    while at + 7 <= len(data):
        if -at % 32768 < 7 and at % 32768:
            at += -at % 32768
        _, length, kind = struct.unpack_from("<IHB", data, at)
        whole += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # a whole record, or the last part of one
            yield Record.FromString(whole)
            whole = b""
