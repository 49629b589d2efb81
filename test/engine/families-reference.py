"""What transformers computes for many small models, in one process (its import takes longer than all of them).

Reads a JSON array of {model, prompt} from standard input. Writes into each model's folder: logits.f32 (one row of
float32 for every prompt position) and rope.json (the frequencies and the factor of cos and sin that were used).
"""

import json
import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM

for case in json.load(sys.stdin):
    folder = Path(case["model"])
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.inference_mode():
        logits = model(torch.tensor([case["prompt"]]), use_cache=False).logits[0]
    (folder / "logits.f32").write_bytes(logits.numpy().tobytes())
    rotary = model.model.rotary_emb
    rope = {"inverse": rotary.inv_freq.tolist(), "attentionFactor": rotary.attention_scaling}
    (folder / "rope.json").write_text(json.dumps(rope))
