"""Held-out rows: never trained on, measured by the training's own micro-step, the same after a stop."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from longpo_trainer.contract import validator
from longpo_trainer.data import PreferenceFile
from longpo_trainer.errors import LongPOError
from longpo_trainer.held_out import refuse_shared_rows, split_rows
from longpo_trainer.loss import METRICS
from longpo_trainer.schedule import Schedule
from ranks import run_ranks, run_ranks_to_outcomes
from stage import rows_file, stage_config, train_rank


def test_a_share_of_the_rows_is_drawn_by_the_seed_and_never_trained_on():
    trained, held_out = split_rows(40, 0.1, seed=7)
    assert sorted([*trained, *held_out]) == list(range(40))
    assert len(held_out) == 4
    assert np.array_equal(split_rows(40, 0.1, seed=7)[1], held_out)
    assert not np.array_equal(split_rows(40, 0.1, seed=8)[1], held_out)
    schedule = Schedule(rows=trained, seed=7, rows_per_step=5, epochs=2, max_steps=0)
    epochs = [[row for step in range(first, first + 8) for row in schedule.rows_of(step)] for first in (0, 8)]
    assert schedule.steps == 16
    assert [sorted(epoch) for epoch in epochs] == [trained.tolist()] * 2
    assert epochs[0] != epochs[1]


def test_a_share_has_a_row_and_leaves_a_row():
    assert len(split_rows(3, 0.01, seed=0)[1]) == 1
    assert len(split_rows(3, 0.0, seed=0)[1]) == 0
    with pytest.raises(LongPOError, match=r"evalFraction 0\.5 of 1 rows") as raised:
        split_rows(1, 0.5, seed=0)
    assert (raised.value.exit_code, raised.value.code) == (2, "EVAL_LEAVES_NO_ROWS")


def test_a_row_of_both_files_is_refused_by_its_lines(tmp_path):
    rows = rows_file(tmp_path, count=4)
    lines = rows.read_text().splitlines()
    (tmp_path / "held-out.jsonl").write_text(f"{lines[3].replace('part', 'other')}\n\n{lines[2]}")
    both = [PreferenceFile(rows), PreferenceFile(tmp_path / "held-out.jsonl")]
    with pytest.raises(LongPOError, match="line 3 is line 3 of the rows too") as raised:
        refuse_shared_rows(*both)
    assert raised.value.code == "EVAL_ROWS_TRAINED"
    (tmp_path / "held-out.jsonl").write_text(lines[3].replace("part", "other"))
    refuse_shared_rows(both[0], PreferenceFile(tmp_path / "held-out.jsonl"))


def lines_of(config) -> tuple[list[dict], list[dict]]:
    """Of the steps, and of the evaluations without their seconds."""
    lines = [json.loads(line) for line in (config.directory / "metrics.jsonl").read_text().splitlines()]
    evaluations = [line for line in lines if "eval/loss" in line]
    return [line for line in lines if line not in evaluations], [
        {name: value for name, value in line.items() if name != "eval/seconds"} for line in evaluations
    ]


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory) -> tuple[object, dict]:
    """Three held-out rows of a file on two data groups, so that one of them has a row less."""
    folder = tmp_path_factory.mktemp("held-out")
    held_out = rows_file(folder, count=6).read_text().splitlines()[3:]
    (folder / "held-out.jsonl").write_text("\n".join(held_out) + "\n")
    config = stage_config(
        folder,
        eval_rows=folder / "held-out.jsonl",
        eval_steps=2,
        sequence_parallel=1,
        data_parallel=2,
        processes_per_pod=2,
        num_train_epochs=3,
    )
    return config, run_ranks(2, train_rank, config)[0][0]


def test_every_so_many_steps_and_at_the_end_a_line_is_written(evaluated):
    config, result = evaluated
    steps, evaluations = lines_of(config)
    assert [line["step"] for line in steps] == [1, 2, 3, 4, 5, 6]
    assert [line["step"] for line in evaluations] == [2, 4, 6]
    assert evaluations[0].keys() == {"step", "eval/rows", *(f"eval/{name}" for name in METRICS)}
    assert {line["eval/rows"] for line in evaluations} == {3}
    assert result["evalLoss"] == evaluations[-1]["eval/loss"]
    assert result["evalRewardAccuracy"] == evaluations[-1]["eval/rewards/accuracies"]
    assert validator("pod-result")({"train": result}) == {"train": result}


def test_the_values_are_those_that_training_on_the_rows_would_give(evaluated, tmp_path):
    """The checkpoint as a model whose learning rate is 0, trained for one step on the held-out rows."""
    config, result = evaluated
    _, evaluations = lines_of(config)
    own = replace(
        config,
        directory=tmp_path / "stage",
        model=Path(result["checkpoint"]),
        rows=config.eval_rows,
        eval_rows=None,
        data_parallel=1,
        processes_per_pod=1,
        gradient_accumulation_steps=3,
        num_train_epochs=1,
        learning_rate=0.0,
    )
    run_ranks(1, train_rank, own)
    (step,), _ = lines_of(own)
    for name in ("loss/nll", "logps/chosen", "logps/rejected"):
        assert evaluations[-1][f"eval/{name}"] == pytest.approx(step[name], rel=1e-6), name


def test_an_evaluation_changes_no_weight_and_a_stopped_run_gives_the_same_numbers(evaluated, tmp_path):
    config, result = evaluated
    without = replace(config, directory=tmp_path / "without", eval_rows=None)
    assert run_ranks(2, train_rank, without)[0][0]["digest"] == result["digest"]
    # The stop rises with the second line, so it is seen while the first evaluation is made.
    own = replace(config, directory=tmp_path / "stopped")
    outcomes = run_ranks_to_outcomes(2, train_rank, own, 2)
    assert all(error.startswith("PREEMPTED") for error, _ in outcomes), outcomes[0][0][:300]
    assert lines_of(own)[1] == []
    resumed = run_ranks(2, train_rank, own)[0][0]
    assert resumed["resumedFromStep"] == 2
    assert lines_of(own)[1] == lines_of(config)[1]
    assert (resumed["evalLoss"], resumed["digest"]) == (result["evalLoss"], result["digest"])


def test_a_share_of_the_rows_has_the_values_that_training_on_it_logs(tmp_path):
    """Without learning, all else being equal: loss, rewards against the reference, and log-probs."""
    alone = {"sequence_parallel": 1, "processes_per_pod": 1, "learning_rate": 0.0, "num_train_epochs": 1}
    all_rows = stage_config(tmp_path, **alone, directory=tmp_path / "all")
    config = replace(all_rows, directory=tmp_path / "share", eval_fraction=0.3, eval_steps=1, max_steps=1)
    run_ranks(1, train_rank, all_rows)
    result = run_ranks(1, train_rank, config)[0][0]
    held_out = int(split_rows(3, 0.3, config.seed)[1].item())
    schedule = Schedule(rows=np.arange(3), seed=config.seed, rows_per_step=1, epochs=1, max_steps=0)
    (step,) = (step for step in range(3) if schedule.rows_of(step) == [held_out])
    trained, (evaluation,) = lines_of(all_rows)[0][step], lines_of(config)[1]
    assert {name: evaluation[f"eval/{name}"] for name in METRICS} == pytest.approx({n: trained[n] for n in METRICS})
    assert (result["rows"], evaluation["step"], evaluation["eval/rows"]) == (2, 1, 1)
    assert not (config.directory / "reference-eval").exists()


def test_sft_measures_no_rewards(tmp_path):
    config = stage_config(
        tmp_path, method="sft", sequence_parallel=1, processes_per_pod=1, eval_fraction=0.3, max_steps=1
    )
    result = run_ranks(1, train_rank, config)[0][0]
    assert lines_of(config)[1][0].keys() == {"step", "eval/loss", "eval/loss/nll", "eval/logps/chosen", "eval/rows"}
    assert "evalRewardAccuracy" not in result
    assert result["evalLoss"] > 0
