"""Trainings in real processes, started by the launcher, that strikes hit."""

import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from longpo_trainer.config import TrainConfig
from strikes import Strike

TESTS = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Ended:
    code: int
    log: dict
    """The termination message."""
    output: str

    @property
    def error(self) -> str:
        return self.log["error"]["code"]


def run(config: TrainConfig, volume: Path, *strikes: Strike) -> Ended:
    """longpo-train, to its end."""
    log = volume / "termination-log"
    log.unlink(missing_ok=True)
    env = {
        **os.environ,
        "PYTHONPATH": f"{TESTS.parent}:{TESTS}",
        "LONGPO_VOLUME_ROOT": str(volume),
        "LONGPO_TERMINATION_LOG": str(log),
        "LONGPO_CONFIG": json.dumps(role_config(config, volume)),
    }
    arguments = json.dumps([asdict(strike) for strike in strikes])
    done = subprocess.run(
        [sys.executable, TESTS / "struck.py", arguments],
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
    )
    assert log.exists(), done.stdout
    return Ended(done.returncode, json.loads(log.read_text()), done.stdout)


def role_config(config: TrainConfig, volume: Path) -> dict[str, object]:
    """As the pod contract has it: camelCase, paths below the volume."""
    values = {}
    for name, value in asdict(config).items():
        first, *rest = name.rstrip("_").split("_")
        relative = str(value.relative_to(volume)) if isinstance(value, Path) else value
        values[first + "".join(word.capitalize() for word in rest)] = relative
    return values
