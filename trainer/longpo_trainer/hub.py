"""Downloads from a Hugging Face hub: a model's folder appears on the volume whole, or not at all."""

from __future__ import annotations

import errno
import fcntl
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from .errors import CONFIG, TRY_AGAIN, LongPOError

URI = re.compile(r"^hf://(?P<repository>[\w.-]+/[\w.-]+)(?:@(?P<revision>.+))?$")
PATTERNS = ["*.json", "*.safetensors", "*.jinja", "*.txt", "tokenizer.model"]
BYTES_BAR = "huggingface_hub.snapshot_download"
"""The library's own name for the bar that counts bytes on the disk."""

OnProgress = Callable[[float, float], None]


@dataclass(frozen=True)
class HubModel:
    repository: str
    revision: str

    def __str__(self) -> str:
        return f"hf://{self.repository}@{self.revision}"


def parse_hub_uri(uri: str) -> HubModel | None:
    """None for what is a folder."""
    if not uri.startswith("hf://"):
        return None
    found = URI.match(uri)
    if found is None:
        raise LongPOError(CONFIG, "URI_INVALID", f"{uri}: write hf://org/name or hf://org/name@revision.")
    return HubModel(found["repository"], found["revision"] or "main")


def download(model: HubModel, folder: Path, token: str | None, is_whole: Callable[[], bool], on: OnProgress) -> None:
    """Leaves a whole folder as it is; puts the model in the place of one that is missing or damaged."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _alone(folder.with_name(f"{folder.name}.lock")):
        if is_whole():
            return
        # One name, not one a pod: what an interrupted download has fetched is where the next one looks for it.
        temporary = folder.with_name(f"{folder.name}.tmp")
        _fetch_snapshot(model, temporary, token, on)
        shutil.rmtree(temporary / ".cache", ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)
        temporary.rename(folder)


def _fetch_snapshot(model: HubModel, folder: Path, token: str | None, on_progress: OnProgress) -> None:
    from httpx2 import HTTPError
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError

    try:
        snapshot_download(
            model.repository,
            revision=model.revision,
            local_dir=folder,
            allow_patterns=PATTERNS,
            ignore_patterns=["*/*"],  # other formats of the same weights
            token=token,
            tqdm_class=_progress_bar(on_progress),
        )
    except HFValidationError as error:
        raise LongPOError(CONFIG, "URI_INVALID", f"{model}: {error}") from error
    except (OSError, HTTPError) as error:
        raise _hub_error(model, error) from error


def _hub_error(model: HubModel, error: Exception) -> LongPOError:
    if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
        return LongPOError(CONFIG, "VOLUME_FULL", f"{model}: {error}; make room on the volume.")
    status = _status(error)
    text = " ".join(str(error).split())
    if status in (401, 403):
        return LongPOError(
            CONFIG,
            "HUB_UNAUTHORIZED",
            f"{model}: the hub says {status}: there is no such repository, or HF_TOKEN is missing or may not read it.",
        )
    if status == 404:
        return LongPOError(CONFIG, "MODEL_NOT_FOUND", f"{model}: the hub has no such repository or revision.")
    return LongPOError(TRY_AGAIN, "HUB_UNREACHABLE", f"{model}: {text}; started again, the download goes on.")


def _status(error: BaseException | None) -> int | None:
    """The library wraps some answers of the hub in an error about its local cache."""
    while error is not None:
        response = getattr(error, "response", None)
        if response is not None:
            return response.status_code
        error = error.__cause__
    return None


def _progress_bar(on_progress: OnProgress) -> type:
    """A bar that shows nothing and tells how many bytes are on the disk, of how many."""
    from huggingface_hub.utils import tqdm

    class Bar(tqdm):
        def __init__(self, *arguments: object, **options: object) -> None:
            self._is_bytes = options.get("name") == BYTES_BAR
            super().__init__(*arguments, **options | {"disable": True})

        def update(self, n: float | None = 1) -> None:
            if self._is_bytes:
                self.n += n or 0
                on_progress(self.n, self.total or 0)

    return Bar


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Two trainings on one model download it once; the lock goes with its process, however that ends."""
    with open(path, "w") as file:
        with suppress(OSError):  # a volume without locks: the worst is a second download
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
