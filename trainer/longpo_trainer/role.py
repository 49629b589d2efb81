"""Runs one role and turns what it raises into the pod's result and exit code."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable

from .environment import PodEnvironment, read_environment
from .errors import CONFIG, DONE, LongPOError
from .log import log
from .result import error_result, write_result


def _fetch(environment: PodEnvironment) -> dict[str, object]:
    from .fetch import fetch

    return fetch(environment)


def _train(environment: PodEnvironment) -> dict[str, object]:
    from .launch import launch

    return launch(environment)


def _verify(environment: PodEnvironment) -> dict[str, object]:
    from .verify import verify

    return verify(environment)


ROLES: dict[str, Callable[[PodEnvironment], dict[str, object]]] = {"fetch": _fetch, "train": _train, "verify": _verify}
"""Imported on demand: fetch and verify must not pay for torch."""


def run_role(name: str) -> int:
    environment = read_environment()
    try:
        if name not in ROLES:
            raise LongPOError(CONFIG, "ROLE_UNKNOWN", f"{name or 'no role'}: use one of {', '.join(ROLES)}.")
        result = ROLES[name](environment)
    except LongPOError as error:
        print(f"error[{error.code}]: {error.message}", file=sys.stderr, flush=True)
        write_result(environment.termination_log, error_result(error))
        return error.exit_code
    except Exception as error:  # a bug: the traceback is what helps
        traceback.print_exc()
        internal = LongPOError(1, "INTERNAL", f"{type(error).__name__}: {error}")
        write_result(environment.termination_log, error_result(internal))
        return 1
    write_result(environment.termination_log, {name: result})
    log("done", role=name)
    return DONE
