"""The reference phase: what its sums are, what they are bound to, and that a stopped one goes on."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from longpo_trainer.config import TrainConfig
from longpo_trainer.data import PreferenceFile
from longpo_trainer.errors import LongPOError
from longpo_trainer.manifest import model_digest
from longpo_trainer.model import Policy
from longpo_trainer.process_group import World, joined_world
from longpo_trainer.reference import ReferencePhase, reference_origin
from longpo_trainer.reference_cache import MANIFEST_FILE, ReferenceCache
from longpo_trainer.tokens import Encoder
from ranks import run_ranks
from scored import policy_of, stock_reference
from stage import Silent, stage_config
from tiny_models import save_model

ROWS = 5
"""With one or two turns each, seven in all; their lengths differ."""


def reference_rows() -> list[dict]:
    return [
        {
            "id": f"r{n}",
            "source": "test",
            "document": f"document {n} " * (3 + 2 * n),
            "turns": [
                {
                    "chunk": f"part {n}.{t} " * (1 + n),
                    "question": f"what {t}?",
                    "chosen": f"yes {n}" * t,
                    "rejected": "no",
                }
                for t in range(1, 2 + n % 2)
            ],
        }
        for n in range(ROWS)
    ]


def write_rows(path: Path, rows: list[dict]) -> Path:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


def cache_of(config: TrainConfig, folder: Path) -> ReferenceCache:
    return ReferenceCache(folder, reference_origin(config, PreferenceFile(config.rows)))


Score = tuple[list[list[float]], int, str]
"""The sums, the forward passes they took on this rank, and the error that ended the phase."""


def score(
    config: TrainConfig, policy: Policy, world: World, folder: Path, stop_after: int = 100, part_seconds: float = 60.0
) -> Score:
    passes = []
    hook = policy.register_forward_hook(lambda *_: passes.append(1))
    phase = phase_of(config, policy, world, lambda: len(passes) >= stop_after)
    try:
        sums = replace(phase, part_seconds=part_seconds).sums(cache_of(config, folder))
    except LongPOError as error:
        return [], len(passes), error.code
    finally:
        hook.remove()
    return sums.values.tolist(), len(passes), ""


def on_one_rank(config: TrainConfig, folder: Path) -> Score:
    with joined_world(1, 1) as world:
        return score(config, policy_of(config.model, world), world, folder)


def phase_of(
    config: TrainConfig, policy: Policy, world: World, stop: Callable[[], bool] = lambda: False
) -> ReferencePhase:
    rows = PreferenceFile(config.rows)
    turns = [len(rows[index]["turns"]) for index in range(len(rows))]
    return ReferencePhase(config.method, world, policy, Encoder(config.model), rows, turns, Silent(), stop)


@pytest.fixture(scope="module")
def config(tmp_path_factory) -> TrainConfig:
    folder = tmp_path_factory.mktemp("reference")
    config = stage_config(folder, sequence_parallel=1, processes_per_pod=1)
    return replace(config, rows=write_rows(folder / "reference-rows.jsonl", reference_rows()))


@pytest.fixture(scope="module")
def alone(config, tmp_path_factory) -> tuple[torch.Tensor, Path]:
    """The sums of one rank, and the folder with them."""
    folder = tmp_path_factory.mktemp("alone") / "reference"
    values, passes, error = run_ranks(1, on_one_rank, config, folder)[0]
    assert (passes, error) == (7, "")
    return torch.tensor(values, dtype=torch.float64), folder


def test_proof_13_the_precomputed_reference_is_that_of_the_short_context(config, alone):
    """Against transformers' own model, online, on each chunk and answer as a sequence of its own."""
    online = stock_reference(config.model, reference_rows())
    assert alone[0].shape == online.shape == (7, 2)
    assert torch.allclose(alone[0], online.double(), rtol=1e-6, atol=0)


def online_differences(config: TrainConfig, folder: Path) -> tuple[float, bool]:
    """Kept sums against the policy's own, computed now; then the kept ones without a policy."""
    with joined_world(1, 1) as world:
        phase = phase_of(config, policy_of(config.model, world), world)
        cache = cache_of(config, folder)
        kept = replace(phase, policy=None).sums(cache)
        online = []
        for row in reference_rows():
            for turn in row["turns"]:
                packed = phase.encoder.reference_example(turn).packed().without_nll()
                with torch.no_grad():
                    online.append(phase.policy(packed, None)[:2].double())
        same_rows = all(kept.of(row).shape == (1 + row % 2, 2) for row in range(ROWS))
        return (kept.values - torch.stack(online)).abs().max().item(), same_rows


def test_proof_13_kept_sums_are_the_online_ones_to_the_last_bit_and_defect_03_need_no_model(config, alone):
    """Defect 3 of the released code: a second model stays in memory and computes constants again in each step."""
    assert run_ranks(1, online_differences, config, alone[1])[0] == (0.0, True)


def change_model(config: TrainConfig, folder: Path) -> TrainConfig:
    model = save_model(folder / "model", seed=1)
    return replace(config, model=model, model_digest=model_digest(model))


def change_tokenizer(config: TrainConfig, folder: Path) -> TrainConfig:
    model = save_model(folder / "model")
    template = model / "chat_template.jinja"
    template.write_text(f"{template.read_text()} ")
    return replace(config, model=model)


def change_text(config: TrainConfig, folder: Path) -> TrainConfig:
    rows = reference_rows()
    rows[2]["turns"][0]["chunk"] += "."
    return replace(config, rows=write_rows(folder / "rows.jsonl", rows))


