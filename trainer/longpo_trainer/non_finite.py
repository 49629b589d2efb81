"""A step whose loss or gradient is not finite: its batch is kept for inspection, then it is left out or the run ends.

``<stage>/non-finite/step-000007.json`` has the rows with their metrics, ``step-000007.safetensors`` their token ids.
"""

from __future__ import annotations

import json
import math

from safetensors.torch import save_file
from torch import Tensor

from .config import TrainConfig
from .data import PreferenceFile
from .errors import NON_FINITE_LOSS, LongPOError
from .log import log
from .process_group import World
from .step_folder import step_name
from .tokens import Encoder

FOLDER = "non-finite"
LEFT_OUT_IN_A_ROW = 3
"""One row may be at fault for one step; more in a row are the weights or the learning rate."""

RowMetrics = dict[int, dict[str, float]]
"""Row number -> the metrics of its micro-step."""


class NonFiniteSteps:
    """Counts the steps that are left out. Every method is called by all ranks, with the same values but the rows."""

    def __init__(self, config: TrainConfig, world: World, rows: PreferenceFile, encoder: Encoder) -> None:
        self._config = config
        self._world = world
        self._rows = rows
        self._encoder = encoder
        self._in_a_row = 0

    def finite(self) -> None:
        """A step was fine."""
        self._in_a_row = 0

    def leave_out(self, step: int, metrics: dict[str, float], mine: RowMetrics) -> None:
        """Keeps the batch. Raises LongPOError (exit 70) where onNonFiniteLoss is stop, or skipping does not help.

        ``mine`` are the rows of this rank; the ranks of a sequence group have the same.
        """
        self._in_a_row += 1
        batch: RowMetrics = {}
        for share in self._world.from_every_rank(lambda: mine):
            batch |= share
        kept = self._world.from_rank_zero(lambda: self._keep(step, metrics, batch))
        broken = [row for row, values in batch.items() if not all(map(math.isfinite, values.values()))]
        lines = ", ".join(str(self._rows.line(row)) for row in sorted(broken or batch))
        what = (
            f"step {step}: loss {metrics['loss']}, gradient norm {metrics['grad_norm']}, "
            f"line {lines} of {self._config.rows}; the batch {kept}"
        )
        if self._config.on_non_finite_loss == "stop":
            raise LongPOError(
                NON_FINITE_LOSS,
                "NON_FINITE_LOSS",
                f"{what}. Look at these rows, lower learningRate, or set onNonFiniteLoss: skip.",
            )
        if self._in_a_row >= LEFT_OUT_IN_A_ROW:
            raise LongPOError(
                NON_FINITE_LOSS,
                "NON_FINITE_LOSS",
                f"{what}. {self._in_a_row} steps in a row are not finite, so skipping does not help: "
                "lower learningRate, or look at these rows.",
            )
        if self._world.rank == 0:
            log("step left out, its loss is not finite", role="train", level="warning", step=step, batch=kept)

    def _keep(self, step: int, metrics: dict[str, float], batch: RowMetrics) -> str:
        """Says where; that the batch could not be kept must not hide what is wrong with it."""
        place = self._config.directory / FOLDER / f"{step_name(step)}.json"
        tokens: dict[str, Tensor] = {}
        rows = []
        for row, values in sorted(batch.items()):
            text = self._rows[row]
            example = self._encoder.policy_example(text)
            parts = {"prompt": example.prompt, "chosen": example.chosen.ids, "rejected": example.rejected.ids}
            tokens |= {f"{row}.{name}": ids.clone() for name, ids in parts.items()}
            rows.append({"row": row, "line": self._rows.line(row), "id": text["id"], "metrics": _json(values)})
        content = {"step": step, "metrics": _json(metrics), "rows": rows, "tokens": f"{place.stem}.safetensors"}
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            save_file(tokens, place.with_suffix(".safetensors"))
            place.write_text(json.dumps(content, indent=2))
        except OSError as error:
            return f"could not be kept ({error})"
        return f"is kept as {place}"


def finite_only(values: dict[str, float]) -> dict[str, float]:
    """What a line of metrics can say."""
    return {name: value for name, value in values.items() if math.isfinite(value)}


def _json(values: dict[str, float]) -> dict[str, float | str]:
    """JSON has no word for nan and infinity, so they are text."""
    return {name: value if math.isfinite(value) else str(value) for name, value in values.items()}
