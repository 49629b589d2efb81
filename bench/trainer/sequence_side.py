"""One pair over SP ranks that share the machine's cores; the work of all ranks together is always the same.

Usage: python sequence_side.py MODEL PROMPT ANSWER DEGREE PORT. Each rank is a process with its share of the threads.
A round is one optimizer step. Beside its seconds: the seconds that rank 0 spent in all-to-alls, waiting for the others
included, and the bytes that it sent in them.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from pathlib import Path

import workload  # isort: skip  (finds the trainer)

import torch
import torch.distributed as dist
from longpo_trainer.process_group import joined_world
from packed_side import PackedSteps, packed_steps
from rounds import Rounds, seconds_of


class ExchangeClock:
    """Seconds inside all_to_all_single: gloo returns when the exchange is done."""

    def __init__(self) -> None:
        self.seconds = 0.0
        exchange = dist.all_to_all_single

        def timed(*arguments: object, **options: object) -> object:
            started = time.monotonic()
            try:
                return exchange(*arguments, **options)
            finally:
                self.seconds += time.monotonic() - started

        dist.all_to_all_single = timed


def lead(steps: PackedSteps, clock: ExchangeClock, rounds: Rounds) -> None:
    """Rank 0: takes the others along into each round, until stdin ends."""
    rounds.ready(threads=torch.get_num_threads())
    for _ in rounds:
        begin(True)
        clock.seconds, cpu = 0.0, time.process_time()
        steps.policy.traffic.take()
        seconds = {"step": seconds_of(steps.step)}
        mine = time.process_time() - cpu
        everyone = torch.tensor(mine, dtype=torch.float64)
        dist.all_reduce(everyone)
        sent = steps.policy.traffic.take()
        rounds.answer(seconds, everyone.item(), exchangeSeconds=clock.seconds, sentBytes=sent)
    begin(False)


def follow(steps: PackedSteps) -> None:
    while begin(False):
        cpu = time.process_time()
        steps.step()
        dist.all_reduce(torch.tensor(time.process_time() - cpu, dtype=torch.float64))


def begin(value: bool) -> bool:
    """Rank 0's value, on every rank."""
    flag = torch.tensor(int(value))
    dist.broadcast(flag, src=0)
    return bool(flag)


def run_rank(rank: int, model: str, prompt: int, answer: int, degree: int, port: int) -> None:
    workload.be_rank(rank, degree, port)
    torch.set_num_threads(max(1, len(os.sched_getaffinity(0)) // degree))
    rounds = Rounds() if rank == 0 else None
    clock = ExchangeClock()
    with joined_world(degree, 1) as world:
        steps = packed_steps(Path(model), workload.random_pair(prompt, answer), "longpo", world)
        if rounds is None:
            follow(steps)
        else:
            lead(steps, clock, rounds)


def main(model: str, *numbers: str) -> None:
    prompt, answer, degree, port = map(int, numbers)
    context = multiprocessing.get_context("spawn")
    ranks = [
        context.Process(target=run_rank, args=(rank, model, prompt, answer, degree, port)) for rank in range(1, degree)
    ]
    for process in ranks:
        process.start()
    run_rank(0, model, prompt, answer, degree, port)
    for process in ranks:
        process.join()


if __name__ == "__main__":
    main(*sys.argv[1:])
