"""TRL's DPOTrainer on the same pair, model and dtype; needs the Python that trainer.ts makes.

Usage: python trl_side.py MODEL PROMPT ANSWER KIND. A round is one optimizer step of the trainer's own loop. KIND:

- default: the reference model is resident and scores every step, both on the long prompt.
- kind: the reference is precomputed (a part of its own in every round, as on our side), and the head runs on the
  answers only, which TRL does on a GPU but not on a CPU.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import torch
import transformers
import trl
import workload
from datasets import Dataset
from rounds import Rounds, seconds_of
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
from trl import DPOConfig, DPOTrainer
from trl.trainer import utils

MANY = 10_000
"""Steps that a run could take at most; stdin ends it before."""


class TokenRows(DPOTrainer):
    """Rows that are tokens already."""

    def _prepare_dataset(self, dataset: Dataset, *_: object) -> Dataset:
        return dataset


class StepsOnDemand(TrainerCallback):
    """Lets a step begin when stdin has a line, and answers at its end; the end of stdin ends the training."""

    def __init__(self, rounds: Rounds, trainer: DPOTrainer, model: torch.nn.Module) -> None:
        self._rounds, self._numbers, self._trainer, self._model = rounds, iter(rounds), trainer, model
        self._reference = self._started = self._cpu = 0.0

    def on_step_begin(self, args, state, control, **_: object) -> None:
        if next(self._numbers, None) is None:
            sys.exit(0)
        self._cpu = time.process_time()
        if args.precompute_ref_log_probs:
            self._reference = seconds_of(self._score)
        self._started = time.monotonic()

    def on_step_end(self, args, state, control, **_: object) -> None:
        seconds = time.monotonic() - self._started
        self._rounds.answer({"reference": self._reference, "step": seconds}, time.process_time() - self._cpu)

    def _score(self) -> None:
        """What the trainer did with this row before its steps."""
        trainer = self._trainer
        trainer.compute_ref_log_probs(self._model, trainer.data_collator([trainer.train_dataset[0]]))


def settings(folder: Path, precompute: bool) -> DPOConfig:
    """Batch of one pair, f32, checkpointing, optimizer and clipping as on our side."""
    return DPOConfig(
        output_dir=str(folder),
        use_cpu=not torch.cuda.is_available(),
        bf16=False,
        per_device_train_batch_size=1,
        gradient_accumulation_steps=1,
        gradient_checkpointing=True,
        gradient_checkpointing_kwargs={"use_reentrant": False},
        optim="rmsprop",
        learning_rate=workload.LEARNING_RATE,
        lr_scheduler_type="constant",
        max_grad_norm=workload.MAX_NORM,
        max_steps=MANY,
        max_length=None,
        beta=workload.BETA,
        loss_type=["sigmoid"],
        padding_free=False,
        precompute_ref_log_probs=precompute,
        logging_strategy="no",
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        dataloader_num_workers=0,
    )


def main(model: str, prompt: str, answer: str, kind: str, folder: str) -> None:
    rounds = Rounds()
    if kind == "kind":
        # Its flag for devices with Triton also says whether prompts go through the head; the kernels ask their own.
        utils._use_triton = lambda _: True
    pair = workload.random_pair(int(prompt), int(answer))
    row = {"prompt_ids": pair.prompt, "chosen_ids": pair.chosen, "rejected_ids": pair.rejected}
    rows = Dataset.from_list([{name: ids.tolist() for name, ids in row.items()}])
    policy = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32, attn_implementation="sdpa")
    trainer = TokenRows(
        model=policy,
        args=settings(Path(folder), kind == "kind"),
        train_dataset=rows,
        processing_class=AutoTokenizer.from_pretrained(model),
    )
    trainer.add_callback(StepsOnDemand(rounds, trainer, policy))
    rounds.ready(trl=trl.__version__, transformers=transformers.__version__, torch=torch.__version__)
    trainer.train()


if __name__ == "__main__":
    main(*sys.argv[1:])
