"""Removes what nothing needs any more once a later checkpoint is known to be whole."""

from __future__ import annotations

import shutil
from pathlib import Path

from .errors import CONFIG, LongPOError
from .log import log

REMOVABLE = ("master", "steps")
"""Of a stage's folder; its data and its published checkpoint stay."""


def remove_folders(folders: list[Path], training_folder: Path) -> None:
    """Deletes each folder; one that is gone already is fine.

    Raises LongPOError (exit 2) for a folder that is not ``<training_folder>/<stage>/{master,steps}``, links followed.
    """
    root = training_folder.resolve()
    for folder in folders:
        path = folder.resolve()
        if path.parent.parent != root or path.name not in REMOVABLE:
            raise LongPOError(
                CONFIG,
                "CONFIG_INVALID",
                f"LONGPO_CONFIG, remove: {folder} is not {training_folder}/<stage>/{{{','.join(REMOVABLE)}}}.",
            )
    for folder in folders:
        if folder.exists():
            shutil.rmtree(folder)
            log("removed", role="verify", path=str(folder))
