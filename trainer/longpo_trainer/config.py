"""The configs of the roles fetch, train and verify, parsed once; fields are those of api/, in snake_case."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TypeVar

from fastjsonschema import JsonSchemaValueException

from .contract import validator
from .environment import PodEnvironment
from .errors import CONFIG, LongPOError

Config = TypeVar("Config", "FetchConfig", "TrainConfig", "VerifyConfig")


@dataclass(frozen=True)
class FetchConfig:
    training: str
    uri: str
    destination: Path


@dataclass(frozen=True)
class TrainConfig:
    """See api/src/pod-contract/role-config.ts and api/src/hyperparameters.ts for what each field means."""

    training: str
    stage: str
    attempt: int
    model: Path
    model_digest: str
    rows: Path
    eval_rows: Path | None
    directory: Path
    context_length: int
    rope_theta: float | None
    sequence_parallel: int
    data_parallel: int
    pods: int
    processes_per_pod: int
    seed: int
    method: str
    beta: float
    lambda_: float
    nll_weight: float
    multi_turn_loss: str
    learning_rate: float
    warmup_ratio: float
    lr_scheduler_type: str
    optim: str
    weight_decay: float
    max_grad_norm: float
    per_device_train_batch_size: int
    gradient_accumulation_steps: int
    num_train_epochs: int
    max_steps: int
    dtype: str
    tf32: bool
    gradient_checkpointing: bool
    gradient_checkpointing_layers: int
    gradient_checkpointing_offload: bool
    tiled_mlp_shards: int
    save_steps: int
    save_total_limit: int
    logging_steps: int
    eval_fraction: float
    eval_steps: int
    on_non_finite_loss: str
    ddp_timeout: int
    report_to: str
    export_dtype: str


@dataclass(frozen=True)
class VerifyConfig:
    training: str
    stage: str
    attempt: int
    checkpoint: Path
    digest: str
    remove: list[Path]


def load_fetch_config(environment: PodEnvironment) -> FetchConfig:
    return _load(FetchConfig, "fetch-config", environment)


def load_train_config(environment: PodEnvironment) -> TrainConfig:
    config = _load(TrainConfig, "train-config", environment)
    ranks = config.pods * config.processes_per_pod
    if ranks != config.sequence_parallel * config.data_parallel:
        raise LongPOError(
            CONFIG,
            "CONFIG_INVALID",
            f"pods {config.pods} x processesPerPod {config.processes_per_pod} is {ranks} ranks, but sequenceParallel "
            f"{config.sequence_parallel} x dataParallel {config.data_parallel} needs "
            f"{config.sequence_parallel * config.data_parallel}: make the two products equal.",
        )
    if config.nll_weight == 0 and (config.method == "sft" or config.lambda_ == 0):
        field = "method sft has no preference term" if config.method == "sft" else "lambda is 0"
        raise LongPOError(CONFIG, "CONFIG_INVALID", f"nllWeight is 0 and {field}, so there is no loss; give a weight.")
    return config


def load_verify_config(environment: PodEnvironment) -> VerifyConfig:
    return _load(VerifyConfig, "verify-config", environment)


def _load(kind: type[Config], schema: str, environment: PodEnvironment) -> Config:
    if not environment.config:
        raise LongPOError(CONFIG, "CONFIG_INVALID", f"LONGPO_CONFIG is not set; it must be one {schema} as JSON.")
    try:
        valid = validator(schema)(json.loads(environment.config))
    except JsonSchemaValueException as error:
        raise LongPOError(CONFIG, "CONFIG_INVALID", f"LONGPO_CONFIG: {_broken_rule(error)}") from error
    except ValueError as error:
        raise LongPOError(CONFIG, "CONFIG_INVALID", f"LONGPO_CONFIG is not JSON: {error}") from error
    values = {_snake(name): value for name, value in valid.items()}
    for field in fields(kind):
        if field.type in ("Path", "Path | None") and values[field.name] is not None:
            values[field.name] = environment.resolve(values[field.name])
        elif field.type == "list[Path]":
            values[field.name] = [environment.resolve(path) for path in values[field.name]]
    return kind(**values)


def _broken_rule(error: JsonSchemaValueException) -> str:
    """Field, value and rule; for the whole object the rule names the field, and the value would only hide it."""
    field = error.name.removeprefix("data").lstrip(".")
    rule = error.message.removeprefix(error.name).strip()
    return f"field {field} is {json.dumps(error.value)}; it {rule}." if field else f"it {rule}."


def _snake(name: str) -> str:
    """camelCase to snake_case; `lambda` is a keyword."""
    snake = re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
    return "lambda_" if snake == "lambda" else snake
