"""Faults at an exact place of a rank: when a function is called for the n-th time, before it does anything.

The function itself is left as it is. A strike is what the world does to a process: a signal, a file size that the
kernel no longer grants, or a value that memory got wrong.
"""

import os
import resource
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pkgutil import resolve_name


@dataclass(frozen=True)
class Strike:
    rank: int
    place: str
    """module:function or module:Class.method, where its caller looks it up."""
    call: int
    """From 1 on."""
    action: str
    """kill | stop | nan | file-limit"""
    last_call: int | None = None
    """For nan and file-limit, which last: the same call where it is not given."""


def arm(strikes: list[Strike], rank: int) -> None:
    for strike in strikes:
        if strike.rank == rank:
            _arm(strike)


def _arm(strike: Strike) -> None:
    module, _, path = strike.place.partition(":")
    owner = resolve_name(f"{module}:{path.rpartition('.')[0]}") if "." in path else resolve_name(module)
    name = path.rpartition(".")[2]
    original = getattr(owner, name)
    calls = 0

    def struck(*arguments: object, **named: object) -> object:
        nonlocal calls
        calls += 1
        if strike.call <= calls <= (strike.last_call or strike.call):
            return ACTIONS[strike.action](lambda: original(*arguments, **named))
        return original(*arguments, **named)

    setattr(owner, name, struck)


def _signal(number: int) -> Callable[[Callable[[], object]], object]:
    def act(call: Callable[[], object]) -> object:
        os.kill(os.getpid(), number)
        return call()

    return act


def _nan(call: Callable[[], object]) -> object:
    return call() * float("nan")


def _file_limit(call: Callable[[], object]) -> object:
    """The kernel refuses to let a file grow (EFBIG), as it does on a full disk (ENOSPC). Python
    ignores the signal that comes with it."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        return call()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


ACTIONS = {"kill": _signal(signal.SIGKILL), "stop": _signal(signal.SIGSTOP), "nan": _nan, "file-limit": _file_limit}
