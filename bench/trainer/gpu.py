"""Packed row against two rows on one GPU: tokens/s, peak memory, and the attention kernel that torch chose.

    python bench/trainer/gpu.py                                       # one 80 GB GPU; in the trainer image
    python bench/trainer/gpu.py --device cpu --length 256 --layers 2  # a smoke test: narrow, f32, no kernel judged

A model of Mistral-7B's width with random weights and fewer layers: 4 of 32, since weights, gradients and moments of all
32 would fill the card before a token. A layer's work and memory, which grow with the row, are whole. "Two rows" runs
the two sequences one after the other with the same code, which is kinder than a batch of both: one at a time works in a
layer. Exit code 1 where an attention call ran on another kernel than flash or cuDNN.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import workload  # isort: skip  (finds the trainer)

import torch
from longpo_trainer.activations import Activations
from longpo_trainer.architecture import read_config
from longpo_trainer.layout import CHOSEN, NLL, REJECTED, Branch, PackedRow, pack
from longpo_trainer.loss import longpo_loss
from longpo_trainer.micro_step import row_sums
from longpo_trainer.model import Policy, load_policy
from longpo_trainer.optimizer import build_optimizer, clip_to_norm, set_learning_rate
from longpo_trainer.process_group import World, joined_world
from longpo_trainer.ulysses import packed_attention
from rounds import peak_bytes
from torch.profiler import ProfilerActivity, profile
from transformers import AutoModelForCausalLM, MistralConfig

ANSWER_SHARE = 32
GOOD = ("flash", "cudnn")
CALLS = ("prompt + chosen", "rejected")
SMOKE_WIDTH_SHARE = 16


def save_random_model(folder: Path, layers: int, share: int) -> None:
    """Mistral-7B's shape, ``share`` times narrower."""
    config = MistralConfig(
        vocab_size=32_000 // share,
        hidden_size=4096 // share,
        intermediate_size=14_336 // share,
        num_hidden_layers=layers,
        num_attention_heads=32,
        num_key_value_heads=8,
        head_dim=128 // share,
        max_position_embeddings=1 << 20,
        rope_theta=1e7,
        sliding_window=None,
        tie_word_embeddings=False,
    )
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16).save_pretrained(folder)


class Steps:
    """Optimizer steps on one pair, as one packed row or as two rows."""

    def __init__(self, policy: Policy, world: World, length: int) -> None:
        self._policy, self._world = policy, world
        self._optimizer = build_optimizer(policy, "rmsprop", 0.0)
        set_learning_rate(self._optimizer, workload.LEARNING_RATE)
        pair = workload.random_pair(length - length // ANSWER_SHARE, length // ANSWER_SHARE)
        chosen, rejected, empty = (workload.branch(ids) for ids in (pair.chosen, pair.rejected, pair.chosen[:0]))
        self.packed = [pack(pair.prompt, chosen, rejected)]
        self.two_rows = [pack(pair.prompt, chosen, empty), _rejected_alone(pair.prompt, rejected)]

    def run(self, rows: list[PackedRow]) -> None:
        sums = sum(row_sums(self._policy, row, self._world) for row in rows)
        reference = torch.zeros(1, 2, device=sums.device)
        loss, _ = longpo_loss(sums, rows[0].nll_tokens, reference, workload.BETA, workload.LAMBDA)
        loss.backward()
        clip_to_norm(self._policy.parameters(), workload.MAX_NORM)
        self._optimizer.step()
        self._optimizer.zero_grad()


def _rejected_alone(prompt: torch.Tensor, rejected: Branch) -> PackedRow:
    """A trunk whose answer counts as the rejected one, and without the NLL of the prompt, which the other row has."""
    row = pack(prompt, rejected, Branch(rejected.ids[:0], rejected.written[:0])).without_nll()
    return replace(row, weights=row.weights[:, [REJECTED, CHOSEN, NLL]])


def measure(steps: Steps, rows: list[PackedRow], rounds: int, device: torch.device) -> tuple[list[float], float]:
    """Seconds of each round after a first that warms up, and the peak in GiB; on a CPU that of the process so far."""
    seconds = []
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    for _ in range(rounds + 1):
        _wait(device)
        started = time.monotonic()
        steps.run(rows)
        _wait(device)
        seconds.append(time.monotonic() - started)
    peak = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else peak_bytes()
    return seconds[1:], peak / 2**30


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def attention_kernels(row: PackedRow, heads: tuple[int, int, int], device: torch.device) -> dict[str, str]:
    """The operator that each of the two calls of packed_attention ended in, by the profiler."""
    queries, key_values, size = heads
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    tokens = sum(row.branches)
    draw = lambda n: torch.randn(n, tokens, size, device=device, dtype=dtype, requires_grad=True)  # noqa: E731
    reads = tuple(head // (queries // key_values) for head in range(queries))
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if device.type == "cuda" else [])]
    with profile(activities=activities, record_shapes=True) as profiler:
        output = packed_attention(draw(queries), draw(key_values), draw(key_values), row.branches, reads)
        output.sum().backward()
    lengths = dict(zip(CALLS, (sum(row.branches[:2]), row.branches[2]), strict=True))
    return {call: _kernel(profiler.events(), length) for call, length in lengths.items()}


