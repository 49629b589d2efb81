"""A whole stage on three ranks: trained, stopped, resumed, exported."""

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from longpo_trainer.manifest import verify_folder
from ranks import run_ranks, run_ranks_to_outcomes
from stage import rows_file, stage_config, train_rank
from transformers import AutoModelForCausalLM


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> tuple[object, dict]:
    config = stage_config(tmp_path_factory.mktemp("stage"))
    result, phases = run_ranks(3, train_rank, config)[0]
    assert list(dict.fromkeys(phases)) == ["reference", "train", "export"]
    return config, result


def metrics_of(config) -> list[dict]:
    return [json.loads(line) for line in (config.directory / "metrics.jsonl").read_text().splitlines()]


def test_the_result_tells_what_the_checkpoint_holds(trained):
    config, result = trained
    manifest = verify_folder(Path(result["checkpoint"]))
    assert (result["steps"], result["rows"], result["digest"]) == (6, 3, manifest["digest"])
    assert result["master"] == result["checkpoint"], "an f32 export is what the next stage starts from"
    lines = metrics_of(config)
    assert [line["step"] for line in lines] == [1, 2, 3, 4, 5, 6]
    assert result["loss"] == lines[-1]["loss"]


def test_training_moves_the_loss_and_the_margin(trained):
    lines = metrics_of(trained[0])
    assert lines[-1]["loss"] < lines[0]["loss"]
    assert lines[-1]["rewards/margins"] > lines[0]["rewards/margins"]


def test_each_step_tells_the_bytes_of_its_exchange(trained):
    """See ulysses.Traffic. On 3 ranks each has 3 query heads and 1 KV head of 9 and 3, so all send the same."""
    for line in metrics_of(trained[0]):
        slice_bytes = math.ceil(line["tokens"] / 3) * 8 * 4
        layers, passes = 3, 3
        assert line["exchange/bytes"] == layers * passes * slice_bytes * 2 * (3 + 2 * 1 + 3)


def test_the_checkpoint_opens_in_transformers_with_the_trained_weights(trained):
    config, result = trained
    base, ours = (AutoModelForCausalLM.from_pretrained(folder) for folder in (config.model, result["checkpoint"]))
    changed = [name for name, weight in ours.named_parameters() if not weight.equal(base.get_parameter(name))]
    assert len(changed) == len(list(ours.named_parameters()))
    assert ours.dtype == torch.float32


def test_a_finished_stage_is_returned_and_not_trained_again(trained):
    config, result = trained
    again, phases = run_ranks(3, train_rank, config)[0]
    assert (again, phases) == (result, [])


def test_a_stopped_run_resumes_to_the_same_bytes(trained, tmp_path):
    config, result = trained
    own = replace(config, directory=tmp_path / "stage")
    outcomes = run_ranks_to_outcomes(3, train_rank, own, 3)
    assert all(error.startswith("PREEMPTED") for error, _ in outcomes), outcomes[0][0][:200]
    resumed = run_ranks(3, train_rank, own)[0][0]
    assert resumed["resumedFromStep"] == 3
    assert resumed["digest"] == result["digest"]
    assert [line["step"] for line in metrics_of(own)] == [1, 2, 3, 4, 5, 6]


def test_a_damaged_step_checkpoint_is_set_aside_and_the_one_before_it_taken(trained, tmp_path):
    config, result = trained
    own = replace(config, directory=tmp_path / "stage")
    run_ranks_to_outcomes(3, train_rank, own, 3)
    newest = own.directory / "steps" / "step-000003"
    victim = next(path for path in sorted(newest.iterdir()) if path.suffix == ".distcp")
    damaged = bytearray(victim.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    victim.write_bytes(damaged)
    resumed = run_ranks(3, train_rank, own)[0][0]
    assert (resumed["resumedFromStep"], resumed["digest"]) == (2, result["digest"])
    assert (own.directory / "steps" / "step-000003.damaged-1").is_dir()


def test_two_data_groups_train_like_one(trained, tmp_path):
    """Accumulation over the ranks' groups: DP 2 x SP 1 with one row each equals SP 1 with two rows."""
    one = stage_config(
        tmp_path, directory=tmp_path / "one", sequence_parallel=1, processes_per_pod=1, gradient_accumulation_steps=2
    )
    two = replace(one, directory=tmp_path / "two", data_parallel=2, processes_per_pod=2, gradient_accumulation_steps=1)
    results = [run_ranks(config.data_parallel, train_rank, config)[0][0] for config in (one, two)]
    first, second = (AutoModelForCausalLM.from_pretrained(result["checkpoint"]) for result in results)
    for name, weight in first.named_parameters():
        assert torch.allclose(weight, second.get_parameter(name), atol=1e-6), name


def test_another_preference_file_is_never_trained_against_an_old_reference(trained, tmp_path):
    config, _ = trained
    own = replace(config, directory=tmp_path / "stage")
    (own.directory).mkdir()
    shutil.copytree(config.directory / "reference", own.directory / "reference")
    other = replace(own, rows=rows_file(tmp_path, count=2))
    error, _ = run_ranks_to_outcomes(3, train_rank, other)[0]
    assert error.startswith("REFERENCE_MISMATCH"), error[:200]


def test_a_bf16_export_keeps_f32_weights_for_the_next_stage(trained, tmp_path):
    config, result = trained
    own = replace(config, directory=tmp_path / "stage", export_dtype="bf16")
    published = run_ranks(3, train_rank, own)[0][0]
    assert Path(published["master"]).name == "master"
    assert published["masterDigest"] != published["digest"]
    master, original = (
        AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
        for folder in (published["master"], result["checkpoint"])
    )
    for name, weight in master.named_parameters():
        assert weight.equal(original.get_parameter(name))
