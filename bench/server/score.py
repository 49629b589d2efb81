"""Scores token ids with transformers in f32 on the CPU.

Usage: python score.py FOLDER < ids.json: a JSON array of ids in; out, a JSON object with, for every id but the first,
its log-probability and the id that was most likely in its place.
"""

import json
import sys

import torch
from transformers import AutoModelForCausalLM

ids = torch.tensor([json.load(sys.stdin)])
model = AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype=torch.float32)
with torch.no_grad():
    logprobs = model(ids).logits[0, :-1].log_softmax(-1)
chosen = logprobs.gather(1, ids[0, 1:, None])[:, 0]
json.dump({"logprobs": chosen.tolist(), "top": logprobs.argmax(-1).tolist()}, sys.stdout)
