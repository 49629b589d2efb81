"""Torch on one thread: small models gain nothing from more, sums keep their order, and ranks can be forked."""

import os

os.environ["OMP_NUM_THREADS"] = "1"

import torch

torch.set_num_threads(1)
