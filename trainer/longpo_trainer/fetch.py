"""longpo-fetch: puts the model on the volume, checks it whole, and tells its digest and shape."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from .config import load_fetch_config
from .environment import PodEnvironment
from .errors import CONFIG, TRY_AGAIN, LongPOError
from .log import log
from .manifest import MANIFEST, model_digest, model_files, verify_folder
from .model_folder import check_model_folder
from .report import Reporter

HUB = re.compile(r"^hf://(?P<repository>[^/]+/[^@]+)(?:@(?P<revision>.+))?$")
PATTERNS = ["*.json", "*.safetensors", "*.jinja", "*.txt", "tokenizer.model"]


def fetch(environment: PodEnvironment) -> dict[str, object]:
    config = load_fetch_config(environment)
    hub = HUB.match(config.uri)
    if hub:
        folder = config.destination
        _download(hub["repository"], hub["revision"], folder, environment.hf_token)
    else:
        folder = environment.resolve(config.uri)
    facts = check_model_folder(folder)
    reporter = Reporter(environment, "fetch", "", 1)
    digest = _digest(folder, reporter)
    reporter.close()
    log("model checked", path=str(folder), digest=digest)
    return {"path": environment.relative(folder), "digest": digest, "model": facts}


def _digest(folder: Path, reporter: Reporter) -> str:
    total = sum(path.stat().st_size for path in model_files(folder))
    done = 0

    def on_bytes(count: int) -> None:
        nonlocal done
        done += count
        reporter.progress("fetch", done, total, "bytes")

    if (folder / MANIFEST).is_file():
        return verify_folder(folder, on_bytes)["digest"]
    return model_digest(folder, on_bytes)


def _download(repository: str, revision: str | None, folder: Path, token: str | None) -> None:
    """The folder appears whole, under the name of its revision, or not at all."""
    if folder.is_dir():
        return
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    temporary = folder.with_name(f"{folder.name}.tmp-{os.getpid()}")
    temporary.parent.mkdir(parents=True, exist_ok=True)
    named = f"hf://{repository}@{revision or 'main'}"
    try:
        snapshot_download(repository, revision=revision, local_dir=temporary, allow_patterns=PATTERNS, token=token)
        shutil.rmtree(temporary / ".cache", ignore_errors=True)
        os.rename(temporary, folder)
    except GatedRepoError as error:
        raise LongPOError(CONFIG, "HUB_UNAUTHORIZED", f"{named}: access is gated; set HF_TOKEN.") from error
    except (RepositoryNotFoundError, RevisionNotFoundError) as error:
        raise LongPOError(
            CONFIG, "MODEL_NOT_FOUND", f"{named}: no such repository or revision, or HF_TOKEN may not read it."
        ) from error
    except OSError as error:  # requests' and httpx' connection errors too, as huggingface_hub raises them
        raise LongPOError(TRY_AGAIN, "HUB_UNREACHABLE", f"{named}: {error}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
