"""python -m longpo_trainer ROLE: what trainer/bin/longpo-<role> starts."""

import sys

from .role import run_role

if __name__ == "__main__":
    sys.exit(run_role(sys.argv[1] if len(sys.argv) > 1 else ""))
