"""The states of the random number generators of one rank: a checkpoint holds them, a resumed run goes on with them.

No step draws from them today: the order of the rows comes from the seed, and no layer has dropout. They are kept so
that a step which does one day still resumes to the same bytes.
"""

from __future__ import annotations

import random

import numpy as np
import torch


def seed_generators(seed: int) -> None:
    """All generators of this process, so that two runs of one config draw the same."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def generator_states(device: torch.device) -> dict[str, object]:
    """Of torch on the CPU and on this rank's card, of numpy and of Python."""
    states: dict[str, object] = {
        "torch": torch.get_rng_state(),
        "numpy": np.random.get_state(),
        "python": random.getstate(),
    }
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    return states


def set_generator_states(states: dict[str, object], device: torch.device) -> None:
    torch.set_rng_state(states["torch"])
    np.random.set_state(states["numpy"])
    random.setstate(states["python"])
    if device.type == "cuda":
        torch.cuda.set_rng_state(states["cuda"], device)
