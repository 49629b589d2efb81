"""Proof 12: what is published is what was trained; what lay in the target before is neither mixed in nor lost."""

import json
from pathlib import Path

import pytest
import torch
import torch.distributed.checkpoint as dcp
from longpo_trainer.manifest import MANIFEST, verify_folder
from ranks import run_ranks
from safetensors.torch import load_file, save_file
from stage import stage_config, train_rank
from torch.distributed.checkpoint import FileSystemReader
from transformers import AutoModelForCausalLM

STALE = "model-00001-of-00002.safetensors"


@pytest.fixture(scope="module")
def exported(tmp_path_factory) -> tuple[object, dict]:
    """A bf16 export on two ranks, into a place where another run left shards and half an export."""
    config = stage_config(
        tmp_path_factory.mktemp("export"),
        sequence_parallel=2,
        processes_per_pod=2,
        max_steps=2,
        export_dtype="bf16",
        learning_rate=1e-5,
    )
    weights = load_file(config.model / "model.safetensors")
    stale = {name: torch.zeros_like(weight) for name, weight in weights.items()}
    for folder in (config.directory / "checkpoint", config.directory / "checkpoint.tmp"):
        (folder / "sharded").mkdir(parents=True)
        for place in (folder / STALE, folder / "sharded" / "shard-00003-model.safetensors"):
            save_file(stale, place, metadata={"format": "pt"})
        index = {"metadata": {}, "weight_map": dict.fromkeys(weights, STALE)}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return config, run_ranks(2, train_rank, config)[0][0]


def trained_weights(config) -> dict[str, torch.Tensor]:
    """f32, from the last step checkpoint: written by torch's code and not by the export's."""
    folder = config.directory / "steps" / "step-000002"
    stored = FileSystemReader(folder).read_metadata().state_dict_metadata
    state = {name: torch.empty(entry.size) for name, entry in stored.items() if name.startswith("model.")}
    dcp.load(state, checkpoint_id=folder, no_dist=True)
    return {name.removeprefix("model.causal_lm."): weight for name, weight in state.items()}


@pytest.mark.parametrize(("folder", "dtype"), [("master", torch.float32), ("checkpoint", torch.bfloat16)])
def test_proof_12_from_pretrained_gives_the_logits_that_were_trained(exported, folder: str, dtype: torch.dtype):
    config, result = exported
    ours = AutoModelForCausalLM.from_pretrained(result[folder], dtype="auto")
    trained = AutoModelForCausalLM.from_pretrained(config.model, dtype=dtype)
    weights = {name: weight.to(dtype) for name, weight in trained_weights(config).items()}
    assert set(trained.load_state_dict(weights, strict=False).missing_keys) <= {"lm_head.weight"}, "it is tied"
    trained.tie_weights()
    assert ours.dtype == dtype
    tokens = torch.arange(3, 40)[None]
    with torch.no_grad():
        assert torch.equal(ours(tokens).logits, trained(tokens).logits)


def test_proof_12_stale_files_are_set_aside_and_never_read(exported):
    _, result = exported
    folder = Path(result["checkpoint"])
    listed = {entry["path"] for entry in verify_folder(folder)["files"]}
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert found == listed | {MANIFEST}
    assert not any("00001" in path or "sharded" in path for path in found)
    assert (folder.with_name("checkpoint.damaged-1") / STALE).is_file()
    assert not folder.with_name("checkpoint.tmp").exists()


def test_an_export_says_how_much_of_the_update_it_keeps(exported):
    config, result = exported
    metrics = verify_folder(Path(result["checkpoint"]))["metrics"]
    base, trained = load_file(config.model / "model.safetensors"), trained_weights(config)
    names = sorted(base)  # without the head, which is the embedding
    before, after = (torch.cat([weights[name].flatten() for name in names]) for weights in (base, trained))
    rounded = after.bfloat16().double() - before.bfloat16().double()
    update = after.double() - before.double()
    assert metrics["export/changed_share"] == pytest.approx((rounded != 0).double().mean().item(), rel=1e-6)
    assert metrics["export/update_norm_ratio"] == pytest.approx((rounded.norm() / update.norm()).item(), rel=1e-6)
    assert metrics["export/update_kept"] == pytest.approx((rounded @ update / (update @ update)).item(), rel=1e-5)
    assert 0 < metrics["export/changed_share"] < 1
    whole = verify_folder(Path(result["master"]))["metrics"]
    assert whole["export/update_kept"] == pytest.approx(1, abs=1e-6)
