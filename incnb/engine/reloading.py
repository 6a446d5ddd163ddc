"""Modules that `%autoreload` would load again before the next cell, because their files changed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any


def would_be_reloaded(shell: Any) -> set[str]:
    """Their names; empty where autoreload is not at work."""
    registry = getattr(getattr(shell, "magics_manager", None), "registry", {})
    reloader = getattr(registry.get("AutoreloadMagics"), "_reloader", None)
    if not getattr(reloader, "enabled", False):
        return set()
    found = set()
    for name, seen in dict(getattr(reloader, "modules_mtimes", {})).items():
        file = getattr(sys.modules.get(name), "__file__", None)
        try:
            if isinstance(file, str) and file.endswith(".py") and Path(file).stat().st_mtime > seen:
                found.add(name)
        except OSError:
            continue
    return found
