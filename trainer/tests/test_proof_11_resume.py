"""Proof 11: three steps, a kill and three steps equal six, bit for bit; on another world within 1e-6."""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from ranks import run_ranks, run_ranks_to_outcomes
from safetensors.torch import load_file
from stage import rows_file, stage_config, train_rank
from strikes import Strike, arm

STEPS = 6


def killed_rank(config) -> None:
    arm([Strike(0, "longpo_trainer.loop:clip_to_norm", 4, "kill")], int(os.environ["RANK"]))
    train_rank(config)


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> tuple[object, dict, Path]:
    """Six steps of two rows on two ranks: undisturbed, and killed in the fourth step."""
    folder = tmp_path_factory.mktemp("resume")
    config = stage_config(folder, sequence_parallel=2, processes_per_pod=2, gradient_accumulation_steps=2)
    config = replace(config, rows=rows_file(folder, count=6))
    result = run_ranks(2, train_rank, config)[0][0]
    killed = replace(config, directory=folder / "killed" / "stage")
    assert any(error for error, _ in run_ranks_to_outcomes(2, killed_rank, killed))
    return config, result, killed.directory


def resumed(runs, name: str, **world: int) -> tuple[object, dict]:
    config, _, killed = runs
    own = replace(config, directory=killed.parent.parent / name / "stage", **world)
    shutil.copytree(killed, own.directory)
    result = run_ranks(own.sequence_parallel * own.data_parallel, train_rank, own)[0][0]
    assert result["resumedFromStep"] in (2, 3), "the third step's checkpoint may still have been under way"
    return own, result


def losses(config) -> list[float]:
    lines = [json.loads(line) for line in (config.directory / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(1, STEPS + 1))
    return [line["loss"] for line in lines]


def test_proof_11_the_same_world_resumes_to_the_same_bytes(runs):
    config, result, _ = runs
    own, again = resumed(runs, "same")
    assert again["digest"] == result["digest"]
    assert losses(own) == losses(config)


@pytest.mark.parametrize(
    "world",
    [
        {"sequence_parallel": 3, "processes_per_pod": 3},
        {"sequence_parallel": 2, "data_parallel": 2, "processes_per_pod": 4, "gradient_accumulation_steps": 1},
    ],
    ids=["3 ranks", "2 x 2 ranks"],
)
def test_proof_11_another_world_resumes_to_the_same_weights(runs, world: dict[str, int], request):
    config, result, _ = runs
    own, again = resumed(runs, request.node.callspec.id, **world)
    assert losses(own) == pytest.approx(losses(config), rel=1e-6), "the rows come in the same order"
    ours, theirs = (load_file(Path(folder["checkpoint"]) / "model.safetensors") for folder in (again, result))
    assert ours.keys() == theirs.keys()
    for name, weight in ours.items():
        torch.testing.assert_close(
            weight, theirs[name], rtol=0, atol=1e-6, msg=lambda text, name=name: f"{name}: {text}"
        )
