"""One stage on one rank: check the data, reference log-probs, optimizer steps, export. Every phase resumes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import torch
from transformers import PretrainedConfig

from .config import TrainConfig
from .data import PreferenceFile
from .errors import LongPOError
from .export import Publication, export_folder, published_digest
from .loop import Loop, peak_memory_bytes
from .loss import METRICS
from .metrics import MetricsLog, Writer, build_writers
from .model import Precision, load_policy, policy_config, read_config
from .optimizer import build_optimizer
from .process_group import World, joined_world
from .reference import compute_reference, reference_sums
from .report import Reporter
from .row_facts import check_rows
from .schedule import Schedule
from .step_checkpoint import StepCheckpoints
from .tokens import Encoder, tokenizer_digest

RESULT_FILE = "result.json"
TRAJECTORY = (
    "model_digest",
    "context_length",
    "rope_theta",
    "data_parallel",
    "seed",
    "beta",
    "lambda_",
    "learning_rate",
    "warmup_ratio",
    "lr_scheduler_type",
    "optim",
    "weight_decay",
    "max_grad_norm",
    "per_device_train_batch_size",
    "gradient_accumulation_steps",
    "num_train_epochs",
    "max_steps",
    "dtype",
)
"""Fields of the config that decide the weights. A run continues only with the same ones; the others may change."""


def train(config: TrainConfig, reporter: Reporter, stop: Callable[[], bool]) -> dict:
    """Trains a stage and gives the train role's result. Called by every rank, with torch's env set."""
    with joined_world(config.sequence_parallel, config.data_parallel) as world:
        rows = PreferenceFile(config.rows)
        fingerprint = {name: getattr(config, name) for name in TRAJECTORY} | {"rows": rows.digest}
        finished = world.from_rank_zero(lambda: _finished(config, fingerprint))
        return finished or _train(config, rows, fingerprint, reporter, stop, world)


def _train(
    config: TrainConfig,
    rows: PreferenceFile,
    fingerprint: dict[str, object],
    reporter: Reporter,
    stop: Callable[[], bool],
    world: World,
) -> dict:
    if config.tf32 and world.device.type == "cuda":
        torch.set_float32_matmul_precision("high")
    writers: list[Writer] = []
    world.from_rank_zero(lambda: writers.extend(_writers(config)))
    base = read_config(config.model)
    settings = policy_config(base, config.rope_theta, config.context_length)
    encoder = Encoder(config.model)
    facts = check_rows(rows, encoder, config.context_length, world)
    policy = load_policy(config.model, base, Precision(config.dtype, config.gradient_checkpointing), world)
    reference = reference_sums(
        config.directory / "reference",
        _reference_origin(config, rows),
        lambda: compute_reference(policy, rows, facts, encoder, world, reporter, stop),
        world,
    )
    policy.set_rope(settings)
    optimizer = build_optimizer(policy, config.optim, config.weight_decay)
    checkpoints = StepCheckpoints(config.directory / "steps", fingerprint, world)
    resumed, metrics = checkpoints.resume(policy, optimizer)
    loop = Loop(
        config=config,
        world=world,
        policy=policy,
        optimizer=optimizer,
        rows=rows,
        encoder=encoder,
        reference=reference,
        schedule=_schedule(config, len(rows)),
        checkpoints=checkpoints,
        log=MetricsLog(config.directory, resumed, writers) if world.rank == 0 else None,
        reporter=reporter,
        stop=stop,
    )
    metrics, speed = loop.run(resumed, metrics)
    if loop.log is not None:
        loop.log.close()
    digests = _export(config, loop, settings, metrics, keep=resumed == loop.schedule.steps)
    result = {
        "steps": loop.schedule.steps,
        "rows": len(rows),
        "loss": metrics["loss"],
        "rewardMargin": metrics["rewards/margins"],
        "rewardAccuracy": metrics["rewards/accuracies"],
        "tokensPerSecond": speed.tokens_per_second or metrics["tokens_per_second"],
        "peakMemoryBytes": int(world.maximum(peak_memory_bytes(world.device))),
        "resumedFromStep": resumed,
        **digests,
    }
    world.from_rank_zero(lambda: _keep(config.directory, fingerprint, config.export_dtype, result))
    return result


def _writers(config: TrainConfig) -> list[Writer]:
    config.directory.mkdir(parents=True, exist_ok=True)
    return build_writers(config.report_to, config.directory, f"{config.training}/{config.stage}")


def _reference_origin(config: TrainConfig, rows: PreferenceFile) -> dict[str, str]:
    """What the reference sums depend on; the rope theta of the policy is not among it."""
    return {
        "modelDigest": config.model_digest,
        "tokenizerDigest": tokenizer_digest(config.model),
        "dtype": config.dtype,
        "rowsDigest": rows.digest,
    }


def _schedule(config: TrainConfig, rows: int) -> Schedule:
    return Schedule(
        rows=rows,
        seed=config.seed,
        rows_per_step=config.per_device_train_batch_size * config.gradient_accumulation_steps * config.data_parallel,
        epochs=config.num_train_epochs,
        max_steps=config.max_steps,
    )


def _export(
    config: TrainConfig, loop: Loop, settings: PretrainedConfig, metrics: dict[str, float], keep: bool
) -> dict[str, str]:
    """The published copy, and the f32 weights that the next stage starts from where the copy is not that already."""
    publication = Publication(
        training=config.training,
        stage=config.stage,
        step=loop.schedule.steps,
        context_length=config.context_length,
        base_model_digest=config.model_digest,
        metrics={name: metrics[name] for name in (*METRICS, "grad_norm")},
    )

    def folder(name: str, dtype: str) -> tuple[str, str]:
        path = config.directory / name
        digest = export_folder(
            path, dtype, keep, loop.policy, settings, config.model, publication, loop.world, loop.reporter
        )
        return str(path), digest

    checkpoint, digest = folder("checkpoint", config.export_dtype)
    master, master_digest = (checkpoint, digest) if config.export_dtype == "f32" else folder("master", "f32")
    return {"checkpoint": checkpoint, "master": master, "masterDigest": master_digest, "digest": digest}


def _finished(config: TrainConfig, fingerprint: dict[str, object]) -> dict | None:
    """The result of a run that ended, if its folders are still whole."""
    try:
        kept = json.loads((config.directory / RESULT_FILE).read_text())
    except (FileNotFoundError, ValueError):
        return None
    for name, value in (fingerprint | {"export_dtype": config.export_dtype}).items():
        if kept["fingerprint"].get(name) != value:
            raise LongPOError(
                4,
                "CHECKPOINT_MISMATCH",
                f"{config.directory} holds a training with {name} {kept['fingerprint'].get(name)}, this one has "
                f"{value}; remove the stage's folder to train anew.",
            )
    result = kept["result"]
    folders = {result["checkpoint"]: result["digest"], result["master"]: result["masterDigest"]}
    whole = all(published_digest(Path(folder)) == digest for folder, digest in folders.items())
    return result if whole else None


def _keep(directory: Path, fingerprint: dict[str, object], export_dtype: str, result: dict) -> None:
    temporary = directory / f"{RESULT_FILE}.tmp"
    content = {"fingerprint": fingerprint | {"export_dtype": export_dtype}, "result": result}
    temporary.write_text(json.dumps(content, indent=2))
    temporary.rename(directory / RESULT_FILE)
