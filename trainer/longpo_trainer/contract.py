"""Validation by the schemas that are generated from api/: the one door for configs, rows, manifests and reports."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path

import fastjsonschema

CONTRACT = Path(__file__).resolve().parent.parent / "contract"


@cache
def validator(name: str) -> Callable[[object], object]:
    """Validates by `<name>.schema.json`, fills its defaults, and raises fastjsonschema's error for what it refuses."""
    schema = json.loads((CONTRACT / f"{name}.schema.json").read_text())
    return fastjsonschema.compile(schema, use_default=True)
