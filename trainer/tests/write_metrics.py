"""A run of three steps to wandb, stopped and resumed from the second; run by test_writers.py, with its variables."""

import sys
from pathlib import Path

from longpo_trainer.errors import LongPOError
from longpo_trainer.metrics import MetricsLog
from longpo_trainer.writers import build_writers

folder = Path(sys.argv[1])
try:
    for resumed in (0, 2):
        log = MetricsLog(folder, resumed, build_writers("wandb", folder, "test/one"))
        for step in range(resumed + 1, 4):
            log.write(step, {"loss": 1 / step, "tokens": 100 * step})
        log.write(3, {"eval/loss": 0.5})
        log.close()
except LongPOError as error:
    sys.exit(f"{error.exit_code} {error.code}: {error.message}")
