"""One small stage: a model, three rows, and the config that trains them."""

import json
from dataclasses import replace
from pathlib import Path

from longpo_trainer.config import TrainConfig
from longpo_trainer.manifest import model_digest
from longpo_trainer.train import train
from tiny_models import save_model


class Silent:
    """A reporter that keeps what it was told."""

    def __init__(self) -> None:
        self.phases: list[str] = []

    def progress(self, phase: str, *_: object, **__: object) -> None:
        self.phases.append(phase)


def rows_file(folder: Path, count: int = 3) -> Path:
    path = folder / "rows.jsonl"
    with path.open("w") as file:
        for n in range(count):
            turns = [
                {
                    "chunk": f"part {n}.{t}",
                    "question": f"what {t}?",
                    "chosen": f"yes {n} {t}",
                    "rejected": f"no {t} {n}.",
                }
                for t in range(1 + n % 2)
            ]
            row = {"id": f"r{n}", "source": "test", "document": f"part {n}.0 part {n}.1 " * 4, "turns": turns}
            file.write(json.dumps(row) + "\n")
    return path


def stage_config(folder: Path, **changes: object) -> TrainConfig:
    """Six steps of one row on three ranks, saved after each."""
    model = folder / "model"
    if not model.exists():
        save_model(model)
    config = TrainConfig(
        training="test",
        stage="one",
        attempt=1,
        model=model,
        model_digest=model_digest(model),
        rows=rows_file(folder),
        eval_rows=None,
        directory=folder / "stage",
        context_length=512,
        rope_theta=None,
        sequence_parallel=3,
        data_parallel=1,
        pods=1,
        processes_per_pod=3,
        seed=42,
        method="longpo",
        beta=0.1,
        lambda_=0.5,
        nll_weight=1.0,
        multi_turn_loss="joint",
        learning_rate=1e-3,
        warmup_ratio=0.1,
        lr_scheduler_type="cosine",
        optim="rmsprop",
        weight_decay=0.0,
        max_grad_norm=1.0,
        per_device_train_batch_size=1,
        gradient_accumulation_steps=1,
        num_train_epochs=2,
        max_steps=0,
        dtype="f32",
        tf32=False,
        gradient_checkpointing=True,
        gradient_checkpointing_layers=1,
        gradient_checkpointing_offload=False,
        tiled_mlp_shards=1,
        save_steps=1,
        save_total_limit=2,
        logging_steps=1,
        eval_fraction=0.0,
        eval_steps=50,
        on_non_finite_loss="stop",
        ddp_timeout=300,
        report_to="none",
        export_dtype="f32",
    )
    return replace(config, **changes)


def train_rank(config: TrainConfig, stop_after: int | None = None) -> tuple[dict, list[str]]:
    """train() on this rank; with ``stop_after`` the stop flag rises once so many steps are in metrics.jsonl."""
    reporter = Silent()
    metrics = config.directory / "metrics.jsonl"

    def stop() -> bool:
        return stop_after is not None and metrics.exists() and len(metrics.read_text().splitlines()) >= stop_after

    return train(config, reporter, stop), reporter.phases
