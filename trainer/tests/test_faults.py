"""Faults in real processes: what was killed goes on to the same bytes, a bad step or a full disk is told and survived.

The default run has one chain of kills; `-m faults` (npm run test:trainer-faults) strikes every rank in every phase.
"""

import json
import os
import re
import shutil
import subprocess
from dataclasses import replace

import pytest
from faults import run
from longpo_trainer.manifest import verify_folder
from ranks import run_ranks, run_ranks_to_outcomes
from safetensors.torch import load_file
from stage import stage_config, train_rank
from strikes import Strike, arm

FORWARD = "longpo_trainer.model:Policy.forward"
CLIP = "longpo_trainer.loop:clip_to_norm"
WRITE = "torch.distributed.checkpoint.filesystem:FileSystemWriter.write_data"
PHASES = {
    "load": ("longpo_trainer.train:load_policy", 1),
    "reference": (FORWARD, 2),
    "first step": (CLIP, 1),
    "later step": (CLIP, 2),
    "copy of a checkpoint": ("torch.distributed.checkpoint:async_save", 1),
    "write of a checkpoint": ("torch.distributed.checkpoint.filesystem:_write_item", 20),
    "digests of a checkpoint": ("longpo_trainer.step_checkpoint:digests", 2),
    "wait for a checkpoint": ("longpo_trainer.step_checkpoint:StepCheckpoints.wait", 2),
    "manifest of a checkpoint": ("longpo_trainer.step_checkpoint:publish", 1),
    "export": ("torch.distributed.tensor:DTensor.full_tensor", 9),
    "weights of an export": ("longpo_trainer.export:_bytes", 3),
    "manifest of an export": ("longpo_trainer.export:write_manifest", 1),
    "result of a stage": ("longpo_trainer.train:_keep", 1),
}
"""Phase -> a function that is called in it, and which call is struck; in the order of a run, so that each kill leaves
something to do."""
OF_RANK_ZERO = {"manifest of a checkpoint", "weights of an export", "manifest of an export", "result of a stage"}


def struck_rank(config, strikes: list[Strike]) -> tuple[dict, list[str]]:
    arm(strikes, int(os.environ["RANK"]))
    return train_rank(config)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> tuple[object, dict]:
    """Six steps of one row on two ranks, saved after each."""
    config = stage_config(tmp_path_factory.mktemp("faults"), sequence_parallel=2, processes_per_pod=2)
    return config, run_ranks(2, train_rank, config)[0][0]


def of_its_own(config, name: str):
    return replace(config, directory=config.directory.parent / name / "stage")


def metrics_of(config) -> list[dict]:
    return [json.loads(line) for line in (config.directory / "metrics.jsonl").read_text().splitlines()]


def steps_of(config) -> list[str]:
    return sorted(path.name for path in (config.directory / "steps").iterdir())


def kill_in_turn(config, strikes: list[Strike]) -> dict:
    """Kills the training in phase after phase; the last start is left alone and gives its result."""
    volume = config.directory.parent.parent
    for strike in strikes:
        ended = run(config, volume, strike)
        assert (ended.code, ended.error) == (1, "RANK_DIED"), (strike, ended.output[-2000:])
    ended = run(config, volume)
    assert ended.code == 0, ended.output[-2000:]
    assert verify_folder(config.directory / "checkpoint")["digest"] == ended.log["train"]["digest"]
    return ended.log["train"]


def test_a_training_killed_in_one_phase_after_another_ends_with_the_same_bytes(undisturbed):
    config, result = undisturbed
    strikes = [
        Strike(0, *PHASES["later step"], "kill"),
        Strike(1, *PHASES["write of a checkpoint"], "kill"),
        Strike(0, *PHASES["weights of an export"], "kill"),
    ]
    assert kill_in_turn(of_its_own(config, "killed"), strikes)["digest"] == result["digest"]


@pytest.mark.faults
@pytest.mark.parametrize("rank", [0, 1, 2])
def test_any_rank_may_be_killed_in_any_phase(tmp_path, rank: int):
    config = stage_config(tmp_path)
    result = run_ranks(3, train_rank, config)[0][0]
    phases = [name for name in PHASES if rank == 0 or name not in OF_RANK_ZERO]
    strikes = [Strike(rank, *PHASES[name], "kill") for name in phases]
    assert kill_in_turn(of_its_own(config, "killed"), strikes)["digest"] == result["digest"]


def test_a_disk_that_refuses_once_costs_one_checkpoint_and_thrice_the_run_but_not_what_was_saved(undisturbed):
    config, result = undisturbed
    own = of_its_own(config, "full")
    outcomes = run_ranks_to_outcomes(2, struck_rank, own, [Strike(1, WRITE, 2, "file-limit", last_call=9)])
    assert all(error.startswith("CHECKPOINT_WRITE_FAILED") for error, _ in outcomes), outcomes
    assert "rank 1: [Errno 27] File too large" in outcomes[0][0]
    assert "goes on after step 1" in outcomes[0][0]
    assert steps_of(own) == ["step-000001"], "no half checkpoint stays"
    resumed = run_ranks(2, struck_rank, own, [Strike(1, WRITE, 2, "file-limit")])[0][0]
    assert (resumed["resumedFromStep"], resumed["digest"]) == (1, result["digest"])
    assert steps_of(own) == ["step-000005", "step-000006"]
    failures = [line["checkpoint/failures_in_a_row"] for line in metrics_of(own)]
    assert failures == [0, 0, 0, 0, 1, 0], "step 3 was not saved, which the line after the wait for it says"
    assert all(line["checkpoint/blocked_seconds"] > 0 for line in metrics_of(own)[2:])


