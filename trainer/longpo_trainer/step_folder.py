"""The disk side of step checkpoints: ``step-000010`` appears in one rename, with its manifest inside.

The manifest has a SHA-256 of every file, so a folder of that name is whole unless its bytes were changed later, and
then the digests tell. What is being written is ``step-000010.tmp``; what was found damaged ``step-000010.damaged-1``.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path

from .manifest import file_sha256
from .whole_file import sync_to_disk

MANIFEST_FILE = "longpo-step.json"
MANIFEST_FIELDS = {"step", "fingerprint", "world", "metrics", "files"}


def step_name(step: int) -> str:
    return f"step-{step:06d}"


def newest(steps: Path) -> str | None:
    return max(_names(steps), default=None)


def make_empty(folder: Path) -> str:
    """The folder, with nothing in it; gives what stood in the way, empty for nothing."""
    try:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    except OSError as error:
        return str(error)
    return ""


def remove_half_written(steps: Path) -> None:
    """What a run left that was killed while it wrote: never whole, and as large as a checkpoint."""
    for folder in steps.glob("step-*.tmp"):
        shutil.rmtree(folder, ignore_errors=True)


def publish(temporary: Path, manifest: dict, kept: int) -> None:
    """Renames a folder whose files are all written; then removes all but the newest ``kept``."""
    final = temporary.with_suffix("")
    for name in manifest["files"]:
        sync_to_disk(temporary / name)
    (temporary / MANIFEST_FILE).write_text(json.dumps(manifest, indent=2))
    sync_to_disk(temporary / MANIFEST_FILE)
    sync_to_disk(temporary)
    if final.exists():
        shutil.rmtree(final)
    temporary.rename(final)
    sync_to_disk(final.parent)
    # The newest is there before the oldest goes: one may be found damaged.
    for old in sorted(_names(final.parent))[:-kept]:
        shutil.rmtree(final.parent / old)


def read_step_manifest(folder: Path) -> dict | None:
    """None where it is missing or is not one."""
    try:
        manifest = json.loads((folder / MANIFEST_FILE).read_text())
        return manifest if manifest.keys() >= MANIFEST_FIELDS else None
    except (OSError, ValueError, AttributeError):
        return None


def set_aside(folder: Path) -> None:
    """Keeps a damaged checkpoint for inspection, under a name that nothing resumes from."""
    number = 1
    while (aside := folder.with_name(f"{folder.name}.damaged-{number}")).exists():
        number += 1
    folder.rename(aside)
    print(f"{folder} is damaged (kept as {aside.name}); resuming from the step checkpoint before it.", file=sys.stderr)


def file_names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir() if entry.name != MANIFEST_FILE)


def file_names_of(folder: Path, rank: int) -> list[str]:
    """Those that this rank wrote, by torch's names (``__0_0.distcp``); its metadata is rank 0's."""
    names = [name for name in file_names(folder) if name.startswith(f"__{rank}_")]
    return [".metadata", *names] if rank == 0 else names


def digests(folder: Path, names: list[str]) -> dict[str, str]:
    """SHA-256 of each file."""
    return {name: file_sha256(folder / name) for name in names}


def _names(steps: Path) -> list[str]:
    if not steps.is_dir():
        return []
    return [entry.name for entry in steps.iterdir() if re.fullmatch(r"step-\d{6,}", entry.name)]
