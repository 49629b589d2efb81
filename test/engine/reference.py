"""What transformers computes for a prompt: the yardstick of the engine's equality test.

Writes into --out: prompt.json (token ids), logits.f32 (one row of float32 for every prompt position) and
greedy.json (the ids that greedy decoding appends, end-of-text tokens included like any other).
"""

import argparse
import json
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True, help="Hugging Face model folder")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--text", help="file whose first tokens are the prompt")
    source.add_argument("--prompt-ids", help="the prompt itself, a JSON array of token ids")
    parser.add_argument("--prompt-tokens", type=int, default=1000, help="of --text")
    parser.add_argument("--new-tokens", type=int, default=64)
    parser.add_argument("--out", required=True, help="folder for the results")
    options = parser.parse_args()

    model = AutoModelForCausalLM.from_pretrained(options.model, dtype=torch.float32).eval()
    if options.prompt_ids:
        prompt = json.loads(options.prompt_ids)
    else:
        tokenizer = AutoTokenizer.from_pretrained(options.model)
        text = Path(options.text).read_text(encoding="utf-8")
        prompt = tokenizer(text).input_ids[: options.prompt_tokens]
        if len(prompt) < options.prompt_tokens:
            parser.error(f"--text has {len(prompt)} tokens, needs {options.prompt_tokens}")

    out = Path(options.out)
    with torch.inference_mode():
        step = model(torch.tensor([prompt]), use_cache=True)
        (out / "logits.f32").write_bytes(step.logits[0].numpy().tobytes())
        greedy = []
        while len(greedy) < options.new_tokens:
            greedy.append(int(step.logits[0, -1].argmax()))
            step = model(
                torch.tensor([[greedy[-1]]]),
                past_key_values=step.past_key_values,
                use_cache=True,
            )
    (out / "prompt.json").write_text(json.dumps(prompt))
    (out / "greedy.json").write_text(json.dumps(greedy))


if __name__ == "__main__":
    main()
