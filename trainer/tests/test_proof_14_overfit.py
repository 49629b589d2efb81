"""Proof 14: thirty steps on one pair. What must move moves the right way, and what is logged of it can be read back."""

import json

import pytest
from ranks import run_ranks
from stage import rows_file, stage_config, train_rank
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

STEPS = 30


@pytest.fixture(scope="module")
def lines(tmp_path_factory) -> list[dict]:
    config = stage_config(
        tmp_path_factory.mktemp("overfit"),
        rows=rows_file(tmp_path_factory.mktemp("pair"), count=1),
        sequence_parallel=1,
        processes_per_pod=1,
        num_train_epochs=STEPS,
        save_steps=STEPS,
        report_to="tensorboard",
    )
    run_ranks(1, train_rank, config)
    lines = [json.loads(line) for line in (config.directory / "metrics.jsonl").read_text().splitlines()]
    reader = EventAccumulator(str(config.directory / "tensorboard"))
    reader.Reload()
    for name in ("loss", "rewards/margins", "tflops_per_rank"):
        logged = [(event.step, event.value) for event in reader.Scalars(name)]
        assert logged == [(line["step"], pytest.approx(line[name])) for line in lines], name
    return lines


def test_proof_14_thirty_steps_on_one_pair_learn_it(lines):
    first, last = lines[0], lines[-1]
    assert len(lines) == STEPS
    assert last["rewards/margins"] > first["rewards/margins"] + 1
    assert last["loss/nll"] < first["loss/nll"] / 2
    assert last["loss/preference"] < first["loss/preference"] / 2
    assert [line["rewards/accuracies"] for line in lines[STEPS // 2 :]] == [1.0] * (STEPS - STEPS // 2)


def test_each_step_tells_all_that_is_promised(lines):
    promised = {
        *("step", "loss", "loss/nll", "loss/preference", "logps/chosen", "logps/rejected"),
        *("rewards/chosen", "rewards/rejected", "rewards/margins", "rewards/accuracies"),
        *("grad_norm", "learning_rate", "tokens", "seconds", "tokens_per_second", "tflops_per_rank"),
        "peak_memory_bytes",
    }
    for line in lines:
        assert promised <= line.keys()
        assert line["tokens_per_second"] == pytest.approx(line["tokens"] / line["seconds"])
        assert "mfu" not in line, "of a CPU no peak is known"
