"""longpo, dpo and sft, jointly and per turn, by the trainer's own micro-step on two ranks against transformers."""

import json
import math
from dataclasses import dataclass, replace

import pytest
import torch
import torch.nn.functional as F
from longpo_trainer.config import TrainConfig
from longpo_trainer.data import PreferenceFile
from longpo_trainer.loss import METRICS
from longpo_trainer.micro_step import MicroStep
from longpo_trainer.model import Policy
from longpo_trainer.process_group import World, joined_world
from longpo_trainer.reference import ReferencePhase, reference_origin
from longpo_trainer.reference_cache import ReferenceCache
from longpo_trainer.tokens import Encoder, Example
from ranks import run_ranks
from scored import policy_of, stock_log_probs, stock_model, stock_reference
from stage import Silent, rows_file, stage_config, train_rank

ONE_TURN, TWO_TURNS = 0, 1
"""Rows of stage.rows_file."""
CASES: dict[str, tuple[dict[str, object], int]] = {
    "longpo, joint, one turn": ({}, ONE_TURN),
    "longpo, perTurn, one turn": ({"multi_turn_loss": "perTurn"}, ONE_TURN),
    "longpo, joint, two turns": ({"nll_weight": 0.7}, TWO_TURNS),
    "longpo, perTurn, two turns": ({"multi_turn_loss": "perTurn", "nll_weight": 0.0}, TWO_TURNS),
    "longpo, lambda 0": ({"lambda_": 0.0}, TWO_TURNS),
    "dpo, joint": ({"method": "dpo"}, TWO_TURNS),
    "dpo, perTurn": ({"method": "dpo", "multi_turn_loss": "perTurn"}, TWO_TURNS),
    "sft": ({"method": "sft", "nll_weight": 2.0}, TWO_TURNS),
}


@dataclass(frozen=True)
class Outcome:
    metrics: dict[str, float]
    measured: dict[str, float]
    gradients: dict[str, torch.Tensor]


def micro_step(config: TrainConfig, policy: Policy, world: World) -> MicroStep:
    rows, encoder = PreferenceFile(config.rows), Encoder(config.model, config.method)
    reference = None
    if config.method != "sft":
        turns = [len(rows[index]["turns"]) for index in range(len(rows))]
        phase = ReferencePhase(config.method, world, policy, encoder, rows, turns, Silent(), lambda: False)
        folder = config.directory / f"reference-{config.method}"
        reference = phase.sums(ReferenceCache(folder, reference_origin(config, rows)))
    return MicroStep(config, world, policy, encoder, rows, reference)


def every_case(config: TrainConfig) -> dict[str, Outcome]:
    with joined_world(config.sequence_parallel, 1) as world:
        policy = policy_of(config.model, world)
        outcomes = {}
        for name, (changes, row) in CASES.items():
            step = micro_step(replace(config, **changes), policy, world)
            policy.zero_grad()
            measured = step.measure(row)
            metrics = step.train(row, 1.0)
            gradients = {n.removeprefix("causal_lm."): p.grad.full_tensor() for n, p in policy.named_parameters()}
            outcomes[name] = Outcome(
                *(dict(zip(METRICS, values.tolist(), strict=False)) for values in (metrics, measured)), gradients
            )
        assert step.train(TWO_TURNS, 0.0).eq(0).all(), "a rank without a row counts nothing"
        return outcomes


@pytest.fixture(scope="module")
def config(tmp_path_factory) -> TrainConfig:
    folder = tmp_path_factory.mktemp("methods")
    return stage_config(folder, sequence_parallel=2, processes_per_pod=2)


@pytest.fixture(scope="module")
def outcomes(config) -> dict[str, Outcome]:
    return run_ranks(2, every_case, config)[0]


def rows_of(config: TrainConfig) -> list[dict]:
    return [json.loads(line) for line in config.rows.read_text().splitlines()]


def stock_example(config: TrainConfig, row: int) -> Example:
    return Encoder(config.model).policy_example(rows_of(config)[row])


def labels_loss(model, example: Example, every_token: bool) -> torch.Tensor:
    """What transformers makes of ``labels``: of all tokens of prompt and chosen branch, or the answers' only."""
    ids = torch.cat((example.prompt, example.chosen.ids))
    labels = ids.clone()
    if not every_token:
        labels[: len(example.prompt)] = -100
        labels[len(example.prompt) :][~example.chosen.written] = -100
    return model(input_ids=ids[None], labels=labels[None]).loss


