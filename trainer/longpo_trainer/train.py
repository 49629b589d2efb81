"""One stage on one rank: check the data, reference log-probs, optimizer steps, export. Every phase resumes."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import torch
from transformers import PretrainedConfig

from .activations import Activations
from .architecture import policy_config, read_config
from .config import TrainConfig
from .data import PreferenceFile
from .errors import LongPOError
from .export import Publication, export_folder, published_digest
from .facts_file import FactsFile
from .generators import seed_generators
from .held_out import Evaluation, choose_rows, held_out_fraction
from .loop import Loop, peak_memory_bytes
from .loss import METRICS
from .metrics import MetricsLog
from .micro_step import MicroStep
from .model import load_policy
from .non_finite import NonFiniteSteps
from .optimizer import build_optimizer
from .process_group import OnHang, World, joined_world, tell_hang
from .reference import ReferencePhase, reference_origin
from .reference_cache import ReferenceCache
from .report import Reporter
from .row_facts import RowCheck, RowFacts, check_origin
from .row_index import index_rows
from .schedule import Schedule
from .step_checkpoint import StepCheckpoints
from .tokens import Encoder
from .whole_file import write_whole_json
from .writers import Writer, build_writers

RESULT_FILE = "result.json"
TRAJECTORY = (
    "model_digest",
    "context_length",
    "rope_theta",
    "seed",
    "method",
    "beta",
    "lambda_",
    "nll_weight",
    "multi_turn_loss",
    "learning_rate",
    "warmup_ratio",
    "lr_scheduler_type",
    "optim",
    "weight_decay",
    "max_grad_norm",
    "num_train_epochs",
    "max_steps",
    "dtype",
)
"""Fields of the config that decide the weights, beside the rows of a step and the file they come from. A run continues
only with the same ones; the others, and the shape of the world with them, may change."""


def train(config: TrainConfig, reporter: Reporter, stop: Callable[[], bool], on_hang: OnHang = tell_hang) -> dict:
    """Trains a stage and gives the train role's result. Called by every rank, with torch's env set.

    ``on_hang``: see ``joined_world``.
    """
    seed_generators(config.seed)
    with joined_world(config.sequence_parallel, config.data_parallel, config.ddp_timeout, on_hang) as world:
        world.progress.enter("load")
        rows = _open_rows(config.rows, world)
        fingerprint = {name: getattr(config, name) for name in TRAJECTORY}
        fingerprint |= {"rows": rows.digest, "rows_per_step": _rows_per_step(config)}
        fingerprint |= {"held_out_fraction": held_out_fraction(config)}
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
    encoder = Encoder(config.model, config.method)
    sets = choose_rows(config, rows, lambda path: _open_rows(path, world))
    files = sets.reference_folders
    world.progress.enter("check of the rows")

    def check(file: PreferenceFile, name: str) -> RowFacts:
        kept = FactsFile(config.directory / f"{name}.rows", check_origin(config, file))
        return RowCheck(file, encoder, config.context_length, world, reporter, stop).facts(kept)

    facts = {file: check(file, name) for file, name in files.items()}
    world.progress.enter("load")
    activations = Activations(
        checkpointing=config.gradient_checkpointing,
        layers=config.gradient_checkpointing_layers,
        offload=config.gradient_checkpointing_offload,
        mlp_shards=config.tiled_mlp_shards,
    )
    policy = load_policy(config.model, base, config.dtype, activations, world)
    if config.method == "dpo":
        policy.set_rope(settings)  # its reference reads the long document as the policy does
    world.progress.enter("reference")

    def micro_step(file: PreferenceFile, folder: Path) -> MicroStep:
        reference = None
        if config.method != "sft":
            phase = ReferencePhase(config.method, world, policy, encoder, file, facts[file].turns, reporter, stop)
            reference = phase.sums(ReferenceCache(folder, reference_origin(config, file)))
        return MicroStep(config, world, policy, encoder, file, reference)

    micro_steps = {file: micro_step(file, config.directory / name) for file, name in files.items()}
    policy.set_rope(settings)
    optimizer = build_optimizer(policy, config.optim, config.weight_decay)
    world.progress.enter("resume")
    steps = config.directory / "steps"
    with closing(StepCheckpoints(steps, fingerprint, config.save_total_limit, world)) as checkpoints:
        resumed, metrics = checkpoints.resume(policy, optimizer)
        log = MetricsLog(config.directory, resumed, writers) if world.rank == 0 else None
        schedule = _schedule(config, sets.trained_rows)
        loop = Loop(
            config=config,
            world=world,
            policy=policy,
            optimizer=optimizer,
            rows=rows,
            micro_step=micro_steps[sets.trained],
            evaluation=Evaluation(
                micro_steps[sets.held_out], sets.held_out_rows, config.eval_steps, schedule.steps, log, stop
            ),
            schedule=schedule,
            checkpoints=checkpoints,
            non_finite=NonFiniteSteps(config, world, rows, encoder),
            log=log,
            reporter=reporter,
            stop=stop,
        )
        metrics, speed = loop.run(resumed, metrics)
    if loop.log is not None:
        loop.log.close()
    world.progress.enter("export")
    digests = _export(config, loop, settings, metrics, keep=resumed == loop.schedule.steps)
    result = {
        "steps": loop.schedule.steps,
        "rows": len(sets.trained_rows),
        "loss": metrics["loss"],
        "rewardMargin": metrics["rewards/margins"],
        "rewardAccuracy": metrics["rewards/accuracies"],
        "tokensPerSecond": speed.tokens_per_second or metrics["tokens_per_second"],
        "peakMemoryBytes": int(world.maximum(peak_memory_bytes(world.device))),
        "resumedFromStep": resumed,
        **loop.evaluation.result(),
        **digests,
    }
    world.from_rank_zero(lambda: _keep(config.directory, fingerprint, config.export_dtype, result))
    return result


def _writers(config: TrainConfig) -> list[Writer]:
    config.directory.mkdir(parents=True, exist_ok=True)
    return build_writers(config.report_to, config.directory, f"{config.training}/{config.stage}")


def _open_rows(path: Path, world: World) -> PreferenceFile:
    """One rank reads the whole file."""
    return PreferenceFile(path, world.from_rank_zero(lambda: index_rows(path)))


def _schedule(config: TrainConfig, rows: np.ndarray) -> Schedule:
    return Schedule(
        rows=rows,
        seed=config.seed,
        rows_per_step=_rows_per_step(config),
        epochs=config.num_train_epochs,
        max_steps=config.max_steps,
    )


def _rows_per_step(config: TrainConfig) -> int:
    return config.per_device_train_batch_size * config.gradient_accumulation_steps * config.data_parallel


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
    content = {"fingerprint": fingerprint | {"export_dtype": export_dtype}, "result": result}
    write_whole_json(directory / RESULT_FILE, content)