CHANGES: dict[str, Callable[[TrainConfig, Path], TrainConfig]] = {
    "modelDigest": change_model,
    "tokenizerDigest": change_tokenizer,
    "dtype": lambda config, _: replace(config, dtype="bf16"),
    "rowsDigest": change_text,
    "method": lambda config, _: replace(config, method="dpo"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_proof_13_a_cache_of_another_origin_is_refused(config, alone, tmp_path, name):
    assert len(cache_of(config, alone[1]).open()) == 7
    with pytest.raises(LongPOError, match=f"was made with {name} ") as raised:
        cache_of(CHANGES[name](config, tmp_path), alone[1]).open()
    assert (raised.value.exit_code, raised.value.code) == (4, "REFERENCE_MISMATCH")


def test_a_long_reference_is_bound_to_the_positions_it_was_read_at(config, tmp_path):
    dpo = replace(config, method="dpo", rope_theta=1e6)
    cache_of(dpo, tmp_path).open()
    for name, other in {"ropeTheta": {"rope_theta": 1e7}, "contextLength": {"context_length": 1024}}.items():
        with pytest.raises(LongPOError, match=f"was made with {name} "):
            cache_of(replace(dpo, **other), tmp_path).open()
    short = replace(config, rope_theta=1e6)
    cache_of(short, tmp_path / "short").open()
    cache_of(replace(short, rope_theta=1e7), tmp_path / "short").open()


def on_three_ranks(config: TrainConfig, folder: Path) -> dict[str, Score]:
    """Short turns on ranks of their own, and long rows over a sequence group of three."""
    with joined_world(3, 1) as world:
        policy = policy_of(config.model, world)
        return {
            "short": score(config, policy, world, folder / "short"),
            "long": score(replace(config, method="dpo"), policy, world, folder / "long"),
            "stopped": score(config, policy, world, folder / "stopped", stop_after=1),
            "parts": score(config, policy, world, folder / "parts", part_seconds=0),
        }


@pytest.fixture(scope="module")
def three(config, tmp_path_factory) -> tuple[list[dict[str, Score]], Path]:
    folder = tmp_path_factory.mktemp("three")
    return run_ranks(3, on_three_ranks, config, folder), folder


def test_defect_09_sums_of_three_ranks_are_those_of_one_and_short_ones_are_bit_equal(config, alone, three):
    """Defect 9 of the released code: stored sums were those of the long rows, lost the tokens at the boundaries of
    the ranks, and were added up over the ranks once more."""
    for rank in three[0]:
        values, passes, _ = rank["short"]
        assert torch.tensor(values, dtype=torch.float64).equal(alone[0])
        assert passes == 3, "seven turns on three ranks, none of them twice but the last"
        assert rank["parts"][0] == values
    long = torch.tensor(three[0][0]["long"][0], dtype=torch.float64)
    online = stock_reference(config.model, reference_rows(), long=True).double()
    assert torch.allclose(long, online, rtol=1e-6, atol=0)
    assert (long - alone[0]).abs().min() > 1e-4, "a chunk is not the document"


def test_a_stopped_phase_keeps_its_turns_and_another_world_goes_on_behind_them(config, alone, three, tmp_path):
    ranks, folder = three
    assert [rank["stopped"] for rank in ranks] == [([], 1, "PREEMPTED")] * 3
    assert len(cache_of(config, folder / "stopped").open()) == 3
    values, passes, error = run_ranks(1, on_one_rank, config, folder / "stopped")[0]
    assert (passes, error) == (4, "")
    assert torch.tensor(values, dtype=torch.float64).equal(alone[0])


def test_parts_that_are_damaged_or_half_written_are_computed_again(config, alone, three, capsys):
    folder = three[1] / "parts"
    parts = sorted(folder.glob("part-*"))
    assert [part.name for part in parts] == [f"part-{first:010d}.safetensors" for first in (0, 3, 6)]
    cache = cache_of(config, folder)
    assert cache.open().equal(alone[0])
    whole = parts[1].read_bytes()
    flipped = bytearray(whole)
    flipped[-1] ^= 1
    for damaged in (flipped, whole[:-1], b""):
        parts[1].write_bytes(damaged)
        assert cache.open().equal(alone[0][:3])
        assert f"{parts[1]} is damaged" in capsys.readouterr().err
    parts[1].rename(f"{parts[1]}.tmp")
    assert cache.open().equal(alone[0][:3])
    cache.append(3, alone[0][3:6])
    assert cache.open().equal(alone[0])


def test_a_part_that_cannot_be_written_says_where_and_leaves_what_was_kept(config, alone, tmp_path):
    cache = cache_of(config, tmp_path)
    cache.open()
    cache.append(0, alone[0][:3])
    (tmp_path / ".part-0000000003.safetensors.tmp").mkdir()
    with pytest.raises(LongPOError, match=r"part-0000000003\.safetensors: Is a directory; make room") as raised:
        cache.append(3, alone[0][3:])
    assert raised.value.code == "REFERENCE_NOT_WRITTEN"
    assert cache.open().equal(alone[0][:3])


@pytest.mark.parametrize("manifest", ['{"modelDigest": "sha256:0"}', "{", '{"version": 1}'])
def test_a_folder_of_an_older_form_is_made_anew_and_never_misread(config, tmp_path, manifest):
    (tmp_path / MANIFEST_FILE).write_text(manifest)
    (tmp_path / "reference.safetensors").write_bytes(b"older")
    (tmp_path / "part-0000000000.safetensors").write_bytes(b"older")
    cache = cache_of(config, tmp_path)
    assert len(cache.open()) == 0
    assert [file.name for file in tmp_path.iterdir()] == [MANIFEST_FILE]
    assert json.loads((tmp_path / MANIFEST_FILE).read_text()) == {"version": 2, **cache.origin}