def stock_loss(config: TrainConfig, row: int) -> tuple[float, dict[str, torch.Tensor]]:
    """Loss and gradients of a case, from two separate sequences and the definitions of the fields."""
    model, example = stock_model(config.model), stock_example(config, row)
    if config.method == "sft":
        loss = config.nll_weight * labels_loss(model, example, every_token=False)
    else:
        reference = stock_reference(config.model, [rows_of(config)[row]], long=config.method == "dpo")
        sides = []
        for branch in (example.chosen, example.rejected):
            log_probs = stock_log_probs(model, example.prompt, branch)
            turns = range(len(rows_of(config)[row]["turns"]))
            sides.append(torch.stack([log_probs[branch.written & (branch.turns == turn)].sum() for turn in turns]))
        margins = config.beta * ((sides[0] - reference[:, 0]) - (sides[1] - reference[:, 1]))
        terms = margins if config.multi_turn_loss == "perTurn" else margins.sum(dim=0, keepdim=True)
        nll = labels_loss(model, example, every_token=True)
        loss = -config.lambda_ * F.logsigmoid(terms).mean() + config.nll_weight * nll
    loss.backward()
    return loss.item(), {name: p.grad for name, p in model.named_parameters()}


@pytest.mark.parametrize("name", CASES)
def test_loss_and_gradients_are_those_of_two_separate_sequences(config, outcomes, name):
    changes, row = CASES[name]
    loss, gradients = stock_loss(replace(config, **changes), row)
    found = outcomes[name]
    assert found.metrics["loss"] == pytest.approx(loss, rel=1e-6)
    assert found.gradients.keys() == gradients.keys()
    for parameter, gradient in gradients.items():
        difference = (found.gradients[parameter] - gradient).abs().max().item()
        assert difference <= 1e-6, f"{parameter} differs by {difference}"


def test_measuring_a_row_gives_what_training_on_it_gives(outcomes):
    for name, outcome in outcomes.items():
        assert outcome.measured == outcome.metrics, name


def test_proof_09_lambda_zero_is_the_labels_loss_of_transformers(config, outcomes):
    with torch.no_grad():
        loss = labels_loss(stock_model(config.model), stock_example(config, TWO_TURNS), every_token=True).item()
    found = outcomes["longpo, lambda 0"].metrics
    assert found["loss"] == found["loss/nll"] == pytest.approx(loss, rel=5e-7)


def test_proof_09_per_turn_with_one_turn_is_joint_to_the_last_bit(outcomes):
    joint, per_turn = (outcomes[f"longpo, {form}, one turn"] for form in ("joint", "perTurn"))
    assert joint.metrics == per_turn.metrics
    for parameter, gradient in joint.gradients.items():
        assert gradient.equal(per_turn.gradients[parameter]), parameter


@pytest.mark.parametrize("name", ["dpo, joint", "dpo, perTurn"])
def test_proof_09_dpo_starts_at_ln_2_since_its_reference_is_the_policy(outcomes, name):
    found = outcomes[name].metrics
    assert found["rewards/margins"] == pytest.approx(0, abs=1e-5)
    assert found["loss/preference"] == pytest.approx(math.log(2), abs=1e-5)


def test_longpo_does_not_start_there_since_its_reference_reads_the_chunk(outcomes):
    assert abs(outcomes["longpo, joint, two turns"].metrics["rewards/margins"]) > 1e-3


def test_sft_has_no_rewards_and_no_rejected_branch(config, outcomes):
    found = outcomes["sft"].metrics
    example = Encoder(config.model, "sft").policy_example(rows_of(config)[TWO_TURNS])
    whole = stock_example(config, TWO_TURNS)
    assert example.tokens == example.context == whole.tokens - len(whole.rejected)
    assert [found[name] for name in METRICS if name.startswith("rewards") or name == "loss/preference"] == [0] * 5
    assert found["logps/chosen"] == pytest.approx(-found["loss/nll"] * int(example.chosen.written.sum()), rel=1e-6)


def test_rows_hold_rejected_answers_whatever_the_method(tmp_path):
    """sft takes the same file; a row without them is refused as for the others, not trained on in silence."""
    path = rows_file(tmp_path)
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    del rows[0]["turns"][0]["rejected"]
    path.write_text(json.dumps(rows[0]) + "\n")
    with pytest.raises(Exception, match="rejected"):
        PreferenceFile(path)[0]


def test_a_dpo_stage_with_another_theta_still_starts_at_ln_2(tmp_path):
    """The reference of a whole stage: of the starting weights, at the positions that the policy is trained at."""
    config = stage_config(
        tmp_path, method="dpo", rope_theta=1e6, sequence_parallel=2, processes_per_pod=2, max_steps=1, lambda_=1.0
    )
    _, phases = run_ranks(2, train_rank, config)[0]
    assert "reference" in phases
    first = json.loads((config.directory / "metrics.jsonl").read_text().splitlines()[0])
    assert first["loss/preference"] == pytest.approx(math.log(2), abs=1e-5)


def test_an_sft_stage_has_no_reference_phase_and_learns(tmp_path):
    config = stage_config(tmp_path, method="sft", sequence_parallel=2, processes_per_pod=2)
    result, phases = run_ranks(2, train_rank, config)[0]
    assert "reference" not in phases
    assert not (config.directory / "reference").exists()
    lines = [json.loads(line) for line in (config.directory / "metrics.jsonl").read_text().splitlines()]
    assert lines[-1]["loss"] < lines[0]["loss"]
    assert (result["rewardMargin"], result["rewardAccuracy"]) == (0, 0)
