"""Torch on one thread: small models gain nothing from more, sums keep their order, and ranks can be forked."""

import os
import sys
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"
sys.path.insert(0, str(Path(__file__).parent))

import torch

torch.set_num_threads(1)