@pytest.mark.faults
def test_a_full_disk_is_survived_once_it_has_room_again(undisturbed, tmp_path):
    """ENOSPC itself: the steps folder on a file system of its own, which only root may mount."""
    config, result = undisturbed
    own = replace(of_its_own(config, "tmpfs"), save_total_limit=1)
    steps = own.directory / "steps"
    steps.mkdir(parents=True)
    size = sum(path.stat().st_size for path in (config.directory / "steps" / "step-000006").iterdir())
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size * 3 // 2}", "tmpfs", steps], check=True)
    try:
        ended = run(own, own.directory.parent.parent)
        assert (ended.code, ended.error) == (1, "CHECKPOINT_WRITE_FAILED"), ended.output[-2000:]
        assert "No space left on device" in ended.log["error"]["message"]
        assert steps_of(own) == ["step-000001"]
        subprocess.run(["mount", "-o", f"remount,size={size * 4}", steps], check=True)
        ended = run(own, own.directory.parent.parent)
        assert (ended.code, ended.log["train"]["digest"]) == (0, result["digest"])
    finally:
        subprocess.run(["umount", steps], check=True)


def test_a_step_that_is_not_finite_stops_the_run_or_is_left_out(undisturbed):
    """The third step's row, after the reference phase's forwards of the first start; then again from the start."""
    config, result = undisturbed
    own = of_its_own(config, "nan")
    forwards_before = 2
    strike = Strike(1, FORWARD, forwards_before + 3, "nan")
    outcomes = run_ranks_to_outcomes(2, struck_rank, own, [strike])
    assert all(error.startswith("NON_FINITE_LOSS: step 3: loss nan") for error, _ in outcomes), outcomes
    batch = json.loads((own.directory / "non-finite" / "step-000003.json").read_text())
    tokens = load_file(own.directory / "non-finite" / batch["tokens"])
    (row,) = batch["rows"]
    assert (batch["step"], batch["metrics"]["loss"], row["metrics"]["loss"]) == (3, "nan", "nan")
    assert f"line {row['line']} of" in outcomes[0][0]
    assert row["id"] == json.loads(config.rows.read_text().splitlines()[row["line"] - 1])["id"]
    assert sum(len(tokens[f"{row['row']}.{part}"]) for part in ("prompt", "chosen", "rejected")) > 0

    resumed = run_ranks(2, train_rank, own)[0][0]
    assert (resumed["resumedFromStep"], resumed["digest"]) == (2, result["digest"]), "nothing bad was saved"

    skipping = replace(of_its_own(config, "skip"), on_non_finite_loss="skip")
    skipped = run_ranks(2, struck_rank, skipping, [strike])[0][0]
    lines = metrics_of(skipping)
    assert [line["skipped_steps"] for line in lines] == [0, 0, 1, 1, 1, 1]
    assert "loss" not in lines[2]
    assert skipped["digest"] != result["digest"]
    assert lines[1]["loss"] == metrics_of(config)[1]["loss"]


def test_skipping_gives_up_where_step_after_step_is_not_finite(undisturbed):
    config, _ = undisturbed
    own = replace(of_its_own(config, "always nan"), on_non_finite_loss="skip")
    outcomes = run_ranks_to_outcomes(2, struck_rank, own, [Strike(0, FORWARD, 4, "nan", last_call=99)])
    assert all("3 steps in a row" in error and error.startswith("NON_FINITE_LOSS") for error, _ in outcomes), outcomes
    assert len(list((own.directory / "non-finite").glob("*.json"))) == 3


def test_a_rank_that_hangs_ends_the_gang_with_its_name_and_its_phase(undisturbed):
    config, _ = undisturbed
    # Long enough for the start of the ranks on a loaded machine, which it bounds too.
    own = replace(of_its_own(config, "hung"), ddp_timeout=30)
    ended = run(own, own.directory.parent.parent, Strike(1, CLIP, 2, "stop"))
    assert (ended.code, ended.error) == (1, "RANK_HUNG"), ended.output[-2000:]
    message = ended.log["error"]["message"]
    # As it last told: so small a model may come to its second step before the second beat.
    assert re.match(
        r"rank 1 \((start|first meeting|load|check of the rows|reference|resume|step \d), host ", message
    ), message
    assert "seen by rank 0 in step 2" in message
    assert "no sign of life for 30 s" in message


def test_a_row_that_is_cut_off_ends_with_exit_code_4_and_its_line(undisturbed, tmp_path):
    config, _ = undisturbed
    volume = config.directory.parent
    shutil.copy(config.rows, volume / "cut.jsonl")
    with (volume / "cut.jsonl").open("r+b") as file:
        file.truncate((volume / "cut.jsonl").stat().st_size - 20)
    own = replace(of_its_own(config, "cut"), rows=volume / "cut.jsonl")
    ended = run(own, volume)
    assert ended.code == 4, ended.output[-2000:]
    assert "cut.jsonl:3" in ended.log["error"]["message"]
