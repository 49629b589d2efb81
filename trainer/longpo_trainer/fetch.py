"""longpo-fetch: puts the model on the volume, checks it whole, and tells its digest and shape."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from .config import load_fetch_config
from .environment import PodEnvironment
from .errors import CONFIG, LongPOError
from .hub import download, parse_hub_uri
from .log import log
from .manifest import MANIFEST, model_digest, model_files, verify_folder
from .model_folder import check_model_folder
from .report import Reporter


def fetch(environment: PodEnvironment) -> dict[str, object]:
    config = load_fetch_config(environment)
    model = parse_hub_uri(config.uri)
    with closing(Reporter(environment, "fetch", "", 1)) as reporter:
        if model is None:
            folder = _local_folder(environment, config.uri)
        else:
            folder = config.destination

            def on_progress(done: float, total: float) -> None:
                reporter.progress("fetch", done, total, "bytes")

            download(model, folder, environment.hf_token, lambda: _is_whole(folder), on_progress)
        facts = check_model_folder(folder)
        digest = _digest(folder, reporter)
    log("model checked", role="fetch", path=str(folder), digest=digest)
    return {"path": environment.relative(folder), "digest": digest, "model": facts}


def _local_folder(environment: PodEnvironment, uri: str) -> Path:
    if "://" in uri and not uri.startswith("pvc://"):
        raise LongPOError(
            CONFIG,
            "URI_INVALID",
            f"{uri}: write hf://org/name[@revision], pvc://<claim>/<path> or an absolute path.",
        )
    return environment.resolve(uri)


def _is_whole(folder: Path) -> bool:
    if not folder.is_dir():
        return False
    try:
        check_model_folder(folder)
    except LongPOError as error:
        # A model that we do not support would come down the same a second time.
        return error.code == "MODEL_UNSUPPORTED"
    return True


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
