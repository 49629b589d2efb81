"""Errors that a user can mend: a stable code, one clear message, and the exit code that says what a retry would do."""

from __future__ import annotations

DONE = 0
FAILED = 1
CONFIG = 2
DOES_NOT_FIT = 3
MISMATCH = 4
NON_FINITE_LOSS = 70
TRY_AGAIN = 75
"""Exit codes of the pod contract (api/src/pod-contract/exit-code.ts)."""


class LongPOError(Exception):
    def __init__(self, exit_code: int, code: str, message: str) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.code = code
        self.message = message
