"""The launcher of longpo-train, with ranks on which strikes (strikes.py) fall; run by faults.py."""

import json
import sys

from longpo_trainer import launch, role
from longpo_trainer.environment import worker_rank
from strikes import Strike, arm


def run_rank(environment, config, folder: str, launcher: int) -> None:
    import longpo_trainer.train  # noqa: F401  what is struck must be there

    arm([Strike(**strike) for strike in json.loads(sys.argv[1])], worker_rank())
    launch.rank_main(environment, config, folder, launcher)


if __name__ == "__main__":
    role.ROLES["train"] = lambda environment: launch.launch(environment, run_rank)
    sys.exit(role.run_role("train"))
