"""Kind `package`: the distribution that a library module belongs to, as version and digest of its RECORD.

The locator is the name of the top-level module and the fingerprint that of its distribution. It is read once per
session, at first sight, since the modules in memory do not change when the files below them do. A library without a
distribution is the content of its own files.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import sys
from functools import lru_cache
from pathlib import Path

import xxhash

from incnb.dependencies.bindings import Resolved
from incnb.model import Kind


def resolve(top: str) -> Resolved:
    """The version and fingerprint of the distribution of the top-level module `top`."""
    version, fp, _ = _distribution(top)
    return Resolved(Kind.PACKAGE, fp or None, "" if fp else "not installed", version)


def record(top: str) -> str:
    """The file that tells what is in the distribution of a top-level module; empty where there is none."""
    return _distribution(top)[2]


@lru_cache(None)
def _distribution(top: str) -> tuple[str, str, str]:
    folder = _folder(top)
    if folder is None:
        return "", "", ""
    found = _guess(top, folder) or _search(top, folder)
    if found is not None:
        record = found.read_text("RECORD") or found.read_text("SOURCES.txt") or ""
        version = f"{found.metadata['Name']} {found.version}"
        path = Path(getattr(found, "_path", ""), "RECORD")
        fp = xxhash.xxh3_128(f"{version}\n{record}".encode()).hexdigest()
        return version, fp, str(path) if path.is_file() else ""
    digest = xxhash.xxh3_128(top.encode())
    root = folder / top
    files = sorted(root.rglob("*.py")) if root.is_dir() else [folder / f"{top}.py"]
    for file in files[:2000]:
        if file.is_file():
            digest.update(file.read_bytes())
    return top, digest.hexdigest(), ""


def _folder(top: str) -> Path | None:
    """The folder on `sys.path` that holds the module, loaded or not."""
    module = sys.modules.get(top)
    file = getattr(module, "__file__", None)
    if file is None:
        try:
            spec = importlib.util.find_spec(top)
        except (ImportError, ValueError, AttributeError):
            return None
        if spec is None:
            return None
        file = spec.origin
        if file is None or not Path(file).exists():
            locations = list(spec.submodule_search_locations or ())
            return Path(locations[0]).parent if locations else None
    path = Path(file)
    return path.parent.parent if path.name.startswith("__init__.") else path.parent


def _guess(top: str, folder: Path) -> importlib.metadata.Distribution | None:
    for found in importlib.metadata.distributions(name=top, path=[str(folder)]):
        if _holds(found, top):
            return found
    return None


def _search(top: str, folder: Path) -> importlib.metadata.Distribution | None:
    for found in importlib.metadata.distributions(path=[str(folder)]):
        if _holds(found, top):
            return found
    return None


def _holds(found: importlib.metadata.Distribution, top: str) -> bool:
    if top in (found.read_text("top_level.txt") or "").split():
        return True
    record = found.read_text("RECORD") or ""
    return record.startswith((f"{top}/", f"{top}.")) or f"\n{top}/" in record or f"\n{top}." in record
