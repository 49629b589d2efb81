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
    directory: Path
    context_length: int
    rope_theta: float | None
    sequence_parallel: int
    data_parallel: int
    pods: int
    processes_per_pod: int
    seed: int
    beta: float
    lambda_: float
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
    save_steps: int
    logging_steps: int
    report_to: str
    export_dtype: str


@dataclass(frozen=True)
class VerifyConfig:
    training: str
    stage: str
    attempt: int
    checkpoint: Path
    digest: str


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
    return config


def load_verify_config(environment: PodEnvironment) -> VerifyConfig:
    return _load(VerifyConfig, "verify-config", environment)


def _load(kind: type[Config], schema: str, environment: PodEnvironment) -> Config:
    try:
        given = json.loads(environment.config)
        valid = validator(schema)(given)
    except ValueError as error:
        if isinstance(error, JsonSchemaValueException):
            field = error.name.removeprefix("data").lstrip(".") or "config"
            raise LongPOError(
                CONFIG, "CONFIG_INVALID", f"LONGPO_CONFIG, {field}: {error.value!r} breaks a rule: {error.message}"
            ) from error
        raise LongPOError(CONFIG, "CONFIG_INVALID", f"LONGPO_CONFIG is not JSON: {error}") from error
    values = {_snake(name): value for name, value in valid.items()}
    paths = {field.name for field in fields(kind) if field.type == "Path"}
    return kind(**{name: environment.resolve(value) if name in paths else value for name, value in values.items()})


def _snake(name: str) -> str:
    """camelCase to snake_case; `lambda` is a keyword."""
    snake = re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
    return "lambda_" if snake == "lambda" else snake
