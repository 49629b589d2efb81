"""Runs one role and turns what it raises into the pod's result and exit code."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from .environment import PodEnvironment, read_environment, read_termination_log
from .errors import CONFIG, DONE, TRY_AGAIN, LongPOError
from .log import log
from .result import error_result, write_result

Result = dict[str, object] | None
"""None where another pod of the gang has the result."""


def _fetch(environment: PodEnvironment) -> Result:
    from .fetch import fetch

    return fetch(environment)


def _train(environment: PodEnvironment) -> Result:
    from .launch import launch

    return launch(environment)


def _verify(environment: PodEnvironment) -> Result:
    from .verify import verify

    return verify(environment)


ROLES: dict[str, Callable[[PodEnvironment], Result]] = {"fetch": _fetch, "train": _train, "verify": _verify}
"""Imported on demand: fetch and verify must not pay for torch."""


def run_role(name: str) -> int:
    termination_log = read_termination_log()
    _end_on_signals(termination_log)
    try:
        if name not in ROLES:
            raise LongPOError(CONFIG, "ROLE_UNKNOWN", f"{name or 'no role'}: use one of {', '.join(ROLES)}.")
        result = ROLES[name](read_environment())
        if result is not None:
            write_result(termination_log, {name: result})
    except LongPOError as error:
        return _failed(termination_log, error)
    except Exception as error:  # a bug: the traceback is what helps
        traceback.print_exc()
        return _failed(termination_log, LongPOError(1, "INTERNAL", f"{type(error).__name__}: {error}"))
    log("done", role=name)
    return DONE


def _failed(termination_log: Path | None, error: LongPOError) -> int:
    """To stderr by a plain write: a signal may have come in the middle of a print."""
    os.write(sys.stderr.fileno(), f"error[{error.code}]: {error.message}\n".encode("utf-8", "replace"))
    try:
        write_result(termination_log, error_result(error))
    except LongPOError as second:
        os.write(sys.stderr.fileno(), f"error[{second.code}]: {second.message}\n".encode("utf-8", "replace"))
    return error.exit_code


def _end_on_signals(termination_log: Path | None) -> None:
    """Until the launcher has ranks to tell, a role ends at once: what it leaves on disk can be taken up again."""

    def end(_number: int, _frame: object) -> None:
        stopped = LongPOError(TRY_AGAIN, "PREEMPTED", "stopped from outside; start again to go on.")
        os._exit(_failed(termination_log, stopped))

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