def _kernel(events: list, queries: int) -> str:
    """The innermost attention operator of a forward call with so many queries ([batch, heads, queries, size])."""
    found = [
        event.name.removeprefix("aten::_")
        for event in events
        if "attention" in event.name
        and event.name.startswith("aten::_")
        and "backward" not in event.name
        and event.input_shapes
        and len(event.input_shapes[0]) == 4
        and queries in event.input_shapes[0][1:3]
    ]
    return found[0] if found else "none seen"


def verdict(kernels: dict[str, str], device: torch.device) -> str:
    if device.type != "cuda":
        return "not judged on a CPU"
    wrong = [call for call, kernel in kernels.items() if not any(good in kernel for good in GOOD)]
    return f"WRONG for {', '.join(wrong)}" if wrong else "flash or cuDNN"


def attempt(work: Callable[[], tuple[list[float], float]]) -> tuple[list[float], float] | None:
    """None where the card is too small."""
    try:
        return work()
    except torch.cuda.OutOfMemoryError:
        torch.cuda.empty_cache()
        return None


def report(steps: Steps, length: int, rounds: int, device: torch.device) -> None:
    results = {
        name: attempt(lambda rows=rows: measure(steps, rows, rounds, device))
        for name, rows in (("packed", steps.packed), ("two rows", steps.two_rows))
    }
    tokens = 2 * length
    middle = {}
    for name, result in results.items():
        if result is None:
            print(f"{length:>8}  {name:<8}  does not fit")
            continue
        seconds, peak = sorted(result[0]), result[1]
        middle[name] = seconds[len(seconds) // 2]
        spread = f"{seconds[0]:.3f} to {seconds[-1]:.3f}"
        speed = tokens / middle[name]
        print(f"{length:>8}  {name:<8}  {middle[name]:>9.3f} s ({spread})  {speed:>10.0f} tokens/s  {peak:>7.2f} GiB")
    if len(middle) == 2:
        print(f"{length:>8}  packed is {middle['two rows'] / middle['packed']:.2f} x as fast")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--length", type=int, nargs="+", default=[32_768, 65_536, 131_072], help="tokens of a sequence")
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    if (options.device == "cuda") != torch.cuda.is_available():
        parser.error(f"--device {options.device}, but torch.cuda.is_available() is {torch.cuda.is_available()}")
    share = 1 if options.device == "cuda" else SMOKE_WIDTH_SHARE
    workload.be_only_rank(29_799)
    wrong = False
    with tempfile.TemporaryDirectory(prefix="longpo-gpu-") as name, joined_world(1, 1) as world:
        save_random_model(Path(name), options.layers, share)
        config = read_config(Path(name))
        dtype = "bf16" if options.device == "cuda" else "f32"
        policy = load_policy(Path(name), config, dtype, Activations(), world)
        where = torch.cuda.get_device_name() if options.device == "cuda" else "CPU, no figure for anybody"
        print(f"{where}, torch {torch.__version__}, {dtype}, {options.layers} of 32 layers, width 4096 / {share}")
        for length in options.length:
            steps = Steps(policy, world, length)
            heads = (config.num_attention_heads, config.num_key_value_heads, config.head_dim)
            kernels = attention_kernels(steps.packed[0], heads, world.device)
            judged = verdict(kernels, world.device)
            wrong = wrong or judged.startswith("WRONG")
            print(f"{length:>8}  attention: {', '.join(f'{c}: {k}' for c, k in kernels.items())} ({judged})")
            report(steps, length, options.rounds, world.device)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
