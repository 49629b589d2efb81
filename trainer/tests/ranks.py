"""Runs a function on several gloo ranks, as processes of the test, and gives what each returned."""

import multiprocessing
import os
import pickle
import socket
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection, wait

CONTEXT = multiprocessing.get_context("forkserver")
"""Ranks are forked from a server that has loaded torch and transformers but never ran them: autograd and gloo of a
process that did would hang in its children."""
CONTEXT.set_forkserver_preload(["torch", "transformers", "longpo_trainer.train"])

LAST_WORDS_SECONDS = 30
"""For the other ranks once one has failed: where rank 0, which hosts the store, is gone, a hang watch that is just
connecting to it holds its rank up for ten seconds."""


def run_ranks(size: int, work: Callable[..., object], *arguments: object) -> list[object]:
    """The values of rank 0, 1, ...; the first failure ends all ranks and is raised."""
    outcomes = run_ranks_to_outcomes(size, work, *arguments)
    failed = [error for error, _ in outcomes if error]
    if failed:
        raise AssertionError(failed[0])
    return [value for _, value in outcomes]


def run_ranks_to_outcomes(size: int, work: Callable[..., object], *arguments: object) -> list[tuple[str, object]]:
    """(traceback, value) of each rank, the traceback empty where it returned."""
    port = _free_port()
    pipes = [CONTEXT.Pipe(duplex=False) for _ in range(size)]
    processes = [
        CONTEXT.Process(target=_rank, args=(rank, size, port, pipes[rank][1], work, arguments)) for rank in range(size)
    ]
    for process in processes:
        process.start()
    for _, sender in pipes:
        sender.close()
    outcomes: dict[int, tuple[str, object]] = {}
    waiting = {receiver: rank for rank, (receiver, _) in enumerate(pipes)}
    while waiting:
        for receiver in wait(list(waiting)):
            rank = waiting.pop(receiver)
            outcomes[rank] = _receive(receiver, rank)
            if outcomes[rank][0]:
                for other in waiting.values():
                    processes[other].join(timeout=LAST_WORDS_SECONDS)
                    processes[other].kill()
    for process in processes:
        process.join()
    return [outcomes[rank] for rank in range(size)]


def _receive(receiver: Connection, rank: int) -> tuple[str, object]:
    try:
        return pickle.loads(receiver.recv_bytes())
    except EOFError:
        return f"rank {rank} ended without a word", None


def _rank(rank: int, size: int, port: int, sender: Connection, work: Callable[..., object], arguments: tuple) -> None:
    os.environ.update(
        RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(size), MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port)
    )
    try:
        outcome = ("", work(*arguments))
    except BaseException as error:
        code = getattr(error, "code", "")
        outcome = (f"{code}: {error}\n{traceback.format_exc()}", None)
    # Plain pickle: torch's would hand tensors over as open files of a process that has ended by then.
    sender.send_bytes(pickle.dumps(outcome))
    sender.close()
    os._exit(0)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
