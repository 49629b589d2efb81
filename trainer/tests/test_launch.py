"""The launcher with real ranks: its exit code is that of the rank that failed first, and nobody is left behind."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent
CONFIG = {
    "training": "t",
    "stage": "s",
    "attempt": 1,
    "model": "model",
    "modelDigest": "sha256:0",
    "rows": "rows.jsonl",
    "evalRows": None,
    "directory": "t/s",
    "contextLength": 64,
    "ropeTheta": None,
    "sequenceParallel": 3,
    "dataParallel": 1,
    "pods": 1,
    "processesPerPod": 3,
    "seed": 1,
}


def start(
    behaviour: str, volume: Path, config: dict | None = None, pod: dict[str, str] | None = None
) -> subprocess.Popen:
    env = {
        **os.environ,
        "PYTHONPATH": f"{TESTS.parent}:{TESTS}",
        "LONGPO_VOLUME_ROOT": str(volume),
        "LONGPO_TERMINATION_LOG": str(volume / "log"),
        "LONGPO_CONFIG": json.dumps(config or CONFIG),
        **(pod or {}),
    }
    return subprocess.Popen(
        [sys.executable, TESTS / "launched.py", behaviour], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def finish(process: subprocess.Popen, volume: Path) -> tuple[int, dict]:
    output, _ = process.communicate(timeout=120)
    log = volume / "log"
    assert log.exists(), output.decode()
    return process.returncode, json.loads(log.read_text())


def pids(volume: Path) -> list[int]:
    return [int(path.read_text()) for path in volume_files(volume, "pid")]


def volume_files(volume: Path, kind: str) -> list[Path]:
    return sorted(volume.glob(f"{kind}-*"))


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] != "Z"
    except FileNotFoundError:
        return False


def wait_for_ranks(volume: Path, kind: str = "pid", ranks: int = 3) -> list[int]:
    """Until all have begun; as `met`, until they work together."""
    deadline = time.monotonic() + 90
    while len(volume_files(volume, kind)) < ranks:
        assert time.monotonic() < deadline, "the ranks never started"
        time.sleep(0.05)
    return pids(volume)


def assert_gone(ranks: list[int]) -> None:
    deadline = time.monotonic() + 20
    while any(is_alive(pid) for pid in ranks):
        assert time.monotonic() < deadline, "a rank outlived its launcher"
        time.sleep(0.05)


def test_rank_zero_gives_the_result_with_paths_below_the_volume(tmp_path):
    code, log = finish(start("succeed", tmp_path), tmp_path)
    assert code == 0
    assert log == {"train": {"ranks": 3, "checkpoint": "t/s/checkpoint"}}


@pytest.mark.parametrize("code", [2, 4, 70])
def test_the_code_of_the_rank_that_failed_is_the_pods(tmp_path, code: int):
    assert finish(start(f"fail-{code}", tmp_path), tmp_path) == (
        code,
        {"error": {"code": "TRIED", "message": "as asked"}},
    )


def test_sigterm_lets_the_ranks_save_and_asks_to_be_started_again(tmp_path):
    process = start("wait", tmp_path)
    ranks = wait_for_ranks(tmp_path)
    process.send_signal(signal.SIGTERM)
    code, log = finish(process, tmp_path)
    assert (code, log["error"]["code"]) == (75, "PREEMPTED")
    assert_gone(ranks)


@pytest.mark.parametrize("behaviour", ["wait", "work"])
def test_a_killed_rank_ends_the_pod_and_its_peers(tmp_path, behaviour: str):
    process = start(behaviour, tmp_path)
    ranks = wait_for_ranks(tmp_path, "met" if behaviour == "work" else "pid")
    os.kill(ranks[-1], signal.SIGKILL)
    code, log = finish(process, tmp_path)
    assert (code, log["error"]["code"]) == (1, "RANK_DIED")
    assert_gone(ranks)


@pytest.mark.parametrize(("lost", "count", "processes"), [(0, 3, 1), (1, 3, 1), (0, 2, 2)])
def test_pods_that_lose_a_peer_ask_to_be_started_again(tmp_path, lost: int, count: int, processes: int):
    config = {**CONFIG, "pods": count, "processesPerPod": processes, "sequenceParallel": count * processes}
    with socket.create_server(("127.0.0.1", 0)) as free:
        coordinator = f"127.0.0.1:{free.getsockname()[1]}"
    pods = []
    for index in range(count):
        pod = {
            "LONGPO_COORDINATOR": coordinator,
            "JOB_COMPLETION_INDEX": str(index),
            "LONGPO_TERMINATION_LOG": str(tmp_path / f"log-{index}"),
        }
        pods.append(start("work", tmp_path, config, pod))
    wait_for_ranks(tmp_path, "met", count * processes)
    pods[lost].kill()
    left = [index for index in range(count) if index != lost]
    codes = [pods[index].wait(timeout=120) for index in left]
    errors = [json.loads((tmp_path / f"log-{index}").read_text())["error"]["code"] for index in left]
    assert set(zip(codes, errors, strict=True)) == {(75, "PEER_LOST")}


@pytest.mark.parametrize("index", [0, 1])
def test_a_pod_whose_peers_never_come_says_so(tmp_path, index: int):
    config = {**CONFIG, "pods": 3, "processesPerPod": 1, "ddpTimeout": 3}
    with socket.create_server(("127.0.0.1", 0)) as free:
        coordinator = f"127.0.0.1:{free.getsockname()[1]}"
    pod = {"LONGPO_COORDINATOR": coordinator, "JOB_COMPLETION_INDEX": str(index)}
    code, log = finish(start("work", tmp_path, config, pod), tmp_path)
    assert (code, log["error"]["code"]) == (1, "RANK_HUNG")
    assert f"3 pods did not meet at {coordinator}" in log["error"]["message"]


def test_ranks_die_with_a_killed_launcher(tmp_path):
    process = start("wait", tmp_path)
    ranks = wait_for_ranks(tmp_path)
    process.kill()
    process.wait()
    assert_gone(ranks)


def test_a_world_that_does_not_add_up_is_refused(tmp_path):
    code, log = finish(start("succeed", tmp_path, {**CONFIG, "pods": 2}), tmp_path)
    assert (code, log["error"]["code"]) == (2, "CONFIG_INVALID")
    assert "6 ranks" in log["error"]["message"]
